//! Telephone numbers: international ones by calling code and length (ITU E.164), North American ones by their
//! plan, with or without an extension, an area code in brackets, five pairs as in France; others where a word before
//! them says what they are, in whatever form where it stands right before.

mod words;

use std::sync::LazyLock;

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, last_name_before, preceded, run, run_back};
use crate::calling::{is_international, is_plan};
use crate::{Entity, Match};
use words::{BETWEEN, HINTS, NAMES, OTHERS};

/// Digits of a number: at least, and at most (E.164).
const DIGITS: (usize, usize) = (7, 15);

/// Digits in groups, as people write numbers.
struct Number {
    digits: Vec<u8>,
    /// Length of each group.
    groups: Vec<usize>,
    /// Whether more than a space stands between them.
    has_sign: bool,
    /// Whether the same stands between any two of them.
    is_even: bool,
    /// Whether more digits follow than a number has, behind more than a space or not.
    goes_on: Option<bool>,
    end: usize,
}

/// The number whose first digit is at `start`.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Match> {
    let head = text.get(..start)?;
    // a plus sign, or what stands for one in a URL
    let plus = ["+", "%2B", "%2b"].iter().find(|plus| head.ends_with(plus.as_bytes()));
    let open = head.ends_with(b"(");
    let first = start - plus.map_or(usize::from(open), |plus| plus.len());
    let is_assigned = preceded(text, first, |b| b == b'=');
    let is_part = |b| matches!(b, b'.' | b'/' | b'-' | b'+' | b'#' | b'$');
    if in_word(text, first) || preceded(text, first, is_part) || is_behind_dash(text, first) {
        return None;
    }
    let number = read(text, start, open)?;
    let count = number.digits.len();
    let end = extension(text, number.end);
    if count < DIGITS.0 || count > DIGITS.1 || follows(text, end, is_word) || is_date(&number) {
        return None;
    }
    // the beginning of a longer row of digits, or of numbers with a decimal point
    let goes_on = number.goes_on.filter(|_| plus.is_none());
    let is_row =
        goes_on.is_some_and(|is_sign| is_sign || number.groups.iter().all(|len| *len == 4));
    if is_row || number.groups.first() == Some(&1) && text.get(start + 1) == Some(&b'.') {
        return None;
    }
    let is_grouped = number.groups.len() > 1;
    let is_named = || is_right_behind(text, first, &NAMES);
    let abroad = number.digits.strip_prefix(b"00").filter(|_| count >= 11 && is_grouped);
    let confidence = if plus.is_some() {
        is_international(&number.digits).then_some(0.9)?
    } else if is_assigned && !is_named() {
        return None;
    } else if abroad.is_some_and(is_international) {
        0.85
    } else if is_north_american(&number) && (open || number.has_sign) {
        0.8
    } else if open && is_area_code(&number) || is_pairs(&number) {
        0.75
    } else if is_grouped || number.digits.starts_with(b"0") {
        let is_abroad = number.digits.strip_prefix(b"00").is_none_or(is_international);
        let is_near = goes_on.is_none() && is_near(text, first) || says_which(text, number.end);
        ((is_grouped || is_abroad) && (is_near || is_named())).then_some(0.7)?
    } else {
        let is_called = || {
            is_domestic(&number.digits) && is_right_behind(text, first, &["call", "dial", "ring"])
        };
        let fits = !open && (8..=12).contains(&count);
        (fits && (is_named() || is_called())).then_some(0.7)?
    };
    // the digit of `%2B` is none of the number's
    let span = Span { start: if plus == Some(&"+") || open { first } else { start }, end };
    Some(Match { entity: Entity::Phone, span, confidence })
}

/// Whether a word for a telephone or a call stands shortly before, on the same line, and none for another number
/// behind it.
fn is_near(text: &[u8], first: usize) -> bool {
    static WORDS: LazyLock<Vec<&[u8]>> = LazyLock::new(|| {
        // those that begin with another are found with it
        let words = || NAMES.iter().chain(&HINTS);
        let is_longer = |word: &str| words().any(|other| *other != word && word.starts_with(other));
        words().filter(|word| !is_longer(word)).map(|word| word.as_bytes()).collect()
    });
    let last = |words| last_name_before(text, first, 24, words);
    last(&WORDS).is_some_and(|at| last(&OTHERS).is_none_or(|other| other < at))
}

