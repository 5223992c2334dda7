//! Small scanners over bytes, each of which looks at a bounded stretch.

/// Letters, digits and `_`: what a token cannot touch on its outside.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Characters of base64url and of most vendors' tokens.
pub fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// One past the last of at most `limit` bytes from `from` for which `class` holds.
pub fn run(text: &[u8], from: usize, limit: usize, class: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take(limit).take_while(|byte| class(**byte)).count()
}

/// First of at most `limit` bytes before `to` for which `class` holds without a break.
pub fn run_back(text: &[u8], to: usize, limit: usize, class: impl Fn(u8) -> bool) -> usize {
    let before = text.get(..to).unwrap_or_default();
    to - before.iter().rev().take(limit).take_while(|byte| class(**byte)).count()
}

/// Whether the byte before `at` satisfies `class`; false at the start.
pub fn preceded(text: &[u8], at: usize, class: impl Fn(u8) -> bool) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|byte| class(*byte))
}

/// Whether the letter before `at` is that of an escaped line break or tab, as JSON and code write them: what follows
/// begins a word.
pub fn after_escape(text: &[u8], at: usize) -> bool {
    at.checked_sub(2)
        .and_then(|from| text.get(from..at))
        .is_some_and(|escape| matches!(escape, [b'\\', b'n' | b'r' | b't']))
}

/// Whether what begins at `at` goes on with a word.
pub fn in_word(text: &[u8], at: usize) -> bool {
    preceded(text, at, is_word) && !after_escape(text, at)
}

/// Whether the byte at `at` satisfies `class`; false at the end.
pub fn follows(text: &[u8], at: usize, class: impl Fn(u8) -> bool) -> bool {
    text.get(at).is_some_and(|byte| class(*byte))
}

/// Whether one of `words`, in lower case, stands in the `reach` bytes before `at` on the same line. A word that ends
/// in a space stands alone: neither a letter nor a bracket, as in `sin(1)`, is behind it.
pub fn names_before(text: &[u8], at: usize, reach: usize, words: &[&[u8]]) -> bool {
    last_name_before(text, at, reach, words).is_some()
}

/// Where the last of those words begins.
pub fn last_name_before(text: &[u8], at: usize, reach: usize, words: &[&[u8]]) -> Option<usize> {
    let from = run_back(text, at, reach, |b| b != b'\n');
    let window = text.get(from..at).unwrap_or_default();
    // rows of numbers have no words between them
    if !window.iter().any(|b| b.is_ascii_alphabetic() || *b >= 0x80) {
        return None;
    }
    let window = window.to_ascii_lowercase();
    let begins = |at: usize| !preceded(&window, at, |b| b.is_ascii_alphabetic());
    let last = words.iter().filter_map(|word| {
        let (bare, goes_on): (_, fn(u8) -> bool) = match word.strip_suffix(b" ") {
            Some(bare) => (bare, |b| b.is_ascii_alphabetic() || b == b'('),
            None => (*word, |_| false),
        };
        let places = memchr::memmem::find_iter(&window, bare);
        places.filter(|at| begins(*at) && !follows(&window, at + bare.len(), goes_on)).last()
    });
    last.max().map(|at| from + at)
}

/// Shannon entropy of the bytes, in bits a byte.
pub fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = value.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// What stands between two groups of a number at `at`, and where the next group begins: a space or dash, also as
/// typesetters write it, by its sign in ASCII; a dot; a slash.
pub fn gap(text: &[u8], at: usize) -> Option<(u8, usize)> {
    match text.get(at..)? {
        [sign @ (b' ' | b'-' | b'.' | b'/'), ..] => Some((*sign, at + 1)),
        // no-break space
        [0xC2, 0xA0, ..] => Some((b' ', at + 2)),
        // figure space, thin space, narrow no-break space
        [0xE2, 0x80, 0x87 | 0x89 | 0xAF, ..] => Some((b' ', at + 3)),
        // hyphen, non-breaking hyphen, figure dash, en dash; minus
        [0xE2, 0x80, 0x90..=0x93, ..] | [0xE2, 0x88, 0x92, ..] => Some((b'-', at + 3)),
        _ => None,
    }
}

/// The [`gap`] that ends at `at`: its sign, and where it begins.
pub fn gap_before(text: &[u8], at: usize) -> Option<(u8, usize)> {
    (1..=3).find_map(|length| {
        let from = at.checked_sub(length)?;
        gap(text, from).filter(|(_, end)| *end == at).map(|(sign, _)| (sign, from))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stop_at_limits_and_ends() {
        assert_eq!(run(b"abc-def", 0, 99, |b| b.is_ascii_alphabetic()), 3);
        assert_eq!(run(b"abc", 1, 1, |_| true), 2);
        assert_eq!(run(b"abc", 9, 9, |_| true), 9);
        assert_eq!(run_back(b"a-bcd", 5, 99, |b| b != b'-'), 2);
    }

    #[test]
    fn escaped_line_breaks_end_words() {
        assert!(in_word(b"n4", 1) && in_word(b"x\\a4", 3) && !in_word(b"- 4", 2));
        assert!(!in_word(b"x\\n4", 3) && !in_word(b"\\t4", 2));
    }

    #[test]
    fn words_that_stand_alone() {
        let names = |text: &[u8], word| names_before(text, text.len(), 40, &[word]);
        assert!(names(b"my pan: ", b"pan ") && names(b"pan", b"pan ") && names(b"panel ", b"pan"));
        assert!(
            !names(b"panel ", b"pan ") && !names(b"sin(", b"sin ") && !names(b"japan ", b"pan ")
        );
    }

    #[test]
    fn gaps_of_typesetters() {
        for (sign, gaps) in [(b' ', " \u{a0}\u{2007}\u{2009}\u{202f}"), (b'-', "-‐‑‒–−")]
        {
            for char in gaps.chars() {
                let text = format!("é{char}1");
                assert_eq!(gap(text.as_bytes(), 2), Some((sign, text.len() - 1)), "{char:?}");
                assert_eq!(gap_before(text.as_bytes(), text.len() - 1), Some((sign, 2)));
            }
        }
        assert_eq!((gap("—1".as_bytes(), 0), gap_before(b"1", 0), gap(b"", 9)), (None, None, None));
    }

    #[test]
    fn entropy_is_bits_a_byte() {
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abcd"), 2.0);
    }
}
