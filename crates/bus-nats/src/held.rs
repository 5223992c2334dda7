//! Sealed cases on JetStream: stream `HELD`, one subject a case.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::stream::{DirectGetErrorKind, Info, Stream};
use async_trait::async_trait;
use portcullis_bus::{Held, HeldError, HeldItem};
use portcullis_core::BotId;

use crate::store::{self, Message, StoreError};
use crate::subjects;

/// Sealed cases. A case is looked up by its subject; the first write of a key wins.
///
/// A key is of lower-case letters and digits: another one is in no case found, and cannot be put
/// (`Away`).
#[derive(Clone)]
pub struct NatsHeld {
    client: Client,
    timeout: Duration,
}

impl NatsHeld {
    /// A store whose writes give up after `timeout`.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    async fn stream(&self) -> Result<Stream<()>, HeldError> {
        store::context(&self.client)
            .get_stream_no_info(subjects::HELD)
            .await
            .map_err(|_| HeldError::Away)
    }
}

#[async_trait]
impl Held for NatsHeld {
    async fn put(&self, item: HeldItem) -> Result<(), HeldError> {
        if !is_key(&item.key) {
            return Err(HeldError::Away);
        }
        let message = Message {
            subject: subjects::held(&item.bot, &item.key),
            id: None,
            first_only: true,
            body: item.sealed,
        };
        match store::store(&self.client, message, self.timeout).await {
            // A conflict means that the key has its case already.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => {
                tracing::warn!(?error, "case was not kept");
                Err(HeldError::Away)
            }
        }
    }

    async fn get(&self, bot: &BotId, key: &str) -> Result<Option<HeldItem>, HeldError> {
        if !is_key(key) {
            return Ok(None);
        }
        let found =
            self.stream().await?.direct_get_last_for_subject(subjects::held(bot, key)).await;
        match found {
            Ok(message) => {
                let (bot, key) = (bot.clone(), key.to_owned());
                Ok(Some(HeldItem { bot, key, sealed: message.payload }))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(_) => Err(HeldError::Away),
        }
    }

    async fn list(&self, bot: Option<&BotId>) -> Result<Vec<HeldItem>, HeldError> {
        let filter = match bot {
            Some(bot) => subjects::held(bot, "*"),
            None => "portcullis.v1.held.*.*".to_owned(),
        };
        let stream = self.stream().await?;
        let mut items = Vec::new();
        let mut from = 1;
        loop {
            let next =
                stream.direct_get_builder().sequence(from).next_by_subject(filter.clone()).send();
            let message = match next.await {
                Ok(message) => message,
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(items),
                Err(_) => return Err(HeldError::Away),
            };
            from = message.sequence + 1;
            if let Some((bot, key)) = read_subject(message.subject.as_str()) {
                items.push(HeldItem { bot, key, sealed: message.payload });
            }
        }
    }

    async fn remove(&self, bot: &BotId, key: &str) -> Result<(), HeldError> {
        if !is_key(key) {
            return Ok(());
        }
        let stream: Stream<Info> = store::context(&self.client)
            .get_stream(subjects::HELD)
            .await
            .map_err(|_| HeldError::Away)?;
        stream.purge().filter(subjects::held(bot, key)).await.map_err(|_| HeldError::Away)?;
        Ok(())
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn read_subject(subject: &str) -> Option<(BotId, String)> {
    let (bot, key) = subject.strip_prefix("portcullis.v1.held.")?.split_once('.')?;
    Some((BotId::parse(bot).ok()?, key.to_owned()))
}
