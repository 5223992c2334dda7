//! Signed checkpoints: when they are made, and `audit/checkpoints`, which keeps each in a frame.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use portcullis_merkle::{Checkpoint, Signer};

use super::frame;
use super::segment::{CHECKPOINTS, Layout};
use super::tree::Tree;
use crate::{Flaw, LedgerError};

/// With which key checkpoints are signed, and how often.
#[derive(Clone)]
pub struct Signing {
    /// The key. It lies outside the record: who has both can rewrite and sign anew.
    pub signer: Signer,
    /// At the latest when this many entries are not signed.
    pub entries: u64,
    /// At the latest when an entry has not been signed for this long.
    pub within: Duration,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({:?}, {} entries, {:?})", self.signer, self.entries, self.within)
    }
}

impl Signing {
    /// Signs with this key every 50,000 entries, and within 10 seconds.
    pub fn new(signer: Signer) -> Self {
        Self { signer, entries: 50_000, within: Duration::from_secs(10) }
    }
}

/// The checkpoints that a file holds, not checked against any key, and where the whole ones end.
pub(crate) struct Kept {
    pub(crate) list: Vec<(u64, Checkpoint)>,
    pub(crate) end: u64,
    pub(crate) length: u64,
}

impl Kept {
    /// Reads the file; one that is not there holds none.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] where something is damaged that is not the torn end.
    pub(crate) fn read(layout: &Layout) -> Result<Self, LedgerError> {
        let bytes = match fs::read(layout.checkpoints()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(LedgerError::io("read the checkpoints")(error)),
        };
        let (mut list, mut at) = (Vec::new(), 0);
        while let Some(rest) = bytes.get(at..)
            && !rest.is_empty()
        {
            let flaw = match frame::decode(rest) {
                Ok(read) => match claimed(read.payload) {
                    Some(checkpoint) => {
                        list.push((at as u64, checkpoint));
                        at += read.bytes.len();
                        continue;
                    }
                    None => Flaw::Signature,
                },
                // The torn end is the last: nothing whole comes after it.
                Err(_) if frame::vouched(rest.get(1..).unwrap_or_default()).is_none() => break,
                Err(flaw) => flaw,
            };
            return Err(broken(at as u64, flaw));
        }
        Ok(Self { list, end: at as u64, length: bytes.len() as u64 })
    }
}

impl Kept {
    /// Refuses a key that did not sign the newest one.
    pub(super) fn check(&self, signing: Option<&Signing>) -> Result<(), LedgerError> {
        match (self.list.last(), signing) {
            (Some((_, newest)), Some(signing)) if !signing.signer.has_signed(newest) => {
                Err(LedgerError::OtherKey { size: newest.size })
            }
            _ => Ok(()),
        }
    }
}

/// The error for a broken checkpoint.
pub(crate) fn broken(offset: u64, flaw: Flaw) -> LedgerError {
    LedgerError::Corrupt { file: CHECKPOINTS.to_owned(), offset, seq: None, flaw }
}

fn claimed(note: &[u8]) -> Option<Checkpoint> {
    Checkpoint::claimed(std::str::from_utf8(note).ok()?).ok()
}

/// Signs for the writer.
pub(super) struct Checkpoints {
    file: File,
    end: u64,
    newest: Option<Checkpoint>,
    /// When the first entry that is not signed was seen.
    unsigned_since: Option<Instant>,
}

impl Checkpoints {
    /// Opens the file, and cuts a torn end.
    pub(super) fn open(layout: &Layout, kept: Kept) -> Result<Self, LedgerError> {
        let io = LedgerError::io("open the checkpoints");
        let path = layout.checkpoints();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(&io)?;
        if kept.length > kept.end {
            tracing::warn!(bytes = kept.length - kept.end, "torn checkpoint cut off");
            file.set_len(kept.end).map_err(&io)?;
        }
        let newest = kept.list.into_iter().next_back().map(|(_, checkpoint)| checkpoint);
        Ok(Self { file, end: kept.end, newest, unsigned_since: None })
    }

    /// The newest one.
    pub(super) fn newest(&self) -> Option<&Checkpoint> {
        self.newest.as_ref()
    }

    /// Whether one should be signed now.
    pub(super) fn due(&mut self, signing: &Signing, size: u64, now: Instant) -> bool {
        let unsigned = size - self.newest.as_ref().map_or(0, |newest| newest.size).min(size);
        metrics::gauge!("portcullis_audit_unsigned_entries").set(unsigned as f64);
        if unsigned == 0 {
            self.unsigned_since = None;
            return false;
        }
        let since = *self.unsigned_since.get_or_insert(now);
        unsigned >= signing.entries || now - since >= signing.within
    }

    /// Signs the tree as it is, which must be on the disk with all its entries; durable when this returns.
    pub(super) fn sign(
        &mut self,
        signing: &Signing,
        tree: &mut Tree,
    ) -> Result<Checkpoint, LedgerError> {
        tree.sync()?;
        let checkpoint = signing
            .signer
            .sign(tree.size(), tree.root())
            .map_err(|_| LedgerError::Refused("checkpoint not signed"))?;
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, 0, checkpoint.note.as_bytes())
            .ok_or(LedgerError::Refused("checkpoint too long"))?;
        self.file
            .write_all_at(&bytes, self.end)
            .and_then(|()| self.file.sync_data())
            .map_err(LedgerError::io("keep a checkpoint"))?;
        self.end += bytes.len() as u64;
        self.newest = Some(checkpoint.clone());
        self.unsigned_since = None;
        metrics::counter!("portcullis_audit_checkpoints_total").increment(1);
        metrics::gauge!("portcullis_audit_unsigned_entries").set(0.0);
        Ok(checkpoint)
    }
}
