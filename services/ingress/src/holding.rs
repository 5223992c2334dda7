//! Messages that wait for a human: kept sealed, resolved once, expired in time.

use std::time::Duration;

use jiff::SignedDuration;
use portcullis_bus::{HeldItem, Mail, MailKind};
use portcullis_core::{
    Body, BotId, ConversationId, Decision, Direction, Entry, HeldCase, Interaction, MessageId,
    Resolution, ResolutionRecord, Text, Verdict,
};
use portcullis_pipeline::placeholders::{self, Values};
use portcullis_pipeline::{Identity, Outcome};
use portcullis_policy::Policy;
use serde::Serialize;

use crate::gateway::Gateway;
use portcullis_door::Problem;
use portcullis_keep::once;

/// Time for keeping a case before the verdict that says so is given.
const HOLD_BUDGET: Duration = Duration::from_millis(200);
/// Cases, and bytes of their texts, that are listed at once: an answer has to fit into a message of the bus.
const TOLD: usize = 200;
const TOLD_BYTES: usize = 2 * 1024 * 1024;
/// Who resolves what nobody looked at.
const NOBODY: &str = "portcullis";

/// What is known of a check.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct CheckState {
    /// The verdict that was given.
    pub verdict: Verdict,
    /// How the held message ended, once it did.
    pub resolution: Option<ResolutionRecord>,
}

/// A resolution that an operator asks for.
#[derive(Debug, Clone)]
pub struct Resolve {
    /// The bot.
    pub bot: BotId,
    /// Which way the message went.
    pub direction: Direction,
    /// The message.
    pub id: MessageId,
    /// How it ends.
    pub resolution: Resolution,
    /// The wording, on `edit`.
    pub text: Option<Text>,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

impl Gateway {
    /// Keeps a case for a human.
    pub(crate) async fn hold(
        &self,
        interaction: &Interaction,
        who: &Identity,
        policy: &Policy,
        outcome: &Outcome,
    ) -> Result<(), ()> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let wait =
            SignedDuration::from_secs(i64::try_from(policy.document().hold_s).unwrap_or(i64::MAX));
        let case = HeldCase {
            bot: interaction.bot.clone(),
            direction: interaction.direction,
            verdict: outcome.verdict.clone(),
            text: outcome.masked.clone(),
            speaker: who.speaker.clone().map(String::from),
            conversation: who.conversation.clone().map(String::from),
            held_at: now,
            expires_at: now + wait,
        };
        let key = once::key(interaction.direction, &interaction.id);
        let plain = serde_json::to_vec(&case).map_err(|_| ())?;
        let context = sealed_for(&case.bot);
        let sealed = parts.sealer.seal(&context, key.as_bytes(), &plain).map_err(|_| ())?;
        let put = parts.held.put(HeldItem { bot: case.bot, key, sealed: sealed.into() });
        tokio::time::timeout(HOLD_BUDGET, put).await.map_err(|_| ())?.map_err(|_| ())
    }

    /// Forgets a case that was kept for a verdict which is none.
    pub(crate) async fn forget_held(&self, bot: &BotId, direction: Direction, id: &MessageId) {
        let key = once::key(direction, id);
        let removed = tokio::time::timeout(HOLD_BUDGET, self.parts.held.remove(bot, &key)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::error!(bot = %bot, id = %id, "a held case of a message that is not held stays");
        }
    }

    /// The cases that wait, of one bot or of all, oldest first: as many as an answer takes.
    ///
    /// # Errors
    /// 503 where the store is away.
    pub async fn held(&self, bot: Option<&BotId>) -> Result<Vec<HeldCase>, Problem> {
        let items = self.parts.held.list(bot).await.map_err(|_| away("the held store"))?;
        let mut cases: Vec<HeldCase> = items.iter().filter_map(|item| self.open(item)).collect();
        cases.sort_by_key(|case| case.held_at);
        let mut bytes = 0;
        let told = cases.iter().take(TOLD).take_while(|case| {
            let fits = bytes == 0 || bytes + case.text.len() <= TOLD_BYTES;
            bytes += case.text.len();
            fits
        });
        let told = told.count();
        cases.truncate(told);
        Ok(cases)
    }

