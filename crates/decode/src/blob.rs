//! Base64 and hex: long words that hold bytes.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portcullis_core::Span;

use crate::bytes::{BOM, Piece, text};
use crate::embedded;
use crate::stretch::{Method, Stretch};
use crate::survey::{TOKEN, is_token};
use crate::turned::rot13;
use crate::writer::Writer;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Most bytes of white space and quotes between the lines of one blob.
const BREAK: usize = 4;

/// Most symbols of a word that is tried in more ways: longer ones are files.
const LONG: usize = 4096;

/// A symbol of an encoding, and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    pub(crate) byte: u8,
    pub(crate) at: usize,
}

/// Adds what long words decode to. Each word is decoded a bounded number of times.
pub(crate) fn find(text: &str, found: &mut Vec<Stretch>) {
    let bytes = text.as_bytes();
    let mut group: Vec<Span> = Vec::new();
    for word in words(bytes) {
        let follows = group.last().is_some_and(|last| {
            let between = bytes.get(last.end..word.start).unwrap_or_default();
            between.len() <= BREAK && between.iter().all(|b| is_break(*b))
        });
        if !follows || group.last().is_some_and(|last| last.len() < TOKEN) {
            close(bytes, &mut group, found);
        }
        if word.len() >= TOKEN || !group.is_empty() {
            group.push(word);
        }
    }
    close(bytes, &mut group, found);
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'"' | b'\'' | b'\\' | b'>' | b',')
}

/// Maximal words of token characters.
fn words(bytes: &[u8]) -> impl Iterator<Item = Span> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(|b| is_token(*b))?;
        let len = bytes.get(start..)?.iter().take_while(|b| is_token(**b)).count();
        at = start + len;
        Some(Span { start, end: at })
    })
}

/// Decodes words that follow each other: together where that gives text, else each alone, else what stands in
/// it.
fn close(bytes: &[u8], group: &mut Vec<Span>, found: &mut Vec<Stretch>) {
    let together = together(bytes, group);
    if together.is_none() {
        let is_file = is_file(group);
        for word in group.iter().filter(|word| word.len() >= TOKEN) {
            let symbols = symbols(bytes, std::slice::from_ref(word));
            match whole(&symbols) {
                // a certificate holds names, among keys
                Some(stretch) if is_file && stretch.reading.junk() > 0 => {}
                Some(stretch) => found.push(stretch),
                None if is_file => {}
                None => parts(symbols, found),
            }
        }
    }
    found.extend(together);
    group.clear();
}

/// Whether words are the lines of a file, such as a certificate: most are of one length.
fn is_file(group: &[Span]) -> bool {
    let line = group.get(1).map_or(0, Span::len);
    let lines = group.iter().filter(|word| word.len() == line).count();
    lines >= 3 && 2 * lines >= group.len()
}

/// What several words decode to as one. A short one at the end may be the next word of the sentence.
fn together(bytes: &[u8], group: &[Span]) -> Option<Stretch> {
    let (last, others) = group.split_last().filter(|(_, others)| !others.is_empty())?;
    let all = whole(&symbols(bytes, group));
    if last.len() >= TOKEN || all.as_ref().is_some_and(|all| all.reading.junk() == 0) {
        return all;
    }
    let readings = whole(&symbols(bytes, others)).into_iter().chain(all);
    readings.min_by_key(|stretch| stretch.reading.junk())
}

fn symbols(bytes: &[u8], words: &[Span]) -> Vec<Symbol> {
    let all = words.iter().flat_map(|word| word.start..word.end);
    all.filter_map(|at| Some(Symbol { byte: *bytes.get(at)?, at })).collect()
}

/// What all symbols decode to, as they stand or backwards.
fn whole(symbols: &[Symbol]) -> Option<Stretch> {
    read(symbols).or_else(|| {
        let turned: Vec<Symbol> = symbols.iter().rev().copied().collect();
        read(&turned)
    })
}

/// What stands inside a word, as a value behind its name; else what it is when rotated.
fn parts(mut symbols: Vec<Symbol>, found: &mut Vec<Stretch>) {
    let before = found.len();
    embedded::find(&symbols, found);
    if found.len() == before && symbols.len() <= LONG {
        symbols.reverse();
        embedded::find(&symbols, found);
        symbols.reverse();
    }
    if found.len() == before && symbols.len() <= LONG {
        for symbol in &mut symbols {
            let rotated = rot13(char::from(symbol.byte));
            symbol.byte = u8::try_from(rotated).unwrap_or(symbol.byte);
        }
        found.extend(base64(&symbols));
    }
}

