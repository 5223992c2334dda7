//! Telephone numbers: international ones by calling code and length (ITU E.164), North American ones by their
//! plan, with or without an extension, an area code in brackets, five pairs as in France; others where a word before
//! them says what they are.

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, names_before, preceded, run};
use crate::{Entity, Match};

/// Digits of a number: at least, and at most (E.164).
const DIGITS: (usize, usize) = (7, 15);

/// Words that say that a number is for calling.
const WORDS: [&[u8]; 21] = [
    b"phone",
    b"tel",
    b"mobile",
    b"cell",
    b"call",
    b"whatsapp",
    b"handy",
    b"fon",
    b"m\xc3\xb3vil",
    b"celular",
    b"fax",
    b"sms",
    b"ring",
    b"number is",
    b"landline",
    b"contact",
    b"reach",
    b"dial",
    b"t\xc3\xa9l",
    b"registered",
    b"kom\xc3\xb3rka",
];

/// Digits in groups, as people write numbers.
struct Number {
    digits: Vec<u8>,
    /// Length of each group.
    groups: Vec<usize>,
    /// What stands between them.
    has_sign: bool,
    end: usize,
}

/// The number whose first digit is at `start`.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Match> {
    let plus = preceded(text, start, |b| b == b'+');
    let open = preceded(text, start, |b| b == b'(');
    let first = start - usize::from(plus || open);
    let is_part = |b| matches!(b, b'.' | b'/' | b'-' | b'+' | b'#' | b'=' | b'$');
    if in_word(text, first) || preceded(text, first, is_part) {
        return None;
    }
    let number = read(text, start, open)?;
    let count = number.digits.len();
    let end = extension(text, number.end);
    if count < DIGITS.0 || count > DIGITS.1 || follows(text, end, is_word) {
        return None;
    }
    // a date
    if matches!(number.groups.as_slice(), [4, 2, 2] | [2, 2, 4] | [4, 1 | 2, 1 | 2]) {
        return None;
    }
    let confidence = if plus {
        is_international(&number.digits).then_some(0.9)?
    } else if number.digits.starts_with(b"00") && is_international(number.digits.get(2..)?) {
        (count >= 11 && number.groups.len() > 1).then_some(0.75)?
    } else if is_north_american(&number) && (open || number.has_sign) {
        0.8
    } else if open && is_area_code(&number) || is_pairs(&number) {
        0.75
    } else {
        let is_grouped = number.groups.len() > 1 || number.digits.starts_with(b"0");
        let is_named = || names_before(text, first, 24, &WORDS) || says_which(text, number.end);
        (is_grouped && is_named()).then_some(0.7)?
    };
    let span = Span { start: first, end };
    Some(Match { entity: Entity::Phone, span, confidence })
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

/// `04 68 82 97 05`.
fn is_pairs(number: &Number) -> bool {
    number.groups == [2; 5]
        && number.digits.first() == Some(&b'0')
        && number.digits.get(1).is_some_and(|b| *b != b'0')
}

fn read(text: &[u8], start: usize, open: bool) -> Option<Number> {
    let mut number = Number {
        digits: Vec::with_capacity(DIGITS.1),
        groups: Vec::with_capacity(8),
        has_sign: open,
        end: start,
    };
    let mut at = start;
    loop {
        let group = text.get(at..)?.iter().take(16).take_while(|b| b.is_ascii_digit()).count();
        if group == 0 || number.digits.len() + group > DIGITS.1 {
            break;
        }
        number.digits.extend_from_slice(text.get(at..at + group)?);
        number.groups.push(group);
        number.end = at + group;
        at = number.end;
        let sign = text.get(at..)?.iter().take(3).take_while(|b| b" -./()".contains(b)).count();
        let between = text.get(at..at + sign)?;
        if sign == 0 || !follows(text, at + sign, |b| b.is_ascii_digit()) {
            break;
        }
        number.has_sign |= between.iter().any(|b| *b != b' ');
        at += sign;
    }
    Some(number)
}

fn is_international(digits: &[u8]) -> bool {
    (1..=3).any(|len| {
        let (Some(code), Some(rest)) = (digits.get(..len), digits.get(len..)) else { return false };
        let known = CODES.iter().find(|(known, ..)| known.as_bytes() == code);
        known.is_some_and(|(_, least, most)| {
            // many write the national prefix in brackets: +44 (0)20 …
            let rest = rest.strip_prefix(b"0").filter(|_| code != b"39").unwrap_or(rest);
            (*least..=*most).contains(&rest.len()) && (code != b"1" || is_plan(rest))
        })
    })
}

/// Area code and exchange of the North American plan begin with 2 to 9.
fn is_plan(digits: &[u8]) -> bool {
    let is_lead = |at: usize| digits.get(at).is_some_and(|b| matches!(b, b'2'..=b'9'));
    digits.len() == 10 && is_lead(0) && is_lead(3)
}

fn is_north_american(number: &Number) -> bool {
    match number.groups.as_slice() {
        [3, 3, 4] => is_plan(&number.digits),
        [1, 3, 3, 4] => number.digits.strip_prefix(b"1").is_some_and(is_plan),
        _ => false,
    }
}

