//! Audit as a process of its own.

fn main() -> std::process::ExitCode {
    portcullis_service::run("audit", portcullis_audit::start::start)
}
