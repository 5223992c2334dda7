//! E-mail addresses, from an `@` outwards.

use portcullis_core::Span;

use crate::bytes::{follows, is_word, preceded, run, run_back};
use crate::{Entity, Match};

/// Longest local part and longest domain (RFC 5321, section 4.5.3.1).
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// Last labels that are file names' endings and no domains, as in `logo@2x.png`.
const ENDINGS: [&[u8]; 8] = [b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js"];

/// The address around the `@`, also percent-encoded, at `at`.
pub(crate) fn around(text: &[u8], at: usize) -> Option<Match> {
    let sign = if follows(text, at, |b| b == b'%') { b"%40".len() } else { 1 };
    let local = local(text, at);
    // what leads is punctuation of the sentence, not of the address
    let start = run(text, local, at - local, |b| !(is_label(b) || b == b'_'));
    if start == at {
        return None;
    }
    let end = domain(text, at + sign)?;
    let is_git_remote = text.get(start..at) == Some(b"git") && follows(text, end, |b| b == b':');
    let entity = Entity::Email;
    (!is_git_remote).then_some(Match { entity, span: Span { start, end }, confidence: 0.95 })
}

/// Where the local part begins that ends at `at`.
fn local(text: &[u8], at: usize) -> usize {
    let mut from = at;
    while at - from < LOCAL {
        match text.get(..from) {
            Some([.., last]) if is_local(*last) => from -= 1,
            // Latin letters with accents
            Some([.., 0xC3..=0xC9, 0x80..=0xBF]) => from -= 2,
            // O'Brien, but no quotation mark
            Some([head @ .., b'o' | b'O' | b'd' | b'D', b'\'']) if is_name(text, from, head) => {
                from -= 2
            }
            // the address of who sent it inside that for what comes back: bounce+jane=example.org@…
            Some([.., b'=']) => {
                let more = run_back(text, from - 1, LOCAL, is_local);
                let word = text.get(more..from - 1).unwrap_or_default();
                return if word.contains(&b'+') { more } else { from };
            }
            _ => break,
        }
    }
    from
}

/// Whether a letter follows at `at`, and no word goes before.
fn is_name(text: &[u8], at: usize, head: &[u8]) -> bool {
    follows(text, at, |b| b.is_ascii_alphabetic()) && !preceded(head, head.len(), is_word)
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'~')
}

/// ASCII letters and digits, and bytes of Latin letters with accents.
fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, 0x80..=0xBF | 0xC3..=0xC9)
}

/// One past the longest domain at `from` that has two labels and ends in an alphabetic one.
fn domain(text: &[u8], from: usize) -> Option<usize> {
    let limit = run(text, from, DOMAIN, |b| is_label(b) || matches!(b, b'-' | b'.'));
    let mut end = None;
    let mut start = from;
    for (index, label) in text.get(from..limit)?.split(|b| *b == b'.').enumerate() {
        let clean = label.iter().rposition(|b| is_label(*b)).map_or(0, |last| last + 1);
        if clean == 0 || label.first() == Some(&b'-') || label.len() > 63 {
            break;
        }
        // the last label is of ASCII, whatever letters stand right behind it
        let ascii = label.get(..clean)?.iter().take_while(|b| b.is_ascii()).count();
        if index > 0 && is_top_level(label.get(..ascii)?) {
            end = Some(start + ascii);
        }
        if clean < label.len() {
            break;
        }
        start += label.len() + 1;
    }
    end
}

fn is_top_level(label: &[u8]) -> bool {
    let lower = label.to_ascii_lowercase();
    lower.starts_with(b"xn--")
        || (lower.len() >= 2
            && lower.iter().all(u8::is_ascii_alphabetic)
            && !ENDINGS.contains(&lower.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Option<&str> {
        let hit = around(text.as_bytes(), text.find("%40").or(text.find('@')).unwrap())?;
        Some(&text[hit.span.start..hit.span.end])
    }

    #[test]
    fn addresses_in_sentences() {
        for (text, address) in [
            (
                "Write to jane.doe+shop@mail.example.co.uk, please.",
                "jane.doe+shop@mail.example.co.uk",
            ),
            ("mailto:a@b.io", "a@b.io"),
            ("email=jane_d@example.org&x=1", "jane_d@example.org"),
            ("请联系abc@example.com谢谢", "abc@example.com"),
            ("…jane@example.org.", "jane@example.org"),
            ("<o%x@xn--bcher-kva.xn--p1ai>", "o%x@xn--bcher-kva.xn--p1ai"),
            ("JANE@EXAMPLE.ORG", "JANE@EXAMPLE.ORG"),
            ("at jane@example.org-", "jane@example.org"),
            ("jane@example.com.5", "jane@example.com"),
            ("jane@example.comé", "jane@example.com"),
            ("at o'neill.pat@example.ie", "o'neill.pat@example.ie"),
            ("to='jane@example.org'", "jane@example.org"),
            ("a löwe@example.de b", "löwe@example.de"),
            ("über@müller.example.", "über@müller.example"),
            ("to=<bounce+abc=def.org@mail.example.com>", "bounce+abc=def.org@mail.example.com"),
            ("u=bob.k%40example.org&x=1", "bob.k%40example.org"),
        ] {
            assert_eq!(email(text), Some(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "@jane",
            "meet @ noon.today",
            "react@18.2.0",
            "logo@2x.png",
            "user@localhost",
            "git@github.com:a/b.git",
            "a@.com",
            "a@-x.com",
            "..@example.org",
            "a@b",
            "a@",
        ] {
            assert_eq!(email(text), None, "{text}");
        }
    }
}
