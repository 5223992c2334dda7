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

/// Authors of the orders, and of the limits, of these doors: two, so that a limit never takes a block's place.
const AUTHOR: &str = "operator";
const LIMITS_AUTHOR: &str = "operator-limits";

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
    /// Scales what a speaker, a conversation, an address, a bot or everybody may send.
    Limit(Limited),
    /// Takes `limit` back.
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
            Command::Start(Orders { bot, by, reason, .. }) => {
                let scope = bot.map_or(Scope::All, Scope::Bot);
                self.take_back(AUTHOR, "start", &scope, by, reason).await
            }
            Command::Block(person) => self.block_person(person, true).await,
            Command::Unblock(person) => self.block_person(person, false).await,
            Command::Limit(whose) => self.limit(whose).await,
            Command::Unlimit(whose) => self.unlimit(whose).await,
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
        let Orders { bot, by, reason, for_s } = order;
        let scope = bot.map_or(Scope::All, Scope::Bot);
        let order = Order { action, factor: None, by, reason, expires_at: None };
        self.put(AUTHOR, word, &scope, order, for_s).await
    }

    async fn block_person(&self, person: Person, block: bool) -> Result<Done, Problem> {
        let Person { bot, speaker, conversation, client_addr, by, reason, for_s } = person;
        let whom = Whom { speaker, conversation, client_addr };
        let scope = whom.scope(bot.unwrap_or_else(BotId::fallback))?.ok_or_else(not_one)?;
        if block {
            let order = Order { action: Action::Block, factor: None, by, reason, expires_at: None };
            self.put(AUTHOR, "block", &scope, order, for_s).await
        } else {
            self.take_back(AUTHOR, "unblock", &scope, by, reason).await
        }
    }

    async fn limit(&self, whose: Limited) -> Result<Done, Problem> {
        let (scope, rest) = whose.scope()?;
        let factor = rest.factor.unwrap_or(control::LIMIT_FACTOR);
        if !(factor > 0.0 && factor <= 1.0) {
            return Err(Problem::invalid("factor must be above 0 and at most 1").field("factor"));
        }
        let (Limited { by, reason, for_s, .. }, action) = (rest, Action::Limit);
        let order = Order { action, factor: Some(factor), by, reason, expires_at: None };
        self.put(LIMITS_AUTHOR, "limit", &scope, order, for_s).await
    }

    async fn unlimit(&self, whose: Limited) -> Result<Done, Problem> {
        let (scope, rest) = whose.scope()?;
        if rest.factor.is_some() || rest.for_s.is_some() {
            return Err(Problem::invalid("unlimit takes no factor and no time").field("factor"));
        }
        self.take_back(LIMITS_AUTHOR, "unlimit", &scope, rest.by, rest.reason).await
    }

    /// The order is the entry: audit destroys the keys when it stores it.
    async fn erase(&self, person: Person) -> Result<Done, Problem> {
        let Person { bot, speaker, conversation: None, client_addr: None, by, reason, for_s: None } =
            person
        else {
            return Err(Problem::invalid("only a speaker is erased, and for ever").field("speaker"));
        };
        let whom = Whom { speaker, conversation: None, client_addr: None };
        let scope = whom.scope(bot.unwrap_or_else(BotId::fallback))?;
        let nobody = || Problem::invalid("who is to be erased?").field("speaker");
        let scope = scope.ok_or_else(nobody)?;
        let record = self.action("erase", &scope, by, reason);
        self.acted(&scope, record, self.parts.clock.now()).await
    }

    async fn put(
        &self,
        author: &str,
        word: &str,
        scope: &Scope,
        order: Order,
        for_s: Option<u64>,
    ) -> Result<Done, Problem> {
        // An order for a bot that is misspelt would be a comfort and nothing else.
        scope.bot().map_or(Ok(()), |bot| self.parts.policies.known(bot))?;
        let now = self.parts.clock.now();
        let expires_at = for_s.map(|seconds| later(now, seconds)).transpose()?;
        let order = Order { expires_at, ..order };
        let (kv, sealer) = (&*self.parts.control_kv, &self.parts.sealer);
        // First in force, then in the record: an order must not wait for a journal that is away.
        control::write(kv, author, scope, &order, sealer).await.map_err(|_| away("control"))?;
        let Order { action: _, factor, by, reason, expires_at } = order;
        let record = self.action(word, scope, by, reason);
        self.acted(scope, ActionRecord { factor, expires_at, ..record }, now).await
    }

    async fn take_back(
        &self,
        author: &str,
        word: &str,
        scope: &Scope,
        by: String,
        reason: Option<String>,
    ) -> Result<Done, Problem> {
        let (kv, sealer) = (&*self.parts.control_kv, &self.parts.sealer);
        control::erase(kv, author, scope, sealer).await.map_err(|_| away("control"))?;
        let record = self.action(word, scope, by, reason);
        self.acted(scope, record, self.parts.clock.now()).await
    }

    fn action(
        &self,
        word: &str,
        scope: &Scope,
        by: String,
        reason: Option<String>,
    ) -> ActionRecord {
        ActionRecord {
            action: word.to_owned(),
            scope: scope.key(&self.parts.sealer),
            factor: None,
            by,
            reason,
            expires_at: None,
        }
    }

    async fn acted(
        &self,
        scope: &Scope,
        record: ActionRecord,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let bot = scope.bot().cloned().unwrap_or_else(BotId::fallback);
        tracing::warn!(action = record.action, scope = record.scope, "an operator's order");
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

/// Who is named: at most one.
struct Whom {
    speaker: Option<SpeakerId>,
    conversation: Option<ConversationId>,
    client_addr: Option<IpAddr>,
}

impl Whom {
    fn scope(self, bot: BotId) -> Result<Option<Scope>, Problem> {
        Ok(match (self.speaker, self.conversation, self.client_addr) {
            (None, None, None) => None,
            (Some(name), None, None) => Some(Scope::Speaker(bot, name.as_str().to_owned())),
            (None, Some(name), None) => Some(Scope::Conversation(bot, name.as_str().to_owned())),
            (None, None, Some(address)) => {
                Some(Scope::Address(bot, address.to_canonical().to_string()))
            }
            _ => return Err(not_one()),
        })
    }
}

fn not_one() -> Problem {
    Problem::invalid("exactly one of speaker, conversation and client_addr is needed")
        .field("speaker")
}

impl Limited {
    /// Whose limits, and what is said of them.
    fn scope(mut self) -> Result<(Scope, Self), Problem> {
        let whom = Whom {
            speaker: self.speaker.take(),
            conversation: self.conversation.take(),
            client_addr: self.client_addr.take(),
        };
        let named = whom.scope(self.bot.clone().unwrap_or_else(BotId::fallback))?;
        Ok((named.unwrap_or_else(|| self.bot.clone().map_or(Scope::All, Scope::Bot)), self))
    }
}

fn later(now: Timestamp, seconds: u64) -> Result<Timestamp, Problem> {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_secs(seconds))
        .map_err(|_| Problem::invalid("for_s is too long").field("for_s"))
}
