//! Numbers that states and banks give to people, by their check digits: identity and tax numbers of 24 countries,
//! and IBAN. Where a check digit alone says little, a word before the number must say what it is.

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, names_before, preceded, run_back};
use crate::checks::{
    aadhaar, bsn, china, codice_fiscale, cpf, curp, dni, fodselsnummer, hetu, iban, is_birth, luhn,
    nhs, nir, nric, nrn, pesel, rrn, steuer_id, tckn, tfn,
};
use crate::{Entity, Match};

/// Longest number without its separators: an IBAN.
const LONGEST: usize = 34;
/// Most bytes before a number in which a word may say what it is.
const BEFORE: usize = 32;

/// A number as written: its characters without separators, and the lengths of its groups.
struct Number {
    compact: Vec<u8>,
    groups: Vec<usize>,
    start: usize,
    end: usize,
}

/// What a form asks for.
struct Form {
    /// Characters without separators.
    length: usize,
    check: fn(&[u8]) -> bool,
    /// Groups as they are usually written; where the number is written so, no word is needed.
    groups: &'static [usize],
    /// Whether the check alone is enough.
    is_sure: bool,
    words: &'static [&'static [u8]],
    entity: Entity,
}

const fn form(
    length: usize,
    check: fn(&[u8]) -> bool,
    groups: &'static [usize],
    is_sure: bool,
    words: &'static [&'static [u8]],
) -> Form {
    Form { length, check, groups, is_sure, words, entity: Entity::NationalId }
}

#[rustfmt::skip]
const FORMS: [Form; 25] = [
    // United States: no check digit; areas and groups that were never given out are left out
    Form { entity: Entity::UsSsn, ..form(9, ssn, &[3, 2, 4], false, &[b"ssn", b"social security", b"itin"]) },
    form(9, |n| luhn(n) && n.first() != Some(&b'0') && n.first() != Some(&b'8'), &[], false, &[b"sin ", b"sin:", b"social insurance", b"nas "]),
    form(9, tfn, &[], false, &[b"tfn", b"tax file"]),
    form(9, bsn, &[], false, &[b"bsn", b"burgerservice", b"sofinummer"]),
    form(9, luhn, &[], false, &[b"teudat", b"israeli id", b"mispar zehut"]),
    form(10, nhs, &[], false, &[b"nhs"]),
    // Sweden: also written with the century
    form(10, |n| luhn(n) && is_birth(n.get(2..4), n.get(4..6)), &[6, 4], false, &[b"personnummer", b"personal number"]),
    form(11, pesel, &[], false, &[b"pesel"]),
    form(11, steuer_id, &[], false, &[b"steuer", b"idnr", b"tax id", b"tin "]),
    form(11, cpf, &[3, 3, 3, 2], false, &[b"cpf"]),
    form(11, fodselsnummer, &[6, 5], false, &[b"f\xc3\xb8dselsnummer", b"fodselsnummer", b"personnummer", b"national id"]),
    form(11, tckn, &[], false, &[b"tckn", b"kimlik", b"t.c"]),
    form(11, nrn, &[2, 2, 2, 3, 2], false, &[b"rijksregister", b"registre national", b"national register", b"nrn"]),
    form(12, aadhaar, &[4, 4, 4], false, &[b"aadhaar", b"aadhar", b"uidai"]),
    form(13, rrn, &[6, 7], false, &[b"rrn", b"resident registration", b"\xec\xa3\xbc\xeb\xaf\xbc"]),
    form(13, |n| luhn(n) && is_birth(n.get(2..4), n.get(4..6)), &[], false, &[b"south african id", b"sa id", b"id number", b"identity number"]),
    form(15, nir, &[], true, &[]),
    form(18, china, &[], true, &[]),
    form(9, dni, &[], true, &[]),
    form(9, nric, &[], false, &[b"nric", b"fin ", b"singapore"]),
    form(9, nino, &[2, 2, 2, 2, 1], false, &[b"nino", b"national insurance", b"ni number"]),
    form(10, pan, &[], false, &[b"pan ", b"pan:", b"permanent account", b"pan number", b"pan is"]),
    form(10, hetu, &[6, 4], false, &[b"henkil\xc3\xb6tunnus", b"hetu"]),
    form(16, codice_fiscale, &[], true, &[]),
    form(18, curp, &[], true, &[]),
];

