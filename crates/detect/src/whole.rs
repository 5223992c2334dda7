//! Values that are longer than what is looked at to know them: their ends.

use crate::assignment::is_of_value;
use crate::{Entity, Match};

/// Most bytes of a token that are looked at.
pub(crate) const LONGEST: usize = 512;

/// Bytes of a credential from which on it may be longer than what was looked at.
const LONG: usize = 128;

/// Brings the ends of long secrets to where they are in the text: to the closing quote, white space, or a sign that
/// ends a value. Each byte is looked at once for each sort of quote, however many values run into each other.
pub(crate) fn complete(text: &str, found: &mut [Match]) {
    let is_open = |hit: &&mut Match| match hit.entity {
        Entity::Credential => hit.span.len() >= LONG,
        // these say themselves where they end
        Entity::PrivateKey | Entity::Jwt | Entity::ConnectionString => false,
        entity => entity.is_secret() && hit.span.len() > LONGEST,
    };
    let mut open: Vec<&mut Match> = found.iter_mut().filter(is_open).collect();
    open.sort_by_key(|hit| hit.span.end);
    // the end of the last run, in each of the quotes and without one
    let mut ends = [0; QUOTES.len() + 1];
    for hit in open {
        let before = hit.span.start.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        let quote = QUOTES.iter().position(|quote| before == Some(quote));
        let Some(end) = ends.get_mut(quote.unwrap_or(QUOTES.len())) else { continue };
        if *end < hit.span.end {
            let rest = text.get(hit.span.end..).unwrap_or_default();
            *end = hit.span.end + length(rest, quote.and_then(|at| QUOTES.get(at)));
        }
        hit.span.end = *end;
    }
}

const QUOTES: [u8; 3] = *b"\"'`";

/// Bytes of `rest` that still belong to a value, in quotes or without.
fn length(rest: &str, quote: Option<&u8>) -> usize {
    let is_end = |c: char| match quote {
        Some(quote) => c == char::from(*quote),
        None => "\"'`<>&;,|\\{([".contains(c),
    };
    let end = rest.find(|c| !is_of_value(c) || is_end(c)).unwrap_or(rest.len());
    let value = rest.get(..end).unwrap_or_default();
    let value = match quote {
        // an escaped quote
        Some(_) => value.trim_end_matches('\\'),
        None => value.trim_end_matches(['.', '!', '?', ')', ']', '}', '*', '-']),
    };
    value.len()
}

#[cfg(test)]
mod tests {
    use crate::Detector;

    fn base64(bytes: usize) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut state = 7_u32;
        let digit = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(DIGITS[state as usize >> 26])
        };
        (0..bytes).map(digit).collect()
    }

    #[test]
    fn a_long_secret_is_found_to_its_end() {
        let long = base64(1624);
        let plain = long.replace(['+', '/'], "x");
        for text in [
            "private_key = \"…\" and more",
            "{\"token\":\"…\",\"a\":1}",
            "{\\\"token\\\":\\\"…\\\",\\\"a\\\":1}",
            "token=…&user=jane",
            "?token=…, thanks",
            "my token is …. Thanks",
            "<token>…</token>",
            "token:\n…\nthanks",
            "| token | … |",
            "Authorization: Bearer …",
            "curl -H 'Authorization: Bearer …' https://h.io",
        ] {
            let text = text.replace('…', &long);
            let found = Detector::shared().detect(&text);
            let start = text.find(&long).unwrap();
            let spans: Vec<_> = found.iter().map(|hit| (hit.span.start, hit.span.end)).collect();
            assert_eq!(spans, [(start, start + long.len())], "{}", &text[..start]);
        }
        for prefix in ["ghp_", "sk-", "sk-ant-api03-", "glpat-", "xoxb-", "whsec_", "sk_live_"] {
            for text in ["use … now", "(…)", "key=\"…\";", "…."] {
                let text = text.replace('…', &format!("{prefix}{plain}"));
                let found = Detector::shared().detect(&text);
                let start = text.find(prefix).unwrap();
                assert_eq!(found.len(), 1, "{prefix}");
                let end = start + prefix.len() + plain.len();
                assert_eq!((found[0].span.start, found[0].span.end), (start, end), "{prefix}");
            }
        }
        let password = format!("S3cure!{}", "P.a$s_9".repeat(60));
        for text in ["password: …", "curl -s -X GET -H 'a: b' -u 'bob:…' https://h.io"] {
            let text = text.replace('…', &password);
            let found = Detector::shared().detect(&text);
            let values: Vec<_> = found.iter().map(|h| &text[h.span.start..h.span.end]).collect();
            assert_eq!(values, [&password]);
        }
    }

    #[test]
    fn a_password_far_behind_its_command_is_whole() {
        let headers = "-H 'Accept: application/json' ".repeat(11);
        for more in 0..30 {
            let command =
                format!("curl {headers}{} -u admin:S3cure!Pass9 https://h.io", "x".repeat(more));
            let found = Detector::shared().detect(&command);
            let value = found.first().map(|hit| &command[hit.span.start..hit.span.end]);
            assert!(value.is_none_or(|value| value == "S3cure!Pass9"), "{value:?}");
        }
    }
}
