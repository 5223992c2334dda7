//! The injection classifier as a process of its own.

use std::sync::Arc;

use portcullis_config::StageConfig;
use portcullis_host::Work;
use portcullis_injection_classifier::ModelConfig;
use portcullis_model::Rten;

fn main() -> std::process::ExitCode {
    type Config = StageConfig<ModelConfig>;
    portcullis_service::run::<Config>("injection-classifier", async |kit, config| {
        let keeper = Arc::new(config.stage.keeper(vec![Arc::new(Rten)])?);
        let stage = keeper.classifier();
        portcullis_host::modelled(&kit, &config, Work::Computes, stage, keeper).await
    })
}