/// Calling codes, and the fewest and most digits of a number behind each.
#[rustfmt::skip]
const CODES: [(&str, usize, usize); 206] = [
    ("1", 10, 10), ("7", 10, 10), ("20", 8, 10), ("27", 9, 9), ("30", 10, 10), ("31", 9, 9), ("32", 8, 9),
    ("33", 9, 9), ("34", 9, 9), ("36", 8, 9), ("39", 6, 11), ("40", 9, 9), ("41", 9, 9), ("43", 7, 13),
    ("44", 9, 10), ("45", 8, 8), ("46", 7, 10), ("47", 8, 8), ("48", 9, 9), ("49", 7, 12), ("51", 8, 9),
    ("52", 10, 10), ("53", 6, 8), ("54", 10, 11), ("55", 10, 11), ("56", 9, 9), ("57", 10, 10), ("58", 10, 10),
    ("60", 7, 10), ("61", 9, 9), ("62", 8, 12), ("63", 8, 10), ("64", 8, 10), ("65", 8, 8), ("66", 8, 9),
    ("81", 9, 10), ("82", 8, 11), ("84", 9, 10), ("86", 10, 11), ("90", 10, 10), ("91", 10, 10), ("92", 9, 10),
    ("93", 9, 9), ("94", 9, 9), ("95", 7, 10), ("98", 10, 10), ("211", 9, 9), ("212", 9, 9), ("213", 8, 9),
    ("216", 8, 8), ("218", 9, 9), ("220", 7, 7), ("221", 9, 9), ("222", 8, 8), ("223", 8, 8), ("224", 9, 9),
    ("225", 8, 10), ("226", 8, 8), ("227", 8, 8), ("228", 8, 8), ("229", 8, 10), ("230", 7, 8), ("231", 7, 9),
    ("232", 8, 8), ("233", 9, 9), ("234", 8, 10), ("235", 8, 8), ("236", 8, 8), ("237", 8, 9), ("238", 7, 7),
    ("239", 7, 7), ("240", 9, 9), ("241", 7, 8), ("242", 9, 9), ("243", 9, 9), ("244", 9, 9), ("245", 7, 9),
    ("246", 7, 7), ("247", 4, 6), ("248", 7, 7), ("249", 9, 9), ("250", 9, 9), ("251", 9, 9), ("252", 7, 9),
    ("253", 8, 8), ("254", 9, 9), ("255", 9, 9), ("256", 9, 9), ("257", 8, 8), ("258", 9, 9), ("260", 9, 9),
    ("261", 9, 9), ("262", 9, 9), ("263", 8, 9), ("264", 8, 9), ("265", 7, 9), ("266", 8, 8), ("267", 7, 8),
    ("268", 8, 8), ("269", 7, 7), ("290", 4, 5), ("291", 7, 7), ("297", 7, 7), ("298", 6, 6), ("299", 6, 6),
    ("350", 8, 8), ("351", 9, 9), ("352", 6, 11), ("353", 7, 9), ("354", 7, 9), ("355", 8, 9), ("356", 8, 8),
    ("357", 8, 8), ("358", 6, 11), ("359", 8, 9), ("370", 8, 8), ("371", 8, 8), ("372", 7, 8), ("373", 8, 8),
    ("374", 8, 8), ("375", 9, 9), ("376", 6, 9), ("377", 8, 9), ("378", 6, 10), ("380", 9, 9), ("381", 8, 9),
    ("382", 8, 8), ("383", 8, 8), ("385", 8, 9), ("386", 8, 8), ("387", 8, 8), ("389", 8, 8), ("420", 9, 9),
    ("421", 9, 9), ("423", 7, 9), ("500", 5, 5), ("501", 7, 7), ("502", 8, 8), ("503", 8, 8), ("504", 8, 8),
    ("505", 8, 8), ("506", 8, 8), ("507", 7, 8), ("508", 6, 6), ("509", 8, 8), ("590", 9, 9), ("591", 8, 8),
    ("592", 7, 7), ("593", 8, 9), ("594", 9, 9), ("595", 9, 9), ("596", 9, 9), ("597", 6, 7), ("598", 8, 8),
    ("599", 7, 8), ("670", 7, 8), ("672", 6, 6), ("673", 7, 7), ("674", 7, 7), ("675", 7, 8), ("676", 5, 7),
    ("677", 5, 7), ("678", 5, 7), ("679", 7, 7), ("680", 7, 7), ("681", 6, 6), ("682", 5, 5), ("683", 4, 7),
    ("685", 5, 7), ("686", 5, 8), ("687", 6, 6), ("688", 5, 6), ("689", 6, 8), ("690", 4, 4), ("691", 7, 7),
    ("692", 7, 7), ("850", 8, 10), ("852", 8, 8), ("853", 8, 8), ("855", 8, 9), ("856", 8, 10), ("880", 8, 10),
    ("886", 8, 9), ("960", 7, 7), ("961", 7, 8), ("962", 8, 9), ("963", 8, 9), ("964", 8, 10), ("965", 7, 8),
    ("966", 8, 9), ("967", 7, 9), ("968", 8, 8), ("970", 8, 9), ("971", 7, 9), ("972", 8, 9), ("973", 8, 8),
    ("974", 8, 8), ("975", 7, 8), ("976", 8, 8), ("977", 8, 10), ("992", 9, 9), ("993", 8, 8), ("994", 9, 9),
    ("995", 9, 9), ("996", 9, 9), ("998", 9, 9),
];

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
        assert_eq!(phone("my phone is 0170 1234567!"), Some("0170 1234567"));
        assert_eq!(phone("Tel.: 030 123456-78"), Some("030 123456-78"));
        assert_eq!(phone("0161 4960000 office"), Some("0161 4960000"));
        assert_eq!(phone("Phone:\\n+39 0532264625\\n"), Some("+39 0532264625"));
    }

    #[test]
    fn other_numbers() {
        for text in [
            "2026-11-20 10:15:30",
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
