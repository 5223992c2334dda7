//! What is told of each verdict: in the span of its check, and as metrics with few labels. A bot is one of those that have
//! a policy, a kind one of the first kinds that were seen; never a person or a conversation.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use portcullis_core::{Check, Status, Verdict};
use tracing::Span;

/// Kinds of findings that have a series of their own; a stage of somebody else could make any number.
const KINDS: usize = 200;
/// What the others are counted as.
const OTHER: &str = "other";

/// Series that exist from the start, so that the first of a kind is a rise that an alert sees.
pub fn begin() {
    for recorded in ["journal", "spool", "summary", "nowhere"] {
        metrics::counter!("portcullis_recorded_total", "where" => recorded).increment(0);
    }
}

/// Tells of a verdict in the current span, and counts it. `took` is the whole time at the door.
pub fn tell(verdict: &Verdict, took: Duration) {
    let bot = verdict.policy.bot.to_string();
    let decision = verdict.decision.as_str();
    let gaps = verdict.receipt.iter().filter(|check| check.status == Status::Gap).count();
    // What went through without having been looked at as the policy wants it.
    let unscanned = verdict.decision.forwards() && !verdict.receipt.iter().all(scanned);
    let span = Span::current();
    span.record("portcullis.decision", decision);
    if let Some(shadow) = verdict.shadow_decision {
        span.record("portcullis.shadow_decision", shadow.as_str());
    }
    span.record("portcullis.gaps", gaps);
    span.record("portcullis.unscanned", unscanned);
    span.record("portcullis.recorded", verdict.recorded.as_str());
    span.record("portcullis.policy.version", verdict.policy.version.as_str());

    metrics::counter!(
        "portcullis_verdicts_total",
        "bot" => bot.clone(),
        "decision" => decision,
    )
    .increment(1);
    metrics::counter!("portcullis_unscanned_total", "bot" => bot.clone())
        .increment(u64::from(unscanned));
    metrics::counter!("portcullis_recorded_total", "where" => verdict.recorded.as_str())
        .increment(1);
    let kinds: HashSet<&str> =
        verdict.findings.iter().map(|finding| finding.kind.as_str()).collect();
    for kind in kinds {
        metrics::counter!(
            "portcullis_findings_total",
            "bot" => bot.clone(),
            "kind" => bounded(kind).to_owned(),
        )
        .increment(1);
    }
    metrics::histogram!("portcullis_check_seconds", "bot" => bot).record(took.as_secs_f64());
}

/// Whether a check ran over everything, or was not meant to run.
fn scanned(check: &Check) -> bool {
    match check.status {
        Status::Ran => check.coverage.as_ref().is_none_or(|coverage| coverage.complete),
        Status::Skipped => true,
        _ => false,
    }
}

/// The kind itself, while there are not too many of them.
fn bounded(kind: &str) -> &str {
    static SEEN: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();
    let mut seen = SEEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    keep(&mut seen, kind, KINDS)
}

fn keep<'a>(seen: &mut HashSet<String>, kind: &'a str, most: usize) -> &'a str {
    if seen.contains(kind) {
        return kind;
    }
    if seen.len() >= most {
        return OTHER;
    }
    seen.insert(kind.to_owned());
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_kinds_have_a_series_each_and_the_rest_share_one() {
        let mut seen = HashSet::new();
        assert_eq!(keep(&mut seen, "a", 2), "a");
        assert_eq!(keep(&mut seen, "b", 2), "b");
        assert_eq!(keep(&mut seen, "c", 2), OTHER);
        assert_eq!(keep(&mut seen, "a", 2), "a");
    }
}
