//! The port that the auditor fills: a ledger, whatever it is kept in.

use async_trait::async_trait;
use portcullis_core::{Entry, Personal};
use portcullis_personal::{PersonKeys, Revealed};

use crate::{Appended, Ledger, LedgerError, Record};

/// A ledger that is open for writing.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Stores records in order, each durable when this returns, and answers in the same order. The same
    /// id twice is one entry.
    ///
    /// # Errors
    /// As [`Ledger::append_all`].
    async fn append_all(&self, records: Vec<Record>) -> Result<Vec<Appended>, LedgerError>;

    /// The highest sequence number of the journal that is stored; 0 if there is none.
    fn last_journal_seq(&self) -> u64;
}

/// What is done with an entry before it is stored, and with what is sealed in it when it is read.
pub trait Keep: Send + Sync + 'static {
    /// The bytes to store in the place of `raw`; `None` where they stay as they came.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if it can never be stored, any other error if it can later.
    fn keep(&self, entry: &Entry, raw: &[u8]) -> Result<Option<Vec<u8>>, LedgerError>;

    /// Makes durable what the bytes that were given need to be read again: before they are stored.
    ///
    /// # Errors
    /// If it cannot be made durable now.
    fn settle(&self) -> Result<(), LedgerError>;
}

/// Reads what is sealed in an entry.
pub trait Reveal: Send + Sync {
    /// What is personal in it; `None` if nothing is, or nobody can read it any more.
    fn reveal(&self, entry: &Entry) -> Option<Personal>;
}

/// Whoever has the keys of the persons.
impl Reveal for PersonKeys {
    fn reveal(&self, entry: &Entry) -> Option<Personal> {
        match self.reveal(entry) {
            Ok(Revealed::Here(personal)) => Some(*personal),
            Ok(Revealed::Nothing | Revealed::Gone) => None,
            Err(error) => {
                tracing::warn!(%error, "sealed part of an entry unreadable");
                None
            }
        }
    }
}

#[async_trait]
impl Store for Ledger {
    async fn append_all(&self, records: Vec<Record>) -> Result<Vec<Appended>, LedgerError> {
        Self::append_all(self, records).await
    }

    fn last_journal_seq(&self) -> u64 {
        Self::last_journal_seq(self)
    }
}
