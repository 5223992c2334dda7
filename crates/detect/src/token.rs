//! Vendors' tokens: a literal prefix, then so many characters of one class.

use portcullis_core::Span;

use crate::bytes::{entropy, is_token, is_word, preceded, run};
use crate::whole::LONGEST;
use crate::{Entity, Match};

/// Bits a byte below which a token is a pattern in a manual (`ghp_xxxxxxxx…`) and no key.
const LEAST_ENTROPY: f64 = 2.5;

/// The form of one vendor's token.
pub(crate) struct Form {
    /// What it starts with, case as here.
    pub(crate) prefix: &'static str,
    entity: Entity,
    /// Characters after the prefix: at least, at most. [`LONGEST`] is no end.
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

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_hex_dash(byte: u8) -> bool {
    is_hex(byte) || byte == b'-'
}

fn is_equals(byte: u8) -> bool {
    is_token(byte) || byte == b'=' || byte == b'%'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_any_base64(byte: u8) -> bool {
    is_base64(byte) || is_token(byte)
}

fn is_braintree(byte: u8) -> bool {
    is_lower(byte) || byte == b'$'
}

fn is_dotted(byte: u8) -> bool {
    is_token(byte) || byte == b'.'
}

/// The forms as their vendors document them; where they give no length, the shortest one in use.
pub(crate) const FORMS: [Form; 142] = [
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
    form("dckr_pat_", Entity::DeveloperToken, (27, LONGEST), is_token, 0.97),
    form("dckr_oat_", Entity::DeveloperToken, (27, LONGEST), is_token, 0.97),
    form("rubygems_", Entity::DeveloperToken, (48, 48), is_alphanumeric, 0.97),
    form("oy2", Entity::DeveloperToken, (43, 43), is_lower, 0.93),
    form("ATATT3", Entity::DeveloperToken, (180, LONGEST), is_equals, 0.97),
    form("ATCTT3", Entity::DeveloperToken, (180, LONGEST), is_equals, 0.97),
    form("ATBB", Entity::DeveloperToken, (32, 32), is_alphanumeric, 0.97),
    form("PMAK-", Entity::DeveloperToken, (59, 59), is_token, 0.97),
    form("lin_api_", Entity::DeveloperToken, (40, 40), is_alphanumeric, 0.97),
    form("ntn_", Entity::DeveloperToken, (46, 46), is_alphanumeric, 0.97),
    form("figd_", Entity::DeveloperToken, (40, LONGEST), is_token, 0.97),
    form("sntrys_", Entity::DeveloperToken, (40, LONGEST), is_equals, 0.97),
    form("sntryu_", Entity::DeveloperToken, (64, 64), is_hex, 0.97),
    form("glc_", Entity::DeveloperToken, (32, LONGEST), is_equals, 0.97),
    form("glsa_", Entity::DeveloperToken, (41, 41), is_word, 0.97),
    form("NRAK-", Entity::DeveloperToken, (27, 27), is_upper, 0.97),
    form("NRJS-", Entity::DeveloperToken, (19, 19), is_hex, 0.97),
    form("dt0c01.", Entity::DeveloperToken, (80, LONGEST), is_dotted, 0.97),
    form("tfp_", Entity::DeveloperToken, (59, 59), is_dotted, 0.97),
    form("rdme_", Entity::DeveloperToken, (70, 70), is_lower, 0.97),
    form("pnu_", Entity::DeveloperToken, (36, 36), is_alphanumeric, 0.97),
    form("hf_", Entity::DeveloperToken, (34, 40), is_alphanumeric, 0.93),
    form("api_org_", Entity::DeveloperToken, (34, 40), is_alphanumeric, 0.97),
    form("r8_", Entity::DeveloperToken, (37, 37), is_alphanumeric, 0.93),
    form("gsk_", Entity::DeveloperToken, (48, 56), is_alphanumeric, 0.97),
    form("xai-", Entity::DeveloperToken, (70, 90), is_alphanumeric, 0.97),
    form("pplx-", Entity::DeveloperToken, (48, 56), is_alphanumeric, 0.97),
    form("sk-or-v1-", Entity::DeveloperToken, (64, 64), is_hex, 0.97),
    form("CLOJARS_", Entity::DeveloperToken, (60, 60), is_alphanumeric, 0.97),
    form("AKCp", Entity::DeveloperToken, (69, 73), is_alphanumeric, 0.97),
    form("cmVmd", Entity::DeveloperToken, (59, 64), is_alphanumeric, 0.97),
    form("cio", Entity::DeveloperToken, (32, 32), is_alphanumeric, 0.93),
    form("bkua_", Entity::DeveloperToken, (40, 40), is_hex, 0.97),
    form("CCIPAT_", Entity::DeveloperToken, (60, LONGEST), is_token, 0.97),
    form("CCIPRJ_", Entity::DeveloperToken, (60, LONGEST), is_token, 0.97),
    form("sgp_", Entity::DeveloperToken, (40, LONGEST), is_word, 0.97),
    form("squ_", Entity::DeveloperToken, (40, 40), is_hex, 0.97),
    form("sqp_", Entity::DeveloperToken, (40, 40), is_hex, 0.97),
    form("sqa_", Entity::DeveloperToken, (40, 40), is_hex, 0.97),
    form("phx_", Entity::DeveloperToken, (43, 48), is_token, 0.97),
    form("glptt-", Entity::GitlabToken, (40, 40), is_hex, 0.97),
    form("gldt-", Entity::GitlabToken, (20, LONGEST), is_dotted, 0.97),
    form("glrt-", Entity::GitlabToken, (20, LONGEST), is_dotted, 0.97),
    form("gloas-", Entity::GitlabToken, (64, 64), is_hex, 0.97),
    form("glcbt-", Entity::GitlabToken, (20, LONGEST), is_dotted, 0.97),
    form("pat-na1-", Entity::DeveloperToken, (36, 36), is_token, 0.97),
    form("pat-eu1-", Entity::DeveloperToken, (36, 36), is_token, 0.97),
    form("rnd_", Entity::DeveloperToken, (32, 32), is_alphanumeric, 0.97),
    form("EAAC", Entity::DeveloperToken, (80, LONGEST), is_alphanumeric, 0.97),
    form("IGQV", Entity::DeveloperToken, (80, LONGEST), is_token, 0.97),
    form("lsv2_pt_", Entity::DeveloperToken, (43, 43), is_word, 0.97),
    form("lsv2_sk_", Entity::DeveloperToken, (43, 43), is_word, 0.97),
    form("pul-", Entity::DeveloperToken, (40, 40), is_hex, 0.97),
    form("secret_", Entity::DeveloperToken, (43, 43), is_alphanumeric, 0.97),
    form("nvapi-", Entity::DeveloperToken, (64, 70), is_token, 0.97),
    form("tvly-", Entity::DeveloperToken, (32, 40), is_token, 0.97),
    form("jina_", Entity::DeveloperToken, (60, 64), is_token, 0.97),
    form("e2b_", Entity::DeveloperToken, (40, 40), is_hex, 0.97),
    form("pcsk_", Entity::DeveloperToken, (60, 80), is_word, 0.97),
    form("fw_", Entity::DeveloperToken, (24, 24), is_alphanumeric, 0.93),
    form("pat", Entity::DeveloperToken, (79, 79), is_dotted, 0.97),
    form("dop_v1_", Entity::CloudKey, (64, 64), is_hex, 0.97),
    form("doo_v1_", Entity::CloudKey, (64, 64), is_hex, 0.97),
    form("dor_v1_", Entity::CloudKey, (64, 64), is_hex, 0.97),
    form("HRKU-", Entity::CloudKey, (36, 64), is_token, 0.97),
    form("LTAI", Entity::CloudKey, (12, 26), is_alphanumeric, 0.97),
    form("AKID", Entity::CloudKey, (32, 36), is_alphanumeric, 0.97),
    form("fo1_", Entity::CloudKey, (43, 43), is_token, 0.97),
    form("fm2_", Entity::CloudKey, (100, LONGEST), is_any_base64, 0.97),
    form("nfp_", Entity::CloudKey, (36, 40), is_alphanumeric, 0.97),
    form("dapi", Entity::CloudKey, (32, 34), is_hex_dash, 0.97),
    form("dp.pt.", Entity::CloudKey, (43, 43), is_alphanumeric, 0.97),
    form("dp.st.", Entity::CloudKey, (40, 60), is_dotted, 0.97),
    form("pscale_tkn_", Entity::CloudKey, (32, 64), is_dotted, 0.97),
    form("pscale_pw_", Entity::CloudKey, (32, 64), is_dotted, 0.97),
    form("pscale_oauth_", Entity::CloudKey, (32, 64), is_dotted, 0.97),
    form("hvs.", Entity::CloudKey, (24, LONGEST), is_token, 0.97),
    form("hvb.", Entity::CloudKey, (138, LONGEST), is_token, 0.97),
    form("ico-", Entity::CloudKey, (32, 32), is_alphanumeric, 0.97),
    form("s.", Entity::CloudKey, (24, 24), is_alphanumeric, 0.9),
    form("AQVN", Entity::CloudKey, (35, 38), is_token, 0.93),
    form("sb_secret_", Entity::CloudKey, (31, 31), is_token, 0.97),
    form("sbp_", Entity::CloudKey, (40, 40), is_hex, 0.97),
    form("v1.0-", Entity::CloudKey, (146, LONGEST), is_hex_dash, 0.97),
    form("SCW", Entity::CloudKey, (17, 17), is_upper, 0.97),
    form("ABIA", Entity::AwsKey, (16, 16), is_upper, 0.97),
    form("ACCA", Entity::AwsKey, (16, 16), is_upper, 0.97),
    form("tskey-auth-", Entity::CloudKey, (20, LONGEST), is_token, 0.97),
    form("tskey-api-", Entity::CloudKey, (20, LONGEST), is_token, 0.97),
    form("tskey-client-", Entity::CloudKey, (20, LONGEST), is_token, 0.97),
    form("ops_eyJ", Entity::CloudKey, (100, LONGEST), is_equals, 0.97),
    form("rpa_", Entity::CloudKey, (40, 48), is_upper, 0.97),
    form("napi_", Entity::CloudKey, (60, 70), is_alphanumeric, 0.97),
    form("re_", Entity::MessagingToken, (33, 33), is_word, 0.96),
    form("xkeysib-", Entity::MessagingToken, (81, 81), is_token, 0.96),
    form("key-", Entity::MessagingToken, (32, 32), is_hex, 0.96),
    form("xoxc-", Entity::SlackToken, (15, LONGEST), is_token, 0.96),
    form("xoxd-", Entity::SlackToken, (15, LONGEST), is_equals, 0.96),
    form("sq0atp-", Entity::PaymentKey, (22, 22), is_token, 0.98),
    form("sq0csp-", Entity::PaymentKey, (43, 43), is_token, 0.98),
    form("EAAA", Entity::PaymentKey, (56, 64), is_token, 0.98),
    form("access_token$production$", Entity::PaymentKey, (49, 49), is_braintree, 0.98),
    form("shpat_", Entity::PaymentKey, (32, 32), is_hex, 0.98),
    form("shpca_", Entity::PaymentKey, (32, 32), is_hex, 0.98),
    form("shppa_", Entity::PaymentKey, (32, 32), is_hex, 0.98),
    form("shpss_", Entity::PaymentKey, (32, 32), is_hex, 0.98),
    form("FLWSECK-", Entity::PaymentKey, (32, 40), is_token, 0.98),
    form("rzp_live_", Entity::PaymentKey, (14, 14), is_alphanumeric, 0.98),
    form("access-production-", Entity::PaymentKey, (36, 36), is_hex_dash, 0.98),
    form("EZAK", Entity::PaymentKey, (54, 54), is_alphanumeric, 0.98),
    form("duffel_live_", Entity::PaymentKey, (43, 43), is_token, 0.98),
    form("shippo_live_", Entity::PaymentKey, (40, 40), is_hex, 0.98),
    form("whsec_", Entity::StripeKey, (32, LONGEST), is_base64, 0.98),
    form("sk_prod_", Entity::StripeKey, (16, LONGEST), is_alphanumeric, 0.98),
    form("GOCSPX-", Entity::GoogleKey, (28, 28), is_token, 0.98),
    form("1//0", Entity::GoogleKey, (40, LONGEST), is_token, 0.95),
    form("ya29.", Entity::GoogleKey, (50, LONGEST), is_token, 0.98),
    form("AGE-SECRET-KEY-1", Entity::PrivateKey, (58, 58), is_upper, 0.98),
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
        let is_key = value.len() >= least
            && (value.len() <= most || most == LONGEST)
            && self.has_parts(value)
            && (value.iter().any(u8::is_ascii_digit) || is_random(value))
            && entropy(value) >= LEAST_ENTROPY;
        let span = Span { start, end };
        is_key.then_some(Match { entity: self.entity, span, confidence: self.sureness(value) })
    }
}

/// Whether capitals and small letters are mixed with two groups of digits, as in no name of a function.
fn is_mixed(value: &[u8]) -> bool {
    value.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).count() >= 4
        && value.iter().any(u8::is_ascii_uppercase)
        && value.iter().any(u8::is_ascii_lowercase)
}

