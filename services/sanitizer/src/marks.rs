//! Marks piled on letters ("zalgo"), and lines struck through them: more than any orthography writes.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Marks on a letter of Latin script that normalization left apart; Vietnamese and Lithuanian need none,
/// some African orthographies one, phonetic script two.
const LATIN_STACK: usize = 3;
/// Marks on one letter of any script; Hebrew with points and accents, and Tibetan, reach five.
const ANY_STACK: usize = 8;

/// What is to become of the marks after a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They belong to it.
    Keep,
    /// They are left out of the reading.
    Drop,
    /// They are left out, and reported.
    Report,
}

/// Judges the `marks` that follow `base`.
pub(crate) fn judge(base: char, marks: &[char]) -> Fate {
    let is_latin = plain(base).is_ascii_alphanumeric();
    let strays = marks.iter().filter(|c| is_for_any_script(**c)).count();
    let has_line = marks.iter().any(|c| is_line(*c));
    match marks.len() {
        0 => Fate::Keep,
        len if len >= ANY_STACK || (is_latin && len > LATIN_STACK) => Fate::Report,
        _ if is_latin
            && (strays >= LATIN_STACK || has_line || marks.iter().any(|c| is_rare(*c))) =>
        {
            Fate::Drop
        }
        _ => Fate::Keep,
    }
}

/// The letter without its marks.
pub(crate) fn plain(c: char) -> char {
    if c.is_ascii() { c } else { std::iter::once(c).nfd().next().unwrap_or(c) }
}

/// Whether a mark joins what stands before it.
pub(crate) fn is_mark(c: char) -> bool {
    !c.is_ascii() && is_combining_mark(c)
}

/// Marks that are for no script of their own.
pub(crate) fn is_for_any_script(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}' | '\u{488}' | '\u{489}')
}

/// Lines and slashes through a letter, frames around it; not the keycap of emoji.
fn is_line(c: char) -> bool {
    matches!(c,
        '\u{334}'..='\u{338}' | '\u{20D2}' | '\u{20D3}' | '\u{20DD}'..='\u{20E0}' | '\u{20E2}' | '\u{20E4}'..='\u{20E6}'
        | '\u{20EA}' | '\u{20EB}' | '\u{332}' | '\u{333}' | '\u{33F}' | '\u{305}' | '\u{35F}')
}

/// Marks that no orthography puts on Latin letters: signs of speech pathologists, small letters above, and
/// the thousands and millions of old Cyrillic.
fn is_rare(c: char) -> bool {
    matches!(c, '\u{346}'..='\u{34E}' | '\u{350}'..='\u{357}' | '\u{363}'..='\u{36F}' | '\u{488}' | '\u{489}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(text: &str) -> Fate {
        let mut chars = text.chars();
        let base = chars.next().unwrap();
        judge(base, &chars.collect::<Vec<_>>())
    }

    #[test]
    fn orthographies_keep_their_marks() {
        for text in [
            "a",
            "ɔ\u{303}",
            "ẹ\u{301}",
            "ŋ\u{301}",
            "שּ\u{5B8}\u{5C1}\u{59C}",
            "ที่",
            "ཨོཾ",
            "m\u{308}\u{304}",
            "1\u{20E3}",
        ] {
            assert_eq!(fate(text), Fate::Keep, "{text}");
        }
    }

    #[test]
    fn piles_and_lines_go() {
        assert_eq!(fate("i\u{336}"), Fate::Drop);
        assert_eq!(fate("i\u{301}\u{302}\u{303}"), Fate::Drop);
        assert_eq!(fate("g\u{346}"), Fate::Drop);
        assert_eq!(fate("g\u{357}\u{353}"), Fate::Drop);
        assert_eq!(fate("g\u{489}"), Fate::Drop);
        assert_eq!(fate("г\u{489}"), Fate::Keep);
        assert_eq!(fate("i\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}"), Fate::Report);
        assert_eq!(fate("ש\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}"), Fate::Report);
    }
}
