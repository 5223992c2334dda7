//! What operators order and resolve: the same commands at every door.

mod command;

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_core::{
    Action, ActionRecord, Body, BotId, ConversationId, Entry, MessageId, Resolution, SpeakerId,
};

use crate::control::{self, Order, Scope};
use crate::gateway::{Gateway, Parts};
use crate::holding::{Resolve, away};
use portcullis_door::Problem;
use portcullis_door::request::RequestText;

pub use command::{Case, Command, Done, Limited, Ordered, Orders, Person, Which, Wording};

/// Authors of the orders of these doors: one a kind, so that none takes another's place.
const AUTHOR: &str = "operator";
const MUTE_AUTHOR: &str = "operator-mute";
const LIMITS_AUTHOR: &str = "operator-limits";
/// The watch over the record. A human's word counts more: what it has ordered is taken back with the rest.
const WATCH: &str = "anomaly";

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
                self.take_back(&[AUTHOR, MUTE_AUTHOR, WATCH], "start", &scope, by, reason).await
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
        let author = if action == Action::Mute { MUTE_AUTHOR } else { AUTHOR };
        self.put(author, word, &scope, order, for_s).await
    }

    async fn block_person(&self, person: Person, block: bool) -> Result<Done, Problem> {
        let Person { bot, speaker, conversation, client_addr, by, reason, for_s } = person;
        let whom = Whom { speaker, conversation, client_addr };
        let scope = whom.scope(bot.unwrap_or_else(BotId::fallback))?.ok_or_else(not_one)?;
        if block {
            let order = Order { action: Action::Block, factor: None, by, reason, expires_at: None };
            self.put(AUTHOR, "block", &scope, order, for_s).await
        } else {
            self.take_back(&[AUTHOR, WATCH], "unblock", &scope, by, reason).await
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
        self.take_back(&[LIMITS_AUTHOR, WATCH], "unlimit", &scope, rest.by, rest.reason).await
    }

    /// The order is the entry: audit destroys the keys when it stores it. One entry for each secret under which the
    /// person may be known.
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
        // Of a bot that is misspelt nobody would be erased.
        scope.bot().map_or(Ok(()), |bot| self.parts.policies.known(bot))?;
        let record = self.action("erase", &scope, by, reason);
        for former in scope.keys(&self.parts.sealer).into_iter().skip(1) {
            let record = ActionRecord { scope: former, ..record.clone() };
            self.acted(&scope, record, self.parts.clock.now()).await?;
        }
        let record = self.acted(&scope, record, self.parts.clock.now()).await?;
        Ok(Done::Ordered(Ordered { record, still: Vec::new() }))
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
        let record = ActionRecord { factor, expires_at, ..record };
        let record = self.acted(scope, record, now).await?;
        Ok(Done::Ordered(Ordered { record, still: Vec::new() }))
    }

    async fn take_back(
        &self,
        authors: &[&str],
        word: &str,
        scope: &Scope,
        by: String,
        reason: Option<String>,
    ) -> Result<Done, Problem> {
        let Parts { control_kv, control, sealer, clock, .. } = &*self.parts;
        for author in authors {
            let erased = control::erase(&**control_kv, author, scope, sealer).await;
            erased.map_err(|_| away("control"))?;
        }
        let (record, now) = (self.action(word, scope, by, reason), clock.now());
        let record = self.acted(scope, record, now).await?;
        // Who lifts a bot's block while all are stopped must know why nothing passes.
        Ok(Done::Ordered(Ordered { record, still: control.wider(scope, now) }))
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
    ) -> Result<ActionRecord, Problem> {
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
        Ok(record)
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
