//! One message or answer, as a bot sends it to be checked.

use std::fmt;
use std::net::IpAddr;

use portcullis_core::{
    BotId, ContextItem, ContextKind, ConversationId, Direction, MessageId, SpeakerId, Text,
};
use serde::Serialize;

/// What is to be checked. `Debug` prints lengths, never text.
#[derive(Clone, Serialize)]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bot: Option<BotId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speaker: Option<SpeakerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_addr: Option<IpAddr>,
    pub(crate) direction: Direction,
    pub(crate) text: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    context: Vec<ContextItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<MessageId>,
}

impl Message {
    /// What a person wrote to the bot.
    pub fn inbound(text: impl Into<Text>) -> Self {
        Self::new(Direction::Inbound, text.into())
    }

    /// What the bot wants to answer.
    pub fn outbound(text: impl Into<Text>) -> Self {
        Self::new(Direction::Outbound, text.into())
    }

    fn new(direction: Direction, text: Text) -> Self {
        Self {
            id: None,
            bot: None,
            conversation: None,
            speaker: None,
            client_addr: None,
            direction,
            text,
            context: Vec::new(),
            in_reply_to: None,
        }
    }

    /// The bot's own id of it: the same id with the same content gets the same verdict for a day. Without
    /// one the gateway makes it up.
    #[must_use]
    pub fn id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// The bot, where a key is for none in particular. On NATS the connection says it.
    #[must_use]
    pub fn bot(mut self, bot: BotId) -> Self {
        self.bot = Some(bot);
        self
    }

    /// The bot's name for the person who writes; limits count by it.
    #[must_use]
    pub fn speaker(mut self, speaker: SpeakerId) -> Self {
        self.speaker = Some(speaker);
        self
    }

    /// The bot's name for the conversation. What a person brought into it, an answer in it may repeat.
    #[must_use]
    pub fn conversation(mut self, conversation: ConversationId) -> Self {
        self.conversation = Some(conversation);
        self
    }

    /// The person's network address, where the bot knows it.
    #[must_use]
    pub fn client_addr(mut self, address: IpAddr) -> Self {
        self.client_addr = Some(address);
        self
    }

    /// Third-party content that the bot will read along with the message; may be called several times.
    #[must_use]
    pub fn context(mut self, kind: ContextKind, text: impl Into<Text>) -> Self {
        self.context.push(ContextItem { kind, text: text.into() });
        self
    }

    /// For an answer: the message that it answers.
    #[must_use]
    pub fn in_reply_to(mut self, id: MessageId) -> Self {
        self.in_reply_to = Some(id);
        self
    }

    /// The answer of the bot to this message, in the same conversation and to the same person.
    pub(crate) fn answer(&self, text: Text, in_reply_to: Option<MessageId>) -> Self {
        Self {
            bot: self.bot.clone(),
            conversation: self.conversation.clone(),
            speaker: self.speaker.clone(),
            in_reply_to,
            ..Self::outbound(text)
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context: usize = self.context.iter().map(|item| item.text.len()).sum();
        f.debug_struct("Message")
            .field("direction", &self.direction)
            .field("text", &self.text)
            .field("context_bytes", &context)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_not_sent() {
        let json = serde_json::to_value(Message::inbound("hello")).unwrap();
        assert_eq!(json, serde_json::json!({ "direction": "inbound", "text": "hello" }));
    }

    #[test]
    fn everything_that_was_said_is_sent() {
        let message = Message::outbound("hello")
            .id("a-1".parse().unwrap())
            .bot("shop".parse().unwrap())
            .speaker("jane".parse().unwrap())
            .conversation("c".parse().unwrap())
            .client_addr([192, 0, 2, 7].into())
            .context(ContextKind::Email, "Dear shop")
            .in_reply_to("a-0".parse().unwrap());
        let json = serde_json::to_value(&message).unwrap();
        let expected = serde_json::json!({
            "id": "a-1", "bot": "shop", "speaker": "jane", "conversation": "c",
            "client_addr": "192.0.2.7", "direction": "outbound", "text": "hello",
            "context": [{ "kind": "email", "text": "Dear shop" }], "in_reply_to": "a-0",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn debug_prints_no_text_and_nobody() {
        let message = Message::inbound("MARKER")
            .speaker("MARKER".parse().unwrap())
            .context(ContextKind::Web, "MARKER");
        let printed = format!("{message:?}");
        assert!(printed.contains("6 bytes") && !printed.contains("MARKER"), "{printed}");
    }
}
