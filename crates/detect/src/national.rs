//! Numbers that states and banks give to people, by their check digits: identity and tax numbers of 24 countries,
//! and IBAN. Where a check digit alone says little, a word before the number must say what it is.

use portcullis_core::Span;

use crate::bytes::{
    after_escape, follows, gap, gap_before, in_word, is_word, names_before, preceded, run, run_back,
};
use crate::checks::{
    aadhaar, bsn, china, codice_fiscale, cpf, curp, dni, fodselsnummer, hetu, iban, is_birth,
    luhn_of_several, nhs, nino, nir, nric, nrn, pan, personnummer, pesel, rrn, ssn, steuer_id,
    tckn, tfn,
};
use crate::{Entity, Match};

/// Longest number without its separators: an IBAN.
const LONGEST: usize = 34;
/// Most bytes before a number in which a word may say what it is.
const BEFORE: usize = 40;
/// Words behind which a number that only looks like one of a person is of goods.
const OTHERS: [&[u8]; 9] = [
    b"isbn",
    b"tracking",
    b"fedex",
    b"serial",
    b"sku",
    b"part no",
    b"part number",
    b"gift",
    b"voucher",
];

/// A number as written.
struct Number {
    /// Its characters in capitals, without separators.
    compact: Vec<u8>,
    /// Length of each group, and what stands between them.
    groups: Vec<usize>,
    signs: Vec<u8>,
    /// Whether its letters are small.
    is_lower: bool,
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
    /// What stands between the groups then.
    signs: &'static [u8],
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
    Form { length, check, groups, signs: b" -./+", is_sure, words, entity: Entity::NationalId }
}

const PERSONNUMMER: &[&[u8]] = &[b"personnummer", b"personnr", b"personal number"];

#[rustfmt::skip]
const FORMS: [Form; 27] = [
    // United States: no check digit; areas and groups that were never given out are left out
    Form { entity: Entity::UsSsn, ..form(9, ssn, &[3, 2, 4], false, &[b"ssn", b"social security", b"soc sec", b"itin", b"taxpayer id"]) },
    form(9, |n| luhn_of_several(n) && n.first() != Some(&b'0') && n.first() != Some(&b'8'), &[], false, &[b"sin ", b"social insurance", b"nas "]),
    form(9, tfn, &[], false, &[b"tfn", b"tax file"]),
    form(9, bsn, &[], false, &[b"bsn", b"burgerservice", b"sofinummer"]),
    form(9, luhn_of_several, &[], false, &[b"teudat", b"israeli id", b"mispar zehut", "תעודת זהות".as_bytes()]),
    form(10, nhs, &[], false, &[b"nhs"]),
    form(10, personnummer, &[6, 4], false, PERSONNUMMER),
    // with the century; from 2000 on it looks like a date and a time
    form(12, |n| n.starts_with(b"19") && n.get(2..).is_some_and(personnummer), &[8, 4], false, PERSONNUMMER),
    form(12, |n| n.starts_with(b"20") && n.get(2..).is_some_and(personnummer), &[], false, PERSONNUMMER),
    form(11, pesel, &[], false, &[b"pesel"]),
    form(11, steuer_id, &[], false, &[b"steuer", b"idnr", b"tax id", b"tin "]),
    form(11, cpf, &[3, 3, 3, 2], false, &[b"cpf"]),
    form(11, fodselsnummer, &[6, 5], false, &["fødselsnummer".as_bytes(), b"fodselsnummer", b"fnr", b"personnummer", b"national id"]),
    form(11, tckn, &[], false, &[b"tckn", b"kimlik", b"t.c", b"tc "]),
    form(11, nrn, &[2, 2, 2, 3, 2], false, &[b"rijksregister", b"registre national", b"national register", b"nrn", b"insz", b"niss"]),
    // gift cards and series have dashes
    Form { signs: b" ", ..form(12, aadhaar, &[4, 4, 4], false, &[b"aadhaar", b"aadhar", b"uidai", "आधार".as_bytes()]) },
    form(13, rrn, &[6, 7], false, &[b"rrn", b"resident registration", "주민".as_bytes()]),
    form(13, |n| luhn_of_several(n) && is_birth(n.get(2..4), n.get(4..6)), &[], false, &[b"south african id", b"sa id", b"rsa id", b"id no", b"id number", b"identity number"]),
    form(15, nir, &[], true, &[]),
    form(18, china, &[], true, &[]),
    form(9, dni, &[], true, &[b"dni", b"nie ", b"nif "]),
    form(9, nric, &[], false, &[b"nric", b"fin ", b"singapore", b"my ic "]),
    form(9, nino, &[2, 2, 2, 2, 1], false, &[b"nino", b"national insurance", b"ni number"]),
    form(10, pan, &[], false, &[b"pan ", b"permanent account"]),
    form(10, hetu, &[6, 4], false, &["henkilötunnus".as_bytes(), b"hetu", b"sotu "]),
    form(16, codice_fiscale, &[], true, &[]),
    form(18, curp, &[], true, &[]),
];

