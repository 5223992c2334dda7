//! Postal addresses of the continent: a street by a word for it, a house number, a postal code and a town of Germany,
//! France, Italy, Spain, Poland and the Netherlands.

use crate::Match;
use crate::bytes::{follows, in_word, is_word, preceded, run};
use crate::postal::{before, hit};

/// Ends of street names, as Germans and the Dutch write them, in lower case.
#[rustfmt::skip]
const ENDS: &[&[u8]] = &[
    b"stra\xc3\x9fe", b"strasse", b"str.", b"weg", b"platz", b"allee", b"gasse", b"ring", b"damm", b"ufer", b"chaussee",
    b"straat", b"laan", b"plein", b"gracht", b"kade", b"singel", b"dreef", b"hof", b"pad",
];
/// Those that end nothing else: the town may be written in lower case.
#[rustfmt::skip]
const SURE: [&[u8]; 8] = [
    b"stra\xc3\x9fe", b"strasse", b"str.", b"platz", b"allee", b"gasse", b"damm", b"straat",
];
/// Words before street names, in lower case.
#[rustfmt::skip]
const BEGINS: &[&[u8]] = &[
    b"rue", b"avenue", b"boulevard", b"chemin", b"impasse", b"all\xc3\xa9e", b"quai", b"place", b"via", b"viale",
    b"piazza", b"corso", b"largo", b"vicolo", b"strada", b"calle", b"c/", b"avenida", b"avda.", b"plaza", b"paseo", b"camino",
    b"ronda", b"glorieta", b"carrer", b"passeig", b"rambla", b"rua", b"ul.", b"ulica", b"al.", b"aleja", b"plac", b"pl.",
    b"os.",
];
/// Begins of street names that are words of every day, in lower case.
#[rustfmt::skip]
const PLACES: &[&[u8]] = &[
    b"am ", b"im ", b"an der ", b"an den ", b"unter den ", b"in der ", b"auf der ", b"auf dem ", b"zum ", b"zur ",
];
/// What joins the words of a town's name.
#[rustfmt::skip]
const LINKS: &[&[u8]] = &[
    b" an der ", b" ob der ", b" aan den ", b" aan de ", b" de la ", b" de ", b" del ", b" di ", b" sur ", b" nad ",
];
/// Ends of towns' names behind a word that joins sentences just as often.
#[rustfmt::skip]
const TAILS: &[&[u8]] = &[
    b" am Main", b" am Rhein", b" am Neckar", b" am See", b" am Inn", b" im Breisgau", b" in der Oberpfalz", b" (Oder)",
];
/// First words of towns' names that have a second, in lower case.
#[rustfmt::skip]
const FIRSTS: &[&[u8]] = &[
    b"bad", b"sankt", b"neu", b"den", b"oud", b"saint", b"sainte", b"san", b"santa", b"la", b"le", b"les", b"los", b"las",
    b"el", b"reggio", b"nowy", b"nowa", b"stary", b"zielona", b"jelenia",
];

/// `05-971 Town` behind a street.
pub(crate) fn polish(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let rest = text.get(end..)?.strip_prefix(b"-")?;
    let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let is_code = digits == 3 && !in_word(text, start) && !follows(text, end + 4, is_word);
    is_code.then(|| continental(text, start, end + 4)).flatten()
}

/// `3980 SB Town` behind a street.
pub(crate) fn dutch(text: &[u8], start: usize, end: usize) -> Option<Match> {
    let letters = end + usize::from(follows(text, end, |b| b == b' '));
    let is_code = text.get(letters..letters + 2)?.iter().all(u8::is_ascii_uppercase)
        && !follows(text, letters + 2, is_word)
        && !in_word(text, start);
    is_code.then(|| continental(text, start, letters + 2)).flatten()
}

