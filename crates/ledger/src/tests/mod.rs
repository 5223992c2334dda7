//! Tests of the whole ledger on real files.

mod evidence;
mod journal;
mod killed;
mod ledger;
mod search;

use std::path::Path;
use std::sync::Arc;

use portcullis_core::{Entry, ManualClock};
pub(super) use portcullis_testkit::{numbered as entry_of, second as time};

use crate::{Fsync, Ledger, LedgerOptions, OpenReport};

/// An entry with a number, one second after the one before.
pub(super) fn entry(number: i64) -> Entry {
    entry_of("shop", number)
}

pub(super) fn options() -> LedgerOptions {
    LedgerOptions {
        fsync: Fsync::System,
        segment_bytes: 20_000,
        clock: Arc::new(ManualClock::at(time(1_000_000))),
        signing: None,
    }
}

pub(super) fn open(root: &Path) -> (Ledger, OpenReport) {
    Ledger::open(root, options()).unwrap()
}
