//! Where a server is, without credentials.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

/// `scheme://host:port`, or several of them with commas between. It may not hold a user or a password:
/// those have fields of their own, so that an address can be logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = r"^[a-z][a-z0-9+.-]*://[^@]+$"))]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Takes an address, or `None` where it has no scheme, no host, or holds credentials.
    pub fn parse(url: &str) -> Option<Self> {
        let fine = url.split(',').all(|one| {
            one.split_once("://").is_some_and(|(scheme, rest)| {
                scheme.starts_with(|c: char| c.is_ascii_lowercase())
                    && !rest.is_empty()
                    && !rest.contains(|c: char| c == '@' || c.is_whitespace())
            })
        });
        fine.then(|| Self(url.to_owned()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = String::deserialize(deserializer)?;
        Self::parse(&url).ok_or_else(|| {
            let expected = "scheme://host:port without user and password";
            de::Error::invalid_value(Unexpected::Other("an address"), &expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_part_of_an_address() {
        assert!(ServerUrl::parse("nats://a:4222,nats://b:4222").is_some());
        for refused in ["nats://user:pass@a:4222", "a:4222", "nats://", "nats://a b"] {
            assert!(ServerUrl::parse(refused).is_none(), "{refused}");
        }
    }
}
