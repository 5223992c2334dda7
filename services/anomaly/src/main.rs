//! The anomaly watch as a process of its own.

fn main() -> std::process::ExitCode {
    portcullis_service::run("anomaly", portcullis_anomaly::start::start)
}
