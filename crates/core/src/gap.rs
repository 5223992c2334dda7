//! A check that did not happen: never an absence of findings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StageName;

/// Why a stage gave no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody serves it.
    Absent,
    /// It had no seat free.
    Busy,
    /// It did not answer within its budget.
    Late,
    /// It panicked.
    Panicked,
    /// Something that it needs is away.
    Dependency,
    /// Its answer, or the question, could not be read.
    Unreadable,
    /// It ran but saw only part of the text.
    Partial,
    /// A cause that this release does not know.
    #[serde(other)]
    Unknown,
}

impl Cause {
    /// The word used on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Panicked => "panicked",
            Self::Dependency => "dependency",
            Self::Unreadable => "unreadable",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
        }
    }
}

/// What a gap means for the message, by policy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It goes on as if nothing were missing.
    Pass,
    /// A human must look.
    Hold,
    /// It is blocked.
    Block,
    /// A word that this release does not know: read as the harshest.
    #[serde(other)]
    Unknown,
}

/// A stage that gave no whole answer, why, and what the policy makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Which stage.
    pub stage: StageName,
    /// Why.
    pub cause: Cause,
    /// What it means.
    pub effect: Effect,
}
