//! What operators order and resolve: the same commands at every door.

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_core::{
    Action, ActionRecord, Body, BotId, ConversationId, Direction, Entry, HeldCase, MessageId,
    Resolution, ResolutionRecord, SpeakerId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::{self, Order, Scope};
use crate::gateway::Gateway;
use crate::holding::{Resolve, away};
use portcullis_door::Problem;
use portcullis_door::request::RequestText;

/// The author of orders that come through these doors.
const AUTHOR: &str = "operator";

/// An operator's command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Blocks everything: of one bot, or of all.
    Stop(Orders),
    /// Takes `stop` and `mute` back.
    Start(Orders),
    /// Blocks the answers of a bot, or of all.
    Mute(Orders),
    /// Blocks a speaker, a conversation or an address of a bot.
    Block(Person),
    /// Takes `block` back.
    Unblock(Person),
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
    Ordered(ActionRecord),
    /// What waits for a human, oldest first.
    Held(Vec<HeldCase>),
    /// How a held message ended.
    Resolved(ResolutionRecord),
}

impl Gateway {
    /// Does what an operator commands. Every change is an entry of the record.
    ///
    /// # Errors
    /// A problem that says what is wrong.
    pub async fn command(&self, command: Command) -> Result<Done, Problem> {
        match command {
            Command::Stop(order) => self.order("stop", Action::Stop, order).await,
            Command::Mute(order) => self.order("mute", Action::Mute, order).await,
            Command::Start(order) => self.start(order).await,
            Command::Block(person) => self.block_person(person, true).await,
            Command::Unblock(person) => self.block_person(person, false).await,
            Command::Erase(person) => self.erase(person).await,
            Command::Held(which) => self.held(which.bot.as_ref()).await.map(Done::Held),
            Command::Release(case) => self.end(case, Resolution::Release, None).await,
            Command::Reject(case) => self.end(case, Resolution::Reject, None).await,
            Command::Edit(wording) => {
                let Wording { bot, direction, id, text, by, reason } = wording;
                let case = Case { bot, direction, id, by, reason };
                self.end(case, Resolution::Edit, Some(text)).await
            }
        }
    }

    async fn order(&self, word: &str, action: Action, order: Orders) -> Result<Done, Problem> {
        let scope = order.bot.clone().map_or(Scope::All, Scope::Bot);
        self.put(word, &scope, action, order.by, order.reason, order.for_s).await
    }

    async fn start(&self, order: Orders) -> Result<Done, Problem> {
        let scope = order.bot.clone().map_or(Scope::All, Scope::Bot);
        self.take_back("start", &scope, order.by, order.reason).await
    }

    async fn block_person(&self, person: Person, block: bool) -> Result<Done, Problem> {
        let Person { bot, speaker, conversation, client_addr, by, reason, for_s } = person;
        let bot = bot.unwrap_or_else(BotId::fallback);
        let scope = match (speaker, conversation, client_addr) {
            (Some(name), None, None) => Scope::Speaker(bot, name.as_str().to_owned()),
            (None, Some(name), None) => Scope::Conversation(bot, name.as_str().to_owned()),
            (None, None, Some(address)) => Scope::Address(bot, address.to_canonical().to_string()),
            _ => {
                return Err(Problem::invalid(
                    "exactly one of speaker, conversation and client_addr is needed",
                )
                .field("speaker"));
            }
        };
        if block {
            self.put("block", &scope, Action::Block, by, reason, for_s).await
        } else {
            self.take_back("unblock", &scope, by, reason).await
        }
    }

    /// The order is the entry: audit destroys the keys when it stores it.
    async fn erase(&self, person: Person) -> Result<Done, Problem> {
        let Person { bot, speaker, conversation: None, client_addr: None, by, reason, for_s: None } =
            person
        else {
            return Err(Problem::invalid("only a speaker is erased, and for ever").field("speaker"));
        };
        let name =
            speaker.ok_or_else(|| Problem::invalid("who is to be erased?").field("speaker"))?;
        let bot = bot.unwrap_or_else(BotId::fallback);
        let scope = Scope::Speaker(bot, name.as_str().to_owned());
        self.acted("erase", &scope, by, reason, None, self.parts.clock.now()).await
    }

    async fn put(
        &self,
        word: &str,
        scope: &Scope,
        action: Action,
        by: String,
        reason: Option<String>,
        for_s: Option<u64>,
    ) -> Result<Done, Problem> {
        let now = self.parts.clock.now();
        let expires_at = for_s.map(|seconds| later(now, seconds)).transpose()?;
        let order =
            Order { action, factor: None, by: by.clone(), reason: reason.clone(), expires_at };
        let (kv, sealer) = (&*self.parts.control_kv, &self.parts.sealer);
        // First in force, then in the record: an order must not wait for a journal that is away.
        control::write(kv, AUTHOR, scope, &order, sealer).await.map_err(|_| away("control"))?;
        self.acted(word, scope, by, reason, expires_at, now).await
    }

    async fn take_back(
        &self,
        word: &str,
        scope: &Scope,
        by: String,
        reason: Option<String>,
    ) -> Result<Done, Problem> {
        let (kv, sealer) = (&*self.parts.control_kv, &self.parts.sealer);
        control::erase(kv, AUTHOR, scope, sealer).await.map_err(|_| away("control"))?;
        self.acted(word, scope, by, reason, None, self.parts.clock.now()).await
    }

    async fn acted(
        &self,
        word: &str,
        scope: &Scope,
        by: String,
        reason: Option<String>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let bot = scope.bot().cloned().unwrap_or_else(BotId::fallback);
        let record = ActionRecord {
            action: word.to_owned(),
            scope: scope.key(&self.parts.sealer),
            by,
            reason,
            expires_at,
        };
        tracing::warn!(action = word, scope = record.scope, "an operator's order");
        if let Some(recorder) = &self.parts.recorder {
            let entry = Entry {
                id: format!("action/{bot}/{}", MessageId::generate()),
                bot,
                at: now,
                body: Body::Action(record.clone()),
            };
            let recorded = recorder.record(&entry, Duration::from_secs(1)).await;
            recorded.map_err(|_| {
                Problem::unavailable(
                    "the order is in force, but the journal did not take its entry",
                )
            })?;
        }
        Ok(Done::Ordered(record))
    }

    async fn end(
        &self,
        case: Case,
        resolution: Resolution,
        text: Option<RequestText>,
    ) -> Result<Done, Problem> {
        let ask = Resolve {
            bot: case.bot.unwrap_or_else(BotId::fallback),
            direction: case.direction,
            id: case.id,
            resolution,
            text: text.map(RequestText::into_text),
            by: case.by,
            reason: case.reason,
        };
        self.resolve(ask).await.map(Done::Resolved)
    }
}

fn later(now: Timestamp, seconds: u64) -> Result<Timestamp, Problem> {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_secs(seconds))
        .map_err(|_| Problem::invalid("for_s is too long").field("for_s"))
}
