//! Encoded text in a text, decoded: base64, hex, URL escapes, HTML entities, quoted-printable, string
//! escapes, character codes, joined literals, Morse, rot13, reversed and spaced text, leet, pig latin,
//! one inside the other down to a depth. Pure: no I/O and no state.
//!
//! One survey of the text finds what it may hold, so that clean text costs one cheap pass. A decoder
//! then reads stretches in linear time; what it reads counts only where it looks more like language
//! than its source did, so that an image, a hash, an identifier or a long word decodes to nothing.
//!
//! A new encoding: a module with `find`, a [`Method`] (`crates/decode-parts`), and its sign in `survey`.

mod backwards;
mod blob;
mod codes;
mod concat;
mod embedded;
mod escapes;
mod leet;
mod morse;
mod numbers;
mod pig;
mod spaced;
mod survey;
mod tokens;
mod turned;

use std::collections::{BTreeSet, VecDeque};

use portcullis_core::{Budget, Run, Span};
use portcullis_decode_parts::{bytes, likeness, pairs, stretch, words, writer};

use likeness::Look;
use stretch::{Stretch, apart};
use survey::{Signs, survey};
use writer::{Writer, compose};

pub use stretch::Method;

/// What may be spent on one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many encodings may lie one inside the other. There are at most two readings for each.
    pub depth: usize,
    /// Bytes of all readings together.
    pub bytes: usize,
    /// Runs of all their maps together.
    pub runs: usize,
}

/// What a text says once it is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The decoded stretches with what stands around them.
    pub text: String,
    /// Where each piece came from, in the text that was given.
    pub map: Vec<Run>,
    /// How its stretches were encoded, outermost first where they were nested.
    pub methods: Vec<Method>,
    /// The stretches, in the text that was given.
    pub places: Vec<Span>,
}

impl Reading {
    /// Makes a reading of `outer`'s text one of what that was read from.
    fn nest(&mut self, outer: &Self) {
        self.map = compose(&self.text, &self.map, &outer.map);
        let inner: BTreeSet<Method> = self.methods.iter().copied().collect();
        self.methods = outer.methods.iter().copied().filter(|m| !inner.contains(m)).collect();
        self.methods.extend(inner);
        self.places.clone_from(&outer.places);
    }

    /// The same reading where the text that was decoded was itself a reading, with `outer` as its map.
    #[must_use]
    pub fn over(self, outer: &[Run]) -> Self {
        let map = compose(&self.text, &self.map, outer);
        let cover = |place: &Span| {
            let touched = outer
                .iter()
                .filter(|run| run.view < place.end && run.view + run.view_len > place.start);
            touched
                .map(|run| Span { start: run.source, end: run.source + run.source_len })
                .reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) })
        };
        // the whole is enough for a finding; each place would cost a search
        let whole = self.places.iter().copied().reduce(|a, b| Span { start: a.start, end: b.end });
        let places = whole.iter().filter_map(cover).collect();
        Self { map, places, ..self }
    }
}

/// All readings of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Readings, the outermost first.
    pub readings: Vec<Reading>,
    /// Whether a limit or the budget left something out.
    pub is_cut: bool,
}

/// Bytes of the text around a stretch that are kept with it.
const AROUND: usize = 160;

/// Most texts that are decoded for each level of nesting: what the surest stretches leave, and what those say
/// that overlap them.
const BRANCHES: usize = 2;

