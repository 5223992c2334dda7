//! What the watch has learnt, on disk: written whole beside the old one, checked when read.
//!
//! The file is the line `portcullis-anomaly 1`, the CRC-32 of what follows in 8 hex digits and a line's end, then the
//! watch in postcard's form. It holds numbers and keyed hashes of names, never a text.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use jiff::Timestamp;
use lru::LruCache;
use portcullis_core::BotId;
use serde::{Deserialize, Serialize, Serializer};

use crate::alert::Subject;
use crate::bots::BotWatch;
use crate::settings::Watching;
use crate::speakers::{Speaker, Speakers};
use crate::watch::{Open, Watch};

const HEAD: &str = "portcullis-anomaly 1\n";

/// Why a snapshot cannot be used. The watch then begins anew: nothing but what was learnt is lost.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read or written.
    #[error("snapshot: {0}")]
    Io(#[from] std::io::Error),
    /// Bytes are missing or changed.
    #[error("snapshot is corrupt")]
    Corrupt,
    /// Another release wrote it.
    #[error("snapshot has another form")]
    OtherForm,
}

#[derive(Deserialize)]
struct Saved {
    bots: Vec<(BotId, BotWatch)>,
    speakers: Vec<(u64, Speaker)>,
    open: Vec<((BotId, Subject), Open)>,
    last: Option<Timestamp>,
}

/// The same as it is written, without a copy of what there may be a million of.
#[derive(Serialize)]
struct Saving<'a> {
    bots: Vec<(&'a BotId, &'a BotWatch)>,
    #[serde(serialize_with = "oldest_first")]
    speakers: &'a Speakers,
    open: Vec<(&'a (BotId, Subject), &'a Open)>,
    last: Option<Timestamp>,
}

fn oldest_first<S: Serializer>(speakers: &Speakers, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(speakers.iter())
}

/// Hex digits of a CRC-32, and a line's end.
const SUM: usize = 9;
/// Bytes of a speaker at most, and of everything else to begin with.
const SPEAKER_BYTES: usize = 96;
const ROOM: usize = 64 * 1024;

impl Watch {
    /// The watch in the form of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`] where a number has no form: a defect.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let saving = Saving {
            // the one not seen for longest first, so that reading restores the order
            bots: self.bots.iter().rev().collect(),
            speakers: &self.speakers,
            open: self.open.iter().collect(),
            last: self.last,
        };
        let mut bytes = Vec::with_capacity(ROOM + self.speakers.len() * SPEAKER_BYTES);
        bytes.extend(HEAD.as_bytes());
        bytes.extend([0; SUM]);
        let mut bytes = postcard::to_extend(&saving, bytes).map_err(|_| SnapshotError::Corrupt)?;
        if let Some((sum, body)) =
            bytes.get_mut(HEAD.len()..).and_then(|rest| rest.split_at_mut_checked(SUM))
        {
            sum.copy_from_slice(format!("{:08x}\n", crc32fast::hash(body)).as_bytes());
        }
        Ok(bytes)
    }

    /// The watch of a snapshot, with the settings of today.
    ///
    /// # Errors
    /// [`SnapshotError`] where the bytes are not such a snapshot, whole.
    pub fn from_bytes(bytes: &[u8], watching: Watching) -> Result<Self, SnapshotError> {
        let rest = bytes.strip_prefix(HEAD.as_bytes()).ok_or(SnapshotError::OtherForm)?;
        let (sum, body) = rest.split_at_checked(SUM).ok_or(SnapshotError::Corrupt)?;
        if sum != format!("{:08x}\n", crc32fast::hash(body)).as_bytes() {
            return Err(SnapshotError::Corrupt);
        }
        let saved: Saved = postcard::from_bytes(body).map_err(|_| SnapshotError::OtherForm)?;
        let mut bots = LruCache::new(NonZeroUsize::new(watching.bots).unwrap_or(NonZeroUsize::MIN));
        for (bot, watch) in saved.bots {
            bots.put(bot, watch);
        }
        let mut speakers = Speakers::new(watching.speakers);
        speakers.extend(saved.speakers);
        Ok(Self {
            watching,
            bots,
            speakers,
            open: saved.open.into_iter().collect(),
            last: saved.last,
        })
    }
}

/// Writes a snapshot so that a crash leaves the old one or the new one.
///
/// # Errors
/// Where the folder cannot be written to.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), SnapshotError> {
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    Ok(())
}

/// Reads a snapshot; none where there is none yet.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, SnapshotError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