/// A street and a house number before the postal code, and a town behind it or before it:
/// `Hauptstraße 12a, 10115 Berlin`, `70, rue de Bègue, 41896 Sainte Véronique`, `Calle Mayor 8, Madrid, 28013`.
pub(crate) fn continental(text: &[u8], to: usize, end: usize) -> Option<Match> {
    let (from, window) = before(text, to)?;
    let lower = window.to_ascii_lowercase();
    let begins = |at: usize| !preceded(&lower, at, |b| is_word(b) || b >= 0x80);
    let at_begin = BEGINS.iter().filter_map(|word| {
        let last = memchr::memmem::rfind_iter(&lower, word).find(|at| {
            begins(*at)
                && (matches!(word.last(), Some(b'.' | b'/'))
                    || follows(&lower, at + word.len(), |b| b == b' '))
        })?;
        Some((last, last + word.len(), true))
    });
    let at_end = ENDS.iter().filter_map(|word| {
        let last = memchr::memmem::rfind_iter(&lower, word)
            .find(|at| follows(&lower, at + word.len(), |b| matches!(b, b' ' | b',')))?;
        Some((last, last + word.len(), false))
    });
    let at_place = PLACES.iter().filter_map(|word| {
        let last = memchr::memmem::rfind_iter(&lower, word).find(|at| begins(*at))?;
        let behind = last + word.len();
        is_place(window.get(behind..)?).then_some((last, behind, true))
    });
    let (at, behind, leads) = at_begin.chain(at_end).chain(at_place).max()?;
    let rest = window.get(behind..)?;
    // of a word before the name the name follows; the number then, within the rest of the line
    let line = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let digits = rest.get(..line)?.iter().position(u8::is_ascii_digit);
    let number_before = number_before(window, at).filter(|_| leads);
    let is_near = |digits: usize| digits <= if leads { 40 } else { 3 };
    if number_before.is_none() && !digits.is_some_and(is_near) {
        return None;
    }
    let is_lower =
        SURE.iter().any(|word| lower.get(at..).is_some_and(|rest| rest.starts_with(word)))
            && is_house(rest);
    let town = town_end(text, end, is_lower);
    // a town behind the code, or, in Spain, before it
    let town_before = rest.get(line.min(rest.len())..)?.iter().any(u8::is_ascii_uppercase)
        || rest.iter().filter(|b| **b == b',').count() > 1;
    if town.is_none() && !town_before {
        return None;
    }
    let name = if leads { at } else { name_start(window, at) };
    let start = number_before.unwrap_or(name);
    Some(hit(from + start, town.unwrap_or(end)))
}

/// Where the street's name begins whose end is at `at`: one word, or capitalised ones where the end is a word of its
/// own, as in `Berliner Allee`.
fn name_start(window: &[u8], at: usize) -> usize {
    let is_break = |b: &u8| matches!(b, b' ' | b',' | b'"' | b'\n');
    let word_start = |to: usize| {
        let head = window.get(..to).unwrap_or_default();
        head.iter().rposition(is_break).map_or(0, |b| b + 1)
    };
    let mut start = word_start(at);
    let most = if start == at { 2 } else { 0 };
    for _ in 0..most {
        let before = word_start(start.saturating_sub(1));
        let is_name = follows(window, before, |b| b.is_ascii_uppercase() || b >= 0xC3);
        if !is_name || !preceded(window, start, |b| b == b' ') {
            break;
        }
        start = before;
    }
    start
}

/// Whether a house number is all that stands here, as in ` 12a, `.
fn is_house(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii();
    let rest = rest.strip_suffix(b"D-").unwrap_or(rest).trim_ascii_end();
    let rest = rest.strip_suffix(b",").unwrap_or(rest);
    let digits = run(rest, 0, 4, |b| b.is_ascii_digit());
    (1..=3).contains(&digits)
        && rest.len() <= digits + 1
        && rest.get(digits..).is_some_and(|rest| rest.iter().all(u8::is_ascii_alphabetic))
}

/// Whether one or two names and a house number are all that stands here, and a comma or a new line behind them.
fn is_place(rest: &[u8]) -> bool {
    let names = |at: usize| {
        let end = run(rest, at, 24, |b| b.is_ascii_alphabetic() || b >= 0x80 || b == b'-');
        let is_name = follows(rest, at, |b| b.is_ascii_uppercase() || b >= 0xC3);
        (is_name && follows(rest, end, |b| b == b' ')).then_some(end + 1)
    };
    let Some(first) = names(0) else { return false };
    let number = names(first).unwrap_or(first);
    rest.get(number..)
        .is_some_and(|rest| is_house(rest) && rest.iter().any(|b| matches!(b, b',' | b'\n')))
}

/// Where the house number begins that stands right before `at`, as in `70, rue …`.
fn number_before(window: &[u8], at: usize) -> Option<usize> {
    let head = window.get(..at)?.trim_ascii_end();
    let head = head.strip_suffix(b",").unwrap_or(head);
    let second =
        [&b" bis"[..], b" ter", b"bis", b"ter"].iter().find_map(|word| head.strip_suffix(*word));
    let head = second.unwrap_or(head);
    let digits = head.iter().rev().take(5).take_while(|b| b.is_ascii_digit()).count();
    let start = head.len() - digits;
    (digits > 0 && !preceded(head, start, is_word)).then_some(start)
}

