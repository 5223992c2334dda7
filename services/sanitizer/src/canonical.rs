//! The canonical reading of a text, with a map back to the received bytes.
//!
//! Invisible characters that carry nothing are left out, the rest is brought into NFKC (UAX #15),
//! and words that mix Latin letters with look-alikes are folded to Latin. NFKC is computed for each
//! segment between normalization boundaries, so that every piece keeps its place in the received
//! text; joining the segments gives the NFKC of the whole.

use portcullis_core::{Place, Run, Span, Text, View, ViewKind};
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use crate::accents;
use crate::confusable::{folded, look_alike, words_to_fold};
use crate::invisible::{Sort, Useless};
use crate::marks::{self, Fate};
use crate::styled;

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
    /// Letters of the received text with more marks than any script writes.
    pub(crate) piled: Vec<Span>,
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
    let is_plain =
        useless.is_empty() && is_nfkc_quick(text.chars()) == IsNormalized::Yes && !may_change(text);
    if is_plain {
        return None;
    }
    let mut pieces = normalized(text, useless);
    let whole = pieces.len();
    let piled = drop_marks(&mut pieces);
    let is_dropped = pieces.len() != whole;
    let folded = fold(&mut pieces);
    let is_plain = drop_accents(&mut pieces);
    if useless.is_empty()
        && folded.is_empty()
        && !is_dropped
        && !is_plain
        && !matters(text, &pieces)
    {
        return None;
    }
    let (reading, map, is_cut) = write(text, &pieces, room);
    if reading.is_empty() || (reading == text && !is_cut) {
        let view = view(place, "", Vec::new());
        return (is_cut || !piled.is_empty()).then_some(Canonical { view, folded, piled, is_cut });
    }
    room.bytes = room.bytes.saturating_sub(reading.len());
    room.runs = room.runs.saturating_sub(map.len());
    Some(Canonical { view: view(place, reading, map), folded, piled, is_cut })
}

/// Whether a character of a text that is in NFKC may still be folded or dropped. Look-alikes of Latin letters
/// are only folded beside such.
fn may_change(text: &str) -> bool {
    let has_latin = text.bytes().any(|b| b.is_ascii_alphabetic());
    has_latin && accents::may_be_drawn(text) && accents::are_drawn(text.chars())
        || text.chars().any(|c| {
            !c.is_ascii()
                && (styled::letter(c).is_some()
                    || marks::is_for_any_script(c)
                    || has_latin && look_alike(c).is_some())
        })
}

/// Most signs of running text, and letters taken apart, whose other form is not worth a reading.
const FEW: usize = 4;

/// Whether a reading says more than its text: it differs by more than spaces and a few signs or decomposed
/// letters that everyday text has.
fn matters(text: &str, pieces: &[Piece]) -> bool {
    let mut few = 0;
    for group in pieces.chunk_by(|a, b| a.source == b.source) {
        let Some(source) = group.first().map(|piece| piece.source) else { continue };
        let received = text.get(source.start..source.end).unwrap_or_default();
        if received.chars().eq(group.iter().map(|piece| piece.c)) {
            continue;
        }
        let shown = || group.iter().map(|piece| piece.c);
        let is_spelling = shown().all(|c| c == ' ')
            || received.chars().all(is_spelling)
            || (received.nfc().eq(shown().nfc()) && !shown().any(|c| c.is_ascii_alphanumeric()));
        let is_sign = received.chars().all(is_sign);
        // letters taken apart, as file systems of macOS do: judges know them composed
        let is_apart = received.chars().nth(1).is_some() && shown().nth(1).is_none();
        few += usize::from(is_sign || is_apart);
        if !is_spelling && !is_sign || few > FEW {
            return true;
        }
    }
    false
}

/// What is usually written otherwise than in NFKC: East Asian punctuation, vowels of Thai, Lao and Tibetan, an Armenian ligature and its dot.
fn is_spelling(c: char) -> bool {
    matches!(
        c,
        '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}' | '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}' | '\u{2024}'
            | '\u{E33}'
            | '\u{EB3}'
            | '\u{EDC}'
            | '\u{EDD}'
            | '\u{F0C}'
            | '\u{F77}'
            | '\u{F79}'
            | '\u{587}'
    ) || marks::is_mark(c)
}

