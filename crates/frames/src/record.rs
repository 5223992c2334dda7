//! What one frame carries: an entry of the journal, or a remark of the ledger's own.

use std::fmt;

use jiff::Timestamp;
use portcullis_core::{BotId, Entry, Personal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::LedgerError;

/// Entries that the journal should have had between two of its sequence numbers, and had not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last sequence number that was there.
    pub after: u64,
    /// The next one that was there.
    pub next: u64,
}

impl Gap {
    /// How many are missing.
    pub fn missing(&self) -> u64 {
        self.next.saturating_sub(self.after).saturating_sub(1)
    }
}

/// An entry of the journal that could not be read and was handed to the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadNote {
    /// Its length in bytes.
    pub bytes: u64,
}

/// What stands in one place of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// An entry of the journal.
    Entry(Box<Entry>),
    /// A gap in the journal's sequence.
    Gap(Gap),
    /// The place of an entry that could not be read.
    Dead(DeadNote),
}

impl Content {
    /// The entry, if it is one.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Gap(_) | Self::Dead(_) => None,
        }
    }

    /// The word for what it is: an entry's kind, `gap` or `dead`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Entry(entry) => entry.body.kind(),
            Self::Gap(_) => "gap",
            Self::Dead(_) => "dead",
        }
    }
}

/// One place of the ledger, as it is read. `Debug` leaves the raw entry out.
#[derive(Clone)]
pub struct Row {
    /// Number in the ledger, from 1, rising by one.
    pub seq: u64,
    /// Sequence number in the journal from which it came, if from another one.
    pub journal_seq: Option<u64>,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// What stands there.
    pub content: Content,
    /// The entry as it was received; absent for the ledger's own remarks. It may hold text of people.
    pub raw: Option<Box<RawValue>>,
    /// What is personal in it, where the reader has the keys.
    pub personal: Option<Box<Personal>>,
}

impl Row {
    /// Reads the row out of the bytes that a proof carries (a frame of a segment); `None` if they are none.
    pub fn of_frame(frame: &[u8]) -> Option<Self> {
        let read = crate::frame::decode(frame).ok();
        let read = read.filter(|read| read.bytes.len() == frame.len())?;
        Payload::read(read.payload)?.row()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("seq", &self.seq)
            .field("journal_seq", &self.journal_seq)
            .field("stored_at", &self.stored_at)
            .field("kind", &self.content.kind())
            .finish_non_exhaustive()
    }
}

/// Something to be stored.
#[derive(Clone)]
pub struct Record {
    /// Its id, unique for ever.
    pub id: String,
    /// The bot that it concerns; absent for the ledger's own remarks.
    pub bot: Option<BotId>,
    /// When it happened; absent for the ledger's own remarks.
    pub at: Option<Timestamp>,
    /// Its number in the journal from which it came, if from another one.
    pub journal_seq: Option<u64>,
    /// What is kept.
    pub what: What,
}

/// What a record keeps.
#[derive(Clone)]
pub enum What {
    /// An entry, as JSON.
    Entry(Box<RawValue>),
    /// A gap in the journal's sequence.
    Gap(Gap),
    /// The place of an entry that could not be read.
    Dead(DeadNote),
}

impl Record {
    /// An entry that begins its life here.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if its id is not allowed or it cannot be written as JSON.
    pub fn new(entry: &Entry) -> Result<Self, LedgerError> {
        let raw = serde_json::value::to_raw_value(entry)
            .map_err(|_| LedgerError::Refused("entry cannot be written as JSON"))?;
        Self::with(entry, raw, None)
    }

    /// An entry from another journal: it is stored in the bytes in which it came.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if its id is not allowed or those bytes are no JSON.
    pub fn received(entry: &Entry, raw: &[u8], journal_seq: u64) -> Result<Self, LedgerError> {
        Self::kept(entry, raw, Some(journal_seq))
    }

    /// An entry in the bytes that are given.
    ///
    /// # Errors
    /// As [`Record::received`].
    pub fn kept(entry: &Entry, raw: &[u8], journal_seq: Option<u64>) -> Result<Self, LedgerError> {
        let raw = std::str::from_utf8(raw)
            .ok()
            .and_then(|raw| RawValue::from_string(raw.to_owned()).ok())
            .ok_or(LedgerError::Refused("entry is not JSON"))?;
        Self::with(entry, raw, journal_seq)
    }

