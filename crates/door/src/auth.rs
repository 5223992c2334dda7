//! Who may ask: API keys, of which only the hashes are kept.

use std::borrow::Cow;
use std::fmt;

use portcullis_core::BotId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// The SHA-256 of a key in hex. Keys are long and random, so a plain hash is enough.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHash([u8; 32]);

impl JsonSchema for KeyHash {
    fn schema_name() -> Cow<'static, str> {
        "KeyHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F]{64}$",
            "description": "The SHA-256 of a key in hex. Keys are long and random, so a plain hash is enough.",
        })
    }
}

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for KeyHash {
    type Error = &'static str;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        let wrong = "a key hash must be 64 hex digits: the SHA-256 of the key";
        let mut hash = [0; 32];
        if hex.len() != 64 {
            return Err(wrong);
        }
        for (index, byte) in hash.iter_mut().enumerate() {
            let digits = hex.get(index * 2..index * 2 + 2).ok_or(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
        }
        Ok(Self(hash))
    }
}

/// The keys of one bot: two at a time, so that they can be changed without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BotKeys {
    /// The bot.
    pub bot: BotId,
    /// SHA-256 of each valid key, in hex; at most two.
    pub sha256: Vec<KeyHash>,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything, as any bot: nobody is asked for a key here.
    Open,
    /// One bot's messages.
    Bot(BotId),
    /// What operators do; no messages.
    Operator,
}

impl Access {
    /// The bot that is meant, given the one that was named.
    ///
    /// # Errors
    /// 403 where the key is for another.
    pub fn bot(&self, named: Option<&BotId>) -> Result<BotId, Problem> {
        match (self, named) {
            (Self::Open, named) => Ok(named.cloned().unwrap_or_else(BotId::fallback)),
            (Self::Bot(own), None) => Ok(own.clone()),
            (Self::Bot(own), Some(named)) if own == named => Ok(own.clone()),
            (Self::Bot(_), Some(_)) => {
                Err(Problem::forbidden("this key belongs to another bot").field("bot"))
            }
            (Self::Operator, _) => {
                Err(Problem::forbidden("an operator's key is not for messages of bots"))
            }
        }
    }

    /// Whether this caller may order and review.
    ///
    /// # Errors
    /// 403 where it may not.
    pub fn operator(&self) -> Result<(), Problem> {
        match self {
            Self::Open | Self::Operator => Ok(()),
            Self::Bot(_) => Err(Problem::forbidden("a bot's key is not for operators")),
        }
    }
}

/// All keys of a door.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    all: Vec<(KeyHash, Access)>,
}

impl Keys {
    /// The keys of bots and of operators.
    ///
    /// # Errors
    /// Where somebody has more than two keys, or one key stands twice: whose would it be?
    pub fn new(bots: &[BotKeys], operators: &[KeyHash]) -> Result<Self, String> {
        if operators.len() > 2 {
            return Err("operator_keys: at most two, so that one can be changed".into());
        }
        let mut all: Vec<(KeyHash, Access)> = Vec::new();
        for keys in bots {
            let before = all.iter().filter(|(_, access)| *access == Access::Bot(keys.bot.clone()));
            if before.count() + keys.sha256.len() > 2 {
                return Err(format!("keys: bot {} has more than two", keys.bot));
            }
            all.extend(
                keys.sha256.iter().map(|hash| (hash.clone(), Access::Bot(keys.bot.clone()))),
            );
        }
        all.extend(operators.iter().map(|hash| (hash.clone(), Access::Operator)));
        for (index, (hash, access)) in all.iter().enumerate() {
            if all.iter().skip(index + 1).any(|(other, _)| other == hash) {
                return Err(match access {
                    Access::Bot(bot) => format!("keys: a key of bot {bot} stands there twice"),
                    _ => "operator_keys: a key stands there twice".into(),
                });
            }
        }
        Ok(Self { all })
    }

    /// Whether nobody is asked for a key.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The bots that have a key.
    pub fn bots(&self) -> impl Iterator<Item = &BotId> {
        self.all.iter().filter_map(|(_, access)| match access {
            Access::Bot(bot) => Some(bot),
            _ => None,
        })
    }

    /// What the holder of a key may do. Every stored hash is compared, each in constant time.
    ///
    /// # Errors
    /// 401 where keys are asked for and this is none of them.
    pub fn identify(&self, key: Option<&str>) -> Result<Access, Problem> {
        if self.is_empty() {
            return Ok(Access::Open);
        }
        let key = key.ok_or_else(|| {
            Problem::unauthorized(
                "send the key as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'",
            )
        })?;
        let given = KeyHash::of(key);
        let mut found = None;
        for (hash, access) in &self.all {
            if bool::from(hash.0.ct_eq(&given.0)) {
                found = Some(access);
            }
        }
        found.cloned().ok_or_else(|| Problem::unauthorized("this key is not known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_own_bot_and_two_are_valid_at_a_time() {
        let shop = BotId::parse("shop").unwrap();
        let keys = |hashes: &[&str]| BotKeys {
            bot: shop.clone(),
            sha256: hashes.iter().map(|key| KeyHash::of(key)).collect(),
        };
        let known = Keys::new(&[keys(&["old", "new"])], &[KeyHash::of("ops")]).unwrap();
        for key in ["old", "new"] {
            assert_eq!(known.identify(Some(key)).unwrap(), Access::Bot(shop.clone()));
        }
        assert_eq!(known.identify(Some("ops")).unwrap(), Access::Operator);
        assert_eq!(known.identify(Some("older")).unwrap_err().status, 401);
        assert_eq!(known.identify(None).unwrap_err().status, 401);
        let access = Access::Bot(shop.clone());
        assert_eq!(access.bot(None).unwrap(), shop);
        assert_eq!(access.bot(Some(&BotId::fallback())).unwrap_err().status, 403);
        assert!(Keys::new(&[keys(&["a", "b"]), keys(&["c"])], &[]).is_err());
        assert_eq!(Keys::default().identify(None).unwrap(), Access::Open);
    }

    #[test]
    fn hashes_are_read_and_not_shown() {
        let hash = KeyHash::of("k");
        let hex = String::from(hash.clone());
        assert_eq!(KeyHash::try_from(hex).unwrap(), hash);
        assert!(KeyHash::try_from("zz".repeat(32)).is_err());
        assert_eq!(format!("{hash:?}"), "KeyHash");
    }
}
