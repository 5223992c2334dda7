//! Dates of birth: a date after words that say so.

use portcullis_core::Span;

use crate::bytes::{after_escape, follows, preceded, run};
use crate::{Entity, Match};

/// Words before a date of birth, in lower case.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 64] = [
    "date of birth", "date_of_birth", "dateofbirth", "birth date", "birth_date", "birthdate", "birthday", "birth:",
    "dob", "d.o.b.", "bday", "born on", "born:", "born ", "geboren am", "geboren:", "geboren ", "geb.", "geburtsdatum",
    "geburtstag", "né le", "née le", "né(e) le", "date de naissance", "date_naissance", "nacido el", "nacida el", "nací el",
    "fecha de nacimiento", "fecha_nacimiento", "nato il", "nata il", "data di nascita", "nascido em", "nascida em",
    "data de nascimento", "data_nascimento", "geboren op", "geboortedatum", "urodzony", "urodzona", "ur.",
    "data urodzenia", "född", "födelsedatum", "født", "fødselsdato", "datum narození", "doğum tarihi",
    "дата рождения", "Дата рождения", "родился", "родилась", "Родился", "Родилась", "дата народження", "出生日期", "生年月日", "생년월일",
    "ημερομηνία γέννησης", "تاريخ الميلاد", "تاریخ تولد", "תאריך לידה", "जन्म तिथि",
];

/// Words and signs between those and the date.
const BETWEEN: [&str; 29] = [
    " ", ":", "=", "\"", "'", "\t", "-", ".", "?", ",", "\n", ">", "*", "|", "(", "：", "\u{a0}",
    "it's ", "it is ", "is ", "on ", "the ", "was ", "ist ", "es ", "est ", "le ", "dnia ", "are ",
];

/// Begins of the months' names, in lower case, in the languages of the words above.
#[rustfmt::skip]
const MONTHS: [&str; 60] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mär", "mai", "okt", "dez",
    "janv", "fév", "avr", "juin", "juil", "aoû", "déc", "ene", "abr", "ago", "dic", "gen", "mag", "giu", "lug",
    "set", "ott", "fev", "out", "maa", "mei", "sty", "lut", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis",
    "gru", "янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек",
];

/// The date that follows the words which end at `from`.
pub(crate) fn after(text: &[u8], from: usize) -> Option<Match> {
    if !begins(text.get(..from)?) {
        return None;
    }
    let mut start = from;
    for _ in 0..8 {
        let rest = text.get(start..)?;
        let word = BETWEEN.iter().find(|word| starts_with(rest, word));
        // the form that is asked for: `(dd/mm/yyyy)`
        let form = run(rest, 0, 16, |b| b.is_ascii_alphabetic() || b"(/-. ".contains(&b));
        let is_form = rest.starts_with(b"(") && follows(rest, form, |b| b == b')');
        let Some(length) = is_form.then_some(form + 1).or(word.map(|word| word.len())) else {
            break;
        };
        start += length;
    }
    let end =
        numbers(text, start).or_else(|| compact(text, start)).or_else(|| words(text, start))?;
    let span = Span { start, end };
    Some(Match { entity: Entity::BirthDate, span, confidence: 0.9 })
}

/// Whether one of the words at the end of `head` begins there, and is no end of another as in `abonné le`.
fn begins(head: &[u8]) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphabetic() || b >= 0x80;
    WORDS.iter().any(|word| {
        let Some(at) = head.len().checked_sub(word.len()) else { return false };
        let is_capital = follows(head, at, |b| b.is_ascii_uppercase())
            && preceded(head, at, |b| b.is_ascii_lowercase());
        starts_with(head.get(at..).unwrap_or_default(), word)
            && (!word.starts_with(|c: char| c.is_ascii())
                || is_capital
                || !preceded(head, at, is_letter)
                || after_escape(head, at))
    }) && !head.ends_with(b"NATO il")
}

