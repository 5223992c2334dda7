//! Names and identities, each checked where it is made.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a name was refused. The refused value is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct IdError {
    what: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $schema:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = $schema))]
        pub struct $name(#[schemars(with = "String")] Arc<str>);

        impl $name {
            /// Checks the form and takes the name.
            ///
            /// # Errors
            /// When the form is not allowed; the error names the rule, not the value.
            pub fn parse(value: &str) -> Result<Self, IdError> {
                let ok: fn(&str) -> bool = $ok;
                if ok(value) {
                    Ok(Self(value.into()))
                } else {
                    Err(IdError { what: $what, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(value: String) -> Result<Self, IdError> {
                Self::parse(&value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(value: &str) -> Result<Self, IdError> {
                Self::parse(value)
            }
        }
    };
}

macro_rules! shown {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

/// Who somebody is never reaches a log line: `Debug` prints a length and there is no `Display`.
macro_rules! hidden {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    };
}

fn is_label(value: &str) -> bool {
    (1..=63).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_personal(value: &str) -> bool {
    (1..=256).contains(&value.len()) && !value.chars().any(char::is_control)
}

name!(
    /// A bot, as it stands in subjects and policies.
    BotId, "bot", "1 to 63 of a-z, 0-9 and -", "^[a-z0-9-]{1,63}$", is_label
);
shown!(BotId);

name!(
    /// A stage: subject token, metric label and configuration key in one.
    StageName, "stage", "1 to 63 of a-z, 0-9 and -", "^[a-z0-9-]{1,63}$", is_label
);
shown!(StageName);

name!(
    /// The id of one message or answer; unique together with bot and direction.
    MessageId, "id", "1 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'",
    "^[A-Za-z0-9._:-]{1,128}$",
    |v| (1..=128).contains(&v.len())
        && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
);
shown!(MessageId);

name!(
    /// The bot's own name for the person who writes. Personal: never printed.
    SpeakerId, "speaker", "1 to 256 bytes without control characters", "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$", is_personal
);
hidden!(SpeakerId);

name!(
    /// The bot's own name for a conversation. Personal: never printed.
    ConversationId, "conversation", "1 to 256 bytes without control characters", "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$", is_personal
);
hidden!(ConversationId);

impl BotId {
    /// The bot of those who named none.
    pub fn fallback() -> Self {
        Self("default".into())
    }
}

impl MessageId {
    /// A new id, ordered by time (UUIDv7, RFC 9562).
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }
}

macro_rules! stages {
    ($($(#[$doc:meta])* $function:ident = $name:literal;)*) => {
        impl StageName {
            $($(#[$doc])* pub fn $function() -> Self { Self($name.into()) })*
        }
    };
}

stages! {
    /// What operators have ordered; enforced by ingress before the plan.
    control = "control";
    /// The conversation's state, which ingress loads; in receipts only where that failed.
    conversation = "conversation";
    /// The day's memory of verdicts; in receipts only where it was away.
    verdicts = "verdicts";
    /// The vault of placeholders, which ingress keeps; in receipts only where a message needed it.
    vault = "vault";
    /// Limits a speaker, an address or a conversation.
    rate_limit = "rate-limit";
    /// Canonical readings, secrets and personal data.
    sanitizer = "sanitizer";
    /// Prompt injection and jailbreaks.
    injection_classifier = "injection-classifier";
    /// Polarity and the tone that the bot should take.
    sentiment = "sentiment";
    /// What the bot must not say.
    moderation = "moderation";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_the_error_does_not_quote() {
        assert!(BotId::parse("shop-42").is_ok());
        for bad in ["", "Shop", "a.b", "a*", "a>", "a b", &"x".repeat(64)] {
            let error = BotId::parse(bad).unwrap_err().to_string();
            assert_eq!(error, "bot must be 1 to 63 of a-z, 0-9 and -");
        }
        assert!(MessageId::parse("order:7_A.b-c").is_ok());
        assert!(MessageId::parse("a b").is_err());
        assert!(MessageId::parse(&"x".repeat(129)).is_err());
        assert!(SpeakerId::parse("line\nbreak").is_err());
    }

    #[test]
    fn people_are_not_printed() {
        let speaker = SpeakerId::parse("jane@example.org").unwrap();
        assert_eq!(format!("{speaker:?}"), "SpeakerId(16 bytes)");
    }

    #[test]
    fn deserializing_checks_too() {
        assert!(serde_json::from_str::<BotId>("\"a.b\"").is_err());
        assert_eq!(serde_json::to_string(&BotId::fallback()).unwrap(), "\"default\"");
    }
}