/// Whether letters alone look drawn by chance: no words joined by signs, and as many different ones as few
/// words have.
fn is_random(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_alphabetic) && entropy(value) >= 3.2
}

impl Form {
    /// Whether the parts are right where a short prefix alone says little.
    fn has_parts(&self, body: &[u8]) -> bool {
        match self.prefix {
            "s." => is_mixed(body),
            "re_" => body.get(8) == Some(&b'_') && is_mixed(body),
            "pat" => body.get(14) == Some(&b'.') && body.iter().skip(15).all(|b| is_hex(*b)),
            _ => true,
        }
    }

    /// How sure a token is. Where check digits are wrong it is made up, or older than they are.
    fn sureness(&self, body: &[u8]) -> f64 {
        let has_check = matches!(self.prefix, "ghp_" | "gho_" | "ghu_" | "ghs_" | "ghr_" | "npm_");
        match has_check && !(body.len() == 36 && crate::services::has_checksum(body)) {
            true => 0.85,
            false => self.confidence,
        }
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
            (Entity::DeveloperToken, "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH".to_owned()),
            (Entity::PypiToken, format!("pypi-AgEIcHlwaS5vcmc{body}")),
            (Entity::GoogleKey, format!("1//0g{body}-{body}")),
            (Entity::DeveloperToken, format!("pcsk_{}_{body}{}", &body[..6], &body[..27])),
            (Entity::DeveloperToken, format!("fw_{}", &body[..24])),
            (
                Entity::DeveloperToken,
                format!("pat{}.{}", &body[..14], "0123456789abcdef".repeat(4)),
            ),
            (Entity::MessagingToken, format!("re_{}_{}", &body[..8], &body[..24])),
            (Entity::CloudKey, format!("s.{}", &body[..24])),
            (Entity::CloudKey, format!("AQVN{}", &body[..35])),
            (Entity::CloudKey, format!("sb_secret_{}_{}", &body[..22], &body[..8])),
            (Entity::CloudKey, format!("fm2_{body}/{body}+{body}")),
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
            "s.getElementsByTagNameOf12",
            "s.thisfunctionisnotatoken1",
            "re_compile_all_patterns_of_file_12x",
            "pattern.0123456789abcdef0123456789abcdef",
            "fw_version_1_of_the_firmware_x",
        ] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
