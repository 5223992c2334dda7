//! Tests of the whole ledger on real files.

mod evidence;
mod journal;
mod killed;
mod ledger;
mod search;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_core::{ActionRecord, Body, BotId, Entry, ManualClock};

use crate::{Fsync, Ledger, LedgerOptions, OpenReport};

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// An entry with a number, one second after the one before.
pub(super) fn entry(number: i64) -> Entry {
    entry_of("shop", number)
}

pub(super) fn entry_of(bot: &str, number: i64) -> Entry {
    Entry {
        id: format!("action/{bot}/{number}"),
        bot: BotId::parse(bot).unwrap(),
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
