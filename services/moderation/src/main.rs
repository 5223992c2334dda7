//! Moderation as a process of its own.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::Work;
use portcullis_moderation::Moderation;

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig>("moderation", async |kit, config| {
        portcullis_host::stage(&kit, &config, Work::Computes, Arc::new(Moderation)).await
    })
}
