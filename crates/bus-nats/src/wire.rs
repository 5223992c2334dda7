//! Headers of a stage's request and reply, and the words for what went wrong.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use portcullis_bus::CallError;
use portcullis_core::Budget;

/// Header of a door's reply that is a problem: its status, as in HTTP.
pub const STATUS_HEADER: &str = "Portcullis-Status";

/// Milliseconds that are left for the answer, counted from the moment at which it is read.
pub const BUDGET_HEADER: &str = "Portcullis-Budget-Ms";
/// On a reply without a report: `busy`, `late`, `panicked`, `dependency` or `unreadable`.
pub const ERROR_HEADER: &str = "Portcullis-Error";
/// The budget of a request that names none.
pub const DEFAULT_BUDGET: Duration = Duration::from_millis(200);
/// No request may keep a seat for longer than this, whatever it asks for.
const LONGEST_BUDGET: Duration = Duration::from_secs(60);

/// The word for an error on the wire.
pub fn error_word(error: CallError) -> &'static str {
    match error {
        CallError::Absent => "absent",
        CallError::Busy => "busy",
        CallError::Late => "late",
        CallError::Panicked => "panicked",
        CallError::Dependency => "dependency",
        CallError::Unreadable => "unreadable",
    }
}

/// What a reply's error header says. A word that this release does not know is an unreadable answer.
pub(crate) fn error_of(headers: Option<&HeaderMap>) -> Option<CallError> {
    let word = headers?.get(ERROR_HEADER)?.as_str();
    Some(match word {
        "absent" => CallError::Absent,
        "busy" => CallError::Busy,
        "late" => CallError::Late,
        "panicked" => CallError::Panicked,
        "dependency" => CallError::Dependency,
        _ => CallError::Unreadable,
    })
}

/// Writes what is left of a budget, rounded up so that a budget that is not spent is not written
/// as zero.
pub(crate) fn write_budget(headers: &mut HeaderMap, budget: Budget) {
    let left = budget.left().as_micros().div_ceil(1000);
    headers.insert(BUDGET_HEADER, left.to_string());
}

/// Reads the budget of a request that was read at `read_at`.
pub(crate) fn read_budget(
    headers: Option<&HeaderMap>,
    read_at: Instant,
) -> Result<Budget, CallError> {
    let left = match headers.and_then(|headers| headers.get(BUDGET_HEADER)) {
        Some(value) => {
            Duration::from_millis(value.as_str().parse().map_err(|_| CallError::Unreadable)?)
        }
        None => DEFAULT_BUDGET,
    };
    Ok(Budget::until(read_at + left.min(LONGEST_BUDGET)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_reads_as_it_is_written() {
        use CallError::*;
        for error in [Absent, Busy, Late, Panicked, Dependency, Unreadable] {
            let mut headers = HeaderMap::new();
            headers.insert(ERROR_HEADER, error_word(error));
            assert_eq!(error_of(Some(&headers)), Some(error));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ERROR_HEADER, "on fire");
        assert_eq!(error_of(Some(&headers)), Some(Unreadable));
        assert_eq!(error_of(None), None);
    }

    #[test]
    fn a_budget_is_relative_bounded_and_never_guessed() {
        let mut headers = HeaderMap::new();
        write_budget(&mut headers, Budget::of(Duration::from_micros(300)));
        assert_eq!(headers.get(BUDGET_HEADER).unwrap().as_str(), "1");
        write_budget(&mut headers, Budget::of(Duration::ZERO));
        let read = |headers: Option<&HeaderMap>| read_budget(headers, Instant::now());
        assert!(read(Some(&headers)).unwrap().is_spent());
        for bad in ["", "-1", "1.5", "soon", "99999999999999999999"] {
            headers.insert(BUDGET_HEADER, bad);
            assert_eq!(read(Some(&headers)), Err(CallError::Unreadable), "{bad:?}");
        }
        headers.insert(BUDGET_HEADER, "18446744073709551615");
        assert!(read(Some(&headers)).unwrap().left() <= LONGEST_BUDGET);
        assert!(read(None).unwrap().left() <= DEFAULT_BUDGET);
        // the time for which it waited for its turn is gone
        let a_minute_ago = Instant::now().checked_sub(LONGEST_BUDGET).unwrap();
        assert!(read_budget(Some(&headers), a_minute_ago).unwrap().is_spent());
    }
}
