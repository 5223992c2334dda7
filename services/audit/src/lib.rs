//! The record: what happened, each entry once and in order, kept in files and searchable.
//!
//! [`Ledger`] is the store: append-only segment files with an index that can be rebuilt from them.
//! [`LedgerJournal`] makes it the journal of a single process. [`Auditor`] carries a journal that lives
//! elsewhere into it. [`LedgerReader`] reads it while somebody else writes. [`Query`] finds entries.
//!
//! Damage by accident is found (every byte stands under a checksum); a writer that rewrites its own
//! record is not, because nothing is signed yet.

mod auditor;
mod error;
mod journal;
mod ledger;
mod search;
pub mod start;

#[cfg(test)]
mod tests;

pub use auditor::{Auditor, AuditorOptions, Dead, DeadLetter};
pub use error::{Flaw, LedgerError};
pub use journal::LedgerJournal;
pub use ledger::check::CheckReport;
pub use ledger::open::{Cut, IndexState, OpenReport};
pub use ledger::reader::LedgerReader;
pub use ledger::record::{Content, DeadNote, Gap, Record, Row};
pub use ledger::{Appended, Fsync, Ledger, LedgerOptions};
pub use search::{Query, Rows};
