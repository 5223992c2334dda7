//! Characters that nobody sees: which of them carry meaning where they stand, and which do not.
//!
//! Scripts need some of them: emoji sequences join with U+200D and choose a form with U+FE0F, Persian
//! and the scripts of India steer joining with U+200C and U+200D, Thai and Khmer mark words with
//! U+200B, Hebrew and Arabic use directional marks. Those stay. (Unicode 16, chapter 23 and UTS #51.)

use portcullis_core::Span;

use crate::scripts::{
    has_variants, is_emoji, is_emoji_end, is_han, is_jamo, is_joining_script, is_mongolian,
    is_right_to_left, is_unspaced_script,
};
use crate::{controls, styled};

/// What sort of invisible character it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// Zero width, variation selectors, controls inside a word and the like.
    Invisible,
    /// Blank characters that few take for white space: fillers of Hangul, the blank of Braille, form feeds inside a
    /// word. They take room, so that they read as spaces.
    Filler,
    /// Controls of direction that may deceive: overrides, and what is not closed.
    Bidi,
    /// Controls of direction that change nothing where they stand; everyday software adds them to paths,
    /// telephone numbers and names. They are left out of readings, and never taken out.
    Direction,
    /// Copies of ASCII that no font shows (U+E0000 to U+E007F).
    Tag,
}

/// A maximal run of invisible characters of one sort that carry nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Useless {
    pub(crate) sort: Sort,
    pub(crate) span: Span,
}

/// Every run of invisible characters that carry nothing, in order.
pub(crate) fn useless(text: &str) -> Vec<Useless> {
    let mut found: Vec<Useless> = Vec::new();
    let mut facts: Option<Facts> = None;
    // the character before, the last one that is seen, and the controls that are looked at
    let (mut before, mut seen, mut controls) = ('\0', '\0', controls::Row::default());
    // the end of a well-formed tag sequence of an emoji flag
    let (mut flag_end, mut rare_flags) = (0, 0);
    for (start, c) in text.char_indices() {
        if (' '..='~').contains(&c) {
            (before, seen) = (c, c);
            continue;
        }
        let sort = sort_of(c);
        if let Some(sort) = controls::sort_of(c) {
            controls.look(text, start, seen);
            if controls.parts_word && !controls::is_of_terminal(text, start) {
                add(&mut found, sort, Span { start, end: start + c.len_utf8() });
            }
        } else if sort.is_none() {
            seen = c;
        }
        if c.is_ascii() {
            before = c;
            continue;
        }
        if before == BLACK_FLAG {
            let (len, is_common) = flag_tags(text.get(start..).unwrap_or_default());
            rare_flags += usize::from(len > 0 && !is_common);
            flag_end = start + if rare_flags > RARE_FLAGS && !is_common { 0 } else { len };
        }
        if let Some(sort) = sort {
            let end = start + c.len_utf8();
            let facts = facts.get_or_insert_with(|| Facts::of(text));
            let place = Place { before, after: text.get(end..).and_then(|r| r.chars().next()) };
            if start >= flag_end && !(start == 0 && c == BYTE_ORDER) && !is_useful(c, place, facts)
            {
                let sort = if sort == Sort::Bidi { facts.direction(c, place) } else { sort };
                add(&mut found, sort, Span { start, end });
            }
        }
        before = c;
    }
    found
}

/// Adds a character to the run that it goes on, or begins one.
fn add(found: &mut Vec<Useless>, sort: Sort, span: Span) {
    match found.last_mut() {
        Some(last) if last.sort == sort && last.span.end == span.start => last.span.end = span.end,
        _ => found.push(Useless { sort, span }),
    }
}

/// The sort of a character that has no look of its own.
pub(crate) fn sort_of(c: char) -> Option<Sort> {
    match c {
        '\u{3164}' | '\u{FFA0}' | '\u{2800}' => Some(Sort::Filler),
        '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' => {
            Some(Sort::Invisible)
        }
        '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' => {
            Some(Sort::Invisible)
        }
        '\u{206A}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' => Some(Sort::Invisible),
        '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' => Some(Sort::Invisible),
        '\u{1D173}'..='\u{1D17A}' | '\u{E0080}'..='\u{E0FFF}' => Some(Sort::Invisible),
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' => Some(Sort::Bidi),
        '\u{2066}'..='\u{2069}' => Some(Sort::Bidi),
        '\u{E0000}'..='\u{E007F}' => Some(Sort::Tag),
        _ => None,
    }
}

