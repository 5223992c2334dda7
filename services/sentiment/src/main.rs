//! Sentiment as a process of its own.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::Work;
use portcullis_sentiment::Sentiment;

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig>("sentiment", async |kit, config| {
        let stage = Arc::new(Sentiment::new()?);
        portcullis_host::stage(&kit, &config, Work::Computes, stage).await
    })
}