/// The number whose first digit is at `start`.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Match> {
    let glued = letters_before(text, start);
    let apart = letters_apart(text, glued);
    let further = apart.and_then(|from| letters_apart(text, from));
    let starts = [further, apart, Some(glued)];
    starts.into_iter().flatten().find_map(|from| from_letters(text, from))
}

/// Where the letters begin that touch the digit at `start`: all capitals or all small.
fn letters_before(text: &[u8], start: usize) -> usize {
    let is_lower = preceded(text, start, |b| b.is_ascii_lowercase());
    let from =
        run_back(text, start, 6, |b| b.is_ascii_alphabetic() && b.is_ascii_lowercase() == is_lower);
    from + usize::from(from < start && after_escape(text, from + 1))
}

/// Where up to three capitals begin that stand before `from`, a space or dash between, as in `AB 12 34 56 C`.
fn letters_apart(text: &[u8], from: usize) -> Option<usize> {
    let (_, end) = gap_before(text, from).filter(|(sign, _)| matches!(sign, b' ' | b'-'))?;
    let first = run_back(text, end, 3, |b| b.is_ascii_uppercase());
    (first < end && !in_word(text, first)).then_some(first)
}

/// The number that begins with the letters or digits at `from`, where not with the word IBAN.
fn from_letters(text: &[u8], from: usize) -> Option<Match> {
    if in_word(text, from) || preceded(text, from, |b| matches!(b, b'.' | b'/' | b'+' | b'$')) {
        return None;
    }
    let is_titled = text.get(from..from + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"iban"));
    let start = from + if is_titled { 4 } else { 0 };
    let mut number = Number {
        compact: Vec::with_capacity(LONGEST),
        groups: Vec::with_capacity(10),
        signs: Vec::with_capacity(10),
        is_lower: false,
        start,
        end: start,
    };
    let mut has_capitals = false;
    let mut best = None;
    let mut at = start;
    loop {
        let end = run(text, at, LONGEST, |b| b.is_ascii_alphanumeric());
        let piece = text.get(at..end)?;
        let is_iban = number.compact.len() >= 4 && number.has_lead();
        number.is_lower |= piece.iter().any(u8::is_ascii_lowercase);
        has_capitals |= piece.iter().any(u8::is_ascii_uppercase);
        // more are a word
        let most_letters = match number.is_lower {
            true => 1,
            false if number.has_lead() => 3,
            false => 2,
        };
        let fits = number.compact.len() + piece.len() <= LONGEST
            && (is_iban
                || at == start
                || piece.iter().any(u8::is_ascii_digit)
                || piece.len() <= most_letters)
            && !(number.is_lower && has_capitals);
        if piece.is_empty() || !fits {
            break;
        }
        number.compact.extend(piece.iter().map(u8::to_ascii_uppercase));
        number.groups.push(piece.len());
        number.end = end;
        if !follows(text, end, is_word) {
            best = check(text, &number).or(best);
        }
        let Some((sign, next)) = number.sign(text).filter(|_| number.groups.len() < 10) else {
            break;
        };
        number.signs.push(sign);
        at = next;
    }
    best
}

impl Number {
    /// Whether it begins with a letter.
    fn has_lead(&self) -> bool {
        self.compact.first().is_some_and(u8::is_ascii_uppercase)
    }

    /// What stands behind the last group, and where the next one begins. Behind letters there may be two spaces;
    /// whoever is over a hundred has a plus in the numbers of Sweden and Finland.
    fn sign(&self, text: &[u8]) -> Option<(u8, usize)> {
        if matches!(self.groups.as_slice(), [6 | 8]) && follows(text, self.end, |b| b == b'+') {
            return Some((b'+', self.end + 1));
        }
        let (sign, next) = gap(text, self.end)?;
        let is_wide = sign == b' ' && self.has_lead() && follows(text, next, |b| b == b' ');
        Some((sign, next + usize::from(is_wide)))
    }

