//! Alerts of the watch, kept in the stream `ALERT` for whoever listens.

use std::time::Duration;

use async_nats::Client;
use portcullis_bus::JournalError;

use crate::store::{self, Message};

/// Writes to the stream `ALERT`.
#[derive(Clone)]
pub struct Alerts {
    client: Client,
    timeout: Duration,
}

impl Alerts {
    /// Writes that give up after `timeout`.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// Publishes one alert on `portcullis.v1.alert.<severity>`; durable when this returns. The same id twice,
    /// within the stream's window, is one.
    ///
    /// # Errors
    /// As an append to the journal.
    pub async fn publish(
        &self,
        severity: &str,
        id: String,
        body: Vec<u8>,
    ) -> Result<(), JournalError> {
        let message = Message {
            subject: format!("portcullis.v1.alert.{severity}"),
            id: Some(id),
            first_only: false,
            body: body.into(),
        };
        store::store(&self.client, message, self.timeout).await.map_err(Into::into)
    }
}
