//! Secrets whose form is more than a prefix: tokens of bots, webhooks, client secrets, credentials in headers.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem;
use portcullis_core::Span;

use crate::bytes::{entropy, follows, is_token, is_word, preceded, run, run_back};
use crate::whole::LONGEST;
use crate::{Entity, Match};

fn hit(entity: Entity, start: usize, end: usize, confidence: f64) -> Option<Match> {
    Some(Match { entity, span: Span { start, end }, confidence })
}

/// A Telegram bot's token, whose `:AA` is at `at`: 8 to 10 digits before, 33 characters from `AA` on.
pub(crate) fn telegram(text: &[u8], at: usize) -> Option<Match> {
    let start = run_back(text, at, 11, |b| b.is_ascii_digit());
    let end = run(text, at + 1, 36, is_token);
    let is_token =
        (8..=10).contains(&(at - start)) && end - at - 1 == 35 && !preceded(text, start, is_word);
    is_token.then(|| hit(Entity::MessagingToken, start, end, 0.97))?
}

/// A client secret of Microsoft Entra, whose `Q~` is at `at`: four characters before, the last a digit, and 31
/// to 34 after.
pub(crate) fn azure(text: &[u8], at: usize) -> Option<Match> {
    let is_secret = |b: u8| is_token(b) || matches!(b, b'~' | b'.');
    let start = at.checked_sub(4)?;
    let end = run(text, at + 2, 35, is_secret);
    let is_key = text.get(at - 1).is_some_and(u8::is_ascii_digit)
        && text.get(start..at)?.iter().all(|b| is_secret(*b))
        && !preceded(text, start, is_secret)
        && (31..=34).contains(&(end - at - 2))
        && entropy(text.get(start..end)?) > 3.0;
    is_key.then(|| hit(Entity::CloudKey, start, end, 0.97))?
}

/// A shared key of Azure behind the sign that ends at `from`: 32 or 64 bytes in base64, percent-encoded in a signed
/// address.
pub(crate) fn azure_shared(text: &[u8], from: usize) -> Option<Match> {
    let end = run(text, from, 128, |b| b.is_ascii_alphanumeric() || b"+/=%".contains(&b));
    let value = text.get(from..end)?;
    let escaped = value.iter().filter(|b| **b == b'%').count();
    let is_padded = [&b"="[..], b"%3D", b"%3d"].iter().any(|pad| value.ends_with(pad));
    let is_key =
        matches!((value.len().checked_sub(2 * escaped)?, is_padded), (44 | 88, true) | (86, false))
            && entropy(value) > 3.5;
    is_key.then(|| hit(Entity::CloudKey, from, end, 0.97))?
}

/// A key of Azure that says what it is: 84 characters, of which those at `at` mark the service or the form.
pub(crate) fn azure_marked(text: &[u8], at: usize) -> Option<Match> {
    let start = run_back(text, at, 77, |b| b.is_ascii_alphanumeric());
    let end = run(text, at, 33, |b| b.is_ascii_alphanumeric());
    let is_key = matches!(at - start, 52 | 76)
        && end - start == 84
        && matches!(text.get(at..at + 4)?, b"JQQJ" | b"AZDO" | b"ACOG")
        && entropy(text.get(start..end)?) > 4.0;
    is_key.then(|| hit(Entity::CloudKey, start, end, 0.97))?
}

