//! Search as a process of its own.

fn main() -> std::process::ExitCode {
    portcullis_service::run("search", portcullis_search::start::start)
}