    fn open(&self, item: &HeldItem) -> Option<HeldCase> {
        let context = sealed_for(&item.bot);
        let opened = self.parts.sealer.open(&context, item.key.as_bytes(), &item.sealed);
        let case = opened.ok().and_then(|plain| serde_json::from_slice(&plain).ok());
        if case.is_none() {
            tracing::warn!(bot = %item.bot, key = item.key, "a held case cannot be opened");
        }
        case
    }

    /// The verdict of a check, as the bot's policy lets it be told, and, if it was held, its resolution. Without a
    /// direction a person's message comes before an answer of the same id.
    ///
    /// # Errors
    /// 404 where nothing is remembered or the bot is not known, 503 where the store is away.
    pub async fn look_up(
        &self,
        bot: &BotId,
        direction: Option<Direction>,
        id: &MessageId,
    ) -> Result<CheckState, Problem> {
        let policy = self.parts.policies.pin(bot)?;
        let both = [Direction::Inbound, Direction::Outbound];
        for direction in both.into_iter().filter(|one| direction.is_none_or(|asked| asked == *one))
        {
            let known = self.once.recall(bot, direction, id).await;
            if let Some(known) = known.map_err(|_| away("the memory of verdicts"))? {
                let resolution = self.once.resolution(bot, direction, id).await;
                return Ok(CheckState {
                    verdict: portcullis_pipeline::for_bot(&policy, known.verdict),
                    resolution: resolution.map_err(|_| away("the memory of verdicts"))?,
                });
            }
        }
        Err(Problem::not_found("no verdict is remembered under this id for this bot"))
    }

    /// Resolves a held message, once: journalled, remembered, and sent to the bot.
    ///
    /// # Errors
    /// 404 where it does not wait, 409 where it was resolved already or an order forbids its release,
    /// 503 where something is away; then it can be asked again.
    pub async fn resolve(&self, ask: Resolve) -> Result<ResolutionRecord, Problem> {
        let key = once::key(ask.direction, &ask.id);
        let item = self.parts.held.get(&ask.bot, &key).await;
        let Some(item) = item.map_err(|_| away("the held store"))? else {
            return Err(match self.once.resolution(&ask.bot, ask.direction, &ask.id).await {
                Ok(Some(record)) => already(&record),
                _ => Problem::not_found("no message with this id waits for this bot").field("id"),
            });
        };
        let case = self
            .open(&item)
            .ok_or_else(|| Problem::conflict("the case cannot be opened with today's secrets"))?;
        let text = match ask.resolution {
            Resolution::Release => Some(case.text.clone()),
            Resolution::Edit => match ask.text {
                Some(text) if !text.is_empty() => Some(text),
                _ => return Err(Problem::invalid("an edit needs a text").field("text")),
            },
            _ => None,
        };
        let text = match text {
            Some(text) => {
                self.still_allowed(&case)?;
                Some(self.given_back(&case, text).await?)
            }
            None => None,
        };
        let record = ResolutionRecord {
            message: ask.id,
            direction: ask.direction,
            resolution: ask.resolution,
            by: ask.by,
            reason: ask.reason,
            text,
            at: self.parts.clock.now(),
        };
        let first = self.once.resolve(&ask.bot, &record).await;
        if let Some(theirs) = first.map_err(|_| away("the memory of verdicts"))? {
            // Whoever was first may have died before telling anybody.
            self.announce(&ask.bot, &key, &theirs).await?;
            return Err(already(&theirs));
        }
        self.announce(&ask.bot, &key, &record).await?;
        Ok(record)
    }

    /// What the person reads of an answer that is released: people who looked at it saw placeholders. Where the
    /// vault is away these stay, as in an answer that was not held.
    async fn given_back(&self, case: &HeldCase, text: Text) -> Result<Text, Problem> {
        let policy = self.parts.policies.pin(&case.bot)?;
        let restores = policy.document().placeholders.restore;
        if case.direction == Direction::Inbound || !restores {
            return Ok(text);
        }
        let conversation = case.conversation.as_deref().map(ConversationId::parse);
        let conversation = conversation.and_then(Result::ok);
        let values = if placeholders::any_to_restore(text.expose()) {
            self.values_of(&case.bot, conversation.as_ref(), &policy).await
        } else {
            Values::new()
        };
        Ok(placeholders::restore(text.expose(), &values).map_or(text, Text::from))
    }

