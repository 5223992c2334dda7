//! A service without work: shows how a stage composes the kit, and lets the tests drive a whole process.

#![expect(clippy::panic, reason = "the tests want to see what becomes of a panic")]

use std::time::Duration;

use anyhow::bail;
use portcullis_config::{Secret, StageConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the probe is to do wrong.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Probe {
    /// Nothing, start-fails, start-hangs, start-panics, task-fails, task-panics or task-hangs.
    wrong: String,
    /// Something that must not be shown.
    key: Secret,
}

fn main() -> std::process::ExitCode {
    portcullis_service::run::<StageConfig<Probe>>("probe", async |kit, config| {
        let bus = kit.health().condition("bus");
        match config.stage.wrong.as_str() {
            "start-fails" => bail!("no bus"),
            "start-hangs" => std::future::pending::<()>().await,
            "start-panics" => panic!("{}", config.stage.key.expose()),
            _ => {}
        }
        for left in ["first left, last drained", "last left, first drained"] {
            kit.on_drain(left, async move {
                tracing::info!("{left}");
                Ok(())
            });
        }
        let shutdown = kit.shutdown().clone();
        kit.tasks().vital("serve", async move {
            match config.stage.wrong.as_str() {
                "task-fails" => bail!("bus lost"),
                "task-panics" => panic!("{}", config.stage.key.expose()),
                "task-hangs" => std::future::pending::<()>().await,
                _ => {}
            }
            shutdown.cancelled().await;
            // Work in flight: /readyz is 503 while it ends.
            tokio::time::sleep(Duration::from_millis(300)).await;
            tracing::info!("work in flight done");
            Ok(())
        });
        bus.met();
        Ok(())
    })
}
