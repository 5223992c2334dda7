//! One message to a bot, or one answer of a bot, as received.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BotId, ConversationId, MessageId, SpeakerId, Text};

/// Which way a text goes.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a person to the bot.
    #[default]
    Inbound,
    /// From the bot to a person.
    Outbound,
}

impl Direction {
    /// The word used on the wire, in ids and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What sort of third-party content the bot will read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContextKind {
    /// A file or a retrieved passage.
    #[default]
    Document,
    /// An e-mail.
    Email,
    /// What a tool returned.
    Tool,
    /// A web page.
    Web,
    /// A kind that this release does not know.
    #[serde(other)]
    Unknown,
}

/// Third-party content that the bot will read along with the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContextItem {
    /// What sort of content this is.
    #[serde(default)]
    pub kind: ContextKind,
    /// The content.
    pub text: Text,
}

/// One message or answer as received; never changed on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interaction {
    /// Identity within bot and direction.
    pub id: MessageId,
    /// The bot that is guarded.
    pub bot: BotId,
    /// The conversation it belongs to, where the bot named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// The person who wrote it, in the bot's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<SpeakerId>,
    /// The person's network address, where the bot knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_addr: Option<IpAddr>,
    /// Which way it goes.
    #[serde(default)]
    pub direction: Direction,
    /// The text itself.
    #[serde(default)]
    pub text: Text,
    /// Third-party content that the bot will read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<ContextItem>,
    /// For an answer: the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<MessageId>,
    /// When ingress received it.
    pub received_at: Timestamp,
}

impl Interaction {
    /// Text and context together, in bytes.
    pub fn total_bytes(&self) -> usize {
        self.text.len() + self.context.iter().map(|item| item.text.len()).sum::<usize>()
    }

    /// The text at a place, if there is one.
    pub fn text_at(&self, place: crate::Place) -> Option<&Text> {
        match place {
            crate::Place::Text => Some(&self.text),
            crate::Place::Context(index) => self.context.get(index).map(|item| &item.text),
        }
    }

    /// All texts with their places: the message first, then each context item.
    pub fn places(&self) -> impl Iterator<Item = (crate::Place, &Text)> {
        std::iter::once((crate::Place::Text, &self.text)).chain(
            self.context
                .iter()
                .enumerate()
                .map(|(index, item)| (crate::Place::Context(index), &item.text)),
        )
    }
}
