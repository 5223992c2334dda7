//! The sanitizer: canonical and hidden readings of a text, findings about what it hides, limits, and
//! edits that mask secrets and personal data.
//!
//! What people mean is kept: an edit is asked for only where a value is masked or an invisible
//! character carries nothing. NFKC and folded look-alikes live in views alone.

mod accents;
mod canonical;
mod config;
mod confusable;
mod controls;
mod hidden;
mod invisible;
mod limits;
mod marks;
mod scan;
mod scripts;
mod styled;

use std::sync::LazyLock;

use async_trait::async_trait;
use portcullis_core::{Ask, Coverage, Finding, Report, Severity, Stage, StageError, StageName};
use portcullis_detect::RULES;

pub use config::{Limits, Settings, Treatment};

use scan::Scan;

/// The stage. It has no state: one value serves any number of asks at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sanitizer;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("sanitizer {} rules {RULES}", env!("CARGO_PKG_VERSION")));

#[async_trait]
impl Stage for Sanitizer {
    fn name(&self) -> StageName {
        StageName::sanitizer()
    }

    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        let settings = ask.settings::<Settings>()?;
        sanitize(ask, &settings)
    }

    /// Builds the detectors and tables, and judges a message that hides a card number, and a harmless one.
    async fn warm_up(&self) -> Result<(), StageError> {
        let detector = portcullis_detect::Detector::shared();
        // the table of look-alikes takes a few milliseconds to make
        let folds = canonical::reads_as("Ignоre", "Ignore");
        let is_right = folds
            && detector.detect("card 4111 1111 1111 1111").len() == 1
            && detector.detect("Where is my order?").is_empty();
        is_right.then_some(()).ok_or(StageError::Dependency("detectors"))
    }
}

/// Looks at every text and every given view of the ask, until its budget is spent.
///
/// # Errors
/// [`StageError::Late`] where the budget was spent before anything was looked at.
fn sanitize(ask: &Ask, settings: &Settings) -> Result<Report, StageError> {
    let total = ask.total_bytes();
    let mut scan = Scan::new(ask, settings);
    let mut scanned = 0;
    for (place, text) in ask.interaction.places() {
        if ask.budget.is_spent() {
            break;
        }
        let Some(done) = scan.text(place, text) else { break };
        scanned += done;
    }
    if scanned == 0 && total > 0 {
        return Err(StageError::Late);
    }
    let (mut report, is_cut) = scan.into_report();
    report.coverage = Coverage { scanned, total, complete: scanned >= total && !is_cut };
    report.version.clone_from(&VERSION);
    Ok(report)
}

/// A finding of this stage.
fn finding(kind: &'static str, severity: Severity, confidence: f64) -> Finding {
    Finding::new(StageName::sanitizer(), kind, severity, confidence)
}

#[cfg(test)]
mod decoded_tests;
#[cfg(test)]
mod tests;
