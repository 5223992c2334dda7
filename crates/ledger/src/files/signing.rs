//! Signed checkpoints: when they are made, and `audit/checkpoints`, which keeps each in a frame.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read};
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

/// What the file of checkpoints holds, not checked against any key: the newest, and where the whole ones end. All of them
/// are many after a year.
pub(crate) struct Kept {
    pub(crate) newest: Option<Checkpoint>,
    pub(crate) end: u64,
    pub(crate) length: u64,
}

impl Kept {
    /// Reads the file, and gives `each` checkpoint and where it begins; a file that is not there holds none.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] where something is damaged that is not the torn end.
    pub(crate) fn read(
        layout: &Layout,
        mut each: impl FnMut(u64, &Checkpoint),
    ) -> Result<Self, LedgerError> {
        let io = LedgerError::io("read the checkpoints");
        let (mut newest, mut end, mut bytes) = (None, 0, Vec::new());
        let mut file = match File::open(layout.checkpoints()) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { newest, end, length: end });
            }
            Err(error) => return Err(io(error)),
        };
        loop {
            bytes.clear();
            let mut more = |length: usize, bytes: &mut Vec<u8>| {
                file.by_ref().take(length as u64).read_to_end(bytes).map_err(&io)
            };
            if more(frame::HEADER, &mut bytes)? == 0 {
                break;
            }
            if let Ok(head) = frame::Header::read(&bytes) {
                more(head.length, &mut bytes)?;
            }
            let flaw = match frame::decode(&bytes).map(|read| claimed(read.payload)) {
                Ok(Some(checkpoint)) => {
                    each(end, &checkpoint);
                    newest = Some(checkpoint);
                    end += bytes.len() as u64;
                    continue;
                }
                Ok(None) => Flaw::Signature,
                Err(flaw) => {
                    file.read_to_end(&mut bytes).map_err(&io)?;
                    // The torn end is the last: nothing whole comes after it.
                    if frame::vouched(bytes.get(1..).unwrap_or_default()).is_none() {
                        break;
                    }
                    flaw
                }
            };
            return Err(broken(end, flaw));
        }
        Ok(Self { newest, end, length: end + bytes.len() as u64 })
    }

    /// Refuses a key that did not sign the newest one.
    pub(super) fn check(&self, signing: Option<&Signing>) -> Result<(), LedgerError> {
        match (&self.newest, signing) {
            (Some(newest), Some(signing)) if !signing.signer.has_signed(newest) => {
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
        Ok(Self { file, end: kept.end, newest: kept.newest, unsigned_since: None })
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
