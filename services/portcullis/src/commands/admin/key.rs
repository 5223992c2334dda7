//! `portcullis admin key`: a new API key. Only its hash goes into a configuration.

use std::process::ExitCode;

use portcullis_core::BotId;
use portcullis_ingress::auth::KeyHash;

use super::users::random_hex;
use crate::out;

/// What `admin key` can be told.
#[derive(clap::Args)]
#[group(id = "whose", required = true, multiple = false)]
pub(crate) struct Args {
    /// The bot that it is for.
    #[arg(long, group = "whose")]
    bot: Option<BotId>,
    /// It is for operators: orders and held messages, of every bot.
    #[arg(long, group = "whose")]
    operator: bool,
}

/// Makes a key of 256 random bits and prints it, and what the configuration needs of it.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let key = format!("pk_{}", random_hex(32)?);
    let hash = String::from(KeyHash::of(&key));
    let (place, lines) = match &args.bot {
        Some(bot) => ("below", format!("[[keys]]\nbot = \"{bot}\"\nsha256 = [\"{hash}\"]")),
        None => ("above every [table] of", format!("operator_keys = [\"{hash}\"]")),
    };
    out::print(&format!(
        "The key; it is shown this once and kept nowhere:\n\n  {key}\n\nPut these lines {place} \
         what the gateway's configuration has\n(a second hash in the same list lets two keys in, to change one \
         without a gap):\n\n{lines}"
    ))?;
    Ok(ExitCode::SUCCESS)
}
