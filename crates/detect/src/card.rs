//! Payment card numbers: grouping, issuer ranges and the Luhn check (ISO/IEC 7812-1).

use portcullis_core::Span;

use crate::bytes::{follows, gap, in_word, is_word, names_before, preceded, run};
use crate::checks::luhn;
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

/// Words behind which a short number is of something else: of goods, or India's Aadhaar, which people call a card.
const OTHERS: [&[u8]; 7] = [b"ean ", b"gtin", b"isbn", b"upc ", b"barcode", b"aadhaar", b"aadhar"];

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
        let end = run(text, cursor, usize::MAX, |b| b.is_ascii_digit());
        groups.push(Group { start: cursor, end });
        match gap(text, end) {
            Some((b' ' | b'-' | b'.', next)) if follows(text, next, |b| b.is_ascii_digit()) => {
                cursor = next;
            }
            _ => {
                chain(text, &groups, found);
                return end;
            }
        }
    }
}

fn chain(text: &[u8], groups: &[Group], found: &mut Vec<Match>) {
    if groups.iter().map(|group| group.len()).sum::<usize>() < *DIGITS.start() {
        return;
    }
    let mut first = 0;
    while let Some(rest) = groups.get(first..).filter(|rest| !rest.is_empty()) {
        match longest(text, rest, first == 0) {
            Some((taken, hit)) => {
                found.push(hit);
                first += taken;
            }
            None => first += 1,
        }
    }
}

/// The longest card number that starts with the first of `groups`, and how many groups it takes.
///
/// Digits that stand one by one or in twos are mostly scores, temperatures or bytes: a row of them is a card behind a
/// word, or where it is the whole row, from its `first` group on, one by one.
fn longest(text: &[u8], groups: &[Group], first: bool) -> Option<(usize, Match)> {
    let Group { start, end } = *groups.first()?;
    let is_inside = in_word(text, start) && !preceded(text, start, |b| b.is_ascii_digit());
    if is_inside || is_fraction(text, start, end) {
        return None;
    }
    let mut number = [0_u8; 19];
    let mut filled = 0;
    let mut is_named = None;
    let mut is_named = || *is_named.get_or_insert_with(|| names_before(text, start, 40, &WORDS));
    let is_whole = |taken: usize| first && end - start == 1 && taken == groups.len();
    let mut best = None;
    for (index, group) in groups.iter().enumerate() {
        if filled + group.len() > *DIGITS.end() {
            break;
        }
        for (slot, byte) in number.iter_mut().skip(filled).zip(text.get(group.start..group.end)?) {
            *slot = *byte;
        }
        filled += group.len();
        let digits = number.get(..filled)?;
        let taken = index + 1;
        if DIGITS.contains(&filled)
            && !follows(text, group.end, is_word)
            && groups.get(..taken).is_some_and(is_card_grouping)
            && luhn(digits)
            && (is_issued(digits) || is_named())
            && (end - start > 2 || is_whole(taken) || is_named())
            && (filled > 14 || !names_before(text, start, 40, &OTHERS))
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

/// Whether the digits follow a decimal sign, as in `0.4111…`. A comma is mostly one between the fields of a row: it
/// is a decimal sign behind a lone zero where no field follows, as in `0,4111…`.
fn is_fraction(text: &[u8], start: usize, end: usize) -> bool {
    match text.get(..start).unwrap_or_default() {
        [.., whole, b'.'] => whole.is_ascii_digit(),
        [front @ .., b'0', b','] => {
            !front.last().is_some_and(|b| is_word(*b)) && !follows(text, end, |b| b == b',')
        }
        _ => false,
    }
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

/// Whether an issuer range of this length exists (Visa, Mastercard, American Express, Discover, Diners Club, JCB,
/// UnionPay, Maestro, Mir, Dankort, RuPay, Elo, Hiper, Troy, Verve). Thirteen digits, as Visa once had, are mostly of
/// goods, and fifteen that begin with 1, as UATP has, of anything: these need a word.
fn is_issued(digits: &[u8]) -> bool {
    let mut head = digits.iter().map(|digit| u32::from(digit - b'0'));
    let Some(prefix) = (0..6).try_fold(0, |so_far, _| Some(so_far * 10 + head.next()?)) else {
        return false;
    };
    let length = digits.len();
    match prefix {
        400_000..=499_999 => matches!(length, 16 | 19),
        510_000..=559_999 | 222_100..=272_099 => length == 16,
        340_000..=349_999 | 370_000..=379_999 => length == 15,
        300_000..=305_999 | 360_000..=369_999 | 380_000..=399_999 => length >= 14,
        352_800..=358_999 | 601_100..=601_199 | 644_000..=659_999 => length >= 16,
        620_000..=629_999 | 220_000..=220_499 => length >= 16,
        501_800..=501_899 | 502_000..=502_099 | 503_800..=503_899 => length != 13,
        589_300..=589_399 | 630_400..=630_499 => length != 13,
        675_900..=675_999 | 676_100..=676_399 => length != 13,
        501_900..=501_999 | 979_200..=979_299 => length == 16,
        // RuPay
        508_000..=508_999 | 606_985..=607_984 | 608_001..=608_500 => length == 16,
        810_000..=829_999 => length == 16,
        // Elo
        504_175 | 506_699..=506_778 | 509_000..=509_999 | 636_297 | 636_368 => length == 16,
        // Hiper
        606_282 | 637_095 | 637_568 | 637_599 | 637_609 | 637_612 => length == 16,
        // Verve
        506_099..=506_198 | 507_865..=507_964 => matches!(length, 16 | 18 | 19),
        _ => false,
    }
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
            "4111–1111–1111–1111",
            "4111\u{2009}1111\u{2009}1111\u{2009}1111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "3056 930902 5904",
            "6011111111111117",
            "3566002020360505",
            "6200000000000005",
            "6304000000000000",
            "6070840000000001",
            "6363680000000007",
            "6062820000000003",
            "9792000000000003",
            "5019000000000008",
            "5061180000000000009",
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
        for text in [
            "1001,25,4111111111111111",
            "7,4111111111111111,29.99",
            "0,4111111111111111,29.99",
            "VALUES (10,4111111111111111,'Al')",
            "2026-05-01,4111111111111111",
        ] {
            assert_eq!(cards(text), ["4111111111111111"], "{text}");
        }
        assert_eq!(
            cards("4111111111111111,5555555555554444"),
            ["4111111111111111", "5555555555554444"]
        );
    }

    #[test]
    fn behind_a_word_any_issuer_counts() {
        for number in
            ["676228159015", "502007933125", "3510002602947429", "180018601081882", "4222222222222"]
        {
            assert_eq!(cards(&format!("My credit card {number} is lost")), [number]);
        }
        for number in ["3510002602947429", "180018601081882", "4222222222222"] {
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
            "x = 0,4111111111111111 or 4.4111111111111111",
            "EAN 30569309025904 of a gift card",
            "my aadhar card no is 630400000000",
            "id_4111111111111111",
            "4111111111111111abc",
            "0000 0000 0000 0000",
            "41111111111111114111111111111111",
            "Scores: 54 81 51 40 70 77 84 90 99 48 57 84 57 66",
            "41 11 11 11 11 11 11 11",
            "2 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        ] {
            assert_eq!(cards(text), [""; 0], "{text}");
        }
    }
}
