//! Secrets with a structure of their own: JSON Web Tokens, PEM private keys, URLs with a password.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use memchr::memmem;
use portcullis_core::Span;
use serde_json::Value;

use crate::bytes::{follows, is_token, preceded, run, run_back};
use crate::{Entity, Match};

/// Longest part of a JSON Web Token that is read.
const JWT_PART: usize = 8 * 1024;

/// Longest PEM block that is read; an RSA key of 16,384 bits has about 13 KiB.
const PEM: usize = 16 * 1024;

/// Longest user or password inside a URL.
const USER_INFO: usize = 256;

/// The JSON Web Token (RFC 7519, compact form of RFC 7515) that starts at `start`. The signature may
/// be empty, as it is with `alg: none`.
pub(crate) fn jwt(text: &[u8], start: usize) -> Option<Match> {
    if preceded(text, start, is_token) {
        return None;
    }
    let header = run(text, start, JWT_PART, is_token);
    let claims = run(text, dot(text, header)?, JWT_PART, is_token);
    let signature = dot(text, claims)?;
    let end = run(text, signature, JWT_PART, is_token);
    if claims - header < 3 {
        return None;
    }
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text.get(start..header)?).ok()?;
    let header: Value = serde_json::from_slice(&decoded).ok()?;
    let span = Span { start, end };
    header.get("alg")?.is_string().then_some(Match { entity: Entity::Jwt, span, confidence: 0.99 })
}

fn dot(text: &[u8], at: usize) -> Option<usize> {
    follows(text, at, |b| b == b'.').then_some(at + 1)
}

/// The private key (RFC 7468, and the older OpenSSL and OpenSSH labels) whose `-----BEGIN ` is at
/// `start`. Where its end is missing, what still looks like a key counts.
pub(crate) fn private_key(text: &[u8], start: usize) -> Option<Match> {
    let label = start + "-----BEGIN ".len();
    let dashes = run(text, label, 40, |b| b.is_ascii_uppercase() || b == b' ');
    let head = text.get(label..dashes)?;
    if !(head.ends_with(b"PRIVATE KEY") || head.ends_with(b"PRIVATE KEY BLOCK")) {
        return None;
    }
    let body = run(text, dashes, 5, |b| b == b'-');
    if body != dashes + 5 || !holds_key(text, body) {
        return None;
    }
    let window = text.get(body..text.len().min(body + PEM))?;
    let end = match memmem::find(window, b"-----END ") {
        Some(offset) => {
            let label = body + offset + "-----END ".len();
            let dashes = run(text, label, 40, |b| b.is_ascii_uppercase() || b == b' ');
            run(text, dashes, 5, |b| b == b'-')
        }
        None => run(text, body, PEM, |b| {
            b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"+/=\\:,".contains(&b)
        }),
    };
    let span = Span { start, end };
    Some(Match { entity: Entity::PrivateKey, span, confidence: 0.99 })
}

