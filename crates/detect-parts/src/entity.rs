//! What can be found: names, labels, finding kinds, and how bad each one is.

use std::borrow::Cow;

use portcullis_core::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! entities {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $kind:literal, $label:literal;)*) => {
        /// A sort of value that the detectors know.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Entity {
            $($(#[$doc])* $variant,)*
        }

        impl Entity {
            /// Every entity, in a fixed order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name used in settings, such as `aws_key`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The finding kind, such as `pii.email` or `secret.aws_key`.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$variant => concat!($kind, ".", $name),)* }
            }

            /// What stands in the place of a masked value, such as `EMAIL`.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

entities! {
    /// An e-mail address with an ASCII local part and a domain of at least two labels.
    Email = "email", "pii", "EMAIL";
    /// A payment card number of a known issuer range that passes the Luhn check.
    Card = "card", "pii", "CARD";
    /// A telephone number: international, of the North American plan, or named as one.
    Phone = "phone", "pii", "PHONE";
    /// An IBAN with the length of its country and the right check digits.
    Iban = "iban", "pii", "IBAN";
    /// A social security or taxpayer number of the United States.
    UsSsn = "us_ssn", "pii", "US_SSN";
    /// An identity, tax or health number of another country with the right check digits.
    NationalId = "national_id", "pii", "NATIONAL_ID";
    /// A public IPv4 or IPv6 address.
    IpAddress = "ip_address", "pii", "IP_ADDRESS";
    /// A MAC address.
    MacAddress = "mac_address", "pii", "MAC_ADDRESS";
    /// A street address with a postal code, of the United States or Germany.
    PostalAddress = "postal_address", "pii", "POSTAL_ADDRESS";
    /// A date after words such as "born on".
    BirthDate = "birth_date", "pii", "BIRTH_DATE";
    /// An AWS access key id (`AKIA…`, `ASIA…`), or the secret beside it.
    AwsKey = "aws_key", "secret", "AWS_KEY";
    /// A GitHub token (`ghp_…`, `gho_…`, `ghu_…`, `ghs_…`, `ghr_…`, `github_pat_…`).
    GithubToken = "github_token", "secret", "GITHUB_TOKEN";
    /// A GitLab personal access token (`glpat-…`).
    GitlabToken = "gitlab_token", "secret", "GITLAB_TOKEN";
    /// A Slack token (`xoxb-…` and its kin, `xapp-…`).
    SlackToken = "slack_token", "secret", "SLACK_TOKEN";
    /// A live Stripe key (`sk_live_…`, `rk_live_…`).
    StripeKey = "stripe_key", "secret", "STRIPE_KEY";
    /// An OpenAI key (`sk-…`, `sk-proj-…`), or another vendor's key of the same form.
    OpenaiKey = "openai_key", "secret", "OPENAI_KEY";
    /// An Anthropic key (`sk-ant-…`).
    AnthropicKey = "anthropic_key", "secret", "ANTHROPIC_KEY";
    /// A Google API key (`AIza…`).
    GoogleKey = "google_key", "secret", "GOOGLE_KEY";
    /// A JSON Web Token whose header decodes to JSON with `alg`.
    Jwt = "jwt", "secret", "JWT";
    /// A private key in PEM form, also one whose end is missing.
    PrivateKey = "private_key", "secret", "PRIVATE_KEY";
    /// An npm access token (`npm_…`).
    NpmToken = "npm_token", "secret", "NPM_TOKEN";
    /// A PyPI upload token (`pypi-…`).
    PypiToken = "pypi_token", "secret", "PYPI_TOKEN";
    /// A key or token of a cloud, hosting or infrastructure service (Azure, DigitalOcean, Databricks, Vault, …).
    CloudKey = "cloud_key", "secret", "CLOUD_KEY";
    /// A token of a service for developers (Docker, Atlassian, Hugging Face, Grafana, Sentry, …).
    DeveloperToken = "developer_token", "secret", "DEVELOPER_TOKEN";
    /// A token or webhook of a service that sends messages (Telegram, Discord, SendGrid, Twilio, …).
    MessagingToken = "messaging_token", "secret", "MESSAGING_TOKEN";
    /// A key of a payment or shop service (Square, Shopify, Braintree, …).
    PaymentKey = "payment_key", "secret", "PAYMENT_KEY";
    /// The value of an assignment such as `password=…` or `api_key: …`.
    Credential = "credential", "secret", "CREDENTIAL";
    /// User and password inside a URL (`scheme://user:password@host`).
    ConnectionString = "connection_string", "secret", "CONNECTION_STRING";
}

impl Entity {
    /// Whether it grants access, rather than says who somebody is.
    pub fn is_secret(self) -> bool {
        self.kind().starts_with("secret.")
    }

    /// Whether a bot often has it from its own company: a telephone number, the address of a place or of a
    /// machine.
    pub fn is_often_public(self) -> bool {
        matches!(self, Self::Phone | Self::IpAddress | Self::MacAddress | Self::PostalAddress)
    }

    /// How bad it is that somebody wrote it in a message.
    pub fn severity(self) -> Severity {
        match self {
            Self::Email
            | Self::Phone
            | Self::IpAddress
            | Self::MacAddress
            | Self::PostalAddress
            | Self::BirthDate => Severity::Low,
            Self::Card | Self::Iban | Self::UsSsn | Self::NationalId => Severity::Medium,
            _ => Severity::High,
        }
    }

    /// The form in which equal values are equal: e-mail addresses in lower case, cards and telephone numbers as
    /// digits, other numbers without their separators.
    pub fn normalise(self, value: &str) -> Cow<'_, str> {
        match self {
            Self::Email => Cow::Owned(value.to_ascii_lowercase()),
            Self::Card | Self::Phone | Self::UsSsn => {
                Cow::Owned(value.chars().filter(char::is_ascii_digit).collect())
            }
            Self::Iban | Self::NationalId | Self::MacAddress => Cow::Owned(
                value
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|c| c.to_ascii_lowercase())
                    .collect(),
            ),
            _ => Cow::Borrowed(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_name_is_the_name_on_the_wire() {
        for entity in Entity::ALL {
            assert_eq!(serde_json::to_value(entity).unwrap(), entity.name());
            assert_eq!(entity.kind().starts_with("secret."), entity.is_secret());
            assert_eq!(entity.label(), entity.name().to_uppercase());
        }
    }
}