/// One past the town behind a postal code: `Berlin`, `Frankfurt am Main`, `Den Haag`.
fn town_end(text: &[u8], end: usize, is_lower: bool) -> Option<usize> {
    let start = run(text, end, 2, |b| matches!(b, b' ' | b',' | b'\n'));
    // letters of ASCII, and Latin ones with accents
    let is_capital = |b: u8| matches!(b, b'A'..=b'Z' | 0xC3..=0xC9);
    let of_name = |b: u8| is_capital(b) || matches!(b, b'a'..=b'z' | b'-' | 0x80..=0xBF);
    let word_end = |at: usize| {
        let end = run(text, at, 32, of_name);
        // not within a character
        end - usize::from(follows(text, end, |b| matches!(b, 0x80..=0xBF)))
    };
    let is_town = start > end
        && follows(text, start, |b| is_capital(b) || is_lower && b.is_ascii_lowercase());
    let mut town = is_town.then(|| word_end(start))?;
    let first = text.get(start..town)?.to_ascii_lowercase();
    let rest = text.get(town..)?;
    let link = LINKS.iter().find(|link| rest.starts_with(link));
    let next = town + link.map_or(1, |link| link.len());
    let is_more = link.is_some() || FIRSTS.contains(&first.as_slice()) && rest.starts_with(b" ");
    if is_more && follows(text, next, is_capital) {
        town = word_end(next);
    }
    if let Some(tail) = TAILS.iter().find(|tail| rest.starts_with(tail)) {
        town += tail.len();
    }
    Some(town)
}

#[cfg(test)]
mod tests {
    use crate::postal::tests::address;

    #[test]
    fn addresses() {
        for (text, found) in [
            ("Ich wohne Hauptstraße 12a, 10115 Berlin.", "Hauptstraße 12a, 10115 Berlin"),
            ("i live at hauptstr. 12a, 10115 berlin ok", "hauptstr. 12a, 10115 berlin"),
            ("Am Alten Weg 3, 80331 München", "Am Alten Weg 3, 80331 München"),
            ("an Berliner Allee 56, 40212 Düsseldorf", "Berliner Allee 56, 40212 Düsseldorf"),
            ("Goethestr. 7\n60313 Frankfurt am Main.", "Goethestr. 7\n60313 Frankfurt am Main"),
            ("Ich wohne am Markt 5, 99423 Weimar", "am Markt 5, 99423 Weimar"),
            ("Unter den Linden 77, 10117 Berlin", "Unter den Linden 77, 10117 Berlin"),
            ("to Stollplatz 1-1\n95049 Bad", "Stollplatz 1-1\n95049 Bad"),
            ("chez 70, rue de Bègue\n41896 Sainte", "70, rue de Bègue\n41896 Sainte"),
            ("5 bis avenue Victor Hugo, 69006 Lyon", "5 bis avenue Victor Hugo, 69006 Lyon"),
            ("a Calle Mayor 8\nLa Coruña, 16758", "Calle Mayor 8\nLa Coruña, 16758"),
            ("en Avda. Diagonal 640, 08017 Barcelona", "Avda. Diagonal 640, 08017 Barcelona"),
            (
                "in Piazza Serena, 51 Piano 1\n30030, Robegano (VE)",
                "Piazza Serena, 51 Piano 1\n30030, Robegano",
            ),
            ("ulica Broniewskiego 39\n74-521 Gdynia", "ulica Broniewskiego 39\n74-521 Gdynia"),
            ("Hauptstr. 1, 10115 Ünter“ x", "Hauptstr. 1, 10115 Ünter"),
            ("Hiddepad 872\n3980SB\nOud Zuilen", "Hiddepad 872\n3980SB\nOud Zuilen"),
        ] {
            assert_eq!(address(text), Some(found), "{text}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for pad in ["", "x"] {
            let long = "ö".repeat(60);
            let text = format!("{pad}{long}straße 1, 10115 B{pad}{long}");
            assert!(address(&text).is_some());
        }
    }

    #[test]
    fn other_numbers() {
        for text in [
            "route 66 in 12345 Kansas",
            "via mail 12345 Items",
            "am Montag 12000 Besucher, im Jahr 2020, 12345 Menschen",
            "a via 5, 12345 items",
            "during 5, 12345 items, the ipad 5, 12345 units",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
