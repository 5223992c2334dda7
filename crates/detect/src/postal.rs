//! Postal addresses where the form is certain: house number, street, town and postal code of the United States, of
//! Australia and of Britain; those of other countries are `continental`'s.

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, preceded, run, run_back};
use crate::continental::{continental, dutch, polish};
use crate::{Entity, Match};

/// Most bytes from the house number to the postal code.
const REACH: usize = 96;

const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV \
NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR ";
/// The same in full.
#[rustfmt::skip]
const STATE_NAMES: [&str; 50] = [
    "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware", "Florida", "Georgia",
    "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas", "Kentucky", "Louisiana", "Maine", "Maryland",
    "Massachusetts", "Michigan", "Minnesota", "Mississippi", "Missouri", "Montana", "Nebraska", "Nevada",
    "New Hampshire", "New Jersey", "New Mexico", "New York", "North Carolina", "North Dakota", "Ohio", "Oklahoma",
    "Oregon", "Pennsylvania", "Rhode Island", "South Carolina", "South Dakota", "Tennessee", "Texas", "Utah",
    "Vermont", "West Virginia", "Virginia", "Washington", "Wisconsin", "Wyoming",
];

#[rustfmt::skip]
const STREETS: [&[u8]; 18] = [
    b"street", b" st", b"avenue", b" ave", b"road", b" rd", b"boulevard", b"blvd", b" lane", b" ln", b"drive",
    b" dr", b"court", b" ct", b"way", b"place", b" hwy", b"broadway",
];
/// States and territories of Australia.
const AUSTRALIA: &[&[u8]] = &[b"NSW", b"VIC", b"QLD", b"SA", b"WA", b"TAS", b"NT", b"ACT"];
/// What may stand between a house number and the town beside names, in lower case.
#[rustfmt::skip]
const UNITS: &[&[u8]] = &[
    b"apt", b"suite", b"unit", b"flat", b"floor", b"box", b"room", b"ste", b"of", b"the", b"and", b"upon", b"on",
    b"de", b"la", b"st",
];

/// The address whose postal code's digits begin at `start` and end at `end`.
pub(crate) fn around(text: &[u8], start: usize, end: usize) -> Option<Match> {
    match end - start {
        1 => british(text, start, end),
        2 => polish(text, start, end),
        4 => australian(text, start, end).or_else(|| dutch(text, start, end)),
        5 if !in_word(text, start) && !follows(text, end, is_word) => {
            american(text, start, end).or_else(|| continental(text, start, end))
        }
        _ => None,
    }
}

/// `1600 Pennsylvania Ave NW, Washington, DC 20500-0003`.
fn american(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let head = text.get(..start)?.strip_suffix(b" ")?;
    let is_apart = |at: &usize| preceded(text, *at, |b| matches!(b, b' ' | b','));
    let short = head.len().checked_sub(2).filter(|at| {
        let state = head.get(*at..).unwrap_or_default();
        is_apart(at) && STATES.as_bytes().chunks(3).any(|known| known.starts_with(state))
    });
    let in_full = || {
        STATE_NAMES.iter().find_map(|name| {
            let at = head.strip_suffix(name.as_bytes())?.len();
            is_apart(&at).then_some(at)
        })
    };
    let state = short.or_else(in_full)?;
    // behind a comma the state and the code are enough; else a word for a street must be there
    let comma = text.get(..state)?.trim_ascii_end().ends_with(b",");
    let named = comma.then(|| named_house(text, state)).flatten();
    let by_street = || house(text, state, &STREETS).filter(|_| comma || short.is_some());
    let from = named.or_else(by_street)?;
    let plus = text.get(end..).and_then(|rest| rest.strip_prefix(b"-"));
    let extra =
        plus.map_or(0, |rest| rest.iter().take(5).take_while(|b| b.is_ascii_digit()).count());
    let end = if extra == 4 { end + 5 } else { end };
    Some(hit(from, end))
}

/// `274 Nancy Glen, New Rhonda, TAS, 9323`, with or without the last comma.
fn australian(text: &[u8], start: usize, end: usize) -> Option<Match> {
    if in_word(text, start) || follows(text, end, is_word) {
        return None;
    }
    let head = text.get(..start)?.trim_ascii_end();
    let head = head.strip_suffix(b",").unwrap_or(head);
    let state = AUSTRALIA.iter().find(|state| head.ends_with(state))?;
    let to = head.len() - state.len();
    preceded(text, to, |b| b == b' ')
        .then(|| named_house(text, to))
        .flatten()
        .map(|at| hit(at, end))
}

