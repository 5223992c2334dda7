//! What operators, the console and the anomaly watch have ordered: a watched bucket, enforced here only.
//!
//! Keys are `<author>.<scope>.<subject>`; each author writes its own prefix only. The harshest order that
//! fits counts, and orders expire by themselves.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt;
use jiff::Timestamp;
use portcullis_bus::{Kv, KvError, KvEvent};
pub use portcullis_core::Order;
use portcullis_core::{
    Action, BotId, Direction, Factors, Finding, Interaction, Severity, StageName,
};
use portcullis_state::Sealer;

/// What an order `limit` leaves of a limit where it does not say.
pub const LIMIT_FACTOR: f64 = 0.1;

/// On what an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every bot.
    All,
    /// One bot.
    Bot(BotId),
    /// One speaker of a bot.
    Speaker(BotId, String),
    /// One conversation of a bot.
    Conversation(BotId, String),
    /// One network address, for a bot.
    Address(BotId, String),
}

impl Scope {
    /// Its part of a key. Names of people go in as keyed hashes.
    pub fn key(&self, sealer: &Sealer) -> String {
        match self {
            Self::All => "all.all".into(),
            Self::Bot(bot) => format!("bot.{bot}"),
            Self::Speaker(bot, name) => format!("speaker.{}", hash(sealer, "speaker", bot, name)),
            Self::Conversation(bot, name) => {
                format!("conversation.{}", hash(sealer, "conversation", bot, name))
            }
            Self::Address(bot, address) => {
                format!("address.{}", hash(sealer, "address", bot, address))
            }
        }
    }

    /// Every key under which an order about it may stand, that of today's secret first: a changed master secret
    /// forgets nobody.
    pub fn keys(&self, sealer: &Sealer) -> Vec<String> {
        match self {
            Self::Speaker(bot, name) | Self::Conversation(bot, name) | Self::Address(bot, name) => {
                sealer
                    .keyed_hashes(&context(self.word(), bot), name)
                    .into_iter()
                    .map(|hash| format!("{}.{hash}", self.word()))
                    .collect()
            }
            Self::All | Self::Bot(_) => vec![self.key(sealer)],
        }
    }

    /// The bot that it is about; none for all.
    pub fn bot(&self) -> Option<&BotId> {
        match self {
            Self::All => None,
            Self::Bot(bot)
            | Self::Speaker(bot, _)
            | Self::Conversation(bot, _)
            | Self::Address(bot, _) => Some(bot),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Bot(_) => "bot",
            Self::Speaker(..) => "speaker",
            Self::Conversation(..) => "conversation",
            Self::Address(..) => "address",
        }
    }
}

fn hash(sealer: &Sealer, what: &str, bot: &BotId, name: &str) -> String {
    sealer.keyed_hash(&context(what, bot), name)
}

/// The context of keyed hashes of people, so that two bots never share a name.
pub fn context(what: &str, bot: &BotId) -> String {
    format!("{what}/{bot}")
}

#[derive(Default)]
struct Orders {
    /// By `<scope>.<subject>`, then by author.
    by_scope: HashMap<String, HashMap<String, Order>>,
    revision: u64,
}

/// The orders in force. Cheap to clone; all clones see a change at once.
#[derive(Clone, Default)]
pub struct Control {
    orders: Arc<ArcSwap<Orders>>,
}

impl Control {
    /// No orders.
    pub fn new() -> Self {
        Self::default()
    }

    /// Follows a bucket. Returns once the bucket was lost; the caller watches again, and what was in
    /// force stays so meanwhile.
    ///
    /// # Errors
    /// Where the bucket is away.
    pub async fn follow(&self, kv: &dyn Kv, ready: impl Fn()) -> Result<(), KvError> {
        let mut events = kv.watch().await?;
        let mut next: HashMap<String, HashMap<String, Order>> = HashMap::new();
        let mut revision = 0;
        let mut told = false;
        while let Some(event) = events.next().await {
            match event {
                KvEvent::Snapshot => {
                    told = true;
                    ready();
                }
                KvEvent::Put { key, record } => {
                    revision = record.revision;
                    let Some((author, scope)) = key.split_once('.') else { continue };
                    // An order that cannot be read was meant to stop something.
                    let order = serde_json::from_slice(&record.value).unwrap_or_else(|_| {
                        tracing::error!(
                            key,
                            "an order cannot be read; it is taken as the harshest"
                        );
                        Order {
                            action: Action::Unknown,
                            factor: None,
                            by: author.to_owned(),
                            reason: None,
                            expires_at: None,
                        }
                    });
                    next.entry(scope.to_owned()).or_default().insert(author.to_owned(), order);
                }
                KvEvent::Gone { key } => {
                    let Some((author, scope)) = key.split_once('.') else { continue };
                    if let Some(authors) = next.get_mut(scope) {
                        authors.remove(author);
                        if authors.is_empty() {
                            next.remove(scope);
                        }
                    }
                }
            }
            if told {
                self.orders.store(Arc::new(Orders { by_scope: next.clone(), revision }));
            }
        }
        Ok(())
    }

    /// The revision that is in force, for receipts.
    pub fn version(&self) -> String {
        format!("revision {}", self.orders.load().revision)
    }

    /// What is ordered for this message, as findings.
    pub fn findings(
        &self,
        interaction: &Interaction,
        sealer: &Sealer,
        now: Timestamp,
    ) -> Vec<Finding> {
        self.findings_for(interaction, &[], sealer, now)
    }