/// Decodes what `text` holds, within the limits and until the budget is spent.
pub fn decode(text: &str, limits: Limits, budget: &Budget) -> Decoded {
    let mut decoded = Decoded::default();
    let mut room = limits;
    let mut layers: VecDeque<(usize, Option<Reading>)> = VecDeque::from([(0, None)]);
    let mut left = BRANCHES * limits.depth;
    while let Some((level, layer)) = layers.pop_front() {
        let source = layer.as_ref().map_or(text, |reading| reading.text.as_str());
        let signs = if limits.depth > 0 { survey(source) } else { Signs::default() };
        if !signs.any() {
            continue;
        }
        let Some((surest, others)) = stretches(source, signs, budget) else {
            decoded.is_cut = true;
            break;
        };
        for found in [surest, others] {
            if found.is_empty() {
                continue;
            }
            // what lies deeper is not read, and said
            if level == limits.depth || left == 0 {
                decoded.is_cut = true;
                continue;
            }
            left -= 1;
            let is_language = found.iter().any(|stretch| stretch.look == Look::Language);
            let (mut next, is_cut) = write(source, found, room);
            if let Some(outer) = &layer {
                next.nest(outer);
            }
            decoded.is_cut |= is_cut;
            room.bytes = room.bytes.saturating_sub(next.text.len());
            room.runs = room.runs.saturating_sub(next.map.len());
            if is_language && !next.text.is_empty() {
                decoded.readings.push(next.clone());
            }
            if !is_cut {
                layers.push_back((level + 1, Some(next)));
            }
        }
    }
    decoded
}

/// Every stretch that decodes, in order and without overlap, and those that overlap them (see [`apart`]); none
/// where the budget ended. The decoders whose readings are the surest come first.
fn stretches(text: &str, signs: Signs, budget: &Budget) -> Option<(Vec<Stretch>, Vec<Stretch>)> {
    type Find = fn(&str, &mut Vec<Stretch>);
    let decoders: [(bool, Find); 12] = [
        (signs.escapes, escapes::find),
        (signs.token, blob::find),
        (signs.codes, codes::find),
        (signs.codes || signs.token, numbers::find),
        (signs.pieces, concat::find),
        (signs.morse, morse::find),
        (signs.spaced, spaced::find),
        (signs.turned, turned::find),
        (signs.backwards, backwards::find),
        (signs.pig, pig::find),
        (signs.leet, leet::find),
        (signs.flips, leet::find_cases),
    ];
    let mut found = Vec::new();
    for (_, find) in decoders.iter().filter(|(is_on, _)| *is_on) {
        if budget.is_spent() {
            return None;
        }
        find(text, &mut found);
    }
    Some(apart(found))
}

/// The reading of a text with its stretches decoded, and whether the room cut it. What stands between two
/// stretches is kept where it is short.
fn write(text: &str, found: Vec<Stretch>, room: Limits) -> (Reading, bool) {
    let mut writer = Writer::default();
    let mut methods = BTreeSet::new();
    let mut places = Vec::with_capacity(found.len());
    let mut is_cut = false;
    let mut at = None;
    for stretch in found {
        let before = match at {
            Some(at) if stretch.span.start - at <= 2 * AROUND => at,
            None if stretch.span.start <= AROUND => 0,
            _ => boundary(text, stretch.span.start - AROUND),
        };
        let context = Span { start: before, end: stretch.span.start };
        let (bytes, runs) = writer.size();
        let (more, more_runs) = stretch.reading.size();
        let separator = usize::from(at.is_some_and(|at| at != before));
        if bytes + context.len() + more + separator > room.bytes || runs + more_runs + 2 > room.runs
        {
            is_cut = true;
            break;
        }
        if at.is_some_and(|at| at != before) {
            writer.separate('\n');
        }
        writer.copy(text, context);
        at = Some(stretch.span.end);
        methods.insert(stretch.method);
        places.push(stretch.span);
        writer.append(stretch.reading);
    }
    if let Some(at) = at {
        let (bytes, _) = writer.size();
        let end = text.len().min(at + AROUND.min(room.bytes.saturating_sub(bytes)));
        writer.copy(text, Span { start: at, end: boundary(text, end) });
    }
    let (text, map) = writer.finish();
    (Reading { text, map, methods: methods.into_iter().collect(), places }, is_cut)
}

/// The last boundary of a character at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().take(4).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod forms_tests;
#[cfg(test)]
mod nested_tests;
#[cfg(test)]
mod tests;