/// What stands on both sides of a character.
#[derive(Clone, Copy)]
struct Place {
    before: char,
    after: Option<char>,
}

impl Place {
    fn touches(self, class: fn(char) -> bool) -> bool {
        class(self.before) || self.after.is_some_and(class)
    }
}

/// What is asked of the text as a whole, once it holds anything invisible.
struct Facts {
    is_rtl: bool,
    /// Whether every control of direction is closed, and none overrides.
    is_balanced: bool,
    /// Whether no control turns anything around: none from right to left that is not closed, no override
    /// of letters that are written from right to left.
    is_calm: bool,
    /// Whether characters have more variants than texts need: each could carry a byte.
    has_many_variants: bool,
}

impl Facts {
    fn of(text: &str) -> Self {
        let (mut depth, mut lowest, mut overrides) = (0_i64, 0, 0);
        let (mut is_rtl, mut turns, mut reverses) = (false, false, false);
        let (mut before, mut variants) = ('\0', 0);
        for c in text.chars() {
            variants += usize::from(is_variant(c) && has_variants(before));
            before = c;
            match c {
                '\u{202A}' | '\u{202B}' | '\u{2066}'..='\u{2068}' => {
                    depth += 1;
                    turns |= matches!(c, '\u{202B}' | '\u{2067}');
                }
                '\u{202D}' | '\u{202E}' => {
                    depth += 1;
                    overrides += 1;
                    reverses |= c == '\u{202E}';
                }
                '\u{202C}' | '\u{2069}' => depth -= 1,
                _ => is_rtl |= is_right_to_left(c),
            }
            lowest = lowest.min(depth);
        }
        let is_closed = depth == 0 && lowest == 0;
        let is_balanced = is_closed && overrides == 0;
        let is_left_to_right = !is_rtl && !turns;
        Self {
            is_rtl,
            is_balanced,
            is_calm: !reverses && (is_balanced || is_left_to_right),
            has_many_variants: variants > VARIANTS,
        }
    }

    /// The sort of a control of direction that nothing needs. A mark inside a word parts it.
    fn direction(&self, c: char, place: Place) -> Sort {
        let is_mark = matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}');
        let is_inside =
            place.before.is_alphanumeric() && place.after.is_some_and(char::is_alphanumeric);
        match self.is_calm {
            true if is_mark && is_inside => Sort::Invisible,
            true => Sort::Direction,
            false => Sort::Bidi,
        }
    }
}

/// Most characters of a text that may ask for another form than their first: names and places need a few.
const VARIANTS: usize = 16;

fn is_variant(c: char) -> bool {
    matches!(c, '\u{FE01}'..='\u{FE0D}' | '\u{E0100}'..='\u{E01EF}')
}

fn is_useful(c: char, place: Place, facts: &Facts) -> bool {
    match c {
        '\u{200C}' => place.touches(is_joining_script),
        '\u{200D}' => {
            place.touches(is_joining_script)
                || (is_emoji_end(place.before) && place.after.is_some_and(is_emoji))
        }
        '\u{200B}' => place.touches(is_unspaced_script),
        '\u{FE0E}' | '\u{FE0F}' => {
            is_emoji(place.before) || matches!(place.before, '0'..='9' | '#' | '*')
        }
        // the first alone says nothing
        '\u{FE00}' if !is_han(place.before) => has_variants(place.before),
        '\u{FE00}'..='\u{FE0D}' => has_variants(place.before) && !facts.has_many_variants,
        '\u{E0100}'..='\u{E01EF}' => is_han(place.before) && !facts.has_many_variants,
        '\u{034F}' => place.after.is_some_and(unicode_normalization::char::is_combining_mark),
        '\u{115F}' | '\u{1160}' => place.touches(is_jamo),
        '\u{2800}' => place.touches(|c| matches!(c, '\u{2801}'..='\u{28FF}')),
        '\u{FFA0}' => place.touches(|c| matches!(c, '\u{FFA1}'..='\u{FFDC}')),
        '\u{17B4}' | '\u{17B5}' => matches!(place.before, '\u{1780}'..='\u{17B3}'),
        '\u{180B}'..='\u{180F}' => place.touches(is_mongolian),
        '\u{061C}' | '\u{200E}' | '\u{200F}' => facts.is_rtl,
        '\u{202A}'..='\u{202C}' | '\u{2066}'..='\u{2069}' => facts.is_rtl && facts.is_balanced,
        _ => false,
    }
}