/// `10 Downing Street, London SW1A 2AA`: the digit is the first of the inward code.
fn british(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let inward = text.get(end..end + 2)?;
    if !inward.iter().all(u8::is_ascii_uppercase) || follows(text, end + 2, is_word) {
        return None;
    }
    let space = start.checked_sub(1).filter(|at| text.get(*at) == Some(&b' '))?;
    let from = run_back(text, space, 5, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let outward = text.get(from..space)?;
    let letters = outward.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let rest = outward.get(letters..)?;
    let is_code = (1..=2).contains(&letters)
        && (1..=2).contains(&rest.len())
        && rest.first().is_some_and(u8::is_ascii_digit)
        && !in_word(text, from);
    is_code.then(|| named_house(text, from)).flatten().map(|at| hit(at, end + 2))
}

/// Where a house number stands that nothing but names, and words such as `Apt. 12`, part from `to`.
fn named_house(text: &[u8], to: usize) -> Option<usize> {
    let (from, window) = before(text, to)?;
    let is_break = |b: &u8| matches!(b, b' ' | b',' | b'\n' | b'\t');
    // words from the last one back, as long as they may be of an address; the number farthest away that starts one
    let (mut first, mut names, mut at) = (None, 0, window.len());
    while let Some(end) = window.get(..at)?.iter().rposition(|b| !is_break(b)).map(|last| last + 1)
    {
        let start = window.get(..end)?.iter().rposition(is_break).map_or(0, |b| b + 1);
        let word = window.get(start..end)?;
        // text in quotation marks begins with them
        let quoted = usize::from(word.starts_with(b"\""));
        let (start, word) = (start + quoted, word.get(quoted..)?);
        let bare = word.strip_suffix(b".").unwrap_or(word).to_ascii_lowercase();
        let Some(head) = word.first() else { break };
        let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
        // 12, 12b, 5/88
        let rest = word.get(digits..)?;
        let rest = rest.strip_prefix(b"/").map_or(rest, |rest| {
            rest.get(run(rest, 0, 6, |b| b.is_ascii_digit())..).unwrap_or_default()
        });
        let is_number = (1..=6).contains(&digits)
            && rest.iter().all(u8::is_ascii_alphabetic)
            && rest.len() <= 1;
        if is_number {
            if names >= 2 {
                first = Some(start);
            }
        } else if head.is_ascii_uppercase() || *head >= 0xC3 || digits > 0 && is_ordinal(rest) {
            names += 1;
            // the sentence before ends with a full stop
            if word.ends_with(b".") && bare.len() > 3 {
                break;
            }
        } else if !(UNITS.contains(&bare.as_slice()) || *head == b'#') {
            break;
        }
        if quoted > 0 {
            break;
        }
        at = start;
    }
    let first = first?;
    // the unit before the number of the house: Flat 4, Unit 5/88
    let head = window.get(..first)?.trim_ascii_end();
    let unit = run_back(head, head.len(), 6, |b| b.is_ascii_alphabetic());
    let word = head.get(unit..)?.to_ascii_lowercase();
    let is_unit = [&b"unit"[..], b"flat", b"apt", b"suite", b"level"].contains(&word.as_slice());
    Some(from + if is_unit { unit } else { first })
}

/// Whether a word goes on so behind its digits, as in `57th`.
fn is_ordinal(rest: &[u8]) -> bool {
    [b"st", b"nd", b"rd", b"th"].iter().any(|end| rest.eq_ignore_ascii_case(*end))
}

/// Where the house number stands in front of a street, at most [`REACH`] bytes before `to`.
fn house(text: &[u8], to: usize, streets: &[&[u8]]) -> Option<usize> {
    let (from, window) = before(text, to)?;
    let lower = window.to_ascii_lowercase();
    let street = streets.iter().filter_map(|street| memchr::memmem::rfind(&lower, street)).max()?;
    let mut head = lower.get(..street)?;
    // the last number before the street with no other between, but for that of a street such as `57th`
    let last = loop {
        let last = head.iter().rposition(u8::is_ascii_digit)?;
        let rest = lower.get(last + 1..last + 3).unwrap_or_default();
        if !is_ordinal(rest) || follows(&lower, last + 3, is_word) {
            break last;
        }
        head = head.get(..last)?;
        head = head.get(..run_back(head, last, 4, |b| b.is_ascii_digit()))?;
    };
    let first = head.get(..last)?.iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |at| at + 1);
    let is_alone = first == 0 || head.get(first - 1).is_some_and(|b| !is_word(*b));
    (is_alone && last - first < 6 && street - last < 48).then_some(from + first)
}

/// What stands before `to`, as far as it may be of the same address, and where that begins.
pub(crate) fn before(text: &[u8], to: usize) -> Option<(usize, &[u8])> {
    let from = run_back(text, to, REACH, |b| !matches!(b, b';' | b':' | b'!' | b'?'));
    // not within a character
    let from = run(text, from, 3, |b| matches!(b, 0x80..=0xBF));
    Some((from, text.get(from..to)?))
}

pub(crate) fn hit(start: usize, end: usize) -> Match {
    Match { entity: Entity::PostalAddress, span: Span { start, end }, confidence: 0.85 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn address(text: &str) -> Option<&str> {
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
            (
                "is 8379 Vincent Fort Apt. 561\nGarciachester, MA 46637.",
                "8379 Vincent Fort Apt. 561\nGarciachester, MA 46637",
            ),
            ("at 10 Downing Street, London SW1A 2AA now", "10 Downing Street, London SW1A 2AA"),
            (
                "Flat 84d\nArcher Causeway\nKatherinebury\nG37 3PE",
                "Flat 84d\nArcher Causeway\nKatherinebury\nG37 3PE",
            ),
            ("to 274 Nancy Glen\nNew Rhonda, TAS, 9323", "274 Nancy Glen\nNew Rhonda, TAS, 9323"),
            ("to 1234 W 57th St, New York, NY 10019", "1234 W 57th St, New York, NY 10019"),
            ("\"12 Main Road, Bath BA1 2AB\"", "12 Main Road, Bath BA1 2AB"),
            ("to 1234 W 57th St New York NY 10019", "1234 W 57th St New York NY 10019"),
            ("to 4567 Oak Ridge Dr, Austin, Texas 78701", "4567 Oak Ridge Dr, Austin, Texas 78701"),
            (
                "to Unit 5/88 Collins St, Melbourne VIC 3000",
                "Unit 5/88 Collins St, Melbourne VIC 3000",
            ),
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
            "We met 12 People from Perth, WA in 2019",
            "Order 12 Red Shoes, size M5 1AB",
            "I wrote 3 Letters. Then, TX 75001",
            "we drove 12 Days to New York, and Texas 78701 was far",
            "\"12\",\"Red Shoes\",\"Austin\",\"A\", TX 75001",
            "on 5/12 May we had WA 2777 visits",
            "on 12 May we had WA 2777 visits",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
