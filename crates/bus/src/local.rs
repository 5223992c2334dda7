//! Stages in this process: seats, a budget, and panics that stay where they happened.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use portcullis_core::{Ask, Report, Stage, StageName};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::{CallError, Caller};

/// Past this many bytes a text is looked at on a thread that serves nobody else meanwhile.
const LONG: usize = 16 * 1024;

/// A stage with a bounded number of seats: without a free one the answer is `busy` at once, a panic is
/// answered as `panicked`, and an answer after the budget as `late`. Both the in-process caller and the
/// serving loop on the bus seat their stages with this.
#[derive(Clone)]
pub struct Seats {
    stage: Arc<dyn Stage>,
    free: Arc<Semaphore>,
    seats: usize,
}

impl Seats {
    /// Gives `stage` a number of seats (at least one).
    pub fn new(stage: Arc<dyn Stage>, seats: usize) -> Self {
        let seats = seats.max(1);
        Self { stage, free: Arc::new(Semaphore::new(seats)), seats }
    }

    /// The stage that sits here.
    pub fn stage(&self) -> &Arc<dyn Stage> {
        &self.stage
    }

    /// Seats in all.
    pub fn total(&self) -> usize {
        self.seats
    }

    /// Seats free now.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Asks the stage, if a seat is free.
    pub async fn ask(&self, ask: &Ask) -> Result<Report, CallError> {
        let _seat = self.free.try_acquire().map_err(|_| CallError::Busy)?;
        if ask.budget.is_spent() {
            return Err(CallError::Late);
        }
        let check = AssertUnwindSafe(self.stage.check(ask)).catch_unwind();
        match tokio::time::timeout_at(ask.budget.deadline().into(), check).await {
            Err(_) => Err(CallError::Late),
            Ok(Err(_panic)) => Err(CallError::Panicked),
            Ok(Ok(Err(error))) => Err(error.into()),
            Ok(Ok(Ok(report))) => Ok(report),
        }
    }
}

/// Asks stages that live in this process.
#[derive(Default)]
pub struct Local(HashMap<StageName, Seats>);

impl Local {
    /// No stages yet: every ask is answered `absent`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stage.
    #[must_use]
    pub fn with(mut self, stage: Arc<dyn Stage>, seats: usize) -> Self {
        self.0.insert(stage.name(), Seats::new(stage, seats));
        self
    }

    /// The stages that live here.
    pub fn stages(&self) -> impl Iterator<Item = &Arc<dyn Stage>> {
        self.0.values().map(Seats::stage)
    }
}

#[async_trait]
impl Caller for Local {
    async fn call(&self, stage: &StageName, ask: &Ask) -> Result<Report, CallError> {
        let seats = self.0.get(stage).ok_or(CallError::Absent)?;
        let runtime = Handle::current();
        let many_threads = runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        if !many_threads || ask.total_bytes() <= LONG {
            return seats.ask(ask).await;
        }
        // Long work on the CPU must not keep short messages waiting behind it, nor the other asks of the task that
        // asks: a task of its own, whose texts are shared.
        let (seats, ask, span) = (seats.clone(), ask.clone(), tracing::Span::current());
        let looked = tokio::task::spawn_blocking(move || {
            runtime.block_on(async move { seats.ask(&ask).await }.instrument(span))
        });
        looked.await.unwrap_or(Err(CallError::Panicked))
    }
}
