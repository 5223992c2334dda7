//! Base64 and hex: long words that hold bytes.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portcullis_core::Span;

use crate::likeness::Look;
use crate::stretch::{Method, Stretch};
use crate::survey::{TOKEN, is_token};
use crate::writer::Writer;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Most bytes of white space and quotes between the lines of one blob.
const BREAK: usize = 4;

/// A symbol of an encoding, and where it stands.
#[derive(Clone, Copy)]
struct Symbol {
    byte: u8,
    at: usize,
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

/// Decodes words that follow each other: together where that gives text, else each alone.
fn close(bytes: &[u8], group: &mut Vec<Span>, found: &mut Vec<Stretch>) {
    let before = found.len();
    if group.len() > 1 {
        found.extend(decode(bytes, group));
    }
    if found.len() == before {
        let long = group.iter().filter(|word| word.len() >= TOKEN);
        found.extend(long.filter_map(|word| decode(bytes, std::slice::from_ref(word))));
    }
    group.clear();
}

fn decode(bytes: &[u8], words: &[Span]) -> Option<Stretch> {
    let span = Span { start: words.first()?.start, end: words.last()?.end };
    let symbols: Vec<Symbol> = words
        .iter()
        .flat_map(|word| (word.start..word.end).filter_map(|at| Some((at, *bytes.get(at)?))))
        .map(|(at, byte)| Symbol { byte, at })
        .collect();
    let is_hex =
        symbols.len().is_multiple_of(2) && symbols.iter().all(|s| s.byte.is_ascii_hexdigit());
    let read = |symbols: &[Symbol]| {
        let hex = is_hex.then(|| hex(span, symbols)).flatten();
        hex.or_else(|| base64(span, symbols))
    };
    read(&symbols).or_else(|| {
        let turned: Vec<Symbol> = symbols.iter().rev().copied().collect();
        read(&turned)
    })
}

fn hex(span: Span, symbols: &[Symbol]) -> Option<Stretch> {
    let (pairs, _) = symbols.as_chunks::<2>();
    let digit = |symbol: Symbol| char::from(symbol.byte).to_digit(16);
    let decoded: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok())
        .collect();
    let places = |index: usize| pairs.get(index).map(|pair| covering(pair));
    write(span, Method::Hex, &decoded?, places)
}

/// The smallest span over symbols that follow each other or go backwards.
fn covering(symbols: &[Symbol]) -> Span {
    let start = symbols.iter().map(|s| s.at).min().unwrap_or(0);
    let end = symbols.iter().map(|s| s.at + 1).max().unwrap_or(0);
    Span { start, end }
}

/// Tries the four places where a group of four may begin, because what stands before the blob may be
/// letters too.
fn base64(span: Span, symbols: &[Symbol]) -> Option<Stretch> {
    let symbols: Vec<Symbol> = symbols
        .iter()
        .filter(|symbol| symbol.byte != b'=')
        .map(|symbol| match symbol.byte {
            b'-' => Symbol { byte: b'+', ..*symbol },
            b'_' => Symbol { byte: b'/', ..*symbol },
            _ => *symbol,
        })
        .collect();
    (0..4).find_map(|skipped| {
        let symbols = symbols.get(skipped..)?;
        // one symbol alone is not a byte
        let symbols = symbols.get(..symbols.len() - usize::from(symbols.len() % 4 == 1))?;
        let word: Vec<u8> = symbols.iter().map(|symbol| symbol.byte).collect();
        let begin = BASE64.decode(word.get(..word.len().min(16))?).ok()?;
        if !may_be_text(&begin) {
            return None;
        }
        let decoded = BASE64.decode(&word).ok()?;
        let place = |index: usize| {
            let quad = index / 3 * 4;
            let rest = symbols.get(quad..)?;
            Some(covering(rest.get(..rest.len().min(4))?))
        };
        let start = symbols.first().map_or(span.start, |s| span.start.max(s.at.min(span.end)));
        let span = if skipped > 0 && start > span.start { Span { start, ..span } } else { span };
        write(span, Method::Base64, &decoded, place)
    })
}

/// Whether bytes may begin a text: no controls but white space, unless every other one is zero.
fn may_be_text(bytes: &[u8]) -> bool {
    let is_text = |b: &u8| *b >= b' ' && *b != 0x7F || matches!(b, b'\n' | b'\r' | b'\t');
    bytes.iter().all(is_text) || is_wide(bytes)
}

/// Whether it is ASCII in UTF-16, little-endian, as PowerShell takes it.
fn is_wide(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.len() >= 4 && pairs.iter().all(|[low, high]| *high == 0 && *low != 0)
}

/// The stretch for decoded bytes, each of which stands for its place.
pub(crate) fn write(
    span: Span,
    method: Method,
    bytes: &[u8],
    place: impl Fn(usize) -> Option<Span>,
) -> Option<Stretch> {
    let mut reading = Writer::default();
    let over = |from: usize, to: usize| {
        let (first, last) = (place(from)?, place(to)?);
        Some(Span { start: first.start.min(last.start), end: first.end.max(last.end) })
    };
    if is_wide(bytes) {
        for (index, byte) in bytes.iter().enumerate().step_by(2) {
            reading.put(char::from(*byte), over(index, (index + 1).min(bytes.len() - 1))?);
        }
    } else {
        let text = lenient(bytes)?;
        for (at, c) in text.char_indices() {
            reading.put(c, over(at, at + c.len_utf8() - 1)?);
        }
    }
    Stretch::new(span, method, reading).filter(|s| s.look != Look::Noise)
}

/// UTF-8, less an end that was cut.
fn lenient(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if bytes.len() - error.valid_up_to() < 4 && error.valid_up_to() >= 8 => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}
