//! The parts of code that matter where string literals are joined.

use memchr::memchr3_iter;
use memchr::memmem;
use portcullis_core::Span;

/// A part of the code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token {
    /// A string literal, without its quotes.
    Literal(Span),
    /// A name.
    Name(Span),
    /// `+`, or another sign that joins.
    Join,
    /// `=`, `:=` or `:`.
    Assign,
    /// `,`.
    Comma,
    /// `[` or `]`.
    Bracket,
    /// Anything else.
    Other,
}

/// Names of what joins its arguments, and of what adds its argument to what stands before it.
pub(crate) const JOINERS: [&str; 5] = ["concat", "concatenate", "paste0", "strcat", "implode"];
pub(crate) const ADDERS: [&str; 4] = ["append", "push_str", "concat", "add"];

/// Whether a text may join literals: by a look at what stands on both sides of each quote.
pub(crate) fn may_join(bytes: &[u8]) -> bool {
    let (mut held, mut is_list) = (0, false);
    for at in memchr3_iter(b'"', b'\'', b'`', bytes) {
        let head = bytes.get(..at).unwrap_or_default();
        let head = head.strip_suffix(b"\\").unwrap_or(head).trim_ascii_end();
        let is_added = |name: &&str| {
            head.strip_suffix(b"(").is_some_and(|head| head.ends_with(name.as_bytes()))
        };
        let is_held =
            [&b"="[..], b"+", b"..", b"||", b"<<", b"<>"].iter().any(|s| head.ends_with(s));
        held += usize::from(is_held || ADDERS.iter().any(is_added));
        let tail = bytes.get(at + 1..).unwrap_or_default();
        let is_glue = |b: &&u8| b" \t\r\n\\+.&~|<>*(),[]$".contains(*b);
        let len = tail.iter().take(16).take_while(is_glue).count();
        if len > 0 && tail.get(len).is_some_and(|b| matches!(b, b'"' | b'\'' | b'`')) {
            match tail.get(..len).unwrap_or_default().contains(&b',') {
                true => is_list = true,
                false => return true,
            }
        }
    }
    let names: [&[u8]; 7] =
        [b"join", b"concat", b"CONCAT", b"Concat", b"paste0", b"strcat", b"implode"];
    held >= 2 || is_list && names.iter().any(|name| memmem::find(bytes, name).is_some())
}

/// The parts of `text`, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' | b'\'' | b'`' => match literal(text, at) {
                Some((span, end)) => {
                    tokens.push(Token::Literal(span));
                    at = end;
                }
                None => at += 1,
            },
            // behind a quote and before a blank it ends a sentence
            b'.' if ends_sentence(bytes, at) => {
                tokens.push(Token::Other);
                at += 1;
            }
            b'+' | b'.' | b'&' | b'~' => {
                tokens.push(Token::Join);
                at += 1;
                at += usize::from(byte == b'.' && bytes.get(at) == Some(&b'.'));
            }
            // after a line's end it begins the item of a list
            b'*' if !is_line_start(bytes, at) => {
                tokens.push(Token::Join);
                at += 1;
            }
            // C++ writes what it prints with names between, which says nothing new
            b'<' if bytes.get(at + 1) == Some(&b'<') && !is_between_quotes(bytes, at) => {
                tokens.push(Token::Other);
                at += 2;
            }
            // `||`, `<<` and `<>` join in SQL, C++ and Elixir
            b'|' | b'<'
                if matches!(
                    (byte, bytes.get(at + 1)),
                    (b'|', Some(b'|')) | (b'<', Some(b'<' | b'>'))
                ) =>
            {
                tokens.push(Token::Join);
                at += 2;
            }
            b',' | b'[' | b']' => {
                tokens.push(if byte == b',' { Token::Comma } else { Token::Bracket });
                at += 1;
            }
            b'=' | b':' => {
                if tokens.last() != Some(&Token::Assign) {
                    tokens.push(Token::Assign);
                }
                at += 1;
            }
            b' ' | b'\n' | b'\r' | b'\t' | b'\\' | b'(' | b')' | b'$' | b'{' | b'}' => at += 1,
            _ if byte.is_ascii_alphabetic() || byte == b'_' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let len =
                    rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                tokens.push(Token::Name(Span { start: at, end: at + len }));
                at += len;
            }
            _ => {
                tokens.push(Token::Other);
                at += 1;
            }
        }
    }
    tokens
}

fn ends_sentence(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    before.is_some_and(|b| !b.is_ascii_whitespace() && *b != b'.')
        && bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace)
}

/// Whether quotes stand on both sides of the two signs at `at`, not far.
fn is_between_quotes(bytes: &[u8], at: usize) -> bool {
    let is_quote = |b: Option<&u8>| b.is_some_and(|b| matches!(b, b'"' | b'\''));
    let ink = |b: &&u8| !b.is_ascii_whitespace() && **b != b'\\';
    let head = bytes.get(at.saturating_sub(16)..at).unwrap_or_default();
    let tail = bytes.get(at + 2..).unwrap_or_default();
    is_quote(head.iter().rev().find(ink)) && is_quote(tail.iter().take(16).find(ink))
}

/// Whether only blanks stand before `at` on its line; few are looked at.
fn is_line_start(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(at.saturating_sub(16)..at).unwrap_or_default();
    head.iter().rev().find(|b| !matches!(b, b' ' | b'\t')).is_none_or(|b| *b == b'\n')
}

/// The literal whose quote is at `at`, on one line, and where it ends; an apostrophe inside a word opens
/// none. Quotes behind a backslash are a pair of their own where code stands in JSON: then the quotes around all of
/// it open none.
fn literal(text: &str, at: usize) -> Option<(Span, usize)> {
    let bytes = text.as_bytes();
    let quote = *bytes.get(at)?;
    let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
    if quote == b'\'' && before.is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let is_escaped = before == Some(b'\\');
    let (start, limit) = (at + 1, at + 1 + LITERAL);
    let (mut end, mut escapes) = (start, 0);
    while end < limit {
        match *bytes.get(end)? {
            b'\n' => return None,
            b'\\' if bytes.get(end + 1) == Some(&quote) => {
                if is_escaped {
                    return Some((Span { start, end }, end + 2));
                }
                escapes += 1;
                end += 2;
            }
            b'\\' if !is_escaped && bytes.get(end + 1) == Some(&b'\\') => end += 2,
            b if b == quote => {
                let is_code = quote == b'"' && escapes >= 4;
                return (!is_escaped && !is_code).then_some((Span { start, end }, end + 1));
            }
            _ => end += 1,
        }
    }
    None
}

/// Most bytes of a literal.
const LITERAL: usize = 4096;
