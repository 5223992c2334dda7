//! The scan for digits: every detector whose values begin with one is asked at each group of digits.

use crate::bytes::run;
use crate::{Match, card, machine, national, phone, postal};

/// Bytes that are looked at together while no digit is in sight.
const BLOCK: usize = 32;

/// Adds what begins with a digit. Linear: at each group every detector looks at a bounded stretch.
pub(crate) fn find(text: &[u8], found: &mut Vec<Match>) {
    let mut at = 0;
    let mut chained = 0;
    while let Some(start) = next_digit(text, at) {
        let end = run(text, start, usize::MAX, |b| b.is_ascii_digit());
        if start >= chained {
            chained = card::chain_at(text, start, found);
        }
        // longer rows of digits are none of these; an IBAN has up to 31 of them
        if end - start <= 31 {
            found.extend(national::at(text, start));
        }
        if end - start <= 20 {
            found.extend(phone::at(text, start));
            found.extend(machine::at(text, start));
            found.extend(postal::around(text, start, end));
        }
        at = end;
    }
}

/// The first digit at or after `from`.
fn next_digit(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // whole blocks at a time, which the compiler does in one step
    while let Some(block) = text.get(at..at + BLOCK) {
        if block.iter().fold(false, |any, b| any | b.is_ascii_digit()) {
            break;
        }
        at += BLOCK;
    }
    text.get(at..)?.iter().position(u8::is_ascii_digit).map(|offset| at + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_found_wherever_they_stand() {
        for at in 0..100 {
            let text = format!("{}7{}", "x".repeat(at), "y".repeat(50));
            assert_eq!(next_digit(text.as_bytes(), 0), Some(at));
            assert_eq!(next_digit(text.as_bytes(), at + 1), None);
        }
    }
}