/// Whether nothing but signs and small words parts a number from one of `words`.
fn is_right_behind(text: &[u8], first: usize, words: &[&str]) -> bool {
    let from = run_back(text, first, 40, |b| b != b'\n' && !b.is_ascii_digit());
    let window = text.get(from..first).unwrap_or_default().to_ascii_lowercase();
    let is_letter = |b: &u8| b.is_ascii_alphabetic() || *b >= 0x80;
    // scripts other than the Latin one have no space between words, or other small words
    let is_small = |word: &[u8]| {
        BETWEEN.iter().any(|known| known.as_bytes() == word)
            || word.len() <= 16 && word.iter().all(|b| *b >= 0x80)
    };
    let has_letters = window.iter().any(is_letter);
    has_letters
        && words.iter().any(|word| {
            memchr::memmem::rfind(&window, word.as_bytes()).is_some_and(|at| {
                let rest = window.get(at + word.len()..).unwrap_or_default();
                !preceded(&window, at, |b| b.is_ascii_alphabetic())
                    && rest.iter().all(|b| is_letter(b) || b" :='\"#.-_*>|\\\t".contains(b))
                    && rest.split(|b| !is_letter(b)).all(is_small)
            })
        })
}

/// `2026-11-20`, `20261120`, or years from one to another.
fn is_date(number: &Number) -> bool {
    let digits = number.digits.as_slice();
    let is_year =
        |at: usize| digits.get(at..).is_some_and(|b| b.starts_with(b"19") || b.starts_with(b"20"));
    match number.groups.as_slice() {
        [4, 2, 2] | [2, 2, 4] | [4, 1 | 2, 1 | 2] => true,
        [8] => is_year(0) && matches!(digits.get(4..6), Some([b'0', _] | [b'1', b'0'..=b'2'])),
        [4, 4] => is_year(0) && is_year(4),
        _ => false,
    }
}

/// Whether `at` goes on behind a dash that is none of ASCII's.
fn is_behind_dash(text: &[u8], at: usize) -> bool {
    at.checked_sub(3).is_some_and(|dash| separator(text, dash) == Some((3, true)))
}

/// Length of the dash, space or other sign between groups at `at`, as keyboards, word processors and PDF write them,
/// and whether it is more than a space.
fn separator(text: &[u8], at: usize) -> Option<(usize, bool)> {
    match text.get(at..)? {
        [b' ', ..] => Some((1, false)),
        [b'-' | b'.' | b'/' | b'(' | b')', ..] => Some((1, true)),
        [0xC2, 0xA0, ..] => Some((2, false)),
        [0xE2, 0x80, 0x87 | 0x89 | 0xAF, ..] => Some((3, false)),
        [0xE2, 0x80, 0x90..=0x93, ..] | [0xE2, 0x88, 0x92, ..] => Some((3, true)),
        _ => None,
    }
}

/// One past the extension that follows a number, as in `x871` or ` ext. 12`.
fn extension(text: &[u8], end: usize) -> usize {
    const SIGNS: [&[u8]; 6] = [b"x", b" x", b" ext. ", b" ext.", b" ext ", b" extension "];
    let rest = text.get(end..).unwrap_or_default();
    let digits = SIGNS.iter().find_map(|sign| {
        let from = end + rest.strip_prefix(*sign).map(|_| sign.len())?;
        let to = run(text, from, 6, |b| b.is_ascii_digit());
        (to > from).then_some(to)
    });
    digits.unwrap_or(end)
}

/// Whether a word behind a number says which telephone it is of, as in `0161 496 0000 office`.
fn says_which(text: &[u8], end: usize) -> bool {
    const WHICH: [&[u8]; 7] = [b"office", b"mobile", b"cell", b"home", b"fax", b"work", b"direct"];
    let from = run(text, end, 2, |b| matches!(b, b' ' | b'-' | b'('));
    let to = run(text, from, 8, |b| b.is_ascii_alphabetic());
    let word = text.get(from..to).unwrap_or_default().to_ascii_lowercase();
    from > end && WHICH.contains(&word.as_slice())
}