    /// Bytes that it will take, roughly.
    pub fn weight(&self) -> usize {
        match &self.what {
            What::Entry(raw) => raw.get().len(),
            What::Gap(_) | What::Dead(_) => 0,
        }
    }

    fn with(
        entry: &Entry,
        raw: Box<RawValue>,
        journal_seq: Option<u64>,
    ) -> Result<Self, LedgerError> {
        if entry.id.is_empty() || entry.id.starts_with('\0') {
            return Err(LedgerError::Refused("id not allowed"));
        }
        Ok(Self {
            id: entry.id.clone(),
            bot: Some(entry.bot.clone()),
            at: Some(entry.at),
            journal_seq,
            what: What::Entry(raw),
        })
    }

    /// A gap in the journal. Its place is the sequence number before the next entry's.
    pub fn gap(gap: Gap) -> Self {
        let journal_seq = Some(gap.next.saturating_sub(1));
        let id = gap_id(gap);
        Self { id, bot: None, at: None, journal_seq, what: What::Gap(gap) }
    }

    /// The place of an entry that could not be read.
    pub fn dead(bytes: u64, journal_seq: u64) -> Self {
        let what = What::Dead(DeadNote { bytes });
        Self { id: dead_id(journal_seq), bot: None, at: None, journal_seq: Some(journal_seq), what }
    }
}

// Ids of the ledger's own remarks begin with a character that no entry's id may contain.
fn gap_id(gap: Gap) -> String {
    format!("\0gap/{}/{}", gap.after, gap.next)
}

fn dead_id(journal_seq: u64) -> String {
    format!("\0dead/{journal_seq}")
}

/// The JSON of a frame.
#[derive(Serialize, Deserialize)]
pub struct Payload<'a> {
    /// Its number.
    pub seq: u64,
    /// Its number in the journal from which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_seq: Option<u64>,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The entry, as JSON.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<&'a RawValue>,
    /// A gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// The place of an entry that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<DeadNote>,
}

/// What the index needs of an entry, without building the rest.
#[derive(Deserialize)]
pub struct Head<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: std::borrow::Cow<'a, str>,
    /// The bot that it concerns.
    #[serde(borrow)]
    pub bot: std::borrow::Cow<'a, str>,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(borrow)]
    pub kind: std::borrow::Cow<'a, str>,
}

impl<'a> Payload<'a> {
    /// Appends the JSON of a record to `out`.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if it cannot be written as JSON.
    pub fn write(
        out: &mut Vec<u8>,
        record: &Record,
        seq: u64,
        stored_at: Timestamp,
    ) -> Result<(), LedgerError> {
        let (entry, gap, dead) = match &record.what {
            What::Entry(raw) => (Some(&**raw), None, None),
            What::Gap(gap) => (None, Some(*gap), None),
            What::Dead(note) => (None, None, Some(*note)),
        };
        let payload = Payload { seq, journal_seq: record.journal_seq, stored_at, entry, gap, dead };
        serde_json::to_writer(out, &payload)
            .map_err(|_| LedgerError::Refused("entry cannot be written as JSON"))
    }

    /// Reads a payload; `None` if it is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The head of the entry, if there is one and it can be read.
    pub fn head(&self) -> Option<Head<'a>> {
        serde_json::from_str(self.entry?.get()).ok()
    }

    /// The id under which it is unique; `None` if the payload is nothing of ours.
    pub fn id(&self) -> Option<String> {
        if self.entry.is_some() {
            return self.head().map(|head| head.id.into_owned());
        }
        self.gap.map(gap_id).or_else(|| self.dead.and(self.journal_seq).map(dead_id))
    }

    /// The whole row; `None` if the entry cannot be read.
    pub fn row(&self) -> Option<Row> {
        let content = if let Some(raw) = self.entry {
            Content::Entry(serde_json::from_str(raw.get()).ok()?)
        } else if let Some(gap) = self.gap {
            Content::Gap(gap)
        } else {
            Content::Dead(self.dead?)
        };
        Some(Row {
            seq: self.seq,
            journal_seq: self.journal_seq,
            stored_at: self.stored_at,
            content,
            raw: self.entry.map(ToOwned::to_owned),
            personal: None,
        })
    }
}
