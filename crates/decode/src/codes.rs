//! Codes of characters as numbers in a row: `73 103 110`, `0x49,0x67`, `49 67 6e`, `01001001 01100111`.

use portcullis_core::Span;

use crate::blob;
use crate::likeness::Look;
use crate::stretch::{Method, Stretch};

/// Fewest numbers that make a stretch.
const LEAST: usize = 5;
/// Most bytes between two numbers.
const GAP: usize = 4;

/// Adds what rows of numbers decode to.
pub(crate) fn find(text: &str, found: &mut Vec<Stretch>) {
    let bytes = text.as_bytes();
    let mut row: Vec<Span> = Vec::new();
    let mut at = 0;
    while let Some(offset) =
        bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_hexdigit))
    {
        let start = at + offset;
        let word = bytes.get(start..).unwrap_or_default();
        let prefix = usize::from(word.starts_with(b"0x") || word.starts_with(b"0X")) * 2;
        let digits = word.iter().skip(prefix).take_while(|b| b.is_ascii_hexdigit()).count();
        let end = start + prefix + digits;
        let span = Span { start: start + prefix, end };
        let whole = !before_is_word(bytes, start) && !bytes.get(end).is_some_and(is_word);
        let near = row.last().is_none_or(|last| {
            let between = bytes.get(last.end..start).unwrap_or_default();
            between.len() <= GAP && between.iter().all(|b| !b.is_ascii_alphanumeric())
        });
        if !whole || !near || !(2..=8).contains(&digits) {
            close(text, &mut row, found);
        }
        if whole && (2..=8).contains(&digits) {
            row.push(span);
        }
        at = end.max(start + 1);
    }
    close(text, &mut row, found);
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn before_is_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_word)
}

fn close(text: &str, row: &mut Vec<Span>, found: &mut Vec<Stretch>) {
    if row.len() >= LEAST {
        let of_width = |width: usize| row.iter().all(|span| span.len() == width);
        let read = |radix: u32| {
            let decoded: Option<Vec<u8>> = row
                .iter()
                .map(|span| u8::from_str_radix(text.get(span.start..span.end)?, radix).ok())
                .collect();
            let decoded = decoded?;
            let span = Span { start: row.first()?.start, end: row.last()?.end };
            let method = if radix == 16 { Method::Hex } else { Method::Codes };
            blob::write(span, method, &decoded, |index| row.get(index).copied())
        };
        let by_width = if of_width(8) { Some(2) } else { of_width(2).then_some(16) };
        let mut readings = by_width.into_iter().chain([10, 8]).filter_map(read).peekable();
        // dates and prices decode too: they are no view, unless what they decode to decodes to words
        let carrier = readings.next_if(|stretch| stretch.look != Look::Language);
        found.extend(readings.find(|stretch| stretch.look == Look::Language).or(carrier));
    }
    row.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|s| s.reading.text().to_owned()).collect()
    }

    #[test]
    fn numbers_that_are_characters() {
        for text in [
            "73 103 110 111 114 101",
            "49 67 6e 6f 72 65",
            "0x49, 0x67, 0x6e, 0x6f, 0x72, 0x65",
            "49:67:6E:6F:72:65",
            "01001001 01100111 01101110 01101111 01110010 01100101",
            "111 147 156 157 162 145",
        ] {
            assert_eq!(readings(&format!("Read {text} now")), ["Ignore"], "{text}");
        }
    }

    #[test]
    fn numbers_that_are_numbers() {
        for text in [
            "2026-11-20 10:15:30 12:00",
            "1 2 3 4 5 6 7 8 9 10 11 12",
            "00:1A:2B:3C:4D:5E",
            "10 20 30 40 50 60 70",
            "192.168.100.200, 10.0.0.1",
            "+49 170 12 34 56 78",
        ] {
            assert_eq!(readings(text), [""; 0], "{text}");
        }
    }
}