/// The secret key of AWS beside its id, which begins at `start`: 40 characters of base64.
pub(crate) fn aws_secret(text: &[u8], start: usize) -> Option<Match> {
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let id = run(text, start, 21, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let from = run(text, id, 8, |b| b.is_ascii_whitespace() || b",;:|\"'".contains(&b));
    let end = run(text, from, 41, is_base64);
    let value = text.get(from..end)?;
    let is_key = id - start == 20
        && value.len() == 40
        && !follows(text, end, |b| b == b'=')
        && value.iter().any(u8::is_ascii_lowercase)
        && value.iter().any(u8::is_ascii_uppercase)
        && entropy(value) > 3.7;
    is_key.then(|| hit(Entity::AwsKey, from, end, 0.95))?
}

/// A token of Terraform Cloud, whose `.atlasv1.` is at `at`: 14 characters before, 60 to 70 after.
pub(crate) fn terraform(text: &[u8], at: usize) -> Option<Match> {
    let start = run_back(text, at, 15, |b| b.is_ascii_alphanumeric());
    let body = at + ".atlasv1.".len();
    let end = run(text, body, 71, is_token);
    let is_key = at - start == 14 && (60..=70).contains(&(end - body));
    is_key.then(|| hit(Entity::CloudKey, start, end, 0.97))?
}

/// A key of Mailchimp, whose `-us` is at `at`: 32 hexadecimal digits before, the number of its data centre after.
pub(crate) fn mailchimp(text: &[u8], at: usize) -> Option<Match> {
    let start = run_back(text, at, 33, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let end = run(text, at + 3, 3, |b| b.is_ascii_digit());
    let is_key = at - start == 32
        && matches!(end - at, 4 | 5)
        && !preceded(text, start, is_token)
        && !follows(text, end, is_token)
        && entropy(text.get(start..at)?) > 3.0;
    is_key.then(|| hit(Entity::MessagingToken, start, end, 0.96))?
}

/// The path of a webhook, which begins at `from`: who knows it may post.
pub(crate) fn webhook(text: &[u8], from: usize) -> Option<Match> {
    path(text, from, 32)
}

/// The path of a webhook of Zapier, which is shorter.
pub(crate) fn zapier(text: &[u8], from: usize) -> Option<Match> {
    path(text, from, 14)
}

fn path(text: &[u8], from: usize, least: usize) -> Option<Match> {
    let end = run(text, from, LONGEST, |b| is_token(b) || matches!(b, b'/' | b'@'));
    let path = text.get(from..end)?;
    let is_path = path.len() >= least && path.contains(&b'/') && entropy(path) > 2.8;
    is_path.then(|| hit(Entity::MessagingToken, from, end, 0.97))?
}

/// A SendGrid key: `SG.`, 22 characters, a dot, 43 characters.
pub(crate) fn send_grid(text: &[u8], start: usize) -> Option<Match> {
    let dot = run(text, start + 3, 23, is_token);
    let end = run(text, dot + 1, 44, is_token);
    let is_key = text.get(start..start + 3)? == b"SG."
        && dot - start == 25
        && follows(text, dot, |b| b == b'.')
        && end - dot == 44
        && !preceded(text, start, is_word);
    is_key.then(|| hit(Entity::MessagingToken, start, end, 0.98))?
}

/// What follows `Basic ` in a header: base64 of `user:password`.
pub(crate) fn authorization(text: &[u8], from: usize) -> Option<Match> {
    let end = run(text, from, LONGEST, |b| is_word(b) || matches!(b, b'+' | b'/' | b'='));
    let word = text.get(from..end).filter(|word| word.len() >= 8)?;
    let decoded = BASE64_STANDARD.decode(word).ok()?;
    let is_pair = decoded.iter().all(|b| matches!(b, b' '..=b'~'))
        && memmem::find(&decoded, b":").is_some_and(|at| at > 0 && at + 1 < decoded.len());
    is_pair.then(|| hit(Entity::Credential, from, end, 0.95))?
}

/// What follows `Bearer `: a token without a form of its own.
pub(crate) fn bearer(text: &[u8], from: usize) -> Option<Match> {
    let of_token = |b: u8| is_token(b) || b"._~+/=".contains(&b);
    let end = run(text, from, LONGEST, of_token);
    let end = end - usize::from(preceded(text, end, |b| b == b'.'));
    let value = text.get(from..end)?;
    // words with a number are a placeholder: `my-key-abc123`
    let is_drawn = |part: &[u8]| {
        part.len() >= 8
            && part.iter().any(u8::is_ascii_digit)
            && part.iter().any(u8::is_ascii_alphabetic)
    };
    let is_key = value.len() >= 16
        && value.split(|b| !b.is_ascii_alphanumeric()).any(is_drawn)
        && !value.starts_with(b"/")
        && entropy(value) >= 3.2;
    is_key.then(|| hit(Entity::Credential, from, end, 0.8))?
}

/// The token in a header `Authorization` that ends at `from`, behind another word than `Bearer` or `Basic`.
pub(crate) fn header(text: &[u8], from: usize) -> Option<Match> {
    let start = run(text, from, 12, |b| b"\"'\\:=".contains(&b) || b == b' ');
    let word = run(text, start, 12, is_token);
    let scheme = text.get(start..word)?.to_ascii_lowercase();
    let is_scheme = matches!(scheme.as_slice(), b"token" | b"apikey" | b"api-key" | b"key");
    let is_header = is_scheme && start > from && follows(text, word, |b| b == b' ');
    is_header.then(|| bearer(text, word + 1))?
}

/// A private key of PuTTY, up to its last line.
pub(crate) fn putty(text: &[u8], start: usize) -> Option<Match> {
    let window = text.get(start..text.len().min(start + 16 * 1024))?;
    memmem::find(window, b"Private-Lines:")?;
    let end = memmem::find(window, b"Private-MAC:").map_or(window.len(), |at| {
        run(window, at + 12, 80, |b| b.is_ascii_alphanumeric() || b == b' ')
    });
    // the window may end inside a character
    let end = (0..4).map(|back| start + end - back).find(|at| is_boundary(text, *at))?;
    hit(Entity::PrivateKey, start, end, 0.98)
}

fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|b| *b & 0xC0 != 0x80)
}

