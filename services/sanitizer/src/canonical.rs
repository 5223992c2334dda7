//! The canonical reading of a text, with a map back to the received bytes.
//!
//! Invisible characters that carry nothing are left out, the rest is brought into NFKC (UAX #15),
//! and words that mix Latin letters with look-alikes are folded to Latin. NFKC is computed for each
//! segment between normalization boundaries, so that every piece keeps its place in the received
//! text; joining the segments gives the NFKC of the whole.

use portcullis_core::{Place, Run, Span, Text, View, ViewKind};
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use crate::confusable::{latin_look_alike, words_to_fold};
use crate::invisible::Useless;

/// What views may still take up, over all texts of an ask.
pub(crate) struct Room {
    /// Bytes of text.
    pub(crate) bytes: usize,
    /// Runs of the maps: about 60 bytes each on the wire.
    pub(crate) runs: usize,
}

/// A canonical reading that differs from its source.
pub(crate) struct Canonical {
    pub(crate) view: View,
    /// Words of the received text in which look-alikes were folded.
    pub(crate) folded: Vec<Span>,
    /// Whether the room did not suffice and the end is missing.
    pub(crate) is_cut: bool,
}

/// A character of the reading and the received bytes that it stands for. Pieces of one normalized
/// segment share their bytes.
#[derive(Clone, Copy)]
struct Piece {
    c: char,
    source: Span,
}

/// The canonical reading of `text`, where it differs.
pub(crate) fn read(
    text: &str,
    place: Place,
    useless: &[Useless],
    room: &mut Room,
) -> Option<Canonical> {
    let is_plain = useless.is_empty()
        && is_nfkc_quick(text.chars()) == IsNormalized::Yes
        && !text.chars().any(|c| !c.is_ascii() && latin_look_alike(c).is_some());
    if is_plain {
        return None;
    }
    let mut pieces = normalized(text, useless);
    let folded = fold(&mut pieces);
    let (reading, map, is_cut) = write(text, &pieces, room);
    if reading.is_empty() || (reading == text && !is_cut) {
        return is_cut.then(|| Canonical { view: view(place, "", Vec::new()), folded, is_cut });
    }
    room.bytes = room.bytes.saturating_sub(reading.len());
    room.runs = room.runs.saturating_sub(map.len());
    Some(Canonical { view: view(place, reading, map), folded, is_cut })
}

fn view(source: Place, text: impl Into<String>, map: Vec<Run>) -> View {
    View { kind: ViewKind::Canonical, source, text: Text::from(text.into()), map }
}

fn normalized(text: &str, useless: &[Useless]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut segment: Vec<Piece> = Vec::new();
    let mut skip = useless.iter().map(|run| run.span).peekable();
    for (start, c) in text.char_indices() {
        while skip.next_if(|span| span.end <= start).is_some() {}
        if skip.peek().is_some_and(|span| span.start <= start) {
            continue;
        }
        if starts_segment(c) {
            close(&mut segment, &mut pieces);
        }
        segment.push(Piece { c, source: Span { start, end: start + c.len_utf8() } });
    }
    close(&mut segment, &mut pieces);
    pieces
}

/// Whether normalization never reaches from before `c` into it: what it decomposes to begins with a
/// starter that composes with nothing before it.
fn starts_segment(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    let first = std::iter::once(c).nfkd().next().unwrap_or(c);
    canonical_combining_class(first) == 0
        && is_nfc_quick(std::iter::once(first)) == IsNormalized::Yes
}

/// Normalizes a segment and adds its pieces.
fn close(segment: &mut Vec<Piece>, pieces: &mut Vec<Piece>) {
    let chars = || segment.iter().map(|piece| piece.c);
    if is_nfkc_quick(chars()) == IsNormalized::Yes || chars().nfkc().eq(chars()) {
        pieces.append(segment);
    } else if let (Some(first), Some(last)) = (segment.first(), segment.last()) {
        let source = Span { start: first.source.start, end: last.source.end };
        pieces.extend(chars().nfkc().map(|c| Piece { c, source }));
        segment.clear();
    }
}

fn fold(pieces: &mut [Piece]) -> Vec<Span> {
    let chars: Vec<char> = pieces.iter().map(|piece| piece.c).collect();
    let mut folded = Vec::new();
    for range in words_to_fold(&chars) {
        let Some(word) = pieces.get_mut(range) else { continue };
        if let (Some(first), Some(last)) = (word.first(), word.last()) {
            folded.push(Span { start: first.source.start, end: last.source.end });
        }
        for piece in word {
            piece.c = latin_look_alike(piece.c).unwrap_or(piece.c);
        }
    }
    folded
}

/// The reading, its map, and whether the room cut it.
fn write(text: &str, pieces: &[Piece], room: &Room) -> (String, Vec<Run>, bool) {
    let mut reading = String::with_capacity(text.len().min(room.bytes));
    let mut map: Vec<Run> = Vec::new();
    for group in pieces.chunk_by(|a, b| a.source == b.source) {
        let Some(source) = group.first().map(|piece| piece.source) else { continue };
        let len = group.iter().map(|piece| piece.c.len_utf8()).sum::<usize>();
        // a group takes at most two runs
        if reading.len() + len > room.bytes || map.len() + 2 > room.runs {
            return (reading, map, true);
        }
        let start = reading.len();
        reading.extend(group.iter().map(|piece| piece.c));
        let run =
            Run { view: start, source: source.start, view_len: len, source_len: source.len() };
        let same = text.get(source.start..source.end) == reading.get(start..);
        match map.last_mut() {
            Some(last) if same && last.is_same(text, &reading) && last.touches(&run) => {
                last.view_len += len;
                last.source_len += len;
            }
            _ => add(run, text, &reading, &mut map),
        }
    }
    (reading, map, false)
}

/// Adds the run of a group. A run of equal lengths is read byte by byte; where the characters do not
/// lie at the same bytes (U+2026 and "...") it becomes two, each for all of the received bytes.
fn add(run: Run, text: &str, reading: &str, map: &mut Vec<Run>) {
    let is_aligned = || {
        let start = run.source;
        reading
            .get(run.view..)
            .is_some_and(|new| new.char_indices().all(|(at, _)| text.is_char_boundary(start + at)))
    };
    let first =
        reading.get(run.view..).and_then(|new| new.chars().next()).map_or(0, char::len_utf8);
    if run.view_len != run.source_len || is_aligned() {
        map.push(run);
    } else {
        map.push(Run { view_len: first, ..run });
        map.push(Run { view: run.view + first, view_len: run.view_len - first, ..run });
    }
}

trait Joins {
    fn is_same(&self, text: &str, reading: &str) -> bool;
    fn touches(&self, next: &Self) -> bool;
}

impl Joins for Run {
    /// Whether both sides are byte for byte the same. Runs grow only while they are, so that their
    /// last bytes tell.
    fn is_same(&self, text: &str, reading: &str) -> bool {
        let tail = self.view_len.min(4);
        let end = |start: usize, len: usize| (start + len - tail)..(start + len);
        self.view_len == self.source_len
            && text.as_bytes().get(end(self.source, self.source_len))
                == reading.as_bytes().get(end(self.view, self.view_len))
    }

    fn touches(&self, next: &Self) -> bool {
        self.source + self.source_len == next.source
    }
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
