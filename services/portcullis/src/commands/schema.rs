//! `portcullis schema`: the published JSON Schemas of what goes over the wire.

use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::out;

/// What `schema` can be told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which one; absent: all, by name.
    name: Option<String>,
}

/// Prints one schema, or all.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let all = portcullis_core::schema::all();
    match &args.name {
        None => {
            let all: Map<String, Value> =
                all.into_iter().map(|(name, schema)| (name.to_owned(), schema.into())).collect();
            out::pretty(&all)?;
        }
        Some(wanted) => {
            let Some((_, schema)) = all.iter().find(|(name, _)| name == wanted) else {
                let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
                anyhow::bail!("there is no schema of that name; there are {}", names.join(", "));
            };
            out::pretty(schema)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
