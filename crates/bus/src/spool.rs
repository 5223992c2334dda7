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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("spool full")]
    Full,
    #[error("spool unwritable")]
    Unwritable,
}

/// The spool's folder and what is in it.
pub(crate) struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    bytes: u64,
    current: Option<File>,
    next: u64,
}

impl Spool {
    /// Opens the folder, made where it is missing, with whatever an earlier run left in it.
    pub(crate) fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut spool =
            Self { folder: folder.to_owned(), max_bytes, bytes: 0, current: None, next: 0 };
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

    /// Writes an entry: on the disk when this returns.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), SpoolError> {
        let mut line = serde_json::to_vec(entry).map_err(|_| SpoolError::Unwritable)?;
        line.push(b'\n');
        let size = line.len() as u64;
        if self.bytes + size > self.max_bytes {
            return Err(SpoolError::Full);
        }
        self.write(&line).map_err(|_| {
            // A file with half a line is closed: the next entry starts a new one.
            self.current = None;
            SpoolError::Unwritable
        })?;
        self.bytes += size;
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.current.is_none() {
            let path = self.folder.join(format!("{:020}.jsonl", self.next));
            let file = OpenOptions::new().create_new(true).append(true).open(path)?;
            File::open(&self.folder)?.sync_all()?;
            self.next += 1;
            self.current = Some(file);
        }
        let Some(file) = self.current.as_mut() else { return Ok(()) };
        file.write_all(line)?;
        file.sync_data()
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