const BLACK_FLAG: char = '\u{1F3F4}';
const BYTE_ORDER: char = '\u{FEFF}';

/// Most flags in a text of regions that few fonts show: each could carry three letters.
const RARE_FLAGS: usize = 16;

/// Length in bytes of the tag sequence of a region's flag, or 0, and whether it is England's, Scotland's,
/// Wales's or of a state of the US. Any may be written that is shaped as in ISO 3166-2: a country, then one
/// to three letters or digits.
fn flag_tags(rest: &str) -> (usize, bool) {
    let mut code = String::new();
    for c in rest.chars().take(6) {
        match c {
            '\u{E007F}' => {
                let country: Vec<char> = code.chars().take(2).collect();
                let is_flag = code.len() >= 3 && styled::is_region(&country);
                let is_common = matches!(code.as_str(), "gbeng" | "gbsct" | "gbwls")
                    || (code.len() == 4 && code.starts_with("us"));
                return (if is_flag { 4 * (code.len() + 1) } else { 0 }, is_common);
            }
            '\u{E0061}'..='\u{E007A}' => code.extend(tag_to_ascii(c)),
            '\u{E0030}'..='\u{E0039}' if code.len() >= 2 => code.extend(tag_to_ascii(c)),
            _ => return (0, false),
        }
    }
    (0, false)
}

