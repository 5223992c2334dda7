//! Credentials by their name: `password=…`, `"api_key": "…"`, `export SECRET_TOKEN=…`.

use portcullis_core::Span;

use crate::bytes::{entropy, run};
use crate::{Entity, Match};

/// Words that name a credential, and whether people choose its value themselves.
pub(crate) const WORDS: [(&str, Chosen); 64] = [
    ("password", Chosen::ByPeople),
    ("passwd", Chosen::ByPeople),
    ("pwd", Chosen::ByPeople),
    ("passphrase", Chosen::ByPeople),
    ("api_key", Chosen::ByMachines),
    ("apikey", Chosen::ByMachines),
    ("api-key", Chosen::ByMachines),
    ("access_key", Chosen::ByMachines),
    ("secret", Chosen::ByMachines),
    ("token", Chosen::ByMachines),
    ("private_key", Chosen::ByMachines),
    ("auth_key", Chosen::ByMachines),
    ("credential", Chosen::ByMachines),
    ("encryption_key", Chosen::ByMachines),
    ("signing_key", Chosen::ByMachines),
    ("db_pass", Chosen::ByPeople),
    ("kennwort", Chosen::ByPeople),
    ("passwort", Chosen::ByPeople),
    // services whose keys have no form of their own: the name says what they are
    ("heroku", Chosen::ByMachines),
    ("twilio", Chosen::ByMachines),
    ("datadog", Chosen::ByMachines),
    ("cloudflare", Chosen::ByMachines),
    ("fastly", Chosen::ByMachines),
    ("okta", Chosen::ByMachines),
    ("algolia", Chosen::ByMachines),
    ("mailgun", Chosen::ByMachines),
    ("mailchimp", Chosen::ByMachines),
    ("dropbox", Chosen::ByMachines),
    ("bitbucket", Chosen::ByMachines),
    ("newrelic", Chosen::ByMachines),
    ("new_relic", Chosen::ByMachines),
    ("zendesk", Chosen::ByMachines),
    ("asana", Chosen::ByMachines),
    ("trello", Chosen::ByMachines),
    ("intercom", Chosen::ByMachines),
    ("contentful", Chosen::ByMachines),
    ("launchdarkly", Chosen::ByMachines),
    ("auth0", Chosen::ByMachines),
    ("firebase", Chosen::ByMachines),
    ("adafruit", Chosen::ByMachines),
    ("airtable", Chosen::ByMachines),
    ("confluent", Chosen::ByMachines),
    ("dynatrace", Chosen::ByMachines),
    ("finicity", Chosen::ByMachines),
    ("freshbooks", Chosen::ByMachines),
    ("gitter", Chosen::ByMachines),
    ("hubspot", Chosen::ByMachines),
    ("kraken", Chosen::ByMachines),
    ("kucoin", Chosen::ByMachines),
    ("linkedin", Chosen::ByMachines),
    ("mattermost", Chosen::ByMachines),
    ("messagebird", Chosen::ByMachines),
    ("netlify", Chosen::ByMachines),
    ("plaid", Chosen::ByMachines),
    ("pubnub", Chosen::ByMachines),
    ("sauce", Chosen::ByMachines),
    ("snyk", Chosen::ByMachines),
    ("sumologic", Chosen::ByMachines),
    ("travis", Chosen::ByMachines),
    ("twitch", Chosen::ByMachines),
    ("twitter", Chosen::ByMachines),
    ("yandex", Chosen::ByMachines),
    ("zoominfo", Chosen::ByMachines),
    ("coinbase", Chosen::ByMachines),
];

/// Who makes up the values of a name: people's are short, machines' are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    ByPeople,
    ByMachines,
}

/// Longest value.
const LONGEST: usize = 256;

