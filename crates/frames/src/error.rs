//! What can go wrong with a ledger. Messages name files, offsets and categories, never content.

use std::io;
use std::sync::Arc;

use portcullis_bus::JournalError;

/// What is wrong with some bytes of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file ends within a frame.
    #[error("the file ends within a frame")]
    Short,
    /// A frame does not begin with its mark.
    #[error("no frame begins here")]
    Magic,
    /// A frame claims a length that no frame has.
    #[error("impossible length")]
    Length,
    /// The checksum does not fit the bytes.
    #[error("checksum mismatch")]
    Checksum,
    /// The header of the segment is damaged or belongs to another file.
    #[error("damaged segment header")]
    Header,
    /// The checksum fits, but the payload is no entry of a ledger.
    #[error("payload unreadable")]
    Payload,
    /// The entry's number is not the one after its predecessor's.
    #[error("entries out of sequence")]
    Sequence,
    /// A file that does not belong into the record.
    #[error("not a file of the record")]
    Foreign,
    /// The entry is not the one that was hashed into the tree.
    #[error("the entry was changed")]
    Changed,
    /// An entry that was in the record is not there.
    #[error("an entry was removed")]
    Removed,
    /// An entry stands where the record had none.
    #[error("an entry was added")]
    Added,
    /// The entries are there, in another order.
    #[error("entries were reordered")]
    Reordered,
    /// The kept hashes do not fit the entries that were signed.
    #[error("the tree does not fit the entries")]
    Tree,
    /// A checkpoint that the log's key has not signed as it stands.
    #[error("not a checkpoint that the log's key signed")]
    Signature,
}

/// Why a ledger did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Another writer has it open: wait for that one to end.
    #[error("another writer has the ledger open")]
    Locked,
    /// The record is damaged: a human must look, and a copy may be needed.
    #[error("{file} is broken at byte {offset}: {flaw}")]
    Corrupt {
        /// The file's name within `audit/`.
        file: String,
        /// Where the broken frame begins.
        offset: u64,
        /// The number of the entry that should stand there, where it is known.
        seq: Option<u64>,
        /// What is wrong.
        flaw: Flaw,
    },
    /// The record is not the one that was signed: somebody rewrote it, or put an older copy in its place.
    /// Nothing is signed on top of that.
    #[error(
        "not the record that was signed: the checkpoint over {size} entries does not fit{}; the record has \
         {entries}",
        fitting(*good)
    )]
    NotAsSigned {
        /// Entries that the checkpoint covers.
        size: u64,
        /// Entries that an earlier checkpoint still vouches for; 0 where none does, or none was looked at.
        good: u64,
        /// Entries in the record.
        entries: u64,
    },
    /// Another key signed the record: the writer's own was lost, or is that of another record. Signed with two
    /// keys, it would be proven by neither.
    #[error(
        "the record's newest checkpoint, over {size} entries, is not signed with this signing key: put the record's \
         own keys back (an unmounted volume, a wrong restore?), or begin a new record in an empty data folder"
    )]
    OtherKey {
        /// Entries that the checkpoint covers.
        size: u64,
    },
    /// A later release wrote this file: use that one.
    #[error("{file} has format {version}, which this release does not read")]
    Format {
        /// The file's name within `audit/`.
        file: String,
        /// The format that it names.
        version: u32,
    },
    /// No room left: make some and try again.
    #[error("the disk is full")]
    Full,
    /// This entry can never be stored.
    #[error("entry refused: {0}")]
    Refused(&'static str),
    /// An earlier failure left it unclear what is on the disk: open the ledger again.
    #[error("the ledger stopped after a failed write")]
    Stopped,
    /// The operating system refused something.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Another writer has taken the ledger over: nothing more can be stored by this one.
    #[error("another writer has taken the ledger over")]
    Fenced,
    /// The database could not be reached or refused something: it can be tried again.
    #[error("could not {doing}: database {why}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// What went wrong: a kind of error or an SQLSTATE, never the server's own words, which may quote.
        why: Arc<str>,
    },
    /// The index could not be used. It can be removed and is then rebuilt.
    #[error("index: {0}")]
    Index(Arc<redb::Error>),
}

/// How far an older checkpoint still fits, for people.
fn fitting(good: u64) -> String {
    if good > 0 { format!(" (the first {good} entries do)") } else { String::new() }
}

impl LedgerError {
    /// Makes an error of the system's one of the ledger's: a full disk is [`LedgerError::Full`].
    pub fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { doing, source: Arc::new(source) },
        }
    }

    /// Makes an error of the index one of the ledger's.
    pub fn index(error: impl Into<redb::Error>) -> Self {
        Self::Index(Arc::new(error.into()))
    }
}

impl From<LedgerError> for JournalError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Full => Self::Full,
            LedgerError::Refused(_) => Self::Refused,
            _ => Self::Away,
        }
    }
}
