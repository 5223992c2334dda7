//! Dates of birth: a date after words that say so.

use portcullis_core::Span;

use crate::bytes::{follows, run};
use crate::{Entity, Match};

/// Words before a date of birth, in lower case.
pub(crate) const WORDS: [&str; 17] = [
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "dob",
    "born on",
    "born:",
    "born ",
    "geboren am",
    "geburtsdatum",
    "geburtstag",
    "date de naissance",
    "fecha de nacimiento",
    "data di nascita",
    "data de nascimento",
    "geboortedatum",
    "data urodzenia",
];

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The date that follows the words which end at `from`.
pub(crate) fn after(text: &[u8], from: usize) -> Option<Match> {
    let mut start = run(text, from, 4, |b| {
        matches!(b, b' ' | b':' | b'=' | b'"' | b'\'' | b'\t' | b'-' | b'.' | b'?' | b',' | b'\n')
    });
    for word in [&b"it's "[..], b"it is ", b"is ", b"on ", b"was ", b"ist ", b"es "] {
        let next = text.get(start..start + word.len());
        if next.is_some_and(|next| next.eq_ignore_ascii_case(word)) {
            start += word.len();
        }
    }
    let end = numbers(text, start).or_else(|| words(text, start))?;
    let span = Span { start, end };
    Some(Match { entity: Entity::BirthDate, span, confidence: 0.9 })
}

fn number(text: &[u8], at: usize, most: usize) -> Option<(usize, usize)> {
    let end = run(text, at, most, |b| b.is_ascii_digit());
    let value = std::str::from_utf8(text.get(at..end)?).ok()?.parse().ok()?;
    (!follows(text, end, |b| b.is_ascii_digit())).then_some((value, end))
}

/// `1985-03-12`, `12.03.1985`, `3/12/85`.
fn numbers(text: &[u8], start: usize) -> Option<usize> {
    let (first, at) = number(text, start, 4)?;
    let sign = *text.get(at).filter(|b| matches!(b, b'-' | b'.' | b'/'))?;
    let (second, at) = number(text, at + 1, 2)?;
    let (third, end) = (*text.get(at)? == sign).then(|| number(text, at + 1, 4))??;
    let is_day = |day: usize, month: usize| (1..=31).contains(&day) && (1..=12).contains(&month);
    let is_date = match (is_year(first), is_year(third) || third < 100) {
        (true, _) => is_day(third, second),
        (_, true) => is_day(first, second) || is_day(second, first),
        _ => false,
    };
    is_date.then_some(end)
}

fn is_year(year: usize) -> bool {
    (1900..=2035).contains(&year)
}

/// `12 March 1985`, `March 12th, 1985`.
fn words(text: &[u8], start: usize) -> Option<usize> {
    let mut seen_month = false;
    let mut seen_day = false;
    let mut at = start;
    for _ in 0..4 {
        if let Some((value, end)) = number(text, at, 4) {
            if is_year(value) && seen_month {
                return Some(end);
            }
            seen_day = (1..=31).contains(&value) && !seen_day;
            if !seen_day {
                return None;
            }
            at = run(text, end, 2, |b| b.is_ascii_alphabetic());
        } else {
            let end = run(text, at, 12, |b| b.is_ascii_alphabetic());
            let word = text.get(at..end)?.to_ascii_lowercase();
            let is_month = MONTHS.iter().any(|month| word.starts_with(month.as_bytes()));
            if !is_month && word != b"of" {
                return None;
            }
            seen_month |= is_month;
            at = end;
        }
        at = run(text, at, 2, |b| matches!(b, b' ' | b',' | b'.'));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<&str> {
        let lower = text.to_ascii_lowercase();
        let word = WORDS.iter().find(|word| lower.contains(**word))?;
        let hit = after(text.as_bytes(), lower.find(word)? + word.len())?;
        Some(&text[hit.span.start..hit.span.end])
    }

    #[test]
    fn dates_of_birth() {
        for (text, found) in [
            ("Date of birth: 1985-03-12.", "1985-03-12"),
            ("DOB 12/03/1985", "12/03/1985"),
            ("I was born on March 12th, 1985 in", "March 12th, 1985"),
            ("born 12 March 1985", "12 March 1985"),
            ("my birthday is 3.12.85!", "3.12.85"),
            ("Geburtsdatum: 12.03.1985", "12.03.1985"),
            ("Please tell me your date of birth. It's January 22, 2001", "January 22, 2001"),
        ] {
            assert_eq!(date(text), Some(found), "{text}");
        }
    }

    #[test]
    fn other_dates() {
        for text in
            ["born in Berlin", "date of birth unknown", "DOB 99/99/9999", "born on the 4th of July"]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