    /// By how much orders scale the limits that this message is under.
    pub fn factors(&self, interaction: &Interaction, sealer: &Sealer, now: Timestamp) -> Factors {
        let orders = self.orders.load();
        let mut factors = Factors::default();
        if orders.by_scope.is_empty() {
            return factors;
        }
        for (word, key) in scopes(interaction, &[], sealer) {
            let place = match word {
                "speaker" => &mut factors.speaker,
                "conversation" => &mut factors.conversation,
                "address" => &mut factors.address,
                _ => &mut factors.everybody,
            };
            let fitting = orders.by_scope.get(&key).into_iter().flat_map(HashMap::values);
            let limits = fitting
                .filter(|order| order.action == Action::Limit)
                .filter(|order| order.expires_at.is_none_or(|until| until > now))
                // An order without a number was meant to slow somebody down.
                .map(|order| order.factor.filter(|factor| *factor > 0.0).unwrap_or(LIMIT_FACTOR));
            *place = limits.chain(*place).reduce(f64::min);
        }
        factors
    }

    /// Orders of wider scopes that stand against what `scope` is about, in words.
    pub fn wider(&self, scope: &Scope, now: Timestamp) -> Vec<String> {
        let wider = match scope {
            Scope::All => vec![],
            Scope::Bot(_) => vec![Scope::All],
            _ => vec![Scope::All, Scope::Bot(scope.bot().cloned().unwrap_or_else(BotId::fallback))],
        };
        let orders = self.orders.load();
        let standing = |wide: Scope| {
            let key = match &wide {
                Scope::Bot(bot) => format!("bot.{bot}"),
                _ => "all.all".to_owned(),
            };
            let fitting = orders.by_scope.get(&key).into_iter().flat_map(HashMap::iter);
            fitting
                .filter(|(_, order)| order.expires_at.is_none_or(|until| until > now))
                .map(|(author, order)| {
                    let until = order.expires_at.map(|at| format!(" until {at:.0}"));
                    let until = until.unwrap_or_default();
                    let what = order.action.as_str();
                    format!("{what} for {} by {} ({author}){until}", wide.word(), order.by)
                })
                .collect::<Vec<_>>()
        };
        let mut still: Vec<String> = wider.into_iter().flat_map(standing).collect();
        still.sort();
        still
    }

    /// The same, where names are known only as keyed hashes.
    pub fn findings_for(
        &self,
        interaction: &Interaction,
        hashes: &[(&'static str, &Option<String>)],
        sealer: &Sealer,
        now: Timestamp,
    ) -> Vec<Finding> {
        let orders = self.orders.load();
        if orders.by_scope.is_empty() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (word, key) in scopes(interaction, hashes, sealer) {
            let fitting = orders.by_scope.get(&key).into_iter().flat_map(HashMap::values);
            let harshest = fitting
                .filter(|order| order.expires_at.is_none_or(|until| until > now))
                .filter(|order| order.action != Action::Mute || is_answer(interaction))
                .map(|order| order.action)
                .max();
            if let Some(action) = harshest {
                let kind = format!("control.{}", action.as_str());
                findings.push(
                    Finding::new(StageName::control(), kind, Severity::Critical, 1.0)
                        .with_detail(format!("ordered for this {word}")),
                );
            }
        }
        findings
    }
}

/// The keys under which an order for this message may stand.
fn scopes(
    interaction: &Interaction,
    hashes: &[(&'static str, &Option<String>)],
    sealer: &Sealer,
) -> Vec<(&'static str, String)> {
    let bot = &interaction.bot;
    let mut scopes = vec![("all", "all.all".to_owned()), ("bot", format!("bot.{bot}"))];
    for (word, hash) in hashes {
        scopes.extend(hash.iter().map(|hash| (*word, format!("{word}.{hash}"))));
    }
    let mut add = |word: &'static str, name: &str| {
        // A changed master secret does not forget who is blocked.
        for hash in sealer.keyed_hashes(&context(word, bot), name) {
            scopes.push((word, format!("{word}.{hash}")));
        }
    };
    if let Some(speaker) = &interaction.speaker {
        add("speaker", speaker.as_str());
    }
    if let Some(conversation) = &interaction.conversation {
        add("conversation", conversation.as_str());
    }
    if let Some(address) = &interaction.client_addr {
        add("address", &address.to_canonical().to_string());
    }
    scopes
}

fn is_answer(interaction: &Interaction) -> bool {
    interaction.direction == Direction::Outbound
}

/// Writes an order under an author's own prefix.
///
/// # Errors
/// Where the bucket is away.
pub async fn write(
    kv: &dyn Kv,
    author: &str,
    scope: &Scope,
    order: &Order,
    sealer: &Sealer,
) -> Result<(), KvError> {
    let value = serde_json::to_vec(order).unwrap_or_default();
    kv.put(&format!("{author}.{}", scope.key(sealer)), value.into()).await.map(|_| ())
}

/// Takes an author's order back.
///
/// # Errors
/// Where the bucket is away.
pub async fn erase(
    kv: &dyn Kv,
    author: &str,
    scope: &Scope,
    sealer: &Sealer,
) -> Result<(), KvError> {
    for name in scope.keys(sealer) {
        kv.delete(&format!("{author}.{name}")).await?;
    }
    Ok(())
}
