//! Which parts of a Markdown text are shown as code: nothing in them is loaded or followed. In doubt a text is no
//! code: a span or a fence counts where [`Blocks`] say so in every way in which the lines before may be read, and a
//! fence without an end does not.

use std::ops::Range;

use crate::blocks::{Blocks, Kind};

/// Where code is, in order and without overlap.
#[derive(Debug, Default)]
pub struct Code {
    found: Vec<Range<usize>>,
    /// Where the code of a fence begins that is not over at the end of the text.
    open: Option<usize>,
    /// Whether an image by reference may stand in the text or before it.
    has_images: bool,
}

/// The lines of a text that grows, as far as they were read.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// What the lines before `start` leave behind.
    blocks: Blocks,
    /// Where the line begins that is not over.
    start: usize,
    looked: usize,
}

impl Lines {
    /// Where the line begins that is not over.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Reads the lines that are over before `to`.
    pub fn read(&mut self, text: &str, to: usize) {
        while let Some(end) = line_end(text, self.looked, to) {
            let line = text.get(self.start..end).unwrap_or_default();
            self.blocks = self.blocks.read(line, &mut Vec::new()).0;
            self.start = end;
            self.looked = end;
        }
        // a carriage return at the end belongs to the line feed that may come
        let is_open = text.get(..to).is_some_and(|text| text.ends_with('\r'));
        self.looked = self.looked.max(to.saturating_sub(usize::from(is_open)));
    }
}

/// One past the end of the line that ends first between `from` and `to`.
fn line_end(text: &str, from: usize, to: usize) -> Option<usize> {
    let end = from + text.get(from..to)?.find(['\n', '\r'])? + 1;
    let mut after = text.bytes().skip(end - 1);
    match (after.next(), after.next()) {
        (Some(b'\r'), Some(b'\n')) => (end < to).then_some(end + 1),
        (Some(b'\r'), None) => None,
        _ => Some(end),
    }
}

impl Code {
    /// The code of a whole text.
    pub fn of(text: &str) -> Self {
        Self::rest(text, 0, &Lines::default())
    }

    /// The code of the rest of a whole text, from `from` on, which is in the line that begins at the start of
    /// `lines`. Places are counted from there.
    pub fn rest(text: &str, from: usize, lines: &Lines) -> Self {
        let mut code = Self::read(text, from, lines, true);
        // a fence without an end is none
        if let Some(open) = code.open.take() {
            code.found.retain(|range| range.start < open);
        }
        code
    }

    /// The same of a text that is not over: what stands in a fence that is open is code as yet.
    pub fn so_far(text: &str, from: usize, lines: &Lines) -> Self {
        Self::read(text, from, lines, false)
    }

    fn read(text: &str, from: usize, lines: &Lines, is_whole: bool) -> Self {
        let mut code = Self { has_images: lines.blocks.has_images, ..Self::default() };
        let mut blocks = lines.blocks.clone();
        let mut start = lines.start;
        while start < text.len() {
            // the part of a long line that is not read here has no end in it
            let end = line_end(text, start.max(from), text.len());
            let line = text.get(start..end.unwrap_or(text.len())).unwrap_or_default();
            let mut spans = Vec::new();
            let (next, kind) = blocks.read(line, &mut spans);
            let offset = start.max(from) - from;
            if kind == Kind::Fenced {
                let end = start + line.len() - from;
                match code.found.last_mut() {
                    Some(last) if last.end == offset => last.end = end,
                    _ => code.found.push(offset..end),
                }
                code.open.get_or_insert(offset);
            } else {
                code.open = None;
                // a line whose start is not read here has no spans
                let whole = spans.into_iter().filter(|_| start >= from);
                code.found.extend(whole.map(|span| offset + span.start..offset + span.end));
            }
            // the end of a fence is one when its line is over
            if (is_whole || end.is_some()) && !next.is_fenced() {
                code.open = None;
            }
            blocks = next;
            start = end.unwrap_or(text.len());
        }
        code.has_images |= blocks.has_images;
        code
    }

    /// Whether a byte stands in code.
    pub fn has(&self, at: usize) -> bool {
        let next = self.found.partition_point(|range| range.end <= at);
        self.found.get(next).is_some_and(|range| range.start <= at)
    }

    /// Whether it does whatever comes after the text.
    pub fn keeps(&self, at: usize) -> bool {
        self.has(at) && self.open.is_none_or(|open| at < open)
    }

    /// Where the code of a fence begins that is not over.
    pub fn open(&self) -> Option<usize> {
        self.open
    }

    /// Whether an image by reference may stand in the text.
    pub fn has_images(&self) -> bool {
        self.has_images
    }
}

#[cfg(test)]
#[path = "code_tests.rs"]
mod tests;
