//! What a bot may send. Doors are strict: these types refuse unknown and repeated fields.

use std::net::IpAddr;

use jiff::Timestamp;
use portcullis_core::{
    BotId, ContextItem, ContextKind, ConversationId, Direction, Interaction, MessageId, SpeakerId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::KeyHash;
use crate::problem::Problem;

/// Items of third-party content with one message.
const CONTEXT_ITEMS: usize = 256;

/// A message to a bot, or an answer of a bot, to be checked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// Your own id of the message: the same id gets the same verdict for a day. Made up where absent.
    pub id: Option<MessageId>,
    /// The bot. Absent: the key's own bot, or `default`.
    pub bot: Option<BotId>,
    /// Your name for the conversation.
    pub conversation: Option<ConversationId>,
    /// Your name for the person who writes.
    #[serde(alias = "user")]
    pub speaker: Option<SpeakerId>,
    /// The person's network address.
    pub client_addr: Option<IpAddr>,
    /// `inbound` (a message to the bot, the default) or `outbound` (an answer of the bot).
    #[serde(default)]
    pub direction: Direction,
    /// The text. May be absent where `context` is not.
    #[serde(default)]
    pub text: Option<RequestText>,
    /// Third-party content that the bot will read.
    #[serde(default)]
    pub context: Vec<ContextRequest>,
    /// For an answer: the id of the message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// The hash of the key that it came with: the door's to say, not the caller's.
    #[serde(skip)]
    pub api_key: Option<KeyHash>,
}

/// Text as received; never printed.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RequestText(String);

impl RequestText {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text, in the form in which it goes on.
    pub fn into_text(self) -> portcullis_core::Text {
        self.0.into()
    }

    /// Its length in Unicode scalar values.
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }
}

impl std::fmt::Debug for RequestText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestText({} bytes)", self.0.len())
    }
}

impl From<String> for RequestText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Third-party content that the bot will read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextRequest {
    /// What sort of content this is.
    #[serde(default)]
    pub kind: ContextKindRequest,
    /// The content.
    pub text: RequestText,
}

/// What sort of content this is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContextKindRequest {
    /// A file or a retrieved passage.
    #[default]
    Document,
    /// An e-mail.
    Email,
    /// What a tool returned.
    Tool,
    /// A web page.
    Web,
}

impl From<ContextKindRequest> for ContextKind {
    fn from(kind: ContextKindRequest) -> Self {
        match kind {
            ContextKindRequest::Document => Self::Document,
            ContextKindRequest::Email => Self::Email,
            ContextKindRequest::Tool => Self::Tool,
            ContextKindRequest::Web => Self::Web,
        }
    }
}

/// Many messages at once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The messages, each as for `/v1/check`.
    pub items: Vec<CheckRequest>,
}

impl CheckRequest {
    /// The interaction that this asks about.
    ///
    /// # Errors
    /// Where there is no text at all, or more than `limit` bytes of it.
    pub fn into_interaction(
        self,
        bot: BotId,
        received_at: Timestamp,
        limit: usize,
    ) -> Result<Interaction, Problem> {
        let items = self.context.len();
        if items > CONTEXT_ITEMS {
            return Err(Problem::too_large(format!(
                "context has {items} items; the limit is {CONTEXT_ITEMS}"
            ))
            .field("context"));
        }
        let interaction = Interaction {
            id: self.id.unwrap_or_else(MessageId::generate),
            bot,
            conversation: self.conversation,
            speaker: self.speaker,
            client_addr: self.client_addr,
            direction: self.direction,
            text: self.text.map(RequestText::into_text).unwrap_or_default(),
            context: self
                .context
                .into_iter()
                .map(|item| ContextItem { kind: item.kind.into(), text: item.text.into_text() })
                .collect(),
            in_reply_to: self.in_reply_to,
            received_at,
        };
        let bytes = interaction.total_bytes();
        if bytes == 0 {
            return Err(Problem::invalid("text is empty and there is no context").field("text"));
        }
        if bytes > limit {
            return Err(Problem::too_large(format!(
                "text and context are {bytes} bytes; this bot's limit is {limit}"
            ))
            .field("text"));
        }
        Ok(interaction)
    }
}

/// Opens a stream: an answer of the bot that is checked while it is being written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamRequest {
    /// Your own id of the answer. Made up where absent.
    pub id: Option<MessageId>,
    /// The bot. Absent: the key's own bot, or `default`.
    pub bot: Option<BotId>,
    /// Your name for the conversation.
    pub conversation: Option<ConversationId>,
    /// Your name for the person who is answered.
    #[serde(alias = "user")]
    pub speaker: Option<SpeakerId>,
    /// The person's network address.
    pub client_addr: Option<IpAddr>,
    /// Third-party content that the bot has read.
    #[serde(default)]
    pub context: Vec<ContextRequest>,
    /// The id of the message that is answered.
    pub in_reply_to: Option<MessageId>,
}

/// A piece of an answer that is being written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamPiece {
    /// Its number: 1, 2, 3, … A gap breaks the stream.
    pub seq: u64,
    /// What the bot wrote next.
    #[serde(default)]
    pub text: Option<RequestText>,
    /// Whether the answer is whole with this piece.
    #[serde(default)]
    pub end: bool,
}

impl StreamRequest {
    /// The interaction that the stream will be, without its text.
    ///
    /// # Errors
    /// Where the context is more than `limit` bytes, or has too many items.
    pub fn into_interaction(
        self,
        bot: BotId,
        received_at: Timestamp,
        limit: usize,
    ) -> Result<Interaction, Problem> {
        let Self { id, conversation, speaker, client_addr, context, in_reply_to, .. } = self;
        let request = CheckRequest {
            id,
            conversation,
            speaker,
            client_addr,
            context,
            in_reply_to,
            direction: Direction::Outbound,
            // one character stands in for the text that is still to come
            text: Some(RequestText("-".into())),
            ..CheckRequest::default()
        };
        let interaction = request.into_interaction(bot, received_at, limit)?;
        Ok(Interaction { text: Default::default(), ..interaction })
    }
}
