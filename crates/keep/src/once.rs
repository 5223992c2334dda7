//! One verdict for one id: a day's memory of verdicts, sealed, kept by compare-and-set.

use std::sync::Arc;

use portcullis_bus::{Kv, KvError};
use portcullis_core::{BotId, Direction, Entry, Interaction, MessageId, ResolutionRecord, Verdict};
use portcullis_state::Sealer;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use portcullis_door::Problem;

/// What is remembered of an id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    /// Keyed digest of the request.
    pub digest: String,
    /// The verdict, with its text.
    pub verdict: Verdict,
    /// The entry of the record, so that whoever finds it missing can write it.
    pub entry: Entry,
}

/// The memory. Cheap to clone.
#[derive(Clone)]
pub struct Once {
    kv: Arc<dyn Kv>,
    sealer: Arc<Sealer>,
}

/// How an attempt to be the first ended.
pub enum First {
    /// This verdict is the one.
    Mine,
    /// Another was first, with the same request: that verdict is the one.
    Theirs(Box<Remembered>),
}

/// A key for an id, in the characters that stores and subjects allow.
pub fn key(direction: Direction, id: &MessageId) -> String {
    let digest = Sha256::digest(format!("{}/{id}", direction.as_str()));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Once {
    /// Remembers in `kv`, sealed.
    pub fn new(kv: Arc<dyn Kv>, sealer: Arc<Sealer>) -> Self {
        Self { kv, sealer }
    }

    /// A keyed digest of everything in a request but its id and time.
    pub fn digest(&self, interaction: &Interaction) -> String {
        let Interaction { direction, speaker, conversation, client_addr, in_reply_to, .. } =
            interaction;
        let mut parts = vec![
            direction.as_str().to_owned(),
            format!("{:?}", speaker.as_ref().map(|name| name.as_str())),
            format!("{:?}", conversation.as_ref().map(|name| name.as_str())),
            format!("{client_addr:?} {in_reply_to:?}"),
            interaction.text.expose().to_owned(),
        ];
        for item in &interaction.context {
            parts.push(format!("{:?}", item.kind));
            parts.push(item.text.expose().to_owned());
        }
        // Lengths keep two different requests from running together.
        let whole: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        self.sealer.keyed_hash(&format!("request/{}", interaction.bot), &whole)
    }

    /// What is remembered of an id.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn recall(
        &self,
        bot: &BotId,
        direction: Direction,
        id: &MessageId,
    ) -> Result<Option<Remembered>, KvError> {
        let key = format!("{bot}.{}", key(direction, id));
        Ok(self.kv.get(&key).await?.and_then(|record| self.open(&key, &record.value)))
    }

    /// What is remembered of the same id: its verdict, or a refusal where the request was another.
    ///
    /// # Errors
    /// 422 where the id was used for something else.
    pub fn same(remembered: Remembered, digest: &str) -> Result<Remembered, Problem> {
        if remembered.digest == digest {
            return Ok(remembered);
        }
        Err(Problem::id_conflict("the same id came before with other content").field("id"))
    }

    /// Remembers a verdict, if no other was first.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn first(
        &self,
        bot: &BotId,
        direction: Direction,
        mine: &Remembered,
    ) -> Result<First, KvError> {
        let key = format!("{bot}.{}", key(direction, &mine.verdict.id));
        match self.kv.create(&key, self.seal(&key, mine)?.into()).await {
            Ok(_) => Ok(First::Mine),
            Err(KvError::Exists) => match self.kv.get(&key).await? {
                Some(record) => self
                    .open(&key, &record.value)
                    .map(|theirs| First::Theirs(Box::new(theirs)))
                    .ok_or(KvError::Away),
                None => Err(KvError::Away),
            },
            Err(error) => Err(error),
        }
    }

    /// Replaces what is remembered: used where the verdict could not be recorded.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn replace(
        &self,
        bot: &BotId,
        direction: Direction,
        mine: &Remembered,
    ) -> Result<(), KvError> {
        let key = format!("{bot}.{}", key(direction, &mine.verdict.id));
        self.kv.put(&key, self.seal(&key, mine)?.into()).await.map(|_| ())
    }

    /// Remembers a resolution, if no other was first. Returns the one that counts.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn resolve(
        &self,
        bot: &BotId,
        mine: &ResolutionRecord,
    ) -> Result<Option<ResolutionRecord>, KvError> {
        let key = resolution_key(bot, mine.direction, &mine.message);
        match self.kv.create(&key, self.seal(&key, mine)?.into()).await {
            Ok(_) => Ok(None),
            Err(KvError::Exists) => self.resolution(bot, mine.direction, &mine.message).await,
            Err(error) => Err(error),
        }
    }

    /// The resolution of a held message.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn resolution(
        &self,
        bot: &BotId,
        direction: Direction,
        id: &MessageId,
    ) -> Result<Option<ResolutionRecord>, KvError> {
        let key = resolution_key(bot, direction, id);
        Ok(self.kv.get(&key).await?.and_then(|record| self.open(&key, &record.value)))
    }

    fn seal<T: Serialize>(&self, key: &str, value: &T) -> Result<Vec<u8>, KvError> {
        let plain = serde_json::to_vec(value).map_err(|_| KvError::Away)?;
        self.sealer.seal("verdicts", key.as_bytes(), &plain).map_err(|_| KvError::Away)
    }

    fn open<T: serde::de::DeserializeOwned>(&self, key: &str, sealed: &[u8]) -> Option<T> {
        let plain = self.sealer.open("verdicts", key.as_bytes(), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

fn resolution_key(bot: &BotId, direction: Direction, id: &MessageId) -> String {
    format!("{bot}.{}.resolution", key(direction, id))
}