fn starts_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
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
    let is_date = match (is_year(first), is_year(third) || third < 100) {
        (true, _) => is_day(third, second),
        (_, true) => is_day(first, second) || is_day(second, first),
        _ => false,
    };
    is_date.then_some(end)
}

fn is_day(day: usize, month: usize) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

fn is_year(year: usize) -> bool {
    (1900..=2035).contains(&year)
}

/// `19850312`.
fn compact(text: &[u8], start: usize) -> Option<usize> {
    let (date, end) = number(text, start, 8)?;
    let is_date = is_year(date / 10_000) && is_day(date % 100, date / 100 % 100);
    is_date.then_some(end)
}

/// `12 March 1985`, `March 12th, 1985`, `12-MAR-1985`.
fn words(text: &[u8], start: usize) -> Option<usize> {
    let mut seen_month = false;
    let mut seen_day = false;
    let mut at = start;
    for _ in 0..5 {
        if let Some((value, end)) = number(text, at, 4) {
            if is_year(value) && seen_month {
                return Some(end);
            }
            seen_day = (1..=31).contains(&value) && !seen_day;
            if !seen_day {
                return None;
            }
            let rest = text.get(end..)?;
            let ordinal =
                ["st", "nd", "rd", "th", "er", "º"].iter().find(|sign| starts_with(rest, sign));
            at = end + ordinal.map_or(0, |sign| sign.len());
        } else {
            let end = run(text, at, 20, |b| b.is_ascii_alphabetic() || b >= 0x80);
            let word = text.get(at..end)?.to_ascii_lowercase();
            let is_month = MONTHS.iter().any(|month| word.starts_with(month.as_bytes()));
            if !is_month && ![&b"of"[..], b"de", b"del", b"di"].contains(&word.as_slice()) {
                return None;
            }
            seen_month |= is_month;
            at = end;
        }
        at = run(text, at, 2, |b| matches!(b, b' ' | b',' | b'.' | b'-'));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<&str> {
        let lower = text.to_ascii_lowercase();
        let ends = WORDS.iter().filter_map(|word| Some(lower.find(word)? + word.len()));
        let hit = ends.filter_map(|end| after(text.as_bytes(), end)).next()?;
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
            ("{\"date_of_birth\": \"1985-03-12\"}", "1985-03-12"),
            ("{\"userBirthDate\":\"1985-03-12T00:00:00Z\"}", "1985-03-12"),
            ("<dob>1985-03-12</dob>", "1985-03-12"),
            ("**Date of birth:** 12/03/1985", "12/03/1985"),
            ("Date of Birth (dd/mm/yyyy): 12/03/1985", "12/03/1985"),
            ("dob=19850312&x", "19850312"),
            ("DOB 12-MAR-1985", "12-MAR-1985"),
            ("born on the 12th of March, 1985", "12th of March, 1985"),
            ("geboren am 12. März 1985", "12. März 1985"),
            ("né le 12/03/1985", "12/03/1985"),
            ("Née le 1er août 1985", "1er août 1985"),
            ("nací el 12 de marzo de 1985", "12 de marzo de 1985"),
            ("nato il 12/03/1985", "12/03/1985"),
            ("urodzony 12.03.1985", "12.03.1985"),
            ("ur. 12 października 1985", "12 października 1985"),
            ("родился 12 сентября 1985", "12 сентября 1985"),
            ("出生日期：1985-03-12", "1985-03-12"),
            ("born (12 March 1985)", "12 March 1985"),
            ("Please tell me your date of birth. It's January 22, 2001", "January 22, 2001"),
        ] {
            assert_eq!(date(text), Some(found), "{text}");
        }
    }

    #[test]
    fn other_dates() {
        for text in [
            "born in Berlin",
            "date of birth unknown",
            "DOB 99/99/9999",
            "born on the 4th of July",
            "abonné le 12/03/2025",
            "la NATO il 12/03/2025",
            "newborn 12/03/2025",
            "dob=19851312",
            "birthday (see page 12) 2025",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
