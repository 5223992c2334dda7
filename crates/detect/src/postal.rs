//! Postal addresses where the form is certain: house number, street, town and postal code of the United States, of
//! Australia and of Britain; a street by a word for it, a house number, a postal code and a town of Germany, France,
//! Italy, Spain, Poland and the Netherlands.

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, preceded, run, run_back};
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
/// States and territories of Australia.
const AUSTRALIA: &[&[u8]] = &[b"NSW", b"VIC", b"QLD", b"SA", b"WA", b"TAS", b"NT", b"ACT"];
/// Ends of street names, as Germans and the Dutch write them, in lower case.
const ENDS: &[&[u8]] = &[
    b"stra\xc3\x9fe",
    b"strasse",
    b"str.",
    b"weg",
    b"platz",
    b"allee",
    b"gasse",
    b"ring",
    b"damm",
    b"ufer",
    b"chaussee",
    b"straat",
    b"laan",
    b"plein",
    b"gracht",
    b"kade",
    b"singel",
    b"dreef",
    b"hof",
    b"pad",
];
/// Words before street names, in lower case.
const BEGINS: &[&[u8]] = &[
    b"rue",
    b"avenue",
    b"boulevard",
    b"chemin",
    b"impasse",
    b"all\xc3\xa9e",
    b"quai",
    b"via",
    b"viale",
    b"piazza",
    b"corso",
    b"largo",
    b"vicolo",
    b"strada",
    b"calle",
    b"avenida",
    b"plaza",
    b"paseo",
    b"camino",
    b"ronda",
    b"glorieta",
    b"rua",
    b"ul.",
    b"ulica",
    b"al.",
    b"aleja",
    b"plac",
    b"pl.",
    b"os.",
];
/// What may stand between a house number and the town beside names, in lower case.
const UNITS: &[&[u8]] = &[
    b"apt", b"suite", b"unit", b"flat", b"floor", b"box", b"room", b"ste", b"of", b"the", b"and",
    b"upon", b"on", b"de", b"la", b"st",
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
    let state = text.get(start.checked_sub(3)?..start.checked_sub(1)?)?;
    let is_state = text.get(start - 1) == Some(&b' ')
        && STATES.as_bytes().chunks(3).any(|known| known.starts_with(state))
        && preceded(text, start - 3, |b| matches!(b, b' ' | b','));
    if !is_state {
        return None;
    }
    // behind a comma the state and the code are enough; else a word for a street must be there
    let comma = text.get(..start - 3)?.trim_ascii_end().ends_with(b",");
    let named = comma.then(|| named_house(text, start - 3)).flatten();
    let from = named.or_else(|| house(text, start - 3, &STREETS))?;
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

/// `05-971 Town` behind a street.
fn polish(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let rest = text.get(end..)?.strip_prefix(b"-")?;
    let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let is_code = digits == 3 && !in_word(text, start) && !follows(text, end + 4, is_word);
    is_code.then(|| continental(text, start, end + 4)).flatten()
}

/// `3980 SB Town` behind a street.
fn dutch(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let letters = end + usize::from(follows(text, end, |b| b == b' '));
    let is_code = text.get(letters..letters + 2)?.iter().all(u8::is_ascii_uppercase)
        && !follows(text, letters + 2, is_word)
        && !in_word(text, start);
    is_code.then(|| continental(text, start, letters + 2)).flatten()
}

/// A street and a house number before the postal code, and a town behind it or before it:
/// `Hauptstraße 12a, 10115 Berlin`, `70, rue de Bègue, 41896 Sainte Véronique`, `Calle Mayor 8, Madrid, 28013`.
fn continental(text: &[u8], to: usize, end: usize) -> Option<Match> {
    let from = run_back(text, to, REACH, |b| !matches!(b, b';' | b':' | b'!' | b'?'));
    let window = text.get(from..to)?;
    let lower = window.to_ascii_lowercase();
    let begins = |at: usize| !preceded(&lower, at, |b| is_word(b) || b >= 0x80);
    let before = BEGINS.iter().filter_map(|word| {
        let last = memchr::memmem::rfind_iter(&lower, word).find(|at| {
            begins(*at) && (word.ends_with(b".") || follows(&lower, at + word.len(), |b| b == b' '))
        })?;
        Some((last, last + word.len(), true))
    });
    let after = ENDS.iter().filter_map(|word| {
        let last = memchr::memmem::rfind_iter(&lower, word)
            .find(|at| follows(&lower, at + word.len(), |b| matches!(b, b' ' | b',')))?;
        Some((last, last + word.len(), false))
    });
    let (at, behind, leads) = before.chain(after).max()?;
    let rest = window.get(behind..)?;
    // of a word before the name the name follows; the number then, within the rest of the line
    let line = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let digits = rest.get(..line)?.iter().position(u8::is_ascii_digit);
    let number_before = number_before(window, at).filter(|_| leads);
    let is_near = |digits: usize| digits <= if leads { 40 } else { 3 };
    if number_before.is_none() && !digits.is_some_and(is_near) {
        return None;
    }
    let town = town_end(text, end);
    // a town behind the code, or, in Spain, before it
    let town_before = rest.get(line.min(rest.len())..)?.iter().any(u8::is_ascii_uppercase)
        || rest.iter().filter(|b| **b == b',').count() > 1;
    if town.is_none() && !town_before {
        return None;
    }
    let name = match leads {
        true => at,
        false => window
            .get(..at)?
            .iter()
            .rposition(|b| matches!(b, b' ' | b',' | b'"' | b'\n'))
            .map_or(0, |b| b + 1),
    };
    let start = number_before.unwrap_or(name);
    Some(hit(from + start, town.unwrap_or(end)))
}

/// Where the house number begins that stands right before `at`, as in `70, rue …`.
fn number_before(window: &[u8], at: usize) -> Option<usize> {
    let head = window.get(..at)?.trim_ascii_end();
    let head = head.strip_suffix(b",").unwrap_or(head);
    let digits = head.iter().rev().take(5).take_while(|b| b.is_ascii_digit()).count();
    let start = head.len() - digits;
    (digits > 0 && !preceded(head, start, is_word)).then_some(start)
}

/// One past the town behind a postal code.
fn town_end(text: &[u8], end: usize) -> Option<usize> {
    let start = run(text, end, 2, |b| matches!(b, b' ' | b',' | b'\n'));
    let is_town = start > end && follows(text, start, |b| b.is_ascii_uppercase() || b >= 0xC3);
    is_town.then(|| run(text, start, 32, |b| b.is_ascii_alphabetic() || b >= 0x80 || b == b'-'))
}

/// Where a house number stands that nothing but names, and words such as `Apt. 12`, part from `to`.
fn named_house(text: &[u8], to: usize) -> Option<usize> {
    let from = run_back(text, to, REACH, |b| !matches!(b, b';' | b':' | b'!' | b'?'));
    let window = text.get(from..to)?;
    let is_break = |b: &u8| matches!(b, b' ' | b',' | b'\n' | b'\t');
    // words from the last one back, as long as they may be of an address; the number farthest away that starts one
    let (mut first, mut names, mut at) = (None, 0, window.len());
    while let Some(end) = window.get(..at)?.iter().rposition(|b| !is_break(b)).map(|last| last + 1)
    {
        let start = window.get(..end)?.iter().rposition(is_break).map_or(0, |b| b + 1);
        let word = window.get(start..end)?;
        let bare = word.strip_suffix(b".").unwrap_or(word).to_ascii_lowercase();
        let head = word.first()?;
        let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
        let is_number = (1..=6).contains(&digits)
            && word.get(digits..)?.iter().all(u8::is_ascii_alphabetic)
            && word.len() - digits <= 1;
        if is_number {
            if names >= 2 {
                first = Some(start);
            }
        } else if head.is_ascii_uppercase() || *head >= 0xC3 {
            names += 1;
            // the sentence before ends with a full stop
            if word.ends_with(b".") && bare.len() > 3 {
                break;
            }
        } else if !(UNITS.contains(&bare.as_slice()) || *head == b'#') {
            break;
        }
        at = start;
    }
    first.map(|first| from + first)
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
            ("to Stollplatz 1-1\n95049 Bad", "Stollplatz 1-1\n95049 Bad"),
            (
                "is 8379 Vincent Fort Apt. 561\nGarciachester, MA 46637.",
                "8379 Vincent Fort Apt. 561\nGarciachester, MA 46637",
            ),
            ("at 10 Downing Street, London SW1A 2AA now", "10 Downing Street, London SW1A 2AA"),
            (
                "Flat 84d\nArcher Causeway\nKatherinebury\nG37 3PE",
                "84d\nArcher Causeway\nKatherinebury\nG37 3PE",
            ),
            ("to 274 Nancy Glen\nNew Rhonda, TAS, 9323", "274 Nancy Glen\nNew Rhonda, TAS, 9323"),
            ("chez 70, rue de Bègue\n41896 Sainte", "70, rue de Bègue\n41896 Sainte"),
            ("a Calle Mayor 8\nLa Coruña, 16758", "Calle Mayor 8\nLa Coruña, 16758"),
            (
                "in Piazza Serena, 51 Piano 1\n30030, Robegano (VE)",
                "Piazza Serena, 51 Piano 1\n30030, Robegano",
            ),
            ("ulica Broniewskiego 39\n74-521 Gdynia", "ulica Broniewskiego 39\n74-521 Gdynia"),
            ("Hiddepad 872\n3980SB\nOud Zuilen", "Hiddepad 872\n3980SB\nOud"),
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
            "route 66 in 12345 Kansas",
            "via mail 12345 Items",
            "on 12 May we had WA 2777 visits",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
