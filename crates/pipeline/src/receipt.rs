//! The receipt: one line a check, each made in exactly one way.

use std::time::Duration;

use portcullis_core::{Cause, Check, Effect, Measures, Report, StageName, Status};

fn line(stage: &StageName, status: Status) -> Check {
    Check {
        stage: stage.clone(),
        version: None,
        status,
        why: None,
        cause: None,
        effect: None,
        mode: None,
        coverage: None,
        took_us: 0,
        measures: Measures::default(),
    }
}

/// The stage answered.
pub(crate) fn ran(stage: &StageName, report: &Report, took: Duration) -> Check {
    Check {
        version: Some(report.version.clone()),
        mode: report.mode.clone(),
        coverage: Some(report.coverage),
        took_us: micros(took),
        measures: report.measures.clone(),
        ..line(stage, Status::Ran)
    }
}

/// The stage was left out on purpose.
pub(crate) fn skipped(stage: &StageName, why: impl Into<String>) -> Check {
    Check { why: Some(why.into()), ..line(stage, Status::Skipped) }
}

/// The stage should have answered and did not.
pub fn gap(stage: &StageName, cause: Cause, effect: Effect, took: Duration) -> Check {
    Check {
        cause: Some(cause),
        effect: Some(effect),
        took_us: micros(took),
        ..line(stage, Status::Gap)
    }
}

/// What operators ordered was looked at; it reads no text.
pub(crate) fn control(version: &str) -> Check {
    Check { version: Some(version.to_owned()), ..line(&StageName::control(), Status::Ran) }
}

/// The vault gave what was asked of it; it reads no text.
pub(crate) fn kept(stage: &StageName, took: Duration) -> Check {
    Check { took_us: micros(took), ..line(stage, Status::Ran) }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
