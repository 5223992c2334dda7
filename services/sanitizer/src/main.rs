//! The sanitizer as a process of its own.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::Work;
use portcullis_sanitizer::Sanitizer;

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig>("sanitizer", async |kit, config| {
        portcullis_host::stage(&kit, &config, Work::Computes, Arc::new(Sanitizer)).await
    })
}
