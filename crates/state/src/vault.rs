//! The vault: values that were masked reversibly, kept sealed for the one conversation that brought them in.
//!
//! `Vault` is the port of its store, which sees keyed hashes and sealed bytes alone; `Keeper` seals and opens.
//! Each conversation of each bot has keys of its own, drawn by HKDF from the master secret, so that what one
//! conversation keeps can be found, opened or compared by no other, whoever holds the store.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::BotId;

use crate::{Sealer, StateError};

/// Values kept for each conversation; what comes after is not kept.
pub const VAULT_VALUES: usize = 256;
/// The longest value that is kept, in bytes.
pub const VAULT_BYTES: usize = 4 * 1024;

/// A value on its way into the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrusted {
    /// What it is, such as `EMAIL`. Numbers are counted for each entity apart.
    pub entity: String,
    /// The names that the value may be known by, the newest first; it is stored under the newest.
    pub hashes: Vec<String>,
    /// The value, sealed.
    pub sealed: Vec<u8>,
}

/// A value as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub entity: String,
    /// Its number among those of its entity, from 1.
    pub number: u32,
    /// The name that it is known by.
    pub hash: String,
    /// The value, sealed.
    pub sealed: Vec<u8>,
}

/// Keeps sealed values. `key` is made by the caller, hashed, and stored as it is.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Gives each value its number, in one atomic step: a value that is known by one of its names gets the
    /// number that it has, whoever asks; another the next of its entity, while there is room for
    /// [`VAULT_VALUES`]. `None` for a value that was not kept. All of the conversation's values are kept for
    /// `ttl` from now.
    ///
    /// # Errors
    /// [`StateError::Away`]; whether the values are kept is then unknown.
    async fn entrust(
        &self,
        bot: &BotId,
        key: &str,
        values: &[Entrusted],
        ttl: Duration,
    ) -> Result<Vec<Option<u32>>, StateError>;

    /// Every value that is kept for a conversation, in no order.
    ///
    /// # Errors
    /// [`StateError::Away`].
    async fn all(&self, bot: &BotId, key: &str) -> Result<Vec<Kept>, StateError>;
}

/// What a conversation has in the vault, opened.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Each value by its entity and number.
    pub values: HashMap<(String, u32), String>,
    /// How many could not be opened: changed in the store, or sealed under a secret that is not here.
    pub broken: usize,
}

/// By hand: values are nobody's to print.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} values, {} broken)", self.values.len(), self.broken)
    }
}

/// Seals values into the vault and opens them for the conversation that brought them in.
#[derive(Clone)]
pub struct Keeper {
    vault: Arc<dyn Vault>,
    sealer: Arc<Sealer>,
}

impl Keeper {
    /// Keeps values in `vault`, sealed by `sealer`.
    pub fn new(vault: Arc<dyn Vault>, sealer: Arc<Sealer>) -> Self {
        Self { vault, sealer }
    }

    /// Gives each value, by entity, its number in the conversation; `None` where it is not kept because it
    /// is too long or the conversation has too many.
    ///
    /// # Errors
    /// [`StateError::Away`].
    pub async fn entrust(
        &self,
        bot: &BotId,
        conversation: &str,
        values: &[(&str, &str)],
        ttl: Duration,
    ) -> Result<Vec<Option<u32>>, StateError> {
        let context = context(bot, conversation);
        let mut entrusted = Vec::with_capacity(values.len());
        let mut fits = Vec::with_capacity(values.len());
        for (entity, value) in values {
            let sealed = (value.len() <= VAULT_BYTES).then(|| self.seal(&context, entity, value));
            fits.push(sealed.is_some());
            entrusted.extend(sealed.transpose()?);
        }
        if entrusted.is_empty() {
            return Ok(vec![None; values.len()]);
        }
        let numbers = self.vault.entrust(bot, conversation, &entrusted, ttl).await?;
        let mut numbers = numbers.into_iter();
        Ok(fits
            .into_iter()
            .map(|fits| if fits { numbers.next().flatten() } else { None })
            .collect())
    }

    /// Every value of the conversation.
    ///
    /// # Errors
    /// [`StateError::Away`].
    pub async fn open(&self, bot: &BotId, conversation: &str) -> Result<Opened, StateError> {
        let context = context(bot, conversation);
        let mut opened = Opened::default();
        for kept in self.vault.all(bot, conversation).await? {
            let aad = aad(&kept.entity, &kept.hash);
            let plain = self.sealer.open(&context, &aad, &kept.sealed).ok();
            match plain.and_then(|plain| String::from_utf8(plain).ok()) {
                Some(value) => {
                    opened.values.insert((kept.entity, kept.number), value);
                }
                None => opened.broken += 1,
            }
        }
        Ok(opened)
    }

    fn seal(&self, context: &str, entity: &str, value: &str) -> Result<Entrusted, StateError> {
        let named = format!("{entity}\0{value}");
        let hashes = self.sealer.keyed_hashes(context, &named);
        let newest = hashes.first().map(String::as_str).unwrap_or_default();
        let sealed = self
            .sealer
            .seal(context, &aad(entity, newest), value.as_bytes())
            .map_err(|_| StateError::Away)?;
        Ok(Entrusted { entity: entity.to_owned(), hashes, sealed })
    }
}

/// The context whose keys seal and name a conversation's values.
fn context(bot: &BotId, conversation: &str) -> String {
    format!("vault/{bot}/{conversation}")
}

/// Ties a sealed value to its entity and its name, so that the store cannot put one in the place of another.
fn aad(entity: &str, hash: &str) -> Vec<u8> {
    format!("{entity}\0{hash}").into_bytes()
}
