//! Tests of the auditor on real files.

mod auditor;
mod killed;
mod personal;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_core::{ActionRecord, Body, BotId, Entry, ManualClock};
use portcullis_ledger::{Fsync, Ledger, LedgerOptions, OpenReport};

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// An entry with a number, one second after the one before.
pub(super) fn entry(number: i64) -> Entry {
    Entry {
        id: format!("action/shop/{number}"),
        bot: BotId::parse("shop").unwrap(),
        at: time(number),
        body: Body::Action(ActionRecord {
            action: "stop".into(),
            scope: format!("speaker:hash-{}", number % 5),
            by: "operator".into(),
            reason: Some(format!("Reason № {number}")),
            expires_at: None,
        }),
    }
}

pub(super) fn open(root: &Path) -> (Ledger, OpenReport) {
    let options = LedgerOptions {
        fsync: Fsync::System,
        segment_bytes: 20_000,
        clock: Arc::new(ManualClock::at(time(1_000_000))),
        signing: None,
    };
    Ledger::open(root, options).unwrap()
}

/// Waits for something that another task does; real time, bounded.
pub(super) async fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not come true");
}