/// How the token of a Discord bot may begin: its number of 17 to 20 digits, in base64.
pub(crate) const DISCORD: [&str; 90] = [
    "MTA", "MTE", "MTI", "MTM", "MTQ", "MTU", "MTY", "MTc", "MTg", "MTk", "MjA", "MjE", "MjI",
    "MjM", "MjQ", "MjU", "MjY", "Mjc", "Mjg", "Mjk", "MzA", "MzE", "MzI", "MzM", "MzQ", "MzU",
    "MzY", "Mzc", "Mzg", "Mzk", "NDA", "NDE", "NDI", "NDM", "NDQ", "NDU", "NDY", "NDc", "NDg",
    "NDk", "NTA", "NTE", "NTI", "NTM", "NTQ", "NTU", "NTY", "NTc", "NTg", "NTk", "NjA", "NjE",
    "NjI", "NjM", "NjQ", "NjU", "NjY", "Njc", "Njg", "Njk", "NzA", "NzE", "NzI", "NzM", "NzQ",
    "NzU", "NzY", "Nzc", "Nzg", "Nzk", "ODA", "ODE", "ODI", "ODM", "ODQ", "ODU", "ODY", "ODc",
    "ODg", "ODk", "OTA", "OTE", "OTI", "OTM", "OTQ", "OTU", "OTY", "OTc", "OTg", "OTk",
];

/// A Discord bot's token: its number in base64, a time, and a signature.
pub(crate) fn discord(text: &[u8], start: usize) -> Option<Match> {
    let dot = run(text, start, 29, is_token);
    let time = run(text, dot + 1, 8, is_token);
    let end = run(text, time + 1, 41, is_token);
    let is_bot = |id: Vec<u8>| id.len() >= 16 && id.iter().all(u8::is_ascii_digit);
    let is_key = (22..=28).contains(&(dot - start))
        && (6..=8).contains(&(time - dot))
        && (28..=41).contains(&(end - time))
        && [dot, time].iter().all(|at| follows(text, *at, |b| b == b'.'))
        && !preceded(text, start, is_token)
        && BASE64_URL_SAFE_NO_PAD.decode(text.get(start..dot)?).is_ok_and(is_bot);
    is_key.then(|| hit(Entity::MessagingToken, start, end, 0.96))?
}

