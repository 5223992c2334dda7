//! Addresses of machines: IPv4, IPv6, MAC.

use std::net::{Ipv4Addr, Ipv6Addr};

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, names_before, preceded, run, run_back};
use crate::{Entity, Match};

/// Longest textual form of an IPv6 address.
const LONGEST: usize = 45;

/// The address around the digit at `start`, where that is the first digit of it.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Match> {
    v4(text, start).or_else(|| pairs(text, start))
}

/// Four numbers from 0 to 255, neither a version nor an address that is the same everywhere.
fn v4(text: &[u8], start: usize) -> Option<Match> {
    let end = run(text, start, 16, |b| b.is_ascii_digit() || b == b'.');
    let end = end - usize::from(end > start && text.get(end - 1) == Some(&b'.'));
    let word = std::str::from_utf8(text.get(start..end)?).ok()?;
    let address: Ipv4Addr = word.parse().ok()?;
    let is_part = in_word(text, start)
        || preceded(text, start, |b| matches!(b, b'.' | b'-'))
        || follows(text, end, |b| is_word(b) || b == b'-');
    let is_version = names_before(text, start, 10, &[b"version", b"ver.", b"release", b"build"]);
    let is_nobody = address.is_loopback()
        || address.is_unspecified()
        || address.is_private()
        || address.is_broadcast()
        || address.is_link_local()
        || address.is_multicast()
        || address.octets().first() == Some(&0);
    let span = Span { start, end };
    let hit = Match { entity: Entity::IpAddress, span, confidence: 0.85 };
    (!is_part && !is_version && !is_nobody).then_some(hit)
}

/// Hexadecimal digits with colons or dashes between: an IPv6 or a MAC address.
fn pairs(text: &[u8], digit: usize) -> Option<Match> {
    let of_address = |b: u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'-');
    let start = run_back(text, digit, LONGEST, of_address);
    // a later digit of the same word was tried with the first
    if text.get(start..digit)?.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let end = run(text, digit, LONGEST, |b| of_address(b) || b == b'.');
    let word = text.get(start..end)?;
    let (start, word) = match word.iter().position(|b| *b != b'-') {
        Some(skipped) => (start + skipped, word.get(skipped..)?),
        None => return None,
    };
    if in_word(text, start) || follows(text, end, is_word) {
        return None;
    }
    let word = std::str::from_utf8(word).ok()?.trim_end_matches(['.', '-']);
    let span = Span { start, end: start + word.len() };
    if is_mac(word.as_bytes()) {
        return Some(Match { entity: Entity::MacAddress, span, confidence: 0.9 });
    }
    let word = word.trim_end_matches(':');
    let address: Ipv6Addr = word.parse().ok()?;
    let span = Span { start, end: start + word.len() };
    let is_nobody = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    // `a::b` is a path in code: two groups at least, and digits enough
    let is_long = word.bytes().filter(|b| *b == b':').count() >= 3;
    (!is_nobody && is_long).then_some(Match { entity: Entity::IpAddress, span, confidence: 0.9 })
}

/// Six pairs with one sign between them, neither all the same nor the broadcast address.
fn is_mac(word: &[u8]) -> bool {
    let Some(sign) = word.get(2).copied().filter(|b| matches!(b, b':' | b'-')) else {
        return false;
    };
    let mut pairs = word.split(|b| *b == sign);
    let is_pair = |pair: &[u8]| pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
    word.len() == 17
        && pairs.all(is_pair)
        && word.iter().filter(|b| **b != sign).any(|b| Some(b) != word.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<(Entity, &str)> {
        let bytes = text.as_bytes();
        let starts = (0..bytes.len()).filter(|at| {
            bytes[*at].is_ascii_digit() && !preceded(bytes, *at, |b| b.is_ascii_digit())
        });
        let hit = starts.filter_map(|start| at(bytes, start)).next()?;
        Some((hit.entity, &text[hit.span.start..hit.span.end]))
    }

    #[test]
    fn addresses() {
        for (text, found) in [
            ("from 203.0.113.77, twice", (Entity::IpAddress, "203.0.113.77")),
            ("http://8.8.4.4:8080/x.", (Entity::IpAddress, "8.8.4.4")),
            ("2001:db8:85a3::8a2e:370:7334.", (Entity::IpAddress, "2001:db8:85a3::8a2e:370:7334")),
            ("[fe80:0:0:1::2]", (Entity::IpAddress, "fe80:0:0:1::2")),
            ("mac 00:1A:2b:3C:4D:5E ok", (Entity::MacAddress, "00:1A:2b:3C:4D:5E")),
            ("AC-DE-48-00-11-22,", (Entity::MacAddress, "AC-DE-48-00-11-22")),
        ] {
            assert_eq!(address(text), Some(found), "{text}");
        }
    }

    #[test]
    fn no_addresses() {
        for text in [
            "192.168.100.200 and 127.0.0.1 and 0.0.0.0 and 10.1.2.3",
            "version 8.1.2.3 and v1.2.3.4 and 1.2.3.4-beta",
            "at 10:15:30, 2026-11-20",
            "std::1::x and ::1",
            "1.2.3.4.5 and 256.1.1.1",
            "b9a1c7e4-4111-4111-8111-111111111111",
            "00:00:00:00:00:00",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
