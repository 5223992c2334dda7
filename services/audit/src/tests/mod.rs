//! Tests of the auditor on real files.

mod auditor;
mod killed;
mod personal;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Entry, ManualClock};
use portcullis_ledger::{Fsync, Ledger, LedgerOptions, OpenReport};
use portcullis_testkit::numbered;
pub(super) use portcullis_testkit::second as time;

/// An entry with a number, one second after the one before.
pub(super) fn entry(number: i64) -> Entry {
    numbered("shop", number)
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