/// `(0121) 496 0156`: a trunk prefix, and the area code in brackets.
fn is_area_code(number: &Number) -> bool {
    let area = number.groups.first().copied().unwrap_or_default();
    number.digits.first() == Some(&b'0')
        && (2..=6).contains(&area)
        && number.groups.len() > 1
        && (8..=12).contains(&number.digits.len())
}

/// Highest number of a lottery, about.
const DRAWN: &[u8] = b"70";

/// `04 68 82 97 05`, but neither a time nor sizes or numbers of a lottery, which rise.
fn is_pairs(number: &Number) -> bool {
    let pairs = || number.digits.chunks(2);
    let is_drawn = pairs().is_sorted_by(|a, b| a < b) && pairs().all(|pair| pair <= DRAWN);
    number.groups == [2; 5]
        && number.is_even
        && !is_drawn
        && number.digits.first() == Some(&b'0')
        && number.digits.get(1).is_some_and(|b| *b != b'0')
}

fn read(text: &[u8], start: usize, open: bool) -> Option<Number> {
    let mut number = Number {
        digits: Vec::with_capacity(DIGITS.1),
        groups: Vec::with_capacity(8),
        has_sign: open,
        is_even: true,
        goes_on: None,
        end: start,
    };
    let mut at = start;
    let (mut joint, mut first_joint, mut is_sign) = (&[][..], None, false);
    loop {
        let group = text.get(at..)?.iter().take(16).take_while(|b| b.is_ascii_digit()).count();
        if group == 0 || number.digits.len() + group > DIGITS.1 {
            number.goes_on = (group > 0).then_some(is_sign);
            break;
        }
        if at > start {
            number.is_even &= *first_joint.get_or_insert(joint) == joint;
        }
        number.digits.extend_from_slice(text.get(at..at + group)?);
        number.groups.push(group);
        number.end = at + group;
        at = number.end;
        let mut has_sign = false;
        for _ in 0..3 {
            let Some((length, sign)) = separator(text, at) else { break };
            has_sign |= sign;
            at += length;
        }
        if at == number.end || !follows(text, at, |b| b.is_ascii_digit()) {
            break;
        }
        number.has_sign |= has_sign;
        is_sign = has_sign;
        joint = text.get(number.end..at)?;
    }
    Some(number)
}

/// Whether bare digits are a number of the North American plan.
fn is_domestic(digits: &[u8]) -> bool {
    is_plan(digits.strip_prefix(b"1").unwrap_or(digits))
}