/// The ASCII character that a tag character copies.
pub(crate) fn tag_to_ascii(c: char) -> Option<char> {
    match u32::from(c) {
        code @ 0xE0020..=0xE007E => char::from_u32(code - 0xE0000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_need_is_useful() {
        for text in [
            "👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️ 👍🏽 🇩🇪 1️⃣ #️⃣ ❤️‍🔥 ☎︎ 🧑🏽‍💻",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F} England",
            "می‌خواهم کتاب‌ها را ببینم",
            "क्‍ष और ज्ञ",
            "ക്‍ഷ ശ്രീ",
            "שלום (hello)\u{200F}!",
            "السعر \u{2066}USD 12\u{2069} فقط",
            "สวัสดี\u{200B}ครับ",
            "葛\u{E0100}城市",
            "ᠮᠣᠩ\u{180B}ᠭᠣᠯ",
            "שָׁ\u{034F}ּ",
            "\u{FEFF}hi",
            "🏴\u{E0064}\u{E0065}\u{E0062}\u{E0079}\u{E007F} 🏴\u{E0065}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
            "🏴\u{E0066}\u{E0072}\u{E0039}\u{E0037}\u{E0031}\u{E007F}",
        ] {
            assert_eq!(useless(text), [], "{text}");
        }
    }

    #[test]
    fn what_hides_or_carries_nothing_is_useless() {
        let sorts = |text: &str| useless(text).into_iter().map(|u| u.sort).collect::<Vec<_>>();
        for text in [
            "ig\u{200B}nore",
            "ig\u{200D}nore",
            "hi\u{FEFF} there",
            "ig\u{200E}nore",
            "a\u{2060}b",
            "co\u{AD}op",
            "a\u{FE0F}b",
            "😀\u{FE0F}\u{FE01}\u{E0150}",
            "a\u{E0120}b",
            "می\u{200C}\u{2063}خواهم",
        ] {
            assert_eq!(sorts(text), [Sort::Invisible], "{text:?}");
        }
        assert_eq!(sorts("x\u{3164}\u{2800}y"), [Sort::Filler]);
        assert_eq!(sorts("\u{2801}\u{2800}\u{2803}"), []);
        assert_eq!(sorts("a\u{202E}b"), [Sort::Bidi]);
        assert_eq!(sorts("a\u{202E}b\u{202C}"), [Sort::Bidi, Sort::Bidi]);
        assert_eq!(sorts("a \u{2067}b c"), [Sort::Bidi]);
        assert_eq!(sorts("שלום \u{202D}אבג\u{202C}"), [Sort::Bidi, Sort::Bidi]);
        assert_eq!(sorts("שלום \u{202E}abc"), [Sort::Bidi]);
        assert_eq!(sorts("שלום \u{2066}abc"), [Sort::Bidi]);
        assert_eq!(sorts("hi\u{E0069}\u{E0067}"), [Sort::Tag]);
        assert_eq!(sorts("🏴\u{E0069}\u{E0067}\u{E006E}\u{E007F}"), [Sort::Tag]);
    }

    #[test]
    fn directions_of_everyday_software_change_nothing() {
        for text in [
            "\u{202A}C:\\Users\\me\\file.txt",
            "\u{202D}+1 (555) 010-0199\u{202C}",
            "\u{2068}Anna\u{2069} sent a message",
            "\u{200E}[27/11/2026, 10:15:03] Anna: hello\u{200E} world",
            "\u{2067}closed\u{2069} here",
        ] {
            let found = useless(text);
            assert!(
                !found.is_empty() && found.iter().all(|u| u.sort == Sort::Direction),
                "{text:?}"
            );
        }
    }

    #[test]
    fn flags_of_regions_carry_no_message() {
        let flag = "🏴\u{E0064}\u{E0065}\u{E0062}\u{E0079}\u{E007F} ";
        assert_eq!(useless(&flag.repeat(16)), []);
        assert_eq!(useless(&flag.repeat(18)).len(), 2);
        let none = "🏴\u{E0071}\u{E0071}\u{E0062}\u{E0079}\u{E007F}";
        assert_eq!(useless(none)[0].sort, Sort::Tag);
    }

    #[test]
    fn variants_carry_no_message() {
        assert_eq!(useless(&"葛\u{E0100}城市".repeat(16)), []);
        assert_eq!(useless(&"\u{2229}\u{FE00} ".repeat(40)), []);
        assert_eq!(useless(&"葛\u{E0100}城市".repeat(17)).len(), 17);
        assert_eq!(useless(&"葛\u{FE01}\u{2229}\u{FE0D} ".repeat(9)).len(), 18);
    }

    #[test]
    fn controls_inside_words_are_useless() {
        let found = |text: &str| {
            useless(text).iter().map(|u| (u.sort, u.span.start, u.span.end)).collect::<Vec<_>>()
        };
        for control in ["\u{1}", "\u{8}", "\u{7F}", "\u{85}", "\u{92}", "\0\u{1B}\u{2}"] {
            let text = format!("Ig{control}nore 41{control}11");
            let second = 9 + control.len();
            let spans = [2, second].map(|at| (Sort::Invisible, at, at + control.len()));
            assert_eq!(found(&text), spans, "{text:?}");
            assert_eq!(found(&format!("{control}a {control} b{control}\n{control}")), []);
        }
        assert_eq!(found("a\u{200B}\u{1}b"), [(Sort::Invisible, 1, 5)]);
        for blank in ["\u{B}", "\u{C}"] {
            assert_eq!(found(&format!("a{blank}b")), [(Sort::Filler, 1, 1 + blank.len())]);
            assert_eq!(found(&format!("a.\n{blank}b")), []);
        }
        for log in ["a\u{1B}[1;31mb\u{1B}[0mc", "x\u{1B}[K\u{1B}[?25ly", "a\tb\r\nc"] {
            assert_eq!(found(log), [], "{log:?}");
        }
    }

    #[test]
    fn neighbours_of_one_sort_are_one_run() {
        let found = useless("a\u{200B}\u{200B}\u{202E}b");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].span, Span { start: 1, end: 7 });
    }
}
