//! Payment card numbers: grouping, issuer ranges and the Luhn check (ISO/IEC 7812-1).

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, names_before, preceded};
use crate::{Entity, Match};

/// Shortest and longest number that is looked for.
const DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// Words behind which a number that passes the check is a card, whoever has issued it.
const WORDS: [&[u8]; 14] = [
    b"card",
    b"credit",
    b"debit",
    b"visa",
    b"mastercard",
    b"amex",
    b"american express",
    b"maestro",
    b"karte",
    b"kreditkarte",
    b"carte",
    b"tarjeta",
    b"carta",
    b"karty",
];

/// Consecutive digits in the text.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

impl Group {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Adds every card number in the chain of groups of digits that begins at `start`, and gives the chain's
/// end. Linear: from each group at most 19 digits are tried.
pub(crate) fn chain_at(text: &[u8], start: usize, found: &mut Vec<Match>) -> usize {
    let mut groups: Vec<Group> = Vec::new();
    let mut cursor = start;
    loop {
        let end = crate::bytes::run(text, cursor, usize::MAX, |b| b.is_ascii_digit());
        groups.push(Group { start: cursor, end });
        match separator(text, end) {
            Some(next) if follows(text, next, |b| b.is_ascii_digit()) => cursor = next,
            _ => {
                chain(text, &groups, found);
                return end;
            }
        }
    }
}

/// One past a single separator at `at`: space, no-break space, dash or dot.
fn separator(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at..)? {
        [b' ' | b'-' | b'.', ..] => Some(at + 1),
        [0xC2, 0xA0, ..] => Some(at + 2),
        _ => None,
    }
}

fn chain(text: &[u8], groups: &[Group], found: &mut Vec<Match>) {
    if groups.iter().map(|group| group.len()).sum::<usize>() < *DIGITS.start() {
        return;
    }
    let mut first = 0;
    while let Some(rest) = groups.get(first..).filter(|rest| !rest.is_empty()) {
        match longest(text, rest) {
            Some((taken, hit)) => {
                found.push(hit);
                first += taken;
            }
            None => first += 1,
        }
    }
}

/// The longest card number that starts with the first of `groups`, and how many groups it takes.
fn longest(text: &[u8], groups: &[Group]) -> Option<(usize, Match)> {
    let start = groups.first()?.start;
    let is_inside = in_word(text, start) && !preceded(text, start, |b| b.is_ascii_digit());
    if is_inside || is_fraction(text, start) {
        return None;
    }
    let mut number = [0_u8; 19];
    let mut filled = 0;
    let mut is_named = None;
    let mut best = None;
    for (index, group) in groups.iter().enumerate() {
        if filled + group.len() > *DIGITS.end() {
            break;
        }
        for (slot, byte) in number.iter_mut().skip(filled).zip(text.get(group.start..group.end)?) {
            *slot = byte - b'0';
        }
        filled += group.len();
        let digits = number.get(..filled)?;
        let taken = index + 1;
        if DIGITS.contains(&filled)
            && !follows(text, group.end, is_word)
            && groups.get(..taken).is_some_and(is_card_grouping)
            && luhn(digits)
            && (is_issued(digits)
                || *is_named.get_or_insert_with(|| names_before(text, start, 40, &WORDS)))
        {
            let hit = Match {
                entity: Entity::Card,
                span: Span { start, end: group.end },
                confidence: if taken > 1 { 0.98 } else { 0.93 },
            };
            best = Some((taken, hit));
        }
    }
    best
}

/// Whether the digits at `start` follow a decimal point, as in `0.4111…`.
fn is_fraction(text: &[u8], start: usize) -> bool {
    preceded(text, start, |b| matches!(b, b'.' | b','))
        && preceded(text, start.saturating_sub(1), |b| b.is_ascii_digit())
}

/// The groupings that people use: none, fours, 4-6-5 and 4-6-4, and evenly spaced ones or twos.
fn is_card_grouping(groups: &[Group]) -> bool {
    let Some((last, front)) = groups.split_last() else { return false };
    let even = |size: usize| front.iter().all(|group| group.len() == size) && last.len() <= size;
    match groups {
        [_] => true,
        [a, b, c] if a.len() == 4 && b.len() == 6 => (4..=5).contains(&c.len()),
        _ => even(4) || even(1) || even(2),
    }
}

/// Whether an issuer range of this length exists (Visa, Mastercard, American Express, Discover,
/// Diners Club, JCB, UnionPay, Maestro, Mir, RuPay).
fn is_issued(digits: &[u8]) -> bool {
    let mut head = digits.iter().map(|digit| u32::from(*digit));
    let Some(prefix) = (0..4).try_fold(0, |so_far, _| Some(so_far * 10 + head.next()?)) else {
        return false;
    };
    let length = digits.len();
    match prefix {
        4000..=4999 => matches!(length, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => length == 16,
        3400..=3499 | 3700..=3799 => length == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => length >= 14,
        3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 | 2200..=2204 => length >= 16,
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        5080..=5089 | 8100..=8299 => length == 16,
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => 2 * digit - 9,
            (_, digit) => 2 * digit,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut end = 0;
        for at in 0..text.len() {
            if at >= end && text.as_bytes()[at].is_ascii_digit() {
                end = chain_at(text.as_bytes(), at, &mut found);
            }
        }
        found.iter().map(|hit| &text[hit.span.start..hit.span.end]).collect()
    }

    #[test]
    fn numbers_that_issuers_publish_for_tests() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "3056 930902 5904",
            "6011111111111117",
            "3566002020360505",
            "6200000000000005",
            "6304000000000000",
        ] {
            assert_eq!(cards(number), [number]);
            assert_eq!(cards(&format!("pay with {number}, please")), [number]);
        }
    }

    #[test]
    fn neighbours_do_not_hide_a_card() {
        assert_eq!(cards("12 4111 1111 1111 1111 12/27 737"), ["4111 1111 1111 1111"]);
        assert_eq!(
            cards("4111 1111 1111 1111 5555 5555 5555 4444"),
            ["4111 1111 1111 1111", "5555 5555 5555 4444"]
        );
    }

    #[test]
    fn behind_a_word_any_issuer_counts() {
        for number in ["676228159015", "502007933125", "3510002602947429", "180018601081882"] {
            assert_eq!(cards(&format!("My credit card {number} is lost")), [number]);
        }
        for number in ["3510002602947429", "180018601081882"] {
            assert_eq!(cards(&format!("order {number} is lost")), [""; 0], "{number}");
        }
    }

    #[test]
    fn other_numbers_are_no_cards() {
        for text in [
            "4111111111111112",
            "1732345678901",
            "ISBN 978-3-16-148410-0",
            "+49 170 1234567 and 2024-11-23 10:15:30",
            "0.4111111111111111",
            "id_4111111111111111",
            "4111111111111111abc",
            "0000 0000 0000 0000",
            "41111111111111114111111111111111",
        ] {
            assert_eq!(cards(text), [""; 0], "{text}");
        }
    }
}