/// The number whose first digit is at `start`.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Match> {
    let from = run_back(text, start, 6, |b| b.is_ascii_uppercase());
    let apart = letters_apart(text, start);
    let with_letters = (apart < start).then(|| from_letters(text, apart)).flatten();
    with_letters.or_else(|| from_letters(text, from))
}

/// The number that begins with the letters or digits at `from`.
fn from_letters(text: &[u8], from: usize) -> Option<Match> {
    if in_word(text, from) || preceded(text, from, |b| matches!(b, b'.' | b'/' | b'+' | b'$')) {
        return None;
    }
    let mut number = Number {
        compact: Vec::with_capacity(LONGEST),
        groups: Vec::with_capacity(10),
        start: from,
        end: from,
    };
    let mut best = None;
    let mut at = from;
    loop {
        let group =
            text.get(at..)?.iter().take(LONGEST).take_while(|b| b.is_ascii_alphanumeric()).count();
        let piece = text.get(at..at + group)?;
        let is_iban =
            number.compact.len() >= 4 && number.compact.first().is_some_and(u8::is_ascii_uppercase);
        let fits = number.compact.len() + group <= LONGEST
            && (is_iban || at == from || piece.iter().any(u8::is_ascii_digit) || group <= 2)
            && !piece.iter().any(u8::is_ascii_lowercase);
        if group == 0 || !fits {
            break;
        }
        number.compact.extend_from_slice(piece);
        number.groups.push(group);
        number.end = at + group;
        if !follows(text, number.end, is_word) {
            best = check(text, &number).or(best);
        }
        let is_sign = |b: u8| matches!(b, b' ' | b'-' | b'.' | b'/');
        if !follows(text, number.end, is_sign) || number.groups.len() > 9 {
            break;
        }
        at = number.end + 1;
    }
    best
}

/// Where two capitals stand, a space before `start`, as in `AB 12 34 56 C`; else `start`.
fn letters_apart(text: &[u8], start: usize) -> usize {
    let from = start.saturating_sub(3);
    match text.get(from..start) {
        Some([a, b, b' '])
            if a.is_ascii_uppercase()
                && b.is_ascii_uppercase()
                && !preceded(text, from, is_word) =>
        {
            from
        }
        _ => start,
    }
}

fn check(text: &[u8], number: &Number) -> Option<Match> {
    let span = Span { start: number.start, end: number.end };
    if (15..=LONGEST).contains(&number.compact.len()) && iban(&number.compact) {
        return Some(Match { entity: Entity::Iban, span, confidence: 0.97 });
    }
    FORMS.iter().filter(|form| form.length == number.compact.len()).find_map(|form| {
        if !(form.check)(&number.compact) {
            return None;
        }
        let as_written = !form.groups.is_empty() && form.groups == number.groups.as_slice();
        let confidence = match (form.is_sure, as_written) {
            (true, _) => 0.9,
            (_, true) => 0.85,
            _ => names_before(text, number.start, BEFORE, form.words).then_some(0.85)?,
        };
        Some(Match { entity: form.entity, span, confidence })
    })
}

/// Areas 000, 666 and 900 up, group 00 and serial 0000 are no social security numbers; 9xx with a group from
/// 50 up is a taxpayer's number of the same form.
fn ssn(digits: &[u8]) -> bool {
    let (Some(area), Some(group), Some(serial)) =
        (digits.get(..3), digits.get(3..5), digits.get(5..))
    else {
        return false;
    };
    let is_itin = area.first() == Some(&b'9') && group >= &b"50"[..];
    digits.iter().all(u8::is_ascii_digit)
        && area != b"000"
        && area != b"666"
        && (area.first() != Some(&b'9') || is_itin)
        && group != b"00"
        && serial != b"0000"
        && digits != b"123456789"
        && digits != b"078051120"
}