fn is_north_american(number: &Number) -> bool {
    match number.groups.as_slice() {
        [3, 3, 4] => is_plan(&number.digits),
        [1, 3, 3, 4] => number.digits.strip_prefix(b"1").is_some_and(is_plan),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(text: &str) -> Option<&str> {
        let bytes = text.as_bytes();
        let starts = (0..bytes.len()).filter(|at| {
            bytes[*at].is_ascii_digit() && !preceded(bytes, *at, |b| b.is_ascii_digit())
        });
        let hit = starts.filter_map(|start| at(bytes, start)).next()?;
        Some(&text[hit.span.start..hit.span.end])
    }

    #[test]
    fn numbers_of_many_countries() {
        for number in [
            "+49 170 1234567",
            "+1 (415) 555-2671",
            "+14155552671",
            "+44 (0)20 7946 0958",
            "+33 6 12 34 56 78",
            "+81 90-1234-5678",
            "+91 98765 43210",
            "+55 11 91234-5678",
            "+86 138 1234 5678",
            "+353 86 123 4567",
            "(415) 555-2671",
            "415-555-2671",
            "1-415-555-2671",
            "0049 170 1234567",
            "001-730-222-4485x66423",
            "(725)728-0875x773",
            "603.776.4764 ext. 97",
            "(0121) 496 0156",
            "(02) 5230 9717",
            "04 68 82 97 05",
        ] {
            assert_eq!(phone(number), Some(number));
            assert_eq!(phone(&format!("or {number}.")), Some(number));
        }
        for (text, found) in [
            ("my phone is 0170 1234567!", "0170 1234567"),
            ("Tel.: 030 123456-78", "030 123456-78"),
            ("0161 4960000 office", "0161 4960000"),
            ("Phone:\\n+39 0532264625\\n", "+39 0532264625"),
            ("Order 5512: call 0161 4960000", "0161 4960000"),
            ("Tel 0170 1234567 0171 7654321", "0170 1234567 0171"),
            ("call 415-555-2671 20261120", "415-555-2671"),
            ("06 12 34 56 78", "06 12 34 56 78"),
            ("06.12.34.56.78", "06.12.34.56.78"),
            ("WhatsApp: 00447400120308", "00447400120308"),
            ("from 001 201-555-0123", "001 201-555-0123"),
            ("u?phone=%2B14155552671&x=1", "14155552671"),
            ("+1 415\u{2011}555\u{2013}2671", "+1 415\u{2011}555\u{2013}2671"),
            ("call\u{a0}+49\u{a0}151\u{202f}23456789", "+49\u{a0}151\u{202f}23456789"),
            ("Mobil:\u{2009}0151\u{2007}23456789", "0151\u{2007}23456789"),
        ] {
            assert_eq!(phone(text), Some(found), "{text}");
        }
    }

    #[test]
    fn bare_digits_right_behind_a_word() {
        for text in [
            "Cell: 4155552671",
            "{\"phone\":\"4155552671\"}",
            "{\"home_phone_number\": 4155552671}",
            "<phone>4155552671</phone>",
            "WHERE phone='4155552671'",
            "Phone: 4155552671",
            "mobile no. 4155552671",
            "call 4155552671",
            "Reach me at 4155552671.",
            "Llámame al 4155552671",
            "Bel me op 4155552671",
            "Festnetz: 4155552671",
            "Meine Nummer ist 4155552671",
            "Ruf mich an: 4155552671",
            "Mon numéro est 4155552671",
            "Мой телефон: 4155552671",
            "我的手机号是4155552671",
            "電話番号は4155552671です",
            "τηλέφωνο: 4155552671",
        ] {
            assert_eq!(phone(text), Some("4155552671"), "{text}");
        }
        for text in [
            "order 4155552671",
            "the order number is 4155552671",
            "call me in 5 min, order 4155552671",
            "iPhone 4155552671",
            "phone_id: 4155552671",
            "telegram: 4155552671",
            "call(4155552671)",
            "x=4155552671, x=0123 4567890",
            "tel 20261120 or 0099912345",
            "call 1939\u{2013}1945",
            "reach 100000000 people",
            "12\u{2013}415\u{2013}555\u{2013}2671",
        ] {
            assert_eq!(phone(text), None, "{text}");
        }
    }

    #[test]
    fn other_numbers() {
        for text in [
            "My invoice number is 2024-001187",
            "My order number is 112-1234567-1234567",
            "order 112-1234567-1234567-89",
            "I called about order 4471 223 8890",
            "call about your order no. 4471 223 8890",
            "call me: ticket 4471 223 8890",
            "lottery 05 12 23 34 45",
            "sizes 01 02 03 04 05",
            "am 05.11.24 10.30",
            "2026-11-20 10:15:30",
            "My order number is 1203-5587-9012-3345",
            "call me: 0.3139 0.0810 0.3253 0.1741",
            "order 20241123-001",
            "192.168.100.200",
            "1 234 567 890",
            "+1 123 456 7890",
            "+999 12345678",
            "2 + 3456789 = 3456791",
            "Patel 2025-01-23, call 2025-01-23",
            "555-1234",
            "ISBN 978-3-16-148410-0",
            "version 415.555.26711",
            "$415-555-2671",
            "12.11.2026 and 3,141,592",
        ] {
            assert_eq!(phone(text), None, "{text}");
        }
    }
}
