//! Base64 and hex inside a longer word: behind a name (`payload=…`), in the path of a URL, in pieces joined by
//! dashes. Every character of such a name may be a symbol too, so that the word as a whole is no text.

use std::collections::BTreeMap;

use crate::blob::{Symbol, alphabet, covering, decode64, hex_in};
use crate::likeness::{best, is_junk};
use crate::stretch::{Method, Stretch};
use crate::survey::TOKEN;
use crate::writer::Writer;

/// Fewest bytes of text that say anything.
const LEAST: usize = 8;
/// Bytes of ASCII that are no chance, whatever they say.
const SURE: usize = 24;
/// What part of a word must be text.
const SHARE: usize = 4;
/// Most symbols between two parts of one reading.
const BETWEEN: usize = 4;

/// Bytes of text among those that symbols decode to when the first `phase` are skipped.
struct Run {
    phase: usize,
    start: usize,
    text: String,
    score: i32,
}

impl Run {
    /// Where its first symbol is, and the end of its last.
    fn symbols(&self) -> (usize, usize) {
        let end = self.start + self.text.len();
        (self.phase + self.start * 4 / 3, self.phase + (end * 4).div_ceil(3))
    }

    /// What of it lies between two symbols: where runs meet, one says a few characters too much.
    fn clip(mut self, from: usize, to: usize) -> Option<Self> {
        let is_after = |at: usize| self.phase + (self.start + at) * 4 / 3 >= from;
        let (head, _) = self.text.char_indices().find(|(at, _)| is_after(*at))?;
        self.text.drain(..head);
        self.start += head;
        while self.symbols().1 > to.max(from) {
            self.text.pop()?;
        }
        (self.text.len() >= LEAST).then_some(self)
    }
}

/// Adds what stands in `symbols`: hex where enough of its digits follow each other, base64 between those.
pub(crate) fn find(symbols: &[Symbol], found: &mut Vec<Stretch>) {
    let is_hex = |symbol: &Symbol| symbol.byte.is_ascii_hexdigit();
    let mut start = 0;
    let mut at = 0;
    for part in symbols.chunk_by(|a, b| is_hex(a) == is_hex(b)) {
        if part.len() >= TOKEN && part.first().is_some_and(is_hex) {
            base64(symbols.get(start..at).unwrap_or_default(), symbols.len(), found);
            found.extend(hex_in(part));
            start = at + part.len();
        }
        at += part.len();
    }
    base64(symbols.get(start..).unwrap_or_default(), symbols.len(), found);
}

/// Adds the base64 in `symbols`, which are of a word of `whole`. Linear: each of the four places where a group of four may begin is decoded
/// once, and what is text in any of them is kept, the surest first.
fn base64(symbols: &[Symbol], whole: usize, found: &mut Vec<Stretch>) {
    if symbols.len() < TOKEN {
        return;
    }
    let (symbols, word) = alphabet(symbols);
    let mut runs: Vec<Run> = (0..4).flat_map(|phase| runs(&word, phase)).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.score));
    let mut kept: BTreeMap<usize, Run> = BTreeMap::new();
    for run in runs {
        let start = run.symbols().0;
        let before = kept.range(..=start).next_back().map_or(0, |(_, run)| run.symbols().1);
        let after = kept.range(start + 1..).next().map_or(word.len(), |(start, _)| *start);
        if let Some(run) = run.clip(before, after) {
            kept.insert(run.symbols().0, run);
        }
    }
    // pictures and certificates hold a few words too
    let said: usize = kept.values().map(|run| run.text.len() * 4 / 3).sum();
    if said * SHARE < whole {
        return;
    }
    let mut group: Vec<Run> = Vec::new();
    for (start, run) in kept {
        if group.last().is_some_and(|last| start.saturating_sub(last.symbols().1) > BETWEEN) {
            found.extend(write(&symbols, std::mem::take(&mut group)));
        }
        group.push(run);
    }
    found.extend(write(&symbols, group));
}

/// What is left out at the ends of a run: it may be of what stands beside it.
fn is_edge(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, ' ' | '.' | '!' | '?' | '"' | ')' | '(' | '\'')
}

/// The runs of text in one decoding that are no chance. In a longer word more are.
fn runs(word: &[u8], phase: usize) -> Vec<Run> {
    let decoded = word.get(phase..).and_then(decode64).unwrap_or_default();
    let least = 24 + 4 * i32::try_from(word.len().max(2).ilog2()).unwrap_or(0);
    let mut start = 0;
    let mut found = Vec::new();
    for chunk in decoded.utf8_chunks() {
        // random bytes are text for few at a time
        let valid = chunk.valid();
        if valid.len() < LEAST {
            start += valid.len() + chunk.invalid().len();
            continue;
        }
        for text in valid.split_inclusive(is_junk) {
            let run = text.trim_end_matches(is_edge);
            let head = run.len() - run.trim_start_matches(is_edge).len();
            let run = run.trim_start_matches(is_edge);
            if run.len() >= LEAST {
                let is_sure = run.len() >= SURE && run.is_ascii();
                let score = best(run).score;
                if score >= least || is_sure {
                    found.push(Run { phase, start: start + head, text: run.to_owned(), score });
                }
            }
            start += text.len();
        }
        start += chunk.invalid().len();
    }
    found
}

/// The reading of runs that follow each other.
fn write(symbols: &[Symbol], runs: Vec<Run>) -> Option<Stretch> {
    let mut reading = Writer::default();
    let (start, end) = (runs.first()?.symbols().0, runs.last()?.symbols().1);
    for run in &runs {
        for (at, c) in run.text.char_indices() {
            let first = run.phase + (run.start + at) * 4 / 3;
            let last = run.phase + ((run.start + at + c.len_utf8()) * 4).div_ceil(3);
            reading.put(c, covering(symbols.get(first..last.min(symbols.len()))?));
        }
    }
    let span = covering(symbols.get(start..end.min(symbols.len()))?);
    Stretch::new(span, Method::Base64, reading)
}
