//! Postal addresses where the form is certain: house number, street and postal code of the United States and
//! of Germany, and British postcodes behind a street.

use portcullis_core::Span;

use crate::bytes::{follows, is_word, preceded, run_back};
use crate::{Entity, Match};

/// Most bytes from the house number to the postal code.
const REACH: usize = 96;

const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV \
NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR ";

const STREETS: [&[u8]; 18] = [
    b"street",
    b" st",
    b"avenue",
    b" ave",
    b"road",
    b" rd",
    b"boulevard",
    b"blvd",
    b" lane",
    b" ln",
    b"drive",
    b" dr",
    b"court",
    b" ct",
    b"way",
    b"place",
    b" hwy",
    b"broadway",
];
const GERMAN: [&[u8]; 7] =
    [b"stra\xc3\x9fe", b"strasse", b"str.", b"weg", b"platz", b"allee", b"gasse"];

/// The address whose postal code's digits begin at `start` and end at `end`.
pub(crate) fn around(text: &[u8], start: usize, end: usize) -> Option<Match> {
    if preceded(text, start, is_word) || follows(text, end, is_word) || end - start != 5 {
        return None;
    }
    american(text, start, end).or_else(|| german(text, start, end))
}

/// `1600 Pennsylvania Ave NW, Washington, DC 20500-0003`.
fn american(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let state = text.get(start.checked_sub(3)?..start.checked_sub(1)?)?;
    let is_state = text.get(start - 1) == Some(&b' ')
        && STATES.as_bytes().chunks(3).any(|known| known.starts_with(state))
        && preceded(text, start - 3, |b| matches!(b, b' ' | b','));
    let from = is_state.then(|| house(text, start - 3, &STREETS))??;
    let plus = text.get(end..).and_then(|rest| rest.strip_prefix(b"-"));
    let extra =
        plus.map_or(0, |rest| rest.iter().take(5).take_while(|b| b.is_ascii_digit()).count());
    let end = if extra == 4 { end + 5 } else { end };
    Some(hit(from, end))
}

/// `Hauptstraße 12a, 10115 Berlin`.
fn german(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let town = text.get(end..)?.strip_prefix(b" ")?;
    if !town.first()?.is_ascii_uppercase() {
        return None;
    }
    let len = town
        .iter()
        .take(32)
        .take_while(|b| b.is_ascii_alphabetic() || **b >= 0x80 || **b == b'-')
        .count();
    let from = run_back(text, start, REACH, |b| !matches!(b, b'\n' | b';' | b':' | b'!' | b'?'));
    let window = text.get(from..start)?;
    let lower = window.to_ascii_lowercase();
    let (at, street) = GERMAN
        .iter()
        .filter_map(|street| Some((memchr::memmem::rfind(&lower, street)?, street.len())))
        .max()?;
    // the house number follows the street
    let number = window.get(at + street..)?;
    let digits =
        number.iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit()).count();
    let begin = window
        .get(..at)?
        .iter()
        .rposition(|b| matches!(b, b' ' | b',' | b'"'))
        .map_or(0, |b| b + 1);
    let rest = number.len();
    (digits > 0 && rest <= 16).then(|| hit(from + begin, end + 1 + len))
}

/// Where the house number stands in front of a street, at most [`REACH`] bytes before `to`.
fn house(text: &[u8], to: usize, streets: &[&[u8]]) -> Option<usize> {
    let from = run_back(text, to, REACH, |b| !matches!(b, b';' | b':' | b'!' | b'?'));
    let window = text.get(from..to)?;
    let lower = window.to_ascii_lowercase();
    let street = streets.iter().filter_map(|street| memchr::memmem::rfind(&lower, street)).max()?;
    let head = lower.get(..street)?;
    // the last number before the street with no other between
    let last = head.iter().rposition(u8::is_ascii_digit)?;
    let first = head.get(..last)?.iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |at| at + 1);
    let is_alone = first == 0 || head.get(first - 1).is_some_and(|b| !is_word(*b));
    (is_alone && last - first < 6 && street - last < 48).then_some(from + first)
}

fn hit(start: usize, end: usize) -> Match {
    Match { entity: Entity::PostalAddress, span: Span { start, end }, confidence: 0.85 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<&str> {
        let bytes = text.as_bytes();
        let starts = (0..bytes.len()).filter(|at| {
            bytes[*at].is_ascii_digit() && !preceded(bytes, *at, |b| b.is_ascii_digit())
        });
        let hit = starts
            .filter_map(|start| {
                around(bytes, start, crate::bytes::run(bytes, start, 99, |b| b.is_ascii_digit()))
            })
            .next()?;
        Some(&text[hit.span.start..hit.span.end])
    }

    #[test]
    fn addresses() {
        for (text, found) in [
            (
                "Send it to 350 Fifth Avenue, New York, NY 10118, please",
                "350 Fifth Avenue, New York, NY 10118",
            ),
            (
                "1600 Pennsylvania Ave NW\nWashington, DC 20500-0003.",
                "1600 Pennsylvania Ave NW\nWashington, DC 20500-0003",
            ),
            ("Ich wohne Hauptstraße 12a, 10115 Berlin.", "Hauptstraße 12a, 10115 Berlin"),
            ("Am Alten Weg 3, 80331 München", "Weg 3, 80331 München"),
        ] {
            assert_eq!(address(text), Some(found), "{text}");
        }
    }

    #[test]
    fn other_numbers() {
        for text in [
            "order 10118 is late",
            "OK 12345",
            "in NY 10118",
            "12345 Items on the way",
            "5 of us drive to CA 90210x",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
