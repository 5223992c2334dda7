//! The commands of operators, as they come in at every door, and their answers.

use std::net::IpAddr;

use portcullis_core::{
    ActionRecord, BotId, ConversationId, Direction, HeldCase, MessageId, ResolutionRecord,
    SpeakerId,
};
use portcullis_door::request::RequestText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An operator's command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Blocks everything: of one bot, or of all.
    Stop(Orders),
    /// Takes `stop` and `mute` back, and what the watch ordered for the same bots.
    Start(Orders),
    /// Blocks the answers of a bot, or of all.
    Mute(Orders),
    /// Blocks a speaker, a conversation or an address of a bot.
    Block(Person),
    /// Takes `block` back, and what the watch ordered for the same person.
    Unblock(Person),
    /// Scales what a speaker, a conversation, an address, a bot or everybody may send.
    Limit(Limited),
    /// Takes `limit` back, and what the watch ordered for the same person or bot.
    Unlimit(Limited),
    /// Forgets a speaker of a bot: what the record keeps sealed of that person can never be read again.
    Erase(Person),
    /// Lists what waits for a human.
    Held(Which),
    /// Forwards a held message.
    Release(Case),
    /// Forwards a held message in another wording.
    Edit(Wording),
    /// Does not forward a held message.
    Reject(Case),
}

/// Which bots an order is for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// One bot; absent: all.
    pub bot: Option<BotId>,
    /// Who orders it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// For how long, in seconds; absent: until it is taken back.
    pub for_s: Option<u64>,
}

/// Who an order is about: exactly one of speaker, conversation and address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The bot; absent: `default`.
    pub bot: Option<BotId>,
    /// The person, by the bot's name.
    #[serde(alias = "user")]
    pub speaker: Option<SpeakerId>,
    /// The conversation, by the bot's name.
    pub conversation: Option<ConversationId>,
    /// The network address.
    pub client_addr: Option<IpAddr>,
    /// Who orders it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// For how long, in seconds; absent: until it is taken back.
    pub for_s: Option<u64>,
}

/// Whose limits: of a speaker, conversation or address; of none of them: the bot's; without a bot: everybody's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limited {
    /// The bot; absent: every bot, or `default` where somebody is named.
    pub bot: Option<BotId>,
    /// The person, by the bot's name.
    #[serde(alias = "user")]
    pub speaker: Option<SpeakerId>,
    /// The conversation, by the bot's name.
    pub conversation: Option<ConversationId>,
    /// The network address.
    pub client_addr: Option<IpAddr>,
    /// What is left of the limits: above 0, at most 1. For `limit` only; absent: 0.1.
    #[schemars(range(max = 1.0))]
    pub factor: Option<f64>,
    /// Who orders it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// For how long, in seconds; absent: until it is taken back.
    pub for_s: Option<u64>,
}

/// An order that is in force, or was taken back.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Ordered {
    /// What was ordered.
    #[serde(flatten)]
    pub record: ActionRecord,
    /// Where it was taken back: orders of wider scopes that still stand, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still: Vec<String>,
}

/// Which held messages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// One bot; absent: all.
    pub bot: Option<BotId>,
}

/// A held message.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The bot; absent: `default`.
    pub bot: Option<BotId>,
    /// Which way it went.
    #[serde(default)]
    pub direction: Direction,
    /// Its id.
    pub id: MessageId,
    /// Who resolves it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A held message and its new wording.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// The bot; absent: `default`.
    pub bot: Option<BotId>,
    /// Which way it went.
    #[serde(default)]
    pub direction: Direction,
    /// Its id.
    pub id: MessageId,
    /// What to forward.
    pub text: RequestText,
    /// Who resolves it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// An order is in force, or was taken back.
    Ordered(Ordered),
    /// What waits for a human, oldest first: up to 200 cases of 2 MiB in all, and at least one. Who resolves them sees
    /// the next.
    Held(Vec<HeldCase>),
    /// How a held message ended.
    Resolved(ResolutionRecord),
}