/// Whether a key may follow, rather than a sentence about its header: a new line, also an escaped one, or base64.
fn holds_key(text: &[u8], body: usize) -> bool {
    let at = run(text, body, 8, |b| matches!(b, b' ' | b'\t'));
    let end = run(text, at, 16, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    end - at == 16 || text.get(at).is_none_or(|b| matches!(b, b'\n' | b'\r' | b'\\'))
}

/// `user:password` of the URL whose `://` is at `at` (RFC 3986, section 3.2.1).
pub(crate) fn user_info(text: &[u8], at: usize) -> Option<Match> {
    let scheme =
        run_back(text, at, 24, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if at - scheme < 2 {
        return None;
    }
    let start = at + "://".len();
    let colon = run(text, start, USER_INFO, |b| is_user_info(b) && b != b':');
    if !follows(text, colon, |b| b == b':') {
        return None;
    }
    let end = last_at(text, run(text, colon + 1, USER_INFO, is_user_info))?;
    if is_placeholder(text.get(colon + 1..end)?) {
        return None;
    }
    let span = Span { start, end };
    Some(Match { entity: Entity::ConnectionString, span, confidence: 0.96 })
}

/// The last `@` from `first` on that a host follows, before a path, a query or a fragment: those before it are the
/// password's (WHATWG URL, "authority state").
fn last_at(text: &[u8], first: usize) -> Option<usize> {
    let of_authority = |b: u8| (is_user_info(b) || b == b'@') && !matches!(b, b'?' | b'#');
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b == b'[' || b >= 0x80;
    let end = run(text, first, USER_INFO, of_authority);
    let is_sign = |at: &usize| {
        follows(text, *at, |b| b == b'@') && follows(text, at + 1, is_host) && *at < end
    };
    (first..end).rev().find(is_sign)
}

fn is_user_info(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'@' | b'/' | b'"' | b'\'' | b'<' | b'>' | b'`')
}

/// Whether it is what manuals write where a password would be.
fn is_placeholder(password: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"password", b"pass", b"passwd", b"pwd", b"secret", b"token"];
    let lower = password.to_ascii_lowercase();
    WORDS.contains(&lower.as_slice())
        || matches!(password.first(), None | Some(b'$' | b'{' | b'[' | b'%'))
        || password.iter().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(
        text: &str,
        anchor: &str,
        find: fn(&[u8], usize) -> Option<Match>,
    ) -> Option<(usize, usize)> {
        let hit = find(text.as_bytes(), text.find(anchor).unwrap())?;
        Some((hit.span.start, hit.span.end))
    }

    #[test]
    fn a_jwt_is_known_by_its_header() {
        let token =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN";
        let text = format!("Bearer {token}, please");
        assert_eq!(at(&text, "eyJ", jwt), Some((7, 7 + token.len())));
        assert!(at("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "eyJ", jwt).is_some());
        for text in [
            "eyJub3QiOiJhIGp3dCJ9.eyJzdWIiOiJ4In0.sig",
            "eyJhbGciOiJub25lIn0",
            "eyJhbGciOiJub25lIn0.x.y",
            "eyJ.eyJ.eyJ",
        ] {
            assert_eq!(at(text, "eyJ", jwt), None, "{text}");
        }
    }

    #[test]
    fn a_private_key_is_taken_whole_and_a_public_one_left() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc+/=\n-----END RSA PRIVATE KEY-----";
        let text = format!("{key}\nthanks");
        assert_eq!(at(&text, "-----BEGIN ", private_key), Some((0, key.len())));
        let cut = "-----BEGIN PRIVATE KEY-----\nMIIEow\nabc";
        assert_eq!(at(cut, "-----BEGIN ", private_key), Some((0, cut.len())));
        for text in [
            "-----BEGIN PUBLIC KEY-----\nMII",
            "-----BEGIN PRIVATE KEY----- is the header of a PEM file. Then…",
            "-----BEGIN PRIVATE KEY-----…-----END PRIVATE KEY-----",
        ] {
            assert_eq!(at(text, "-----BEGIN ", private_key), None, "{text}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_found() {
        let text = "DATABASE_URL=postgres://app:s3cr3t!@db.internal:5432/shop";
        assert_eq!(at(text, "://", user_info), Some((24, 35)));
        for (text, found) in [
            ("postgres://admin:P@ssw0rd@10.0.0.5:5432/db", "admin:P@ssw0rd"),
            ("smtp://jane:a@b@c@mail.example.org, x@y", "jane:a@b@c"),
            ("https://u:p1@h.io?to=a@b.io", "u:p1"),
            ("https://u:p1@h.io#@x", "u:p1"),
            ("https://u:p1@h.io/@x", "u:p1"),
            ("https://u:p1@h.io@ x", "u:p1"),
            ("redis://:p?1@h.io", ":p?1"),
        ] {
            let start = text.find("//").unwrap() + 2;
            assert_eq!(at(text, "://", user_info), Some((start, start + found.len())), "{text}");
        }
        for text in [
            "https://example.org:8080/a@b",
            "https://jane@example.org",
            "postgres://user:password@host/db",
            "redis://:$PASSWORD@host",
            "amqp://user:****@host",
            "http://[::1]:80/x",
            "://a:b@c",
        ] {
            assert_eq!(at(text, "://", user_info), None, "{text}");
        }
    }
}