    /// Whether short groups go on beyond it with its own sign, as in `978-87-7613-414-3`.
    fn is_part(&self, text: &[u8]) -> bool {
        let is_digit = |b: u8| b.is_ascii_digit();
        let is_group = |length: usize| (1..=4).contains(&length);
        gap(text, self.end).is_some_and(|(sign, next)| {
            self.signs.last() == Some(&sign) && is_group(run(text, next, 5, is_digit) - next)
        }) || gap_before(text, self.start).is_some_and(|(sign, end)| {
            self.signs.first() == Some(&sign) && is_group(end - run_back(text, end, 5, is_digit))
        })
    }

    /// Whether it stands as numbers of this form are usually written, and is none of goods.
    fn is_written_as(&self, form: &Form, text: &[u8]) -> bool {
        !form.groups.is_empty()
            && form.groups == self.groups.as_slice()
            && self.signs.iter().all(|sign| form.signs.contains(sign))
            && !self.is_part(text)
            && !names_before(text, self.start, BEFORE, &OTHERS)
    }
}

fn check(text: &[u8], number: &Number) -> Option<Match> {
    let span = Span { start: number.start, end: number.end };
    let digits = || number.compact.iter().filter(|b| b.is_ascii_digit()).count();
    if (15..=LONGEST).contains(&number.compact.len())
        && iban(&number.compact)
        && (!number.is_lower || digits() >= 10)
    {
        // surer than a card number within it
        return Some(Match { entity: Entity::Iban, span, confidence: 0.99 });
    }
    FORMS.iter().filter(|form| form.length == number.compact.len()).find_map(|form| {
        if !(form.check)(&number.compact) {
            return None;
        }
        // small letters are those of any code
        let confidence = if form.is_sure && (!number.is_lower || form.length > 10) {
            0.9
        } else if !number.is_lower && number.is_written_as(form, text) {
            0.85
        } else {
            names_before(text, number.start, BEFORE, form.words).then_some(0.85)?
        };
        Some(Match { entity: form.entity, span, confidence })
    })
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
        for (text, iban) in [
            ("IBANDE89370400440532013000", "DE89370400440532013000"),
            ("my de89370400440532013000 is", "de89370400440532013000"),
            ("from\\nde89 3704 0044 0532 0130 00 is", "de89 3704 0044 0532 0130 00"),
            ("DE89  3704  0044  0532  0130  00 ", "DE89  3704  0044  0532  0130  00"),
            ("DE89\u{a0}3704\u{2009}0044‑0532–0130 00", "DE89\u{a0}3704\u{2009}0044‑0532–0130 00"),
            ("RU2412121212121212121212121212123", "RU2412121212121212121212121212123"),
        ] {
            assert_eq!(number(text), Some((Entity::Iban, iban)), "{text}");
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
            ("SSN 219‑09‑9999", "219‑09‑9999"),
            ("19811228-9874", "19811228-9874"),
            ("personnummer: 198112289874", "198112289874"),
            ("personnr 20010101-1237", "20010101-1237"),
            ("811228+9874", "811228+9874"),
            ("DNI: 12345678z", "12345678z"),
            ("NIE: X-1234567-L", "X-1234567-L"),
            ("codice fiscale rssmra85t10a562s", "rssmra85t10a562s"),
            ("codice fiscale RSS MRA 85T10 A562S", "RSS MRA 85T10 A562S"),
            ("CURP abcd850101hdflrn06", "abcd850101hdflrn06"),
            ("\\nX1234567L", "X1234567L"),
            ("\"pan\":\"ABCPE1234F\"", "ABCPE1234F"),
            ("pan_number: abcpe1234f", "abcpe1234f"),
            ("Meine Steueridentifikationsnummer lautet 86095742719", "86095742719"),
            ("steuerliche Identifikationsnummer: 86095742719", "86095742719"),
            ("fnr 15058512343", "15058512343"),
            ("INSZ 93051822361", "93051822361"),
            ("TC: 10000000146", "10000000146"),
            ("ID no 8001015009087", "8001015009087"),
            ("aadhaar 2341-2341-2346", "2341-2341-2346"),
            ("2341 2341 2346 98765 43210", "2341 2341 2346"),
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
            "ISBN 978-87-7613-414-3",
            "011-15-2345-5941",
            "12-219-09-9999",
            "9400 1148 5004 1294 7805 93",
            "2341 2341 2346 1682",
            "5743 2341 2341 2346",
            "2341-2341-2346",
            "FedEx 2341 2341 2346",
            "backup 20010101-1237",
            "198112289874",
            "commit 12345678z and x1234567l",
            "by 12 34 56 c",
            "japan abcpe1234f",
            "sin(130692544)",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
