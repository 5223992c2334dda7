//! Where readers put what they could not read, for an operator to look at.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use portcullis_bus::{Delivery, JournalError};
use serde::{Deserialize, Serialize};

use crate::journals;
use crate::store::{self, Message};

/// Writes to the stream `DEAD`.
#[derive(Clone)]
pub struct Dead {
    client: Client,
    timeout: Duration,
}

#[derive(Serialize)]
struct Letter<'a> {
    reader: &'a str,
    error: &'a str,
    /// The stream that it is in.
    journal: String,
    sequence: u64,
    /// The entry's id, where one can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Its length in bytes.
    bytes: usize,
}

/// As much of an entry as may be told to those who may not read the record.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// An id is made of names that cannot hold a sentence; what has another form is no id.
fn id(raw: &[u8]) -> Option<String> {
    let Named { id } = serde_json::from_slice(raw).ok()?;
    let ok = |c: u8| c.is_ascii_alphanumeric() || b"._:/-".contains(&c);
    (id.len() <= 256 && id.bytes().all(ok)).then_some(id)
}

impl Dead {
    /// Writes that give up after `timeout`.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// Writes an entry that `reader` could not read, with the category of its error, and returns
    /// when that is durable: the reader acknowledges the entry after this. The entry itself is left out,
    /// because nobody can say what it holds, and operators may read this stream and not the record; its
    /// position says where it is.
    ///
    /// # Errors
    /// As an append to the journal.
    pub async fn write(
        &self,
        reader: &str,
        unread: &dyn Delivery,
        error: &str,
    ) -> Result<(), JournalError> {
        let (journal, sequence) = (journals::stream(unread.journal()), unread.sequence());
        let again = format!("dead/{reader}/{journal}/{sequence}");
        let (id, bytes) = (id(unread.raw()), unread.raw().len());
        let letter = Letter { reader, error, journal, sequence, id, bytes };
        let body = serde_json::to_vec(&letter).map_err(|_| JournalError::Refused)?;
        let message = Message {
            subject: format!("portcullis.v1.dead.{reader}"),
            id: Some(again),
            first_only: false,
            body: Bytes::from(body),
        };
        store::store(&self.client, message, self.timeout).await.map_err(Into::into)
    }
}
