//! Mail for bots on JetStream: stream `VERDICT`, one durable consumer a bot.

use std::time::Duration;

use async_nats::Client;
use async_trait::async_trait;
use portcullis_bus::{Mail, MailKind, Outbox, OutboxError};

use crate::store::{self, Message};
use crate::subjects;

/// Stores mail, which a bot reads within a day.
#[derive(Clone)]
pub struct NatsOutbox {
    client: Client,
    timeout: Duration,
}

impl NatsOutbox {
    /// An outbox that gives up after `timeout`.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }
}

#[async_trait]
impl Outbox for NatsOutbox {
    async fn send(&self, mail: Mail) -> Result<(), OutboxError> {
        let (subject, kind) = match mail.kind {
            MailKind::Verdict => (subjects::verdict(&mail.bot), "verdict"),
            MailKind::Resolution => (subjects::resolution(&mail.bot), "resolution"),
        };
        // Ids are unique in the stream, and so must carry the kind and the bot.
        let id = format!("{kind}/{}/{}", mail.bot, mail.id);
        let message = Message { subject, id: Some(id), first_only: false, body: mail.body };
        store::store(&self.client, message, self.timeout).await.map_err(|error| {
            tracing::warn!(?error, kind, "mail was not stored");
            OutboxError::Away
        })
    }
}
