//! `portcullis`: the whole gateway in one process, and every command around it.

mod cli;
mod commands;
mod engine;
mod lines;
mod nats;
mod out;
mod turns;
mod up;

fn main() -> std::process::ExitCode {
    cli::run()
}
