//! Reading every byte of the record.

use super::blocks::Blocks;
use super::record::Payload;
use super::segment::{Frames, Layout, corrupt};
use crate::{Flaw, LedgerError};

/// What a check of the whole record has read without finding damage: the record is consistent in
/// itself, which is no proof against the one who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckReport {
    /// Entries read, the ledger's own remarks among them.
    pub entries: u64,
    /// Segments read.
    pub segments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes at the end that a writer at work has not finished.
    pub unfinished: u64,
}

/// Reads every frame up to the end of each map.
pub(super) fn check(layout: &Layout, segments: &[Blocks]) -> Result<CheckReport, LedgerError> {
    let (_, foreign) = layout.segments()?;
    if let Some(file) = foreign.into_iter().next() {
        return Err(LedgerError::Corrupt { file, offset: 0, seq: None, flaw: Flaw::Foreign });
    }
    let mut report = CheckReport { entries: 0, segments: 0, bytes: 0, unfinished: 0 };
    let last = segments.last().map(|blocks| blocks.first);
    for blocks in segments {
        let seq = report.entries + 1;
        let end = if Some(blocks.first) == last {
            blocks.end()
        } else {
            let io = LedgerError::io("read a segment");
            std::fs::metadata(layout.segment(blocks.first)).map_err(io)?.len()
        };
        if blocks.first != seq {
            return Err(corrupt(blocks.first, 0, Some(seq), Flaw::Sequence));
        }
        let mut frames = Frames::open(layout, blocks.first, 0, end)?;
        loop {
            let seq = report.entries + 1;
            let placed = match frames.next() {
                Ok(Some(placed)) => placed,
                Ok(None) => break,
                Err(LedgerError::Corrupt { file, offset, flaw, .. }) => {
                    return Err(LedgerError::Corrupt { file, offset, seq: Some(seq), flaw });
                }
                Err(error) => return Err(error),
            };
            let flaw = |flaw| corrupt(blocks.first, placed.offset, Some(seq), flaw);
            let payload = Payload::read(placed.frame.payload)
                .filter(|payload| payload.id().is_some())
                .ok_or_else(|| flaw(Flaw::Payload))?;
            if payload.seq != seq {
                return Err(flaw(Flaw::Sequence));
            }
            report.entries = seq;
        }
        report.bytes += end;
        report.segments += 1;
    }
    Ok(report)
}
