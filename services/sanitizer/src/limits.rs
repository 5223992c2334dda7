//! Size and shape of a text against the limits of the policy.

use portcullis_core::{Finding, Place, Severity, Span, StageName};

use crate::config::Limits;

/// Texts shorter than this have no meaningful share of controls.
const LEAST_FOR_SHARE: usize = 16;

/// Adds a finding for each limit that the text passes.
pub(crate) fn check(text: &str, place: Place, limits: &Limits, findings: &mut Vec<Finding>) {
    let shape = Shape::of(text);
    let mut passed = |kind: &str, severity, span| {
        findings.push(Finding::new(StageName::sanitizer(), kind, severity, 1.0).at(place, span));
    };
    if text.len() > limits.bytes {
        passed("limit.bytes", Severity::High, None);
    }
    if shape.chars > limits.chars {
        passed("limit.chars", Severity::High, None);
    }
    if shape.tokens > limits.tokens {
        passed("limit.tokens", Severity::High, None);
    }
    if shape.lines > limits.lines {
        passed("limit.lines", Severity::Medium, None);
    }
    if shape.repeated > limits.repeated {
        passed("limit.repeated", Severity::Medium, Some(shape.repetition));
    }
    let share = shape.non_text as f64 / shape.chars.max(1) as f64;
    if shape.chars >= LEAST_FOR_SHARE && share > limits.control_share {
        passed("limit.control_share", Severity::Medium, None);
    }
}

/// What one pass over a text counts.
struct Shape {
    chars: usize,
    tokens: usize,
    lines: usize,
    non_text: usize,
    /// Length of the longest row of one character, and where it is.
    repeated: usize,
    repetition: Span,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self {
            chars: 0,
            tokens: 0,
            lines: usize::from(!text.is_empty()),
            non_text: 0,
            repeated: 0,
            repetition: Span { start: 0, end: 0 },
        };
        let (mut row, mut row_start, mut last) = (0, 0, '\0');
        // letters of the word so far
        let mut word = 0_usize;
        for (at, c) in text.char_indices() {
            shape.chars += 1;
            let per_token = match c {
                _ if c.is_ascii_alphanumeric() => 4,
                '\u{80}'..='\u{2E7F}' if c.is_alphabetic() => 2,
                _ => 1,
            };
            if c.is_whitespace() {
                word = 0;
            } else {
                shape.tokens += usize::from(word.is_multiple_of(per_token));
                word = if per_token == 1 { 0 } else { word + 1 };
            }
            shape.lines += usize::from(c == '\n');
            let is_color = c == '\u{1B}' && is_color(text.get(at..).unwrap_or_default());
            shape.non_text += usize::from(is_no_text(c) && !is_color);
            if row > 0 && c == last {
                row += 1;
            } else {
                (row, row_start, last) = (1, at, c);
            }
            if row > shape.repeated {
                shape.repeated = row;
                shape.repetition = Span { start: row_start, end: at + c.len_utf8() };
            }
        }
        shape
    }
}

/// Whether a sequence that begins a color or ends one (`ESC [ 1 ; 31 m`) stands here, as in any log.
fn is_color(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\u{1B}[") else { return false };
    let is_digit = |b: &u8| b.is_ascii_digit() || *b == b';';
    let digits = rest.bytes().take(16).take_while(is_digit).count();
    rest.as_bytes().get(digits) == Some(&b'm')
}

fn is_no_text(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        ' '..='~' => false,
        '\0'..='\u{9F}' => true,
        '\u{E000}'..='\u{F8FF}' | '\u{FDD0}'..='\u{FDEF}' | '\u{FFFD}' => true,
        '\u{F0000}'.. => true,
        _ => u32::from(c) & 0xFFFE == 0xFFFE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, limits: &Limits) -> Vec<String> {
        let mut findings = Vec::new();
        check(text, Place::Text, limits, &mut findings);
        findings.into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn each_limit_is_passed_by_one_too_many() {
        let limits =
            Limits { bytes: 40, chars: 30, tokens: 12, lines: 2, repeated: 5, control_share: 0.1 };
        assert_eq!(kinds("hello\nworld", &limits), [""; 0]);
        assert_eq!(kinds(&"éà".repeat(11), &limits), ["limit.bytes"]);
        assert_eq!(kinds(&"ab".repeat(16), &limits), ["limit.chars"]);
        assert_eq!(kinds("a\nb\nc", &limits), ["limit.lines"]);
        assert_eq!(kinds("我们的订单在哪里呢请问", &limits), [""; 0]);
        assert_eq!(kinds("我们的订单在哪里呢请问一下", &limits), ["limit.tokens"]);
        assert_eq!(kinds("aaaaaa", &limits), ["limit.repeated"]);
        assert_eq!(kinds("aaaaa", &limits), [""; 0]);
        assert_eq!(kinds("\0\u{1}abcdefghijklmn", &limits), ["limit.control_share"]);
        let log = "\u{1B}[1;32mok\u{1B}[0m \u{1B}[33m12:01";
        let limits = Limits { tokens: 100, ..limits };
        assert_eq!(kinds(log, &limits), [""; 0]);
        assert_eq!(kinds(&log.replace('m', "K"), &limits), ["limit.control_share"]);
    }

    #[test]
    fn tokens_are_estimated() {
        for (text, tokens) in [
            ("", 0),
            ("Where is my order?", 7),
            ("internationalization", 5),
            ("где мой заказ", 7),
            ("我的订单", 4),
            ("a, b; c", 5),
        ] {
            assert_eq!(Shape::of(text).tokens, tokens, "{text}");
        }
    }

    #[test]
    fn the_repetition_is_named_by_its_bytes() {
        let mut findings = Vec::new();
        let limits = Limits { repeated: 3, ..Limits::default() };
        check("xéééé!", Place::Context(1), &limits, &mut findings);
        assert_eq!(findings[0].span, Some(Span { start: 1, end: 9 }));
        assert_eq!(findings[0].place, Place::Context(1));
    }
}
