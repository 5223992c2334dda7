//! E-mail addresses, from an `@` outwards.

use portcullis_core::Span;

use crate::bytes::{follows, run, run_back};
use crate::{Entity, Match};

/// Longest local part and longest domain (RFC 5321, section 4.5.3.1).
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// Last labels that are file names' endings and no domains, as in `logo@2x.png`.
const ENDINGS: [&[u8]; 8] = [b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js"];

/// The address around the `@` at `at`.
pub(crate) fn around(text: &[u8], at: usize) -> Option<Match> {
    let local = run_back(text, at, LOCAL, is_local);
    // what leads is punctuation of the sentence, not of the address
    let start = run(text, local, at - local, |b| !b.is_ascii_alphanumeric() && b != b'_');
    if start == at {
        return None;
    }
    let end = domain(text, at + 1)?;
    let is_git_remote = text.get(start..at) == Some(b"git") && follows(text, end, |b| b == b':');
    let entity = Entity::Email;
    (!is_git_remote).then_some(Match { entity, span: Span { start, end }, confidence: 0.95 })
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'~')
}

/// One past the longest domain at `from` that has two labels and ends in an alphabetic one.
fn domain(text: &[u8], from: usize) -> Option<usize> {
    let limit = run(text, from, DOMAIN, |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let mut end = None;
    let mut start = from;
    for (index, label) in text.get(from..limit)?.split(|b| *b == b'.').enumerate() {
        let clean = label.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
        if clean == 0 || label.first() == Some(&b'-') || label.len() > 63 {
            break;
        }
        let kept = label.get(..clean)?;
        if index > 0 && is_top_level(kept) {
            end = Some(start + clean);
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
        let hit = around(text.as_bytes(), text.find('@').unwrap())?;
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
