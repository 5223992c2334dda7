//! What every stage is.

use async_trait::async_trait;

use crate::{Ask, Cause, Report, StageName};

/// Why a stage could not answer. Says what the caller does next, never what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// No seat free: may be asked once more.
    #[error("no seat free")]
    Busy,
    /// The budget was spent before an answer that means anything.
    #[error("budget spent")]
    Late,
    /// Something that the stage needs is away; it has a name such as `redis`.
    #[error("dependency away: {0}")]
    Dependency(&'static str),
    /// The ask, or the named part of it, is not of the stage's form.
    #[error("unreadable: {0}")]
    Unreadable(&'static str),
}

impl From<StageError> for Cause {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Busy => Self::Busy,
            StageError::Late => Self::Late,
            StageError::Dependency(_) => Self::Dependency,
            StageError::Unreadable(_) => Self::Unreadable,
        }
    }
}

/// A pure check: it holds no policy, no keys and no state of conversations.
#[async_trait]
pub trait Stage: Send + Sync + 'static {
    /// Subject token, metric label and configuration key in one.
    fn name(&self) -> StageName;

    /// Looks at what it is asked. Work on the CPU looks at `ask.budget` now and then, and reports the
    /// coverage that it reached rather than running over.
    async fn check(&self, ask: &Ask) -> Result<Report, StageError>;

    /// Makes ready: loads what is needed and judges a known good and a known bad text rightly.
    async fn warm_up(&self) -> Result<(), StageError> {
        Ok(())
    }
}
