//! Credentials by their name: `password=…`, `"api_key": "…"`, `export SECRET_TOKEN=…`.

mod command;
mod likely;
mod reading;
mod words;

use portcullis_core::Span;

use crate::bytes::{preceded, run, run_back};
use crate::{Entity, Match};
use likely::{Place, is_likely, is_mixed};
use reading::{LONGEST, Sign, is_line, join, quoted, unquoted, window};

pub(crate) use command::{curl, sshpass};
pub(crate) use likely::is_of_value;
pub(crate) use words::WORDS;

/// Who makes up the values of a name: people's are short, machines' are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    ByPeople,
    ByMachines,
    /// By people, but the name has other meanings, so that the value alone must say what it is.
    Doubtful,
}

/// The value assigned to the name whose word lies at `start..from`.
pub(crate) fn value(text: &[u8], start: usize, from: usize, chosen: Chosen) -> Option<Match> {
    // the rest of the name: `secret_access_key`, `password1`
    let name = run(text, from, 24, is_name);
    let begin = run_back(text, start, 64, is_name);
    let word = text.get(start..from)?;
    let is_loud = word.iter().all(|b| !b.is_ascii_lowercase());
    let in_query = preceded(text, begin, |b| matches!(b, b'?' | b'&'));
    let chosen = match chosen {
        Chosen::Doubtful if name > from || !begins(text, start) => return None,
        Chosen::Doubtful if in_query || is_loud && (word.contains(&b' ') || begin < start) => {
            Chosen::ByPeople
        }
        chosen => chosen,
    };
    let ends = match chosen {
        Chosen::ByMachines => "&;,",
        _ if in_query => "&",
        _ => "",
    };
    // the name of a place, not of a value: `arn:aws:secretsmanager:…`
    let address = run_back(text, start, 96, |b| is_name(b) || b == b':');
    if text.get(address..)?.starts_with(b"arn:") {
        return None;
    }
    let rest = window(text, name);
    let (sign, behind) = join(rest, text.get(..begin)?)?;
    let (quote, value) = quoted(behind).unwrap_or_else(|| (0, unquoted(behind, sign, ends)));
    let is_quoted = quote > 0;
    let start = name + (rest.len() - behind.len()) + quote;
    let after = || match value.len() {
        // what a long value stands in is told behind the rest of it
        LONGEST.. => window(text, run(text, start + value.len(), MOST, |b| !is_end(b))),
        _ => behind.get(quote + value.len()..).unwrap_or_default(),
    };
    let fits = match sign {
        Sign::Colon | Sign::Equals | Sign::Says => true,
        Sign::Loose => is_loud || is_mixed(value),
        Sign::OwnLine => is_quoted || is_line(value, after()),
        Sign::Tag => after().starts_with('<'),
        Sign::Cell => {
            let is_cell = after().trim_start_matches([' ', '\t', '*', '`']).starts_with('|');
            is_cell && (chosen == Chosen::ByMachines || is_mixed(value))
        }
    };
    let is_named = text.get(from..name)?.iter().all(u8::is_ascii_digit);
    let place = match sign {
        Sign::Colon if is_named && !is_quoted => Place::Named,
        Sign::Colon | Sign::Equals | Sign::Loose if is_named => Place::Literal,
        _ => Place::Any,
    };
    fits.then(|| credential(start, value, chosen, place))?
}

/// The value that begins at `start`, if it is one.
fn credential(start: usize, value: &str, chosen: Chosen, place: Place) -> Option<Match> {
    let span = Span { start, end: start + value.len() };
    let hit = Match { entity: Entity::Credential, span, confidence: 0.8 };
    is_likely(value, chosen, place).then_some(hit)
}

/// Most bytes in which the end of a long value is looked for.
const MOST: usize = 16 * 1024;