/// Signs of running text, and emoji, that NFKC writes with other characters.
fn is_sign(c: char) -> bool {
    matches!(c,
        '\u{A8}' | 'ª' | '¯' | '²' | '³' | '´' | 'µ' | '¸' | '¹' | 'º' | '¼'..='¾' | '…' | '‥' | '™' | '℠'
        | '№' | '\u{2011}' | '℃' | 'ﬁ' | 'ﬂ' | '‼' | '⁉' | 'ℹ' | 'Ⓜ' | '㊗' | '㊙' | '\u{1F200}'..='\u{1F251}')
}

/// Takes out the marks that no orthography writes. Where they were reported, the letters that carry them.
fn drop_marks(pieces: &mut Vec<Piece>) -> Vec<Span> {
    if !pieces.iter().any(|piece| marks::is_mark(piece.c)) {
        return Vec::new();
    }
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut piled = Vec::new();
    for group in pieces.chunk_by(|_, next| marks::is_mark(next.c)) {
        let Some((base, rest)) = group.split_first() else { continue };
        let following: Vec<char> = rest.iter().map(|piece| piece.c).collect();
        let fate = marks::judge(base.c, &following);
        if fate == Fate::Keep {
            kept.extend_from_slice(group);
            continue;
        }
        kept.push(Piece { c: marks::plain(base.c), ..*base });
        let end = rest.last().map_or(base.source.end, |piece| piece.source.end);
        if fate == Fate::Report {
            piled.push(Span { start: base.source.start, end });
        }
    }
    *pieces = kept;
    piled
}

/// Takes accents off a text that is English without them; whether it was.
fn drop_accents(pieces: &mut Vec<Piece>) -> bool {
    let are_drawn = accents::are_drawn(pieces.iter().map(|piece| piece.c));
    if are_drawn {
        pieces.retain(|piece| !marks::is_mark(piece.c));
        pieces.iter_mut().for_each(|piece| piece.c = marks::plain(piece.c));
    }
    are_drawn
}

/// Whether `text` has the canonical reading `expected`.
pub(crate) fn reads_as(text: &str, expected: &str) -> bool {
    let mut room = Room { bytes: text.len(), runs: text.len() };
    read(text, Place::Text, &[], &mut room)
        .is_some_and(|canonical| canonical.view.text.expose() == expected)
}

fn view(source: Place, text: impl Into<String>, map: Vec<Run>) -> View {
    View { kind: ViewKind::Canonical, source, text: Text::from(text.into()), map }
}

fn normalized(text: &str, useless: &[Useless]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut segment: Vec<Piece> = Vec::new();
    let mut skip = useless.iter().peekable();
    for (start, c) in text.char_indices() {
        while skip.next_if(|run| run.span.end <= start).is_some() {}
        let source = Span { start, end: start + c.len_utf8() };
        match skip.peek().filter(|run| run.span.start <= start) {
            Some(run) if run.sort == Sort::Filler => {
                close(&mut segment, &mut pieces);
                pieces.push(Piece { c: ' ', source });
                continue;
            }
            Some(_) => continue,
            None => {}
        }
        if starts_segment(c) {
            close(&mut segment, &mut pieces);
        }
        segment.push(Piece { c, source });
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

/// Folds words to Latin, and gives those that deceive.
fn fold(pieces: &mut [Piece]) -> Vec<Span> {
    let chars: Vec<char> = pieces.iter().map(|piece| piece.c).collect();
    let mut deceiving = Vec::new();
    for word in words_to_fold(&chars) {
        let Some(letters) = pieces.get_mut(word.range) else { continue };
        if let (true, Some(first), Some(last)) = (word.deceives, letters.first(), letters.last()) {
            deceiving.push(Span { start: first.source.start, end: last.source.end });
        }
        for piece in letters {
            piece.c = folded(piece.c);
        }
    }
    deceiving
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
