//! `portcullis`: the whole gateway in one process, and every command around it.

mod cli;
mod commands;
mod engine;
mod lines;
mod nats;
mod turns;
mod up;

use portcullis_out as out;

fn main() -> std::process::ExitCode {
    cli::run()
}