/// What ends a value in a tag, a cell or a line of its own.
fn is_end(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'<' | b'|')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Whether the word at `start` begins there, and is no part of another: `pass` of `smtp_pass` and `smtpPass`, but
/// not of `bypass`.
fn begins(text: &[u8], start: usize) -> bool {
    let is_capital = text.get(start).is_some_and(u8::is_ascii_uppercase);
    !preceded(text, start, |b| b.is_ascii_uppercase() || b.is_ascii_lowercase() && !is_capital)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(text: &str) -> Option<&str> {
        let lower = text.to_lowercase();
        WORDS
            .iter()
            .filter_map(|(word, chosen)| {
                let start = lower.find(word)?;
                value(text.as_bytes(), start, start + word.len(), *chosen)
            })
            .map(|hit| &text[hit.span.start..hit.span.end])
            .next()
    }

    #[test]
    fn values_of_credentials() {
        for (text, value) in [
            ("password=hunter2", "hunter2"),
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
            ("API key: 9f8e7d6c5b4a39281706fedc", "9f8e7d6c5b4a39281706fedc"),
            ("My API key is 9f8e7d6c5b4a39281706fedc.", "9f8e7d6c5b4a39281706fedc"),
            (
                "Secret Access Key: /JalrXUtnFEMI/K7MDENG/bPxRfiCYDUMMYKEY01",
                "/JalrXUtnFEMI/K7MDENG/bPxRfiCYDUMMYKEY01",
            ),
        ] {
            assert_eq!(credential(text), Some(value), "{text}");
        }
    }

    #[test]
    fn names_and_signs_of_passwords() {
        for text in [
            "Password:      …",
            "password     = …",
            "password:\t…",
            "password:\n…\n",
            "\"password\":\n  \"…\"",
            "{\\\"password\\\":\\\"…\\\"}",
            "{\\\\\\\"password\\\\\\\":\\\\\\\"…\\\\\\\"}",
            "os.environ[\"DB_PASSWORD\"] = \"…\"",
            "CREATE USER bob WITH PASSWORD '…';",
            "ALTER USER bob IDENTIFIED BY '…';",
            "<add key=\"Password\" value=\"…\"/>",
            "- name: DB_PASSWORD\n  value: …",
            "{\"name\":\"DB_PASSWORD\",\"value\":\"…\"}",
            "ENV DB_PASSWORD …",
            "let password: &str = \"…\";",
            "**Password:** …",
            "| Password | … |",
            "| **Password** | `…` |",
            "Password for bob is …",
            "SMTP_PASS=…",
            "smtpPass: …",
            "pass: …",
            "user=bob;pass=…",
            "pw: …",
            "mi contraseña es …",
            "mot de passe\u{A0}: …",
            "senha: …",
            "wachtwoord: …",
            "hasło: …",
            "пароль: …",
            "密码：…，谢谢",
            "password == \"…\"",
            "?user=a&password=…&x",
            "Password=…;Initial Catalog=x",
            "password: …—thanks",
        ] {
            let password = "S3cure!Pass9";
            assert_eq!(credential(&text.replace('…', password)), Some(password), "{text}");
        }
    }

    #[test]
    fn passwords_of_many_kinds() {
        for (text, value) in [
            ("Password: Tr0ub4dor&3 ok", "Tr0ub4dor&3"),
            ("password=S3cure;Pass9", "S3cure;Pass9"),
            ("password=hunter2&quot;", "hunter2"),
            ("password = \"12345678\"", "12345678"),
            ("pwd=123456", "123456"),
            ("password: пароль123", "пароль123"),
            ("password: \"S3cüre!Pass9\"", "S3cüre!Pass9"),
            ("password: “S3cure9x”", "S3cure9x"),
            ("password: «S3cure9x»", "S3cure9x"),
            ("password: \"Ab$olut!Geheim\"", "Ab$olut!Geheim"),
            ("password: $ecret!1X", "$ecret!1X"),
            ("SMTP_PASS=hunter2", "hunter2"),
            ("?user=bob&pass=hunter2,x&a=b", "hunter2,x"),
            ("password:\nWinter2025!\n", "Winter2025!"),
            ("<password>Winter2025!</password>", "Winter2025!"),
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
            "my password is wrong",
            "my password is 12345678",
            "password: 12345678",
            "password_changed_at=\"1712345678\"",
            "password: newPasswordField",
            "password: case-sensitive",
            "password: \"Required!\"",
            "password: ８文字以上12文字",
            "password:\n  min_length1: 8",
            "PASSWORD=\nDB_HOST1=x",
            "| password | varchar2 | yes |",
            "the field password 'base64x' is",
            "PASS: test_login2",
            "bypass: S3cure!Pass9",
            "the rows identified by 'item12345'",
            "Password for version is case-sensitive2",
            "password: string = default1",
            "Password: <input name=\"passwd1\">",
            "password: wide class=\"column12\"",
        ] {
            assert_eq!(credential(text), None, "{text}");
        }
    }

    #[test]
    fn places_where_credentials_are_kept_are_fine() {
        for text in [
            "twitter: https://twitter.com/acme/status/1234567890123456789",
            "token_url: https://auth.acme.io/oauth2/token",
            "private_key: ~/.ssh/id_ed25519_of_bob",
            "passwordFile: /run/secrets/db_password1",
            "private_key=/home/bob/keys/key2.pem",
            "password: process.env.DB_PASSWORD1",
            "password: $DB_PASS1",
            "secret: arn:aws:secretsmanager:us-east-1:123456789012:secret:db1",
            "arn:aws:sm:us-east-1:123456789012:secret:shop/database-Ab12Cd",
            "if (password == password2) return",
            "password: 'nullable|string|min:8|confirmed'",
            "redis://:<password>@host:6379",
        ] {
            assert_eq!(credential(text), None, "{text}");
        }
    }
}
