//! The SDK for bots in Rust: send what a person wrote and what the bot answers to Portcullis, and act on the
//! verdicts.
//!
//! [`HttpClient`] and [`NatsClient`] ask for one verdict ([`Door::check`]). [`NatsClient`] also submits
//! messages that must survive a restart of everything, and reads the bot's mail: their verdicts, and the
//! resolutions of held messages. Both check an answer while the bot writes it ([`StreamDoor::stream`]). [`Guard`]
//! does the whole exchange around a bot.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::convert::Infallible;
//! use portcullis_client::{Guard, Heard, HttpClient, Message, OnAway};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new("http://127.0.0.1:8080")?.key("the bot's own API key");
//! let guard = Guard::new(Arc::new(client))
//!     // The choice that nobody else can make: without a guard, is the bot silent or open?
//!     .on_away(OnAway::Block);
//!
//! let message = Message::inbound("Where is my parcel?").speaker("jane-17".parse()?);
//! let exchange = guard
//!     .exchange(message, async |heard: Heard| {
//!         // `heard.text` is what may reach the bot; `heard.tone` says how it should speak.
//!         Ok::<_, Infallible>(format!("Let me look. You asked: {}", heard.text.expose()))
//!     })
//!     .await?;
//! println!("{}", exchange.show.expose());
//! # Ok(()) }
//! ```
//!
//! A verdict is for the bot. Of all that is in it, a person may be shown `text` and `reply`, and nothing
//! else: somebody who sees scores climbs them.

mod error;
mod guard;
mod http;
mod mail;
mod message;
mod nats;
mod stream;

pub use error::{Error, Problem, SetupError};
pub use guard::{Exchange, Guard, Heard, OnAway, Outcome};
pub use http::{CheckState, HttpClient};
pub use mail::{Letter, Mail, Mailbox};
pub use message::Message;
pub use nats::{NatsClient, Submitted};
pub use stream::{AnswerStream, Piece, StreamDoor};

pub use portcullis_bus_nats::{ConnectError, ConnectOptions};
pub use portcullis_core::{
    BotId, ContextItem, ContextKind, ConversationId, Decision, Direction, MessageId, Resolution,
    ResolutionRecord, SpeakerId, Text, Tone, ToneDirective, Verdict,
};

/// Where a verdict is asked for.
#[async_trait::async_trait]
pub trait Door: Send + Sync + 'static {
    /// Asks for the verdict of one message. There is no second try: a message with an id of its own can be
    /// sent again and gets the verdict that was given first.
    ///
    /// # Errors
    /// Where there is no verdict. A message without a verdict was not checked.
    async fn check(&self, message: &Message) -> Result<Verdict, Error>;
}