/// The United Kingdom's national insurance number: prefixes that are given out, six digits, A to D.
fn nino(number: &[u8]) -> bool {
    let (Some([a, b]), Some(digits), Some(suffix)) =
        (number.first_chunk::<2>(), number.get(2..8), number.last())
    else {
        return false;
    };
    a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && !b"DFIQUV".contains(a)
        && !b"DFIOQUV".contains(b)
        && ![&b"BG"[..], b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&&[*a, *b][..])
        && digits.iter().all(u8::is_ascii_digit)
        && matches!(suffix, b'A'..=b'D')
}

/// India's permanent account number: five letters, the fourth of which says whose it is, four digits, a letter.
fn pan(number: &[u8]) -> bool {
    let (Some(letters), Some(digits), Some(last)) =
        (number.get(..5), number.get(5..9), number.last())
    else {
        return false;
    };
    letters.iter().all(u8::is_ascii_uppercase)
        && letters.get(3).is_some_and(|b| b"PCHABGJLFT".contains(b))
        && digits.iter().all(u8::is_ascii_digit)
        && last.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<(Entity, &str)> {
        let bytes = text.as_bytes();
        let starts = (0..bytes.len()).filter(|at| {
            bytes[*at].is_ascii_digit() && !preceded(bytes, *at, |b| b.is_ascii_digit())
        });
        let hit = starts.filter_map(|start| at(bytes, start)).next()?;
        Some((hit.entity, &text[hit.span.start..hit.span.end]))
    }

    #[test]
    fn ibans_that_banks_publish() {
        for iban in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NL91ABNA0417164300",
            "CH93 0076 2011 6238 5295 7",
            "NO93 8601 1117 947",
            "MT84MALT011000012345MTLCAST001S",
        ] {
            assert_eq!(number(iban), Some((Entity::Iban, iban)));
            assert_eq!(number(&format!("IBAN: {iban}, please")), Some((Entity::Iban, iban)));
        }
        assert_eq!(number("DE88370400440532013000"), None);
        assert_eq!(number("XX89370400440532013000"), None);
    }

    #[test]
    fn numbers_of_states() {
        for (text, found) in [
            ("my SSN is 219-09-9999", "219-09-9999"),
            ("ssn 219099999", "219099999"),
            ("SIN: 130 692 544", "130 692 544"),
            ("NHS number 943 476 5919", "943 476 5919"),
            ("811228-9874", "811228-9874"),
            ("PESEL 44051401359", "44051401359"),
            ("Steuer-ID 86095742719", "86095742719"),
            ("529.982.247-25", "529.982.247-25"),
            ("BSN 111222333", "111222333"),
            ("kimlik no 10000000146", "10000000146"),
            ("2341 2341 2346", "2341 2341 2346"),
            ("2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
            ("11010519491231002X", "11010519491231002X"),
            ("12345678Z", "12345678Z"),
            ("X1234567L", "X1234567L"),
            ("RSSMRA85T10A562S", "RSSMRA85T10A562S"),
            ("AB 12 34 56 C", "AB 12 34 56 C"),
            ("131052-308T", "131052-308T"),
            ("NRIC S1234567D", "S1234567D"),
            ("PAN: ABCPE1234F", "ABCPE1234F"),
            ("TFN 123 456 782", "123 456 782"),
            ("93.05.18-223.61", "93.05.18-223.61"),
        ] {
            assert_eq!(number(text).map(|(_, found)| found), Some(found), "{text}");
        }
        assert_eq!(number("219-09-9999").map(|(entity, _)| entity), Some(Entity::UsSsn));
    }

    #[test]
    fn other_numbers() {
        for text in [
            "order 20241123001 and 943 476 5919",
            "000-12-3456, 666-12-3456, 219-00-9999",
            "4111 1111 1111 1111",
            "+49 170 1234567",
            "12345678A",
            "2341 2341 2345",
            "ISBN 978-3-16-148410-0",
            "2026-11-20 10:15:30",
            "tracking 1Z999AA10123456784",
            "44051401359",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
