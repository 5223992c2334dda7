//! The command line: every command and its flags, and what becomes of errors.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands::{admin, audit, bench, check, eval, policy, scan, schema};
use crate::{out, up};

/// Guards AI bots: every message to a bot, and every answer of a bot, gets one verdict.
#[derive(Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the whole gateway in one process.
    Up(Up),
    /// Check one message here, without a server, and print its verdict.
    Check(check::Args),
    /// Check many messages here: JSON lines in, a verdict a line out, in order.
    Scan(scan::Args),
    /// Judge labelled messages here and print how well that went.
    Eval(eval::Args),
    /// Put load on a gateway and print its rate and latency.
    Bench(bench::Args),
    /// Search, export, verify or prove the record.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check, print or publish policy documents.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Make streams, users and keys; order, and resolve held messages.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Print the JSON Schemas of what goes over the wire.
    Schema(schema::Args),
}

/// What `up` can be told.
#[derive(Args, Debug, Clone)]
pub(crate) struct Up {
    /// Where the HTTP door listens; 127.0.0.1:8080 where the configuration says nothing else. On any
    /// address but loopback a key must be configured.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the record, its indexes and secrets are kept.
    #[arg(long, value_name = "DIR", default_value = "./portcullis-data")]
    pub(crate) data: PathBuf,
    /// A folder of policies, one <bot>.toml a bot; changes are taken while it runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) policy: Option<PathBuf>,
    /// A configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Put it on this NATS server instead of memory and files.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// Keep limits and conversations in this Redis server instead of memory.
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// Append each signed checkpoint of the record to this file: name one that whoever can write the data
    /// folder cannot change.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// How the watch over the record is set and what it may order by itself, as in
    /// deploy/config/anomaly.sample.toml (its sections nats, health and telemetry are not used here).
    #[arg(long, value_name = "FILE")]
    pub(crate) watch: Option<PathBuf>,
    /// Do not print where it listens and what to try.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    // A panic's payload may quote a message; its place does not.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        out::note(&format!("portcullis: a panic at {place}"));
    }));
    let done = match cli.command {
        Command::Up(args) => return up::run(&args),
        Command::Check(args) => check::run(args),
        Command::Scan(args) => scan::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Audit(command) => audit::run(command),
        Command::Policy(command) => policy::run(command),
        Command::Admin(command) => admin::run(command),
        Command::Schema(args) => schema::run(&args),
    };
    match done {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if error.is::<out::Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            out::note(&format!("portcullis: {error:#}"));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod documented_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
