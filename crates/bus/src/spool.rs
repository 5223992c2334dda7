//! A bounded spool on the local disk for entries that the journal did not take in time.
//!
//! Entries are JSON lines in numbered files. A file is delivered whole and then removed; a file that was
//! delivered in part is delivered again from its start, which is harmless because the same entry twice is
//! one. A line cut short by a crash was never acknowledged to anyone and is left out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use portcullis_core::Entry;

/// Why the spool did not take an entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("the spool {} has its {max_bytes} bytes full", folder.display())]
    Full { folder: PathBuf, max_bytes: u64 },
    #[error("the spool {} cannot be written: {error}", folder.display())]
    Unwritable { folder: PathBuf, error: io::Error },
}

/// The spool's folder and what is in it.
pub(crate) struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    bytes: u64,
    current: Option<Current>,
    next: u64,
    /// The last entry was not taken.
    failing: bool,
}

/// The file that is being written.
struct Current {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines.
    whole: u64,
}

impl Spool {
    /// Opens the folder, made where it is missing, with whatever an earlier run left in it.
    pub(crate) fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.to_owned();
        let mut spool =
            Self { folder, max_bytes, bytes: 0, current: None, next: 0, failing: false };
        for (number, path) in spool.files()? {
            spool.bytes += fs::metadata(path)?.len();
            spool.next = spool.next.max(number + 1);
        }
        Ok(spool)
    }

    /// Bytes that wait for delivery.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes an entry: on the disk when this returns. Says in the log when it takes none, and when it does again.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), SpoolError> {
        let pushed = self.try_push(entry);
        match (&pushed, std::mem::replace(&mut self.failing, pushed.is_err())) {
            (Err(error), false) => tracing::error!(%error, "entries are not recorded"),
            (Ok(()), true) => tracing::info!("the spool takes entries again"),
            _ => {}
        }
        pushed
    }

    fn try_push(&mut self, entry: &Entry) -> Result<(), SpoolError> {
        let unwritable = |folder: &Path, error| {
            let folder = folder.to_owned();
            SpoolError::Unwritable { folder, error }
        };
        let mut line = serde_json::to_vec(entry).map_err(|_| {
            unwritable(&self.folder, io::Error::other("the entry cannot be written as JSON"))
        })?;
        line.push(b'\n');
        let size = line.len() as u64;
        if self.bytes + size > self.max_bytes {
            let (folder, max_bytes) = (self.folder.clone(), self.max_bytes);
            return Err(SpoolError::Full { folder, max_bytes });
        }
        self.write(&line).map_err(|error| {
            self.undo();
            unwritable(&self.folder, error)
        })?;
        self.bytes += size;
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.current.is_none() {
            let path = self.folder.join(format!("{:020}.jsonl", self.next));
            self.next += 1;
            let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
            self.current = Some(Current { file, path, whole: 0 });
            File::open(&self.folder)?.sync_all()?;
        }
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        current.file.write_all(line)?;
        current.file.sync_data()?;
        current.whole += line.len() as u64;
        Ok(())
    }

    /// Closes a file that may end with half a line, and takes that away: the next entry begins a new file.
    fn undo(&mut self) {
        let Some(Current { file, path, whole }) = self.current.take() else { return };
        // Where that fails too, whoever reads it leaves the half line out.
        let _ = if whole == 0 { fs::remove_file(path) } else { file.set_len(whole) };
    }

    /// The oldest file with its entries; what is pushed from now on goes into a newer one.
    pub(crate) fn oldest(&mut self) -> io::Result<Option<(PathBuf, Vec<Entry>)>> {
        self.current = None;
        let Some((_, path)) = self.files()?.into_iter().next() else { return Ok(None) };
        let mut entries = Vec::new();
        for line in BufReader::new(File::open(&path)?).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(entry) => entries.push(entry),
                Err(_) => tracing::warn!("spool: a line cut short by a crash is left out"),
            }
        }
        Ok(Some((path, entries)))
    }

    /// Forgets a file that was delivered.
    pub(crate) fn delivered(&mut self, path: &Path) -> io::Result<()> {
        let size = fs::metadata(path)?.len();
        fs::remove_file(path)?;
        self.bytes = self.bytes.saturating_sub(size);
        Ok(())
    }

    /// Numbered files, oldest first.
    fn files(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for item in fs::read_dir(&self.folder)? {
            let path = item?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".jsonl"))
                .and_then(|stem| stem.parse().ok());
            if let Some(number) = number {
                files.push((number, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Body, BotId, Clock, SummaryRecord, SystemClock};

    use super::*;

    fn entry() -> Entry {
        let at = SystemClock.now();
        let (bot, of) = (BotId::fallback(), "throttle".into());
        let body = SummaryRecord { of, speaker: None, count: 1, from: at, until: at };
        Entry { id: "summary/default/1".into(), bot, at, body: Body::Summary(body) }
    }

    #[test]
    fn what_cannot_be_written_is_named_and_leaves_no_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1_000_000).unwrap();
        let path = folder.path().join("00000000000000000007.jsonl");
        fs::write(&path, "").unwrap();
        // Open for reading alone: nothing can be written into it, as on a full disk.
        let file = File::open(&path).unwrap();
        spool.current = Some(Current { file, path: path.clone(), whole: 0 });
        let error = spool.push(&entry()).unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        assert!(error.contains("os error"), "{error}");
        assert!(spool.failing && !path.exists());
        spool.push(&entry()).unwrap();
        assert!(!spool.failing);
        assert_eq!(spool.files().unwrap().len(), 1);
    }
}
