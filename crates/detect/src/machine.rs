//! Addresses of machines: IPv4, IPv6, MAC.

use std::net::{Ipv4Addr, Ipv6Addr};

use portcullis_core::Span;

use crate::bytes::{follows, in_word, is_word, names_before, preceded, run, run_back};
use crate::{Entity, Match};

/// Longest textual form of an IPv6 address.
const LONGEST: usize = 45;

/// Words before four numbers, in lower case, that are no address.
#[rustfmt::skip]
const OTHERS: [&[u8]; 28] = [
    b"version", b"ver.", b"release", b"build", b"firmware", b"driver", b"revision", b"rev.", b"update", b"upgrade",
    b"patch", b"kernel", b"nginx", b"section", b"clause", b"chapter", b"kapitel", b"abschnitt", b"page", b"phone", b"tel.",
    b"tel:", b"tel ", b"fax", b"mobile", b"netmask", b"call ", b"cell ",
];
/// And words behind them.
const OTHERS_BEHIND: [&[u8]; 4] = [b" release", b" firmware", b" build", b" version"];
/// Words before an address.
#[rustfmt::skip]
const MACHINES: [&[u8]; 12] = [
    b"ip ", b"ip:", b"ip=", b"ip\"", b"ipv4", b"addr", b"host", b"dns", b"ping", b"client", b"ssh", b"gateway",
];

/// The address around the digit at `start`, where that is the first digit of it.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Match> {
    v4(text, start).or_else(|| pairs(text, start)).or_else(|| quadruples(text, start))
}

/// Four numbers from 0 to 255, neither a version or a chapter nor an address that is the same everywhere.
fn v4(text: &[u8], start: usize) -> Option<Match> {
    let (address, end) = quad(text, start)?;
    // the first or the last address of a range
    let last = run_back(text, start.saturating_sub(1), 16, |b| b.is_ascii_digit() || b == b'.');
    let is_last = || quad(text, last).is_some_and(|(_, end)| end + 1 == start);
    let is_first = || quad(text, end + 1).is_some();
    let is_part = in_word(text, start)
        || preceded(text, start, |b| b == b'.' || b == b'-' && !is_last())
        || follows(text, end, |b| is_word(b) || b == b'-' && !is_first());
    let rest = text.get(end..)?;
    let is_other = names_before(text, start, 12, &OTHERS)
        || OTHERS_BEHIND.iter().any(|word| rest.starts_with(word));
    // four small numbers are more often a version or a chapter
    let is_small = address.octets().iter().all(|part| *part < 32)
        && ![&b":"[..], b"/", b" port "].iter().any(|sign| rest.starts_with(sign))
        && !preceded(text, start, |b| matches!(b, b'/' | b'@'))
        && !names_before(text, start, 24, &MACHINES);
    let is_nobody = address.is_loopback()
        || address.is_unspecified()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || matches!(address.octets(), [0 | 240.., ..] | [100, 64..=127, ..]);
    let span = Span { start, end };
    let hit = Match { entity: Entity::IpAddress, span, confidence: 0.85 };
    (!is_part && !is_other && !is_small && !is_nobody).then_some(hit)
}

/// The IPv4 address that begins at `start`, and one past its end.
fn quad(text: &[u8], start: usize) -> Option<(Ipv4Addr, usize)> {
    let end = run(text, start, 16, |b| b.is_ascii_digit() || b == b'.');
    let word = std::str::from_utf8(text.get(start..end)?).ok()?;
    let word = word.strip_suffix('.').unwrap_or(word);
    Some((word.parse().ok()?, start + word.len()))
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
    // signs before it, or the end of a label, as in `mac:3c:…`
    let skipped = match word.iter().position(|b| *b == b':') {
        Some(colon) if in_word(text, start) => colon + 1,
        _ => word.iter().position(|b| *b != b'-')?,
    };
    let (start, word) = (start + skipped, word.get(skipped..)?);
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

/// `3c22.fb12.9a0e`, a MAC address as network devices write it.
fn quadruples(text: &[u8], digit: usize) -> Option<Match> {
    let of_address = |b: u8| b.is_ascii_hexdigit() || b == b'.';
    let start = run_back(text, digit, 15, of_address);
    let end = run(text, digit, 15, of_address);
    let end = end - usize::from(preceded(text, end, |b| b == b'.'));
    let word = text.get(start..end)?;
    let is_first = !text.get(start..digit)?.iter().any(u8::is_ascii_digit);
    let is_mac = word.len() == 14
        && word.split(|b| *b == b'.').all(|group| group.len() == 4)
        && word.iter().any(u8::is_ascii_alphabetic)
        && !in_word(text, start)
        && !follows(text, end, is_word);
    let span = Span { start, end };
    let hit = Match { entity: Entity::MacAddress, span, confidence: 0.9 };
    (is_first && is_mac).then_some(hit)
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
            ("mac:3c:22:fb:12:9a:0e", (Entity::MacAddress, "3c:22:fb:12:9a:0e")),
            ("BSSID:ac:22:fb:12:9a:0e", (Entity::MacAddress, "ac:22:fb:12:9a:0e")),
            ("at ab2c.fb12.9a0e.", (Entity::MacAddress, "ab2c.fb12.9a0e")),
            ("ip:2a02:908:1c3::1", (Entity::IpAddress, "2a02:908:1c3::1")),
            ("203.0.113.7-203.0.113.9", (Entity::IpAddress, "203.0.113.7")),
            ("10.0.0.1-203.0.113.9", (Entity::IpAddress, "203.0.113.9")),
            ("ping 9.9.9.9", (Entity::IpAddress, "9.9.9.9")),
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
            "nginx 16.1.9.86 released, firmware 15.2.3.70",
            "section 5.7.6.90 of the norm, § 12.1.4.5",
            "255.255.255.0 mask and 100.64.0.1",
            "phone 34.41.80.24",
            "1234.5678.9012 and ab2c.fb12.9a0e.12",
            "time:12:34:56:78",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
