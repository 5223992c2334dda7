//! Ingress as a process of its own.

fn main() -> std::process::ExitCode {
    portcullis_service::run("ingress", portcullis_ingress::start::start)
}
