//! The injection classifier as a process of its own.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::Work;
use portcullis_injection_classifier::InjectionClassifier;

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig>("injection-classifier", async |kit, config| {
        let stage = Arc::new(InjectionClassifier::new()?);
        portcullis_host::stage(&kit, &config, Work::Computes, stage).await
    })
}
