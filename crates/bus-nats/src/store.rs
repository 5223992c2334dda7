//! Storing one message in JetStream, and what can come of it.

use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{self, Context};
use async_nats::jetstream::{Error as ServerError, ErrorCode};
use async_nats::{Client, HeaderMap, RequestErrorKind, header};
use bytes::Bytes;
use portcullis_bus::JournalError;

use crate::trace;

/// How long a question to JetStream's interface may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a store of the bus could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The server did not answer in time; try again.
    #[error("jetstream away")]
    Away,
    /// The stream, consumer or bucket is not there.
    #[error("{0} is not there: run `portcullis admin init`")]
    Missing(String),
}

/// Why a message was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// No acknowledgement in time; it may have been stored all the same.
    Away,
    /// The stream is full.
    Full,
    /// It can never be stored.
    Refused,
    /// The subject is not in the expected state.
    Conflict,
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away | StoreError::Conflict => Self::Away,
            StoreError::Full => Self::Full,
            StoreError::Refused => Self::Refused,
        }
    }
}

/// One message to store.
pub(crate) struct Message {
    pub(crate) subject: String,
    /// Within the stream's window, the same id twice is stored once.
    pub(crate) id: Option<String>,
    /// Store it only where the subject has no message.
    pub(crate) first_only: bool,
    pub(crate) body: Bytes,
}

/// The JetStream interface with the patience of this crate.
pub(crate) fn context(client: &Client) -> Context {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(PATIENCE);
    context
}

/// Stores a message and waits for the acknowledgement: it is durable when this returns.
///
/// A plain request instead of the library's publish, whose permits for acknowledgements that are
/// still awaited run out while the server is away.
pub(crate) async fn store(
    client: &Client,
    message: Message,
    timeout: Duration,
) -> Result<(), StoreError> {
    let mut headers = HeaderMap::new();
    if let Some(id) = message.id {
        headers.insert(header::NATS_MESSAGE_ID, id);
    }
    if message.first_only {
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
    }
    trace::inject(&mut headers);
    let request = async_nats::Request::new().headers(headers).payload(message.body).timeout(None);
    let sent = client.send_request(message.subject, request);
    let answer = tokio::time::timeout(timeout, sent).await.map_err(|_| StoreError::Away)?.map_err(
        |error| match error.kind() {
            RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject => {
                StoreError::Refused
            }
            // No responders: JetStream or the stream is not there (yet).
            _ => StoreError::Away,
        },
    )?;
    match serde_json::from_slice::<Response<PublishAck>>(&answer.payload) {
        Ok(Response::Ok(_)) => Ok(()),
        Ok(Response::Err { error }) => Err(classify(&error)),
        Err(_) => Err(StoreError::Away),
    }
}

fn classify(error: &ServerError) -> StoreError {
    match error.error_code() {
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE => StoreError::Conflict,
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => {
            StoreError::Refused
        }
        ErrorCode::INSUFFICIENT_RESOURCES | ErrorCode::STORAGE_RESOURCES_EXCEEDED => {
            StoreError::Full
        }
        // One code for every failure of the store; only its sentence tells a full stream.
        ErrorCode::STREAM_STORE_FAILED if error.to_string().contains("maximum") => StoreError::Full,
        _ => StoreError::Away,
    }
}

/// Whether the server answered that there is no such stream.
pub(crate) fn is_missing(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<jetstream::context::GetStreamError>() {
            return matches!(
                error.kind(),
                jetstream::context::GetStreamErrorKind::JetStream(inner) if inner.code() == 404
            );
        }
        source = error.source();
    }
    false
}

/// A durable consumer that was made by `admin init`.
pub(crate) async fn consumer(
    client: &Client,
    stream: &str,
    name: &str,
) -> Result<Consumer<pull::Config>, OpenError> {
    use jetstream::stream::ConsumerErrorKind;
    context(client).get_consumer_from_stream(name, stream).await.map_err(|error| {
        match error.kind() {
            ConsumerErrorKind::JetStream(inner) if inner.code() == 404 => {
                OpenError::Missing(format!("consumer {name} of stream {stream}"))
            }
            _ => OpenError::Away,
        }
    })
}
