//! Finding entries: what is asked, and the rows, read block by block.

mod matcher;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_core::{BotId, Decision};

pub use self::matcher::Matcher;
use crate::files::blocks::{Block, Blocks, bot_bit};
use crate::files::record::{Payload, Row};
use crate::files::segment::{Frames, Layout, corrupt};
use crate::{Flaw, LedgerError, Reveal};

/// What is looked for: entries that meet every condition that is set.
#[derive(Clone, Default)]
pub struct Query {
    /// Of this bot.
    pub bot: Option<BotId>,
    /// Of this speaker, given as the keyed hash that entries carry.
    pub speaker: Option<String>,
    /// That happened at this time or later.
    pub from: Option<Timestamp>,
    /// That happened before this time.
    pub until: Option<Timestamp>,
    /// Verdicts with this decision.
    pub decision: Option<Decision>,
    /// Verdicts with a finding whose kind is this, or begins with this and a dot.
    pub finding: Option<String>,
    /// With this entry id or message id.
    pub id: Option<String>,
    /// With this in the kept text, or in a reason that a person gave; upper and lower case are alike.
    pub text: Option<String>,
    /// Of this kind: `verdict`, `resolution`, `action`, `summary`, `gap`, `dead`.
    pub kind: Option<String>,
    /// At most this many.
    pub limit: Option<usize>,
    /// From the newest to the oldest, by the order of the ledger.
    pub newest_first: bool,
}

/// The rows of a search. Holds one block of rows at a time.
pub struct Rows {
    layout: Layout,
    blocks: VecDeque<(u64, Block)>,
    found: VecDeque<Result<Row, LedgerError>>,
    matcher: Matcher,
    newest_first: bool,
    left: usize,
}

impl Rows {
    pub(crate) fn new(
        layout: &Layout,
        segments: &[Blocks],
        query: Query,
        reveal: Option<Arc<dyn Reveal>>,
    ) -> Self {
        let from = query.from.map_or(i64::MIN, |at| at.as_microsecond());
        // The last microsecond before a time that has nanoseconds is still in reach.
        let until = query.until.map_or(i64::MAX, |at| at.as_microsecond());
        let bots = query.bot.as_ref().map_or(u64::MAX, |bot| bot_bit(bot.as_str()));
        let blocks = segments
            .iter()
            .flat_map(|segment| segment.list.iter().map(move |block| (segment, block)))
            .filter(|(segment, block)| {
                let in_reach = block.max_at >= from && block.min_at <= until;
                let id = query.id.as_ref();
                in_reach
                    && block.bots & bots != 0
                    && id.is_none_or(|id| segment.may_hold(block, id))
            })
            .map(|(segment, block)| (segment.first, *block))
            .collect();
        Self {
            layout: layout.clone(),
            blocks,
            found: VecDeque::new(),
            newest_first: query.newest_first,
            left: query.limit.unwrap_or(usize::MAX),
            matcher: Matcher::new(query, reveal),
        }
    }

    fn read(&mut self, segment: u64, block: &Block) -> Result<(), LedgerError> {
        let mut frames = Frames::open(&self.layout, segment, block.offset, block.end)?;
        while let Some(placed) = frames.advance()? {
            let bytes = placed.frame.payload;
            if !self.matcher.may_match(bytes) {
                continue;
            }
            let flaw = || corrupt(segment, placed.offset, None, Flaw::Payload);
            let payload = Payload::read(bytes).ok_or_else(flaw)?;
            if let Some(row) = self.matcher.row(&payload).ok_or_else(flaw)? {
                self.found.push_back(Ok(row));
                if !self.newest_first && self.found.len() >= self.left {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Iterator for Rows {
    type Item = Result<Row, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        while self.found.is_empty() {
            let (segment, block) =
                if self.newest_first { self.blocks.pop_back() } else { self.blocks.pop_front() }?;
            if let Err(error) = self.read(segment, &block) {
                // What was found before the broken place is given first.
                self.blocks.clear();
                if self.newest_first {
                    self.found.push_front(Err(error));
                } else {
                    self.found.push_back(Err(error));
                }
            }
        }
        self.left -= 1;
        if self.newest_first { self.found.pop_back() } else { self.found.pop_front() }
    }
}