/// The value assigned to the name whose word ends at `from`.
pub(crate) fn value(text: &[u8], from: usize, chosen: Chosen) -> Option<Match> {
    // the rest of the name: `secret_access_key`, `password1`
    let name = run(text, from, 24, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = run(text, name, 1, |b| matches!(b, b'"' | b'\'' | b'`'));
    let name = run(text, name, 3, |b| b == b' ');
    let mut sign = run(text, name, 2, |b| matches!(b, b':' | b'='));
    if sign == name {
        // `<password>…</password>`, and what people write: "my password is …"
        let rest = text.get(name..).unwrap_or_default();
        sign += match rest {
            [b'>', ..] => 1,
            [b'i', b's', b' ', ..] if chosen == Chosen::ByPeople => 3,
            [b'i', b's', b':', ..] | [b'i', b's', b't', b' ', ..] if chosen == Chosen::ByPeople => {
                3
            }
            _ => return None,
        };
    }
    let sign = run(text, sign, 1, |b| b == b'>');
    let start = run(text, sign, 3, |b| b == b' ');
    let (start, end) = match text.get(start) {
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let end = run(text, start + 1, LONGEST, |b| b != *quote && b != b'\n');
            (start + 1, end)
        }
        _ => (start, unquoted(text, start)),
    };
    let value = text.get(start..end)?;
    let span = Span { start, end };
    is_likely(value, chosen).then_some(Match { entity: Entity::Credential, span, confidence: 0.8 })
}

/// One past a value without quotes: up to white space, less the sentence's punctuation.
fn unquoted(text: &[u8], start: usize) -> usize {
    let mut end = run(text, start, LONGEST, |b| {
        !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'' | b'`' | b'<' | b'>' | b';' | b'&')
    });
    while end > start && matches!(text.get(end - 1), Some(b'.' | b',' | b'!' | b'?' | b')')) {
        end -= 1;
    }
    end
}

/// Whether it is a value and neither a word, an expression nor a placeholder. Thresholds of entropy
/// are in bits a byte: words of languages lie near 3, random base64 of 20 characters above 3.7.
fn is_likely(value: &[u8], chosen: Chosen) -> bool {
    let is_expression = matches!(value.first(), None | Some(b'$' | b'{' | b'%' | b'<' | b'*'))
        || value.iter().any(|b| matches!(b, b'(' | b'[' | b'{') || b.is_ascii_control());
    let has_letter = value.iter().any(u8::is_ascii_alphabetic);
    let has_digit = value.iter().any(u8::is_ascii_digit);
    let (least, bits) = match chosen {
        Chosen::ByPeople => (6, 2.2),
        Chosen::ByMachines => (16, 3.2),
    };
    let has_space = value.contains(&b' ');
    !is_expression
        && !has_space
        && has_letter
        && has_digit
        && value.len() >= least
        && value.is_ascii()
        && entropy(value) >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(text: &str) -> Option<&str> {
        let lower = text.to_lowercase();
        WORDS
            .iter()
            .filter_map(|(word, chosen)| {
                value(text.as_bytes(), lower.find(word)? + word.len(), *chosen)
            })
            .map(|hit| &text[hit.span.start..hit.span.end])
            .next()
    }

    #[test]
    fn values_of_credentials() {
        for (text, value) in [
            ("password=hunter2", "hunter2"),
            ("Password: Tr0ub4dor&3 ok", "Tr0ub4dor"),
            ("{\"db_password\": \"c0rrect-horse\"}", "c0rrect-horse"),
            ("API_KEY='9f8e7d6c5b4a39281706fedc'", "9f8e7d6c5b4a39281706fedc"),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ),
            ("my password is hunter2!", "hunter2"),
            ("<password>c0rrect-horse</password>", "c0rrect-horse"),
            (
                "HEROKU_API: 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
                "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
            ),
            ("export GITEA_TOKEN=4c1f0e7d9b3a5e2f8d6c.", "4c1f0e7d9b3a5e2f8d6c"),
        ] {
            assert_eq!(credential(text), Some(value), "{text}");
        }
    }

    #[test]
    fn talk_about_credentials_is_fine() {
        for text in [
            "I forgot my password: what now?",
            "password: required, at least 8 characters",
            "The secret: love and 12 onions",
            "password = get_password2()",
            "password=${DB_PASSWORD1}",
            "token: string",
            "secret=aaaaaaaaaaaaaaaaaaaa1",
            "api_key=YOUR_API_KEY",
            "my password is fine",
        ] {
            assert_eq!(credential(text), None, "{text}");
        }
    }
}
