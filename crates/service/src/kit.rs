//! What a service holds of its process.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::{Health, Tasks};

/// Work to do when everything else has ended.
pub(crate) type Drain = (&'static str, Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>);

/// The process, as a service sees it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Kit {
    name: &'static str,
    health: Health,
    tasks: Tasks,
    shutdown: CancellationToken,
    metrics: Metrics,
    drains: Arc<Mutex<Vec<Drain>>>,
}

impl Kit {
    pub(crate) fn new(name: &'static str, metrics: Metrics) -> Self {
        let shutdown = CancellationToken::new();
        Self {
            name,
            health: Health::new(),
            tasks: Tasks::new(shutdown.clone()),
            shutdown,
            metrics,
            drains: Arc::default(),
        }
    }

    /// The name of the service.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the process is ready, by conditions.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The tasks of the process.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Cancelled when the process is to stop. Whoever takes work in stops doing so then; whoever wants the
    /// process to stop cancels it.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// The metrics of the process, in the text form that Prometheus reads.
    pub fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// The routes `/livez`, `/readyz` and `/metrics`, for a door that tells them beside its own.
    pub fn health_routes(&self) -> axum::Router {
        crate::door::routes(self.health.clone(), self.metrics.clone())
    }

    /// Leaves work for when every task has ended: flush and close what they used. What was left last runs
    /// first, since it may use what was there before it.
    pub fn on_drain(
        &self,
        name: &'static str,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.drains.lock().unwrap_or_else(PoisonError::into_inner).push((name, Box::pin(work)));
    }

    pub(crate) fn next_drain(&self) -> Option<Drain> {
        self.drains.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