    /// Orders are looked at again before a release.
    fn still_allowed(&self, case: &HeldCase) -> Result<(), Problem> {
        let interaction = Interaction {
            id: case.verdict.id.clone(),
            bot: case.bot.clone(),
            conversation: None,
            speaker: None,
            client_addr: None,
            direction: case.direction,
            text: Text::default(),
            context: Vec::new(),
            in_reply_to: None,
            received_at: case.held_at,
        };
        let now = self.parts.clock.now();
        let hashes = [("speaker", &case.speaker), ("conversation", &case.conversation)];
        let ordered =
            self.parts.control.findings_for(&interaction, &hashes, &self.parts.sealer, now);
        let policy = self.parts.policies.pin(&case.bot)?;
        match portcullis_policy::decide(&policy, case.direction, &ordered, &[]) {
            Decision::Block => {
                Err(Problem::conflict("an order in force forbids it; lift the order first"))
            }
            _ => Ok(()),
        }
    }

    /// Journals a resolution, sends it to the bot and forgets the case. Each part may be done twice.
    async fn announce(
        &self,
        bot: &BotId,
        key: &str,
        record: &ResolutionRecord,
    ) -> Result<(), Problem> {
        let id = format!("{bot}/{}/{}", record.direction.as_str(), record.message);
        if let Some(recorder) = &self.parts.recorder {
            let entry = Entry {
                id: format!("resolution/{id}"),
                bot: bot.clone(),
                at: record.at,
                body: Body::Resolution(ResolutionRecord { text: None, ..record.clone() }),
            };
            let recorded = recorder.record(&entry, Duration::from_secs(1)).await;
            recorded.map_err(|_| away("the journal"))?;
        }
        let body = serde_json::to_vec(record).unwrap_or_default().into();
        let mail = Mail { kind: MailKind::Resolution, bot: bot.clone(), id, body };
        self.parts.outbox.send(mail).await.map_err(|_| away("the outbox"))?;
        self.parts.held.remove(bot, key).await.map_err(|_| away("the held store"))?;
        metrics::counter!(
            "portcullis_resolutions_total",
            "bot" => bot.to_string(),
            "resolution" => record.resolution.as_str(),
        )
        .increment(1);
        Ok(())
    }

    /// Expires what nobody looked at. `all`: also finishes what somebody resolved and died over, for which each case
    /// is looked up.
    pub async fn sweep_held(&self, all: bool) {
        let Ok(items) = self.parts.held.list(None).await else { return };
        metrics::gauge!("portcullis_held").set(items.len() as f64);
        let now = self.parts.clock.now();
        for item in &items {
            let Some(case) = self.open(item) else { continue };
            if !all && case.expires_at > now {
                continue;
            }
            let (bot, id) = (&case.bot, &case.verdict.id);
            let swept = match self.once.resolution(bot, case.direction, id).await {
                Ok(Some(record)) => self.announce(bot, &item.key, &record).await,
                Ok(None) if case.expires_at <= now => self
                    .resolve(Resolve {
                        bot: bot.clone(),
                        direction: case.direction,
                        id: id.clone(),
                        resolution: Resolution::Expired,
                        text: None,
                        by: NOBODY.into(),
                        reason: None,
                    })
                    .await
                    .map(|_| ()),
                _ => Ok(()),
            };
            if let Err(problem) = swept {
                tracing::warn!(bot = %bot, id = %id, problem = problem.detail, "sweep put off");
            }
        }
    }
}

fn sealed_for(bot: &BotId) -> String {
    format!("held/{bot}")
}

pub(crate) fn away(what: &str) -> Problem {
    Problem::unavailable(format!("{what} is away")).retry_after(1)
}

fn already(record: &ResolutionRecord) -> Problem {
    Problem::conflict(format!("resolved already: {} at {}", record.resolution.as_str(), record.at))
}