fn read(symbols: &[Symbol]) -> Option<Stretch> {
    let is_hex =
        symbols.len().is_multiple_of(2) && symbols.iter().all(|s| s.byte.is_ascii_hexdigit());
    if is_hex { hex(symbols) } else { base64(symbols) }
}

fn hex(symbols: &[Symbol]) -> Option<Stretch> {
    let (pairs, _) = symbols.as_chunks::<2>();
    let digit = |symbol: Symbol| char::from(symbol.byte).to_digit(16);
    let decoded: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok())
        .collect();
    let places = |index: usize| pairs.get(index).map(|pair| covering(pair));
    put(covering(symbols), Method::Hex, &text(&decoded?)?, places)
}

/// Hex in symbols of which the first or the last may be no part of it.
pub(crate) fn hex_in(symbols: &[Symbol]) -> Option<Stretch> {
    let even = |symbols: &[Symbol]| hex(symbols.get(..symbols.len() / 2 * 2)?);
    even(symbols).or_else(|| even(symbols.get(1..).filter(|rest| rest.len() % 2 == 0)?))
}

/// The smallest span over symbols that follow each other or go backwards.
pub(crate) fn covering(symbols: &[Symbol]) -> Span {
    let ends = symbols.first().zip(symbols.last());
    let (a, b) = ends.map_or((0, 0), |(first, last)| (first.at, last.at));
    Span { start: a.min(b), end: if symbols.is_empty() { 0 } else { a.max(b) + 1 } }
}

/// Tries the four places where a group of four may begin, because what stands before the blob may be
/// letters too.
fn base64(all: &[Symbol]) -> Option<Stretch> {
    let (symbols, word) = alphabet(all);
    (0..4).find_map(|skipped| {
        let decoded = decode64(word.get(skipped..)?)?;
        let pieces = text(&decoded)?;
        let symbols = symbols.get(skipped..)?;
        let place = |index: usize| {
            let rest = symbols.get(index / 3 * 4..)?;
            Some(covering(rest.get(..rest.len().min(4))?))
        };
        // padding belongs to it
        let first =
            all.iter().position(|symbol| symbol.at == symbols.first().map_or(0, |s| s.at))?;
        put(covering(all.get(first..)?), Method::Base64, &pieces, place)
    })
}

/// Symbols of base64 and their bytes in the standard alphabet, without padding.
pub(crate) fn alphabet(symbols: &[Symbol]) -> (Vec<Symbol>, Vec<u8>) {
    let symbols: Vec<Symbol> = symbols.iter().filter(|s| s.byte != b'=').copied().collect();
    let standard = |symbol: &Symbol| match symbol.byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let word = symbols.iter().map(standard).collect();
    (symbols, word)
}

/// The bytes of symbols of the standard alphabet.
pub(crate) fn decode64(word: &[u8]) -> Option<Vec<u8>> {
    // one symbol alone is not a byte
    BASE64.decode(word.get(..word.len() - usize::from(word.len() % 4 == 1))?).ok()
}

/// The stretch for decoded bytes, each of which stands for its place.
pub(crate) fn write(
    span: Span,
    method: Method,
    bytes: &[u8],
    place: impl Fn(usize) -> Option<Span>,
) -> Option<Stretch> {
    put(span, method, &text(bytes)?, place)
}

fn put(
    span: Span,
    method: Method,
    pieces: &[Piece],
    place: impl Fn(usize) -> Option<Span>,
) -> Option<Stretch> {
    let mut reading = Writer::default();
    let mut at = 0;
    for piece in pieces {
        let (first, last) = (place(at)?, place(at + piece.len - 1)?);
        let source = Span { start: first.start.min(last.start), end: first.end.max(last.end) };
        if piece.is_doubtful {
            reading.doubt();
        }
        if piece.c != BOM {
            reading.put(piece.c, source);
        }
        at += piece.len;
    }
    Stretch::new(span, method, reading)
}
