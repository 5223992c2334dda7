//! Characters by script, as far as invisible ones mean something beside them.

/// Pictographs, regional indicators and skin tones: near enough to `Extended_Pictographic`.
pub(crate) fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2194}'..='\u{21AA}' | '\u{231A}'..='\u{23FF}' | '\u{24C2}' | '\u{25AA}'..='\u{27BF}'
        | '\u{2934}' | '\u{2935}' | '\u{2B05}'..='\u{2B55}' | '\u{3030}' | '\u{303D}'
        | '\u{3297}' | '\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
}

pub(crate) fn is_emoji_end(c: char) -> bool {
    is_emoji(c) || c == '\u{FE0F}'
}

/// Scripts in which joiners choose a letter's form: Arabic, Syriac, Thaana, N'Ko, those of India and
/// its neighbours, Mongolian, Adlam.
pub(crate) fn is_joining_script(c: char) -> bool {
    matches!(c,
        '\u{0620}'..='\u{06FF}' | '\u{0700}'..='\u{08FF}' | '\u{0900}'..='\u{0DFF}'
        | '\u{0F00}'..='\u{109F}' | '\u{1780}'..='\u{17B3}' | '\u{17B6}'..='\u{17FF}'
        | '\u{1820}'..='\u{18AF}' | '\u{1900}'..='\u{1CFF}' | '\u{A840}'..='\u{A8FF}'
        | '\u{A980}'..='\u{AADF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}'
        | '\u{11000}'..='\u{11FFF}' | '\u{1E900}'..='\u{1E95F}')
}

/// Scripts that do not write spaces between words.
pub(crate) fn is_unspaced_script(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17B3}'
        | '\u{17B6}'..='\u{17FF}' | '\u{1950}'..='\u{19DF}' | '\u{1A20}'..='\u{1AAF}')
}

pub(crate) fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{0590}'..='\u{061B}' | '\u{061D}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}'
        | '\u{FE70}'..='\u{FEFC}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

/// Characters with standardized variants: ideographs, mathematical operators, Myanmar, Phags-pa,
/// full-width punctuation.
pub(crate) fn has_variants(c: char) -> bool {
    is_han(c)
        || matches!(c,
            '\u{1000}'..='\u{109F}' | '\u{2205}'..='\u{22FF}' | '\u{2A00}'..='\u{2AFF}'
            | '\u{3001}'..='\u{3002}' | '\u{A840}'..='\u{A87F}' | '\u{AA60}'..='\u{AA7F}'
            | '\u{FF01}'..='\u{FF1F}')
}

pub(crate) fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115E}' | '\u{1161}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}')
}

pub(crate) fn is_mongolian(c: char) -> bool {
    matches!(c, '\u{1820}'..='\u{18AF}')
}
