//! The port that asks a stage.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{Ask, Cause, Report, StageError, StageName};

/// Why there is no report. Each is a gap of the same name in the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nobody serves the stage. May be asked once more.
    #[error("nobody serves the stage")]
    Absent,
    /// No seat was free. May be asked once more.
    #[error("no seat free")]
    Busy,
    /// No answer within the budget. Never asked again.
    #[error("no answer within the budget")]
    Late,
    /// The stage panicked. Never asked again.
    #[error("the stage panicked")]
    Panicked,
    /// Something that the stage needs is away.
    #[error("a dependency of the stage is away")]
    Dependency,
    /// The question or the answer could not be read.
    #[error("question or answer unreadable")]
    Unreadable,
}

impl CallError {
    /// Whether one more try within the budget makes sense.
    pub fn may_retry(self) -> bool {
        matches!(self, Self::Busy | Self::Absent)
    }
}

impl From<CallError> for Cause {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Absent => Self::Absent,
            CallError::Busy => Self::Busy,
            CallError::Late => Self::Late,
            CallError::Panicked => Self::Panicked,
            CallError::Dependency => Self::Dependency,
            CallError::Unreadable => Self::Unreadable,
        }
    }
}

impl From<StageError> for CallError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Busy => Self::Busy,
            StageError::Late => Self::Late,
            StageError::Dependency(_) => Self::Dependency,
            StageError::Unreadable(_) => Self::Unreadable,
        }
    }
}

/// Asks a stage by name and returns its report, or says why there is none. It returns when the ask's
/// budget is spent at the latest, and makes no second try of its own.
#[async_trait]
pub trait Caller: Send + Sync + 'static {
    /// Asks `stage`.
    async fn call(&self, stage: &StageName, ask: &Ask) -> Result<Report, CallError>;
}

/// Chooses a caller by the stage's name: some stages in this process, the others elsewhere.
pub struct Mixed {
    by_name: HashMap<StageName, Arc<dyn Caller>>,
    others: Arc<dyn Caller>,
}

impl Mixed {
    /// Everything goes to `others` until a stage is given a caller of its own.
    pub fn new(others: Arc<dyn Caller>) -> Self {
        Self { by_name: HashMap::new(), others }
    }

    /// Sends asks for `stage` to `caller`.
    #[must_use]
    pub fn with(mut self, stage: StageName, caller: Arc<dyn Caller>) -> Self {
        self.by_name.insert(stage, caller);
        self
    }
}

#[async_trait]
impl Caller for Mixed {
    async fn call(&self, stage: &StageName, ask: &Ask) -> Result<Report, CallError> {
        self.by_name.get(stage).unwrap_or(&self.others).call(stage, ask).await
    }
}
