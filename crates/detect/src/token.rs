//! Vendors' tokens: a literal prefix, then so many characters of one class.

use portcullis_core::Span;

use crate::bytes::{entropy, is_token, is_word, preceded, run};
use crate::{Entity, Match};

/// No token is longer; what follows is something else.
const LONGEST: usize = 512;

/// Bits a byte below which a token is a pattern in a manual (`ghp_xxxxxxxx…`) and no key.
const LEAST_ENTROPY: f64 = 2.5;

/// The form of one vendor's token.
pub(crate) struct Form {
    /// What it starts with, case as here.
    pub(crate) prefix: &'static str,
    entity: Entity,
    /// Characters after the prefix: at least, at most.
    length: (usize, usize),
    class: fn(u8) -> bool,
    confidence: f64,
}

const fn form(
    prefix: &'static str,
    entity: Entity,
    length: (usize, usize),
    class: fn(u8) -> bool,
    confidence: f64,
) -> Form {
    Form { prefix, entity, length, class, confidence }
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_dotted(byte: u8) -> bool {
    is_token(byte) || byte == b'.'
}

/// The forms as their vendors document them; where they give no length, the shortest one in use.
pub(crate) const FORMS: [Form; 24] = [
    form("AKIA", Entity::AwsKey, (16, 16), is_upper, 0.97),
    form("ASIA", Entity::AwsKey, (16, 16), is_upper, 0.97),
    form("ghp_", Entity::GithubToken, (36, LONGEST), is_alphanumeric, 0.99),
    form("gho_", Entity::GithubToken, (36, LONGEST), is_alphanumeric, 0.99),
    form("ghu_", Entity::GithubToken, (36, LONGEST), is_alphanumeric, 0.99),
    form("ghs_", Entity::GithubToken, (36, LONGEST), is_alphanumeric, 0.99),
    form("ghr_", Entity::GithubToken, (36, LONGEST), is_alphanumeric, 0.99),
    form("github_pat_", Entity::GithubToken, (40, LONGEST), is_word, 0.99),
    form("glpat-", Entity::GitlabToken, (20, LONGEST), is_dotted, 0.99),
    form("xoxa-", Entity::SlackToken, (15, LONGEST), is_token, 0.98),
    form("xoxb-", Entity::SlackToken, (15, LONGEST), is_token, 0.98),
    form("xoxe-", Entity::SlackToken, (15, LONGEST), is_token, 0.98),
    form("xoxe.", Entity::SlackToken, (15, LONGEST), is_dotted, 0.98),
    form("xoxp-", Entity::SlackToken, (15, LONGEST), is_token, 0.98),
    form("xoxr-", Entity::SlackToken, (15, LONGEST), is_token, 0.98),
    form("xoxs-", Entity::SlackToken, (15, LONGEST), is_token, 0.98),
    form("xapp-", Entity::SlackToken, (20, LONGEST), is_token, 0.98),
    form("sk_live_", Entity::StripeKey, (16, LONGEST), is_alphanumeric, 0.99),
    form("rk_live_", Entity::StripeKey, (16, LONGEST), is_alphanumeric, 0.99),
    form("sk-", Entity::OpenaiKey, (32, LONGEST), is_token, 0.9),
    form("sk-ant-", Entity::AnthropicKey, (24, LONGEST), is_token, 0.99),
    form("AIza", Entity::GoogleKey, (35, 35), is_token, 0.98),
    form("npm_", Entity::NpmToken, (36, 36), is_alphanumeric, 0.99),
    form("pypi-AgE", Entity::PypiToken, (40, LONGEST), is_token, 0.99),
];

impl Form {
    /// The token that starts at `start`, where the prefix was seen in whatever case.
    pub(crate) fn at(&self, text: &[u8], start: usize) -> Option<Match> {
        let body = start + self.prefix.len();
        let (least, most) = self.length;
        if text.get(start..body)? != self.prefix.as_bytes() || preceded(text, start, is_token) {
            return None;
        }
        // one more than allowed is read, so that a longer word is not cut to size
        let mut end = run(text, body, most + 1, self.class);
        while end > body && matches!(text.get(end - 1), Some(b'.' | b'-')) {
            end -= 1;
        }
        let value = text.get(body..end)?;
        let is_key = (least..=most).contains(&value.len())
            && value.iter().any(u8::is_ascii_digit)
            && entropy(value) >= LEAST_ENTROPY;
        let span = Span { start, end };
        is_key.then_some(Match { entity: self.entity, span, confidence: self.confidence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Option<(Entity, &str)> {
        FORMS
            .iter()
            .filter_map(|form| form.at(text.as_bytes(), text.find(form.prefix)?))
            .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
            .map(|hit| (hit.entity, &text[hit.span.start..hit.span.end]))
    }

    #[test]
    fn each_vendor_has_its_form() {
        let body = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2";
        for (entity, value) in [
            (Entity::AwsKey, "AKIAIOSFODNN7EXAMPLE".to_owned()),
            (Entity::AwsKey, "ASIAY34FZKBOKMUTVV7A".to_owned()),
            (Entity::GithubToken, format!("ghp_{body}")),
            (Entity::GithubToken, format!("gho_{body}")),
            (Entity::GithubToken, format!("github_pat_11ABCDEFG0{body}")),
            (Entity::GitlabToken, "glpat-x7Yz_Qw3-Rt5Uv8Kp2Lm".to_owned()),
            (Entity::SlackToken, format!("xoxb-{}-{}", "2345678901", "aBcDeFgHiJkLmNoP")),
            (Entity::StripeKey, format!("sk_live_{}", &body[..24])),
            (Entity::StripeKey, format!("rk_live_{}", &body[..24])),
            (Entity::OpenaiKey, format!("sk-{body}")),
            (Entity::OpenaiKey, format!("sk-proj-{body}_{body}")),
            (Entity::AnthropicKey, format!("sk-ant-api03-{body}-{body}")),
            (Entity::GoogleKey, format!("AIza{}", &body[..35])),
            (Entity::NpmToken, format!("npm_{body}")),
            (Entity::PypiToken, format!("pypi-AgEIcHlwaS5vcmc{body}")),
        ] {
            for text in [value.clone(), format!("key={value}."), format!("use “{value}” now")] {
                assert_eq!(token(&text), Some((entity, value.as_str())), "{text}");
            }
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in [
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "akiaiosfodnn7example",
            "AKIAIOSFODNN7EXAMPLEX",
            "a task-oriented-approach-with-many-words-2024-edition",
            "sk-learn-is-a-nice-library-that-is-long-enough",
            "npm_config_registry",
            "pypi-server",
            "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        ] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
