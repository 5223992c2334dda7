//! What the record says afterwards of a message that was admitted: its outcome, and the tokens of the bot's
//! answer.

use std::time::Duration;

use portcullis_core::{
    Body, BotId, Decision, Direction, Entry, MessageId, StageName, Status, Verdict,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Charged, Costs, Unit, scaled, tokens};
use crate::{Algorithm, Change, LimitRule, PenaltyBox, Settlement, hex};

/// The name of a message's ticket: a digest, because a client's id may be anything.
pub fn ticket_id(message: &MessageId) -> String {
    digest(message.as_str())
}

fn digest(text: &str) -> String {
    Sha256::digest(text).get(..16).map(hex::encode).unwrap_or_default()
}

/// A rule as it was charged, in the words of a ticket: short, because it lies in the store of counters.
#[derive(Serialize, Deserialize)]
struct Stub {
    #[serde(rename = "k")]
    key: String,
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    window: bool,
    #[serde(rename = "r")]
    rate: u32,
    /// Microseconds.
    #[serde(rename = "p")]
    period: u64,
    #[serde(rename = "b")]
    burst: u32,
    #[serde(rename = "c")]
    cost: u32,
    #[serde(rename = "v", default, skip_serializing_if = "std::ops::Not::not")]
    reserves: bool,
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    tokens: bool,
    #[serde(rename = "f")]
    factor: f64,
    /// By outcome: allow, hold, block.
    #[serde(rename = "o")]
    costs: [u32; 3],
    /// After, milliseconds to forgive, at most.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    penalty: Option<(u32, u64, u32)>,
}

/// The body of a ticket.
pub(super) fn body(rules: &[Charged], limits: &[LimitRule]) -> String {
    let stub = |(charged, limit): (&Charged, &LimitRule)| {
        let Costs { allow, hold, block } = charged.rule.cost;
        Stub {
            key: limit.key.clone(),
            window: limit.algorithm == Algorithm::Window,
            rate: limit.rate,
            period: u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX),
            burst: limit.burst,
            cost: limit.cost,
            reserves: limit.reserve > 0,
            tokens: charged.rule.unit == Unit::Tokens,
            factor: charged.factor,
            costs: [allow, hold, block],
            penalty: limit.penalty.map(|penalty| {
                let forgive = u64::try_from(penalty.forgive.as_millis()).unwrap_or(u64::MAX);
                (penalty.after, forgive, penalty.most)
            }),
        }
    };
    let stubs: Vec<Stub> = rules.iter().zip(limits).map(stub).collect();
    serde_json::to_string(&stubs).unwrap_or_default()
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Allowed,
    Held,
    /// Blocked for what was found in it.
    Attack,
    /// Blocked by an operator, or for want of a stage: not its sender's doing.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Outcome(Outcome),
    /// Tokens of the bot's answer.
    Answer(u32),
}

/// An entry of the record that may change what a message cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    /// The bot.
    pub bot: BotId,
    /// The ticket of the message.
    pub ticket: String,
    entry: String,
    news: News,
}

impl Settling {
    /// What an entry says; `None` where it changes nothing.
    pub fn of(entry: &Entry) -> Option<Self> {
        let Body::Verdict(record) = &entry.body else { return None };
        let (message, news) = match record.direction {
            Direction::Inbound => {
                let counted = record.verdict.check(&StageName::rate_limit())?;
                if counted.status != Status::Ran {
                    return None;
                }
                (&record.verdict.id, News::Outcome(outcome(&record.verdict)?))
            }
            Direction::Outbound => {
                (record.in_reply_to.as_ref()?, News::Answer(tokens(record.bytes)))
            }
        };
        let (ticket, entry_id) = (ticket_id(message), digest(&entry.id));
        Some(Self { bot: entry.bot.clone(), ticket, entry: entry_id, news })
    }

    /// The changes under the rules that a ticket names; `None` where there are none, or where the ticket is
    /// of a release whose words this one does not know.
    pub fn changes(&self, body: &str) -> Option<Settlement> {
        let stubs: Vec<Stub> = serde_json::from_str(body).ok()?;
        let changes: Vec<Change> =
            stubs.iter().enumerate().filter_map(|(index, stub)| self.change(index, stub)).collect();
        (!changes.is_empty()).then(|| Settlement {
            bot: self.bot.clone(),
            ticket: self.ticket.clone(),
            entry: self.entry.clone(),
            changes,
        })
    }

    fn change(&self, index: usize, stub: &Stub) -> Option<Change> {
        let [allow, hold, block] = stub.costs;
        let times = |cost: u32| i64::from(stub.cost).saturating_mul(i64::from(cost) - 1);
        let (units, release, block) = match self.news {
            News::Outcome(Outcome::Allowed) => (times(allow), false, false),
            News::Outcome(Outcome::Held) => (times(hold), false, false),
            News::Outcome(Outcome::Attack) => (times(block), stub.reserves, stub.penalty.is_some()),
            News::Outcome(Outcome::Stopped) => (times(allow), stub.reserves, false),
            News::Answer(_) if !stub.tokens => return None,
            News::Answer(tokens) => {
                (scaled(tokens, stub.factor, u32::MAX).into(), stub.reserves, false)
            }
        };
        (units != 0 || release || block).then(|| Change {
            rule: stub.rule(),
            index,
            units,
            release,
            block,
        })
    }
}

impl Stub {
    fn rule(&self) -> LimitRule {
        LimitRule {
            key: self.key.clone(),
            algorithm: if self.window { Algorithm::Window } else { Algorithm::Gcra },
            rate: self.rate,
            period: Duration::from_micros(self.period),
            burst: self.burst,
            cost: self.cost,
            reserve: 0,
            penalty: self.penalty.map(|(after, forgive, most)| PenaltyBox {
                after,
                forgive: Duration::from_millis(forgive),
                most,
            }),
            shadow: false,
        }
    }
}

/// What a verdict says of its message. In shadow mode what would have been decided counts, but nothing was
/// stopped.
fn outcome(verdict: &Verdict) -> Option<Outcome> {
    let decision = verdict.shadow_decision.unwrap_or(verdict.decision);
    let own = |reason: &String| !reason.starts_with("control.") && !reason.starts_with("gap.");
    let is = |word: &str| verdict.reasons.iter().any(|reason| reason == word);
    match decision {
        Decision::Allow | Decision::Rewrite => Some(Outcome::Allowed),
        // It was charged under no rule, unless its throttle was only in shadow.
        Decision::Throttle => verdict.shadow_decision.map(|_| Outcome::Allowed),
        Decision::Hold => Some(Outcome::Held),
        Decision::Block | Decision::Unknown if is("no_reviewer") => Some(Outcome::Held),
        Decision::Block | Decision::Unknown => {
            // In shadow mode the reasons are those of the orders in force: none of what was found.
            let found = verdict.shadow_decision.is_some() || verdict.reasons.iter().any(own);
            Some(if found { Outcome::Attack } else { Outcome::Stopped })
        }
    }
}
