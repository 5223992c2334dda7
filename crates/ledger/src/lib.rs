//! The record in files: what happened, each entry once and in order, searchable and tamper-evident.
//!
//! [`Ledger`] is the store: append-only segment files, the Merkle tree over them, signed checkpoints, and
//! an index that can be rebuilt. [`LedgerJournal`] makes it the journal of a single process.
//! [`LedgerReader`] reads, verifies and proves while somebody else writes. [`Query`] finds entries.
//! [`Store`] is what any ledger is to the one who fills it.

mod files;
mod journal;
mod search;
mod store;

#[cfg(test)]
mod tests;

pub use files::open::{Cut, IndexState, OpenReport};
pub use files::reader::LedgerReader;
pub use files::signing::Signing;
pub use files::verify::{Verified, Verify};
pub use files::{Appended, Fsync, Ledger, LedgerOptions};
pub use journal::LedgerJournal;
pub use portcullis_frames::record::{Content, DeadNote, Gap, Record, Row};
pub use portcullis_frames::{Flaw, LedgerError};
pub use search::{Matcher, Query, Rows};
pub use store::{Keep, Reveal, Store};
