//! Segment files: their names, their header, and reading their frames one after the other.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{self, Frame};
use crate::{Flaw, LedgerError};

/// Bytes before the first frame: magic (8), format (4), number of the first entry (8), CRC-32 (4).
pub const HEADER: u64 = 24;

const MAGIC: [u8; 8] = *b"PLSEGMNT";
const FORMAT: u32 = 1;

/// The file of the tree's hashes.
pub const TREE: &str = "tree";
/// The file of the signed checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// Where everything lies under the ledger's folder.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Everything under this folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The record itself.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// What can be rebuilt from the record, and how far each reader has come.
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Held by the one writer.
    pub fn lock(&self) -> PathBuf {
        self.root.join("ledger.lock")
    }

    /// The segment whose first entry has this number.
    pub fn segment(&self, first: u64) -> PathBuf {
        self.audit().join(name(first))
    }

    /// The hashes of the tree.
    pub fn tree(&self) -> PathBuf {
        self.audit().join(TREE)
    }

    /// The signed checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.audit().join(CHECKPOINTS)
    }

    /// The numbers of the first entries of all segments, rising, and the names of files that are not of
    /// the record.
    pub fn segments(&self) -> Result<(Vec<u64>, Vec<String>), LedgerError> {
        let (mut firsts, mut foreign) = (Vec::new(), Vec::new());
        let io = LedgerError::io("list the segments");
        for file in std::fs::read_dir(self.audit()).map_err(&io)? {
            let file = file.map_err(&io)?.file_name().to_string_lossy().into_owned();
            match first(&file) {
                Some(first) => firsts.push(first),
                None if file == TREE || file == CHECKPOINTS => {}
                None => foreign.push(file),
            }
        }
        firsts.sort_unstable();
        foreign.sort_unstable();
        Ok((firsts, foreign))
    }
}

/// The file of the segment whose first entry has this number.
pub fn name(first: u64) -> String {
    format!("{first:020}.segment")
}

fn first(file: &str) -> Option<u64> {
    let first = file.strip_suffix(".segment")?.parse().ok()?;
    (name(first) == file).then_some(first)
}

/// The header of a segment.
pub fn header(first: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER as usize);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

/// Checks that `bytes` begin with the header of the segment that begins with `first`.
pub fn check_header(bytes: &[u8], first: u64) -> Result<(), LedgerError> {
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
pub struct Frames {
    file: BufReader<File>,
    first: u64,
    offset: u64,
    end: u64,
    frame: Vec<u8>,
}

/// A frame and where it begins.
pub struct Placed<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// What stands there.
    pub frame: Frame<'a>,
}

impl Frames {
    /// Opens the segment, checks its header and reads from byte `from` (at least the header's length)
    /// up to byte `end`.
    pub fn open(layout: &Layout, first: u64, from: u64, end: u64) -> Result<Self, LedgerError> {
        let io = LedgerError::io("read a segment");
        let mut file =
            BufReader::with_capacity(256 << 10, File::open(layout.segment(first)).map_err(&io)?);
        let mut head = Vec::with_capacity(HEADER as usize);
        file.by_ref().take(HEADER).read_to_end(&mut head).map_err(&io)?;
        check_header(&head, first)?;
        let offset = from.max(HEADER);
        file.seek(SeekFrom::Start(offset)).map_err(&io)?;
        Ok(Self { file, first, offset, end, frame: Vec::new() })
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame; `None` exactly at the end.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] where the bytes are no frame; the position then stays.
    pub fn advance(&mut self) -> Result<Option<Placed<'_>>, LedgerError> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let (first, offset) = (self.first, self.offset);
        let flaw = |flaw| corrupt(first, offset, None, flaw);
        let left = self.end - self.offset;
        if left < frame::HEADER as u64 {
            return Err(flaw(Flaw::Short));
        }
        let io = LedgerError::io("read a segment");
        self.frame.resize(frame::HEADER, 0);
        self.file.read_exact(&mut self.frame).map_err(&io)?;
        let head = frame::Header::read(&self.frame).map_err(flaw)?;
        let size = frame::HEADER + head.length;
        if left < size as u64 {
            return Err(flaw(Flaw::Short));
        }
        self.frame.resize(size, 0);
        let payload = self.frame.get_mut(frame::HEADER..).unwrap_or_default();
        self.file.read_exact(payload).map_err(&io)?;
        let frame = frame::decode(&self.frame).map_err(flaw)?;
        self.offset += frame.size();
        Ok(Some(Placed { offset, frame }))
    }
}

/// The error for a broken place.
pub fn corrupt(first: u64, offset: u64, seq: Option<u64>, flaw: Flaw) -> LedgerError {
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