/// The check digits of a token of GitHub or npm: its last six characters are the CRC-32 of those before them,
/// in base 62. Older tokens have none.
pub(crate) fn has_checksum(body: &[u8]) -> bool {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((front, check)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at))
    else {
        return false;
    };
    let mut rest = crc32fast::hash(front);
    let mut expected = [b'0'; 6];
    for digit in expected.iter_mut().rev() {
        *digit = DIGITS.get(rest as usize % 62).copied().unwrap_or(b'0');
        rest /= 62;
    }
    check == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    type Find = fn(&[u8], usize) -> Option<Match>;

    fn found(text: &str, anchor: &str, find: Find) -> Option<(usize, usize)> {
        let hit = find(text.as_bytes(), text.find(anchor)?)?;
        Some((hit.span.start, hit.span.end))
    }

    #[test]
    fn tokens_of_services() {
        let telegram_token = format!("12345678:AA{}", "Hdqtcv_CcR-5xTzWl0aBcDeFgHiJkLmNo");
        assert_eq!(
            found(&format!("t {telegram_token}!"), ":AA", telegram),
            Some((2, 2 + telegram_token.len()))
        );
        let secret = "aBc8Q~dEfGhIjKlMnOpQrStUvWxYz0123456789";
        assert_eq!(found(secret, "Q~", azure), Some((0, secret.len())));
        let key = format!(
            "SG.{}.{}",
            "aB3dE5fG7hJ9kL1mN2pQ4r", "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2bC4dE5f"
        );
        assert_eq!(found(&key, "SG.", send_grid), Some((0, key.len())));
        let hook = "T00000000/B00000000/aB3dE5fG7hJ9kL1mN2pQ4rS6";
        assert_eq!(found(hook, "T0", webhook), Some((0, hook.len())));
        assert_eq!(found("1234567/b3x9k2q/", "1", zapier), Some((0, 16)));
        assert_eq!(found("amFuZTpzM2NyZXQh ok", "amF", authorization), Some((0, 16)));
        assert_eq!(found("knowledge of", "know", authorization), None);
        assert_eq!(found("SG.1 and SG.2", "SG.", send_grid), None);
    }

    #[test]
    fn tokens_that_say_what_they_are() {
        let body = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2".repeat(3);
        for (anchor, at, find, value) in [
            ("AZDO", 0, azure_marked as Find, format!("{}AZDOx1Y2", &body[..76])),
            ("JQQJ9", 0, azure_marked, format!("{}JQQJ99{}ACOG9zY8", &body[..52], &body[..18])),
            ("=", 1, azure_shared, format!("{}=", &body[..43])),
            ("=", 1, azure_shared, format!("{}==", &body[..86])),
            ("=", 1, azure_shared, format!("{}%2B{}%3D", &body[..20], &body[..22])),
            (".atlasv1.", 0, terraform, format!("{}.atlasv1.{}", &body[..14], &body[..67])),
            ("-us", 0, mailchimp, "9f8e7d6c5b4a39281706fedc01234567-us21".to_owned()),
            ("Nj", 0, discord, format!("NjcxNTkxNzQ2OTI4OTQ4MTYz.Gabc12.{}", &body[..27])),
            ("MT", 0, discord, format!("MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.Gabc12.{}", &body[..38])),
        ] {
            let text = format!("x ={value};");
            let hit = find(text.as_bytes(), text.find(anchor).unwrap() + at);
            let hit = hit.map(|hit| &text[hit.span.start..hit.span.end]);
            assert_eq!(hit, Some(value.as_str()), "{text}");
        }
        for (text, anchor, find) in [
            ("MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.js", "MTI", discord as Find),
            ("sig=9f8e7d6c5b4a39281706fedc", "9f", azure_shared),
            ("FOCUS-us2 and 9f8e7d6c-us2", "-us", mailchimp),
            ("the AZDO pipeline", "AZDO", azure_marked),
            ("x.atlasv1.y", ".atlasv1.", terraform),
        ] {
            assert_eq!(found(text, anchor, find), None, "{text}");
        }
    }

    #[test]
    fn the_secret_beside_an_aws_id() {
        let secret = "FXJPkfqXAUQA2vsbZv/RQvMLtA1jft02YQkNEP//";
        for sign in [",", ":", "\n", " ", "\",\""] {
            let text = format!("AKIAIOSFODNN7RXAMPLZ{sign}{secret}\n");
            let start = 20 + sign.len();
            assert_eq!(found(&text, "AKIA", aws_secret), Some((start, start + 40)), "{text}");
        }
        for text in [
            "AKIAIOSFODNN7RXAMPLZ, 9f8e7d6c5b4a39281706fedc0123456789abcdef",
            "AKIAIOSFODNN7RXAMPLZ is an id",
        ] {
            assert_eq!(found(text, "AKIA", aws_secret), None, "{text}");
        }
    }

    #[test]
    fn tokens_in_headers() {
        let token = "8381433e947aa51ddc038c230a9e44b9a1";
        for (text, anchor, find) in [
            ("Bearer …", "B", (|text, at| bearer(text, at + 7)) as Find),
            ("authorization: token …", "a", |text, at| header(text, at + 13)),
            ("Authorization: ApiKey ….", "A", |text, at| header(text, at + 13)),
            ("\"Authorization\": \"Token …\"", "A", |text, at| header(text, at + 13)),
        ] {
            let text = text.replace('…', token);
            let start = text.find('8').unwrap();
            assert_eq!(found(&text, anchor, find), Some((start, start + token.len())), "{text}");
        }
        for text in [
            "authorization token is needed for version 2",
            "authorization: token-based-access-in-version-2",
            "authorization: token <your-token-1234567890>",
            "authorization: token my-very-own-key-abc123",
        ] {
            assert_eq!(found(text, "a", |text, at| header(text, at + 13)), None, "{text}");
        }
    }

    #[test]
    fn checksums_of_tokens() {
        let front = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0";
        let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut rest = crc32fast::hash(front.as_bytes()) as usize;
        let mut check = String::new();
        for _ in 0..6 {
            check.insert(0, char::from(digits[rest % 62]));
            rest /= 62;
        }
        assert!(has_checksum(format!("{front}{check}").as_bytes()));
        assert!(!has_checksum(format!("{front}000000").as_bytes()));
        assert!(!has_checksum(b"abc"));
    }
}
