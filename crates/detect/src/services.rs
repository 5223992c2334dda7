//! Secrets whose form is more than a prefix: tokens of bots, webhooks, client secrets, credentials in headers.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem;
use portcullis_core::Span;

use crate::bytes::{entropy, follows, is_token, is_word, preceded, run, run_back};
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

/// The path of a webhook, which begins at `from`: who knows it may post.
pub(crate) fn webhook(text: &[u8], from: usize) -> Option<Match> {
    let end = run(text, from, 256, |b| is_token(b) || matches!(b, b'/' | b'@'));
    let path = text.get(from..end)?;
    let is_path = path.len() >= 32 && path.contains(&b'/') && entropy(path) > 3.0;
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
    let end = run(text, from, 512, |b| is_word(b) || matches!(b, b'+' | b'/' | b'='));
    let word = text.get(from..end).filter(|word| word.len() >= 8)?;
    let decoded = BASE64_STANDARD.decode(word).ok()?;
    let is_pair = decoded.iter().all(|b| matches!(b, b' '..=b'~'))
        && memmem::find(&decoded, b":").is_some_and(|at| at > 0 && at + 1 < decoded.len());
    is_pair.then(|| hit(Entity::Credential, from, end, 0.95))?
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

/// Whether a Discord bot's token holds what it should: the first part is the bot's number in base64.
pub(crate) fn is_discord(token: &[u8]) -> bool {
    let Some(first) = token.split(|b| *b == b'.').next() else { return false };
    BASE64_URL_SAFE_NO_PAD
        .decode(first)
        .is_ok_and(|id| id.len() >= 16 && id.iter().all(u8::is_ascii_digit))
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

    fn found(
        text: &str,
        anchor: &str,
        find: fn(&[u8], usize) -> Option<Match>,
    ) -> Option<(usize, usize)> {
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
        assert_eq!(found("amFuZTpzM2NyZXQh ok", "amF", authorization), Some((0, 16)));
        assert_eq!(found("knowledge of", "know", authorization), None);
        assert_eq!(found("SG.1 and SG.2", "SG.", send_grid), None);
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
