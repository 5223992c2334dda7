//! Reads a configuration from its sources.

use std::path::Path;

use figment::Figment;
use figment::error::Kind;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::environment::{self, Environment};
use crate::error::category;
use crate::file::{self, File};
use crate::{ConfigError, Origin, schema};

/// What the name of every environment variable begins with.
pub const PREFIX: &str = "PORTCULLIS";

/// Reads a configuration: defaults ← `file` ← the environment of this process.
///
/// # Errors
/// [`ConfigError`], which names the source and the field but no value.
pub fn load<T: DeserializeOwned + JsonSchema>(file: Option<&Path>) -> Result<T, ConfigError> {
    load_from(
        file,
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

/// Reads a configuration: defaults ← `file` ← `variables`, of which those with another prefix are ignored.
///
/// # Errors
/// [`ConfigError`], which names the source and the field but no value.
pub fn load_from<T: DeserializeOwned + JsonSchema>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let schema = schema::schema::<T>();
    let file = file.map(File::read).transpose()?;
    let environment = Environment::new(variables, &schema);
    let mut sources = Figment::new();
    if let Some(file) = &file {
        sources = sources.merge(file);
    }
    sources
        .merge(&environment)
        .extract()
        .map_err(|error| locate(error, file.as_ref(), &environment))
}

/// Turns figment's error into one that names the place and quotes nothing.
fn locate(error: figment::Error, file: Option<&File>, environment: &Environment) -> ConfigError {
    let mut path = error.path.clone();
    let named = match &error.kind {
        Kind::UnknownField(name, _) => Some(name.as_str()),
        Kind::MissingField(name) => Some(name.as_ref()),
        _ => None,
    };
    if let Some(named) = named
        && path.last().map(String::as_str) != Some(named)
    {
        path.push(named.to_owned());
    }
    let source = error.metadata.as_ref().map(|metadata| metadata.name.as_ref());
    let variable = || environment.variable(&path).map(|name| Origin::Variable(name.to_owned()));
    let origin = match source {
        Some(environment::SOURCE) => variable(),
        Some(file::SOURCE) => file.map(|file| file.origin(&path)),
        _ => environment
            .sets(&path)
            .then(variable)
            .flatten()
            .or_else(|| file.map(|file| file.origin(&path))),
    };
    ConfigError::Field {
        origin: origin.unwrap_or(Origin::Defaults),
        field: path.join("."),
        category: category(error.kind),
    }
}
