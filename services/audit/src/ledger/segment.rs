//! Segment files: their names, their header, and reading their frames one after the other.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{self, Frame};
use crate::{Flaw, LedgerError};

/// Bytes before the first frame: magic (8), format (4), number of the first entry (8), CRC-32 (4).
pub(crate) const HEADER: u64 = 24;

const MAGIC: [u8; 8] = *b"PLSEGMNT";
const FORMAT: u32 = 1;

/// Where everything lies under the ledger's folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The record itself.
    pub(crate) fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// What can be rebuilt from the record, and how far each reader has come.
    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Held by the one writer.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("ledger.lock")
    }

    pub(crate) fn segment(&self, first: u64) -> PathBuf {
        self.audit().join(name(first))
    }

    /// The numbers of the first entries of all segments, rising, and the names of files that are none.
    pub(crate) fn segments(&self) -> Result<(Vec<u64>, Vec<String>), LedgerError> {
        let (mut firsts, mut foreign) = (Vec::new(), Vec::new());
        let io = LedgerError::io("list the segments");
        for file in std::fs::read_dir(self.audit()).map_err(&io)? {
            let file = file.map_err(&io)?.file_name().to_string_lossy().into_owned();
            match first(&file) {
                Some(first) => firsts.push(first),
                None => foreign.push(file),
            }
        }
        firsts.sort_unstable();
        foreign.sort_unstable();
        Ok((firsts, foreign))
    }
}

/// The file of the segment whose first entry has this number.
pub(crate) fn name(first: u64) -> String {
    format!("{first:020}.segment")
}

fn first(file: &str) -> Option<u64> {
    let first = file.strip_suffix(".segment")?.parse().ok()?;
    (name(first) == file).then_some(first)
}

/// The header of a segment.
pub(crate) fn header(first: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER as usize);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

/// Checks that `bytes` begin with the header of the segment that begins with `first`.
pub(crate) fn check_header(bytes: &[u8], first: u64) -> Result<(), LedgerError> {
    let flaw = |flaw| LedgerError::Corrupt { file: name(first), offset: 0, seq: None, flaw };
    let (head, crc) =
        bytes.split_at_checked(HEADER as usize - 4).ok_or_else(|| flaw(Flaw::Short))?;
    if crc.get(..4) != Some(crc32fast::hash(head).to_le_bytes().as_slice()) {
        return Err(flaw(Flaw::Header));
    }
    if head == header(first).get(..head.len()).unwrap_or_default() {
        return Ok(());
    }
    match head.get(8..12).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes) {
        Some(version) if head.starts_with(&MAGIC) && version != FORMAT => {
            Err(LedgerError::Format { file: name(first), version })
        }
        _ => Err(flaw(Flaw::Header)),
    }
}

/// Reads the frames of a segment in order.
pub(crate) struct Frames {
    file: BufReader<File>,
    first: u64,
    offset: u64,
    end: u64,
    payload: Vec<u8>,
}

/// A frame and where it begins.
pub(crate) struct Placed<'a> {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// What stands there.
    pub(crate) frame: Frame<'a>,
}

impl Frames {
    /// Opens the segment, checks its header and reads from byte `from` (at least the header's length)
    /// up to byte `end`.
    pub(crate) fn open(
        layout: &Layout,
        first: u64,
        from: u64,
        end: u64,
    ) -> Result<Self, LedgerError> {
        let io = LedgerError::io("read a segment");
        let mut file =
            BufReader::with_capacity(256 << 10, File::open(layout.segment(first)).map_err(&io)?);
        let mut head = Vec::with_capacity(HEADER as usize);
        file.by_ref().take(HEADER).read_to_end(&mut head).map_err(&io)?;
        check_header(&head, first)?;
        let offset = from.max(HEADER);
        file.seek(SeekFrom::Start(offset)).map_err(&io)?;
        Ok(Self { file, first, offset, end, payload: Vec::new() })
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame; `None` exactly at the end.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] where the bytes are no frame; the position then stays.
    pub(crate) fn next(&mut self) -> Result<Option<Placed<'_>>, LedgerError> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let (first, offset) = (self.first, self.offset);
        let flaw = |flaw| corrupt(first, offset, None, flaw);
        let left = self.end - self.offset;
        let mut head = [0; frame::HEADER];
        if left < head.len() as u64 {
            return Err(flaw(Flaw::Short));
        }
        let io = LedgerError::io("read a segment");
        self.file.read_exact(&mut head).map_err(&io)?;
        let head = frame::Header::read(&head).map_err(flaw)?;
        if left < (frame::HEADER + head.length) as u64 {
            return Err(flaw(Flaw::Short));
        }
        self.payload.resize(head.length, 0);
        self.file.read_exact(&mut self.payload).map_err(&io)?;
        head.check(&self.payload).map_err(flaw)?;
        let frame = Frame { synced: head.synced, payload: &self.payload };
        self.offset += frame.size();
        Ok(Some(Placed { offset, frame }))
    }
}

/// The error for a broken place.
pub(crate) fn corrupt(first: u64, offset: u64, seq: Option<u64>, flaw: Flaw) -> LedgerError {
    LedgerError::Corrupt { file: name(first), offset, seq, flaw }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_fits_its_file_alone() {
        assert!(check_header(&header(7), 7).is_ok());
        assert!(check_header(&header(7), 8).is_err());
        for at in 0..HEADER as usize {
            let mut bytes = header(7);
            bytes[at] ^= 4;
            assert!(matches!(check_header(&bytes, 7), Err(LedgerError::Corrupt { .. })));
        }
        let mut later = header(7);
        later[8] = 9;
        let crc = crc32fast::hash(&later[..20]).to_le_bytes();
        later[20..].copy_from_slice(&crc);
        assert!(matches!(check_header(&later, 7), Err(LedgerError::Format { version: 9, .. })));
    }

    #[test]
    fn names_are_read_as_written() {
        assert_eq!(first(&name(42)), Some(42));
        assert_eq!(first("42.segment"), None);
        assert_eq!(first("readme"), None);
    }
}
