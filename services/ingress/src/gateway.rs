//! The one path that every door shares: admit, recall, control, walk the plan, hold, remember, record,
//! answer once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_bus::{Held, Kv, Mail, Outbox, Recorder};
use portcullis_core::{
    Cause, Check, Clock, Decision, Effect, Finding, Interaction, Recorded, StageName, Verdict,
};
use portcullis_personal::Sealing;
use portcullis_pipeline::{Given, Identity, Outcome, Pipeline, Vaulting, gap, told};
use portcullis_policy::Policy;
use portcullis_state::{Conversations, Keeper, Sealer};
use tracing::Instrument;

use crate::control::{Control, context};
use crate::holding::away;
use crate::policies::Policies;
use crate::recording::set_verdict;
use portcullis_door::Problem;
use portcullis_door::auth::{Access, KeyHash};
use portcullis_door::request::CheckRequest;
use portcullis_keep::once::{First, Once, Remembered};
use portcullis_keep::throttles::Throttles;
use portcullis_streams::{Ended, settle};

/// Time for looking up an id.
const RECALL_BUDGET: Duration = Duration::from_millis(100);

/// Everything that the gateway reaches.
pub struct Parts {
    /// Walks the plan.
    pub pipeline: Pipeline,
    /// The policies in force.
    pub policies: Policies,
    /// The orders in force.
    pub control: Control,
    /// The bucket that orders are written to.
    pub control_kv: Arc<dyn Kv>,
    /// What is known of conversations.
    pub conversations: Arc<dyn Conversations>,
    /// The day's memory of verdicts.
    pub verdicts: Arc<dyn Kv>,
    /// Cases that wait for a human.
    pub held: Arc<dyn Held>,
    /// Mail for bots.
    pub outbox: Arc<dyn Outbox>,
    /// The record; `None` for commands that keep none.
    pub recorder: Option<Recorder>,
    /// Seals and hashes.
    pub sealer: Arc<Sealer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) parts: Arc<Parts>,
    pub(crate) once: Once,
    pub(crate) throttles: Arc<Throttles>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) text_bytes: usize,
    pub(crate) sealing: Sealing,
}

/// A request that was admitted.
pub struct Admitted {
    pub(crate) interaction: Interaction,
    pub(crate) policy: Arc<Policy>,
    /// Whether the id came with the request and may come again.
    pub(crate) repeatable: bool,
    /// The hash of the API key that it came with.
    pub(crate) api_key: Option<KeyHash>,
    /// What became of it while it was being written.
    pub(crate) ended: Option<Ended>,
}

/// How a door treats a throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttling {
    /// The caller waits and asks again, with the same id if it likes.
    AskAgain,
    /// The verdict is stored for the bot: final like any other.
    Final,
}

impl Gateway {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let once = Once::new(parts.verdicts.clone(), parts.sealer.clone());
        let throttles = Arc::default();
        Self {
            parts: Arc::new(parts),
            once,
            throttles,
            keeper: None,
            text_bytes: usize::MAX,
            sealing: Sealing::default(),
        }
    }

    /// Takes at most so many bytes of text and context, whatever a policy says.
    #[must_use]
    pub fn with_text_limit(mut self, bytes: usize) -> Self {
        self.text_bytes = bytes;
        self
    }

    /// Whether a record is kept.
    pub(crate) fn records(&self) -> bool {
        self.parts.recorder.is_some()
    }

    /// Stores mail for a bot. `false` where it is not stored.
    pub(crate) async fn send(&self, mail: Mail) -> bool {
        self.parts.outbox.send(mail).await.is_ok()
    }

    /// Authorises and validates a request, and pins the bot's policy.
    ///
    /// # Errors
    /// A problem that names what is wrong.
    pub fn admit(&self, access: &Access, request: CheckRequest) -> Result<Admitted, Problem> {
        let bot = access.bot(request.bot.as_ref())?;
        let policy = self.parts.policies.pin(&bot)?;
        let (repeatable, api_key) = (request.id.is_some(), request.api_key.clone());
        let limit = policy.document().limits.total_bytes.min(self.text_bytes);
        let interaction = request.into_interaction(bot, self.parts.clock.now(), limit)?;
        Ok(Admitted { interaction, policy, repeatable, api_key, ended: None })
    }

    /// Checks a request: one verdict.
    ///
    /// # Errors
    /// A problem where it cannot be admitted, or where its id was used for something else.
    pub async fn check(
        &self,
        access: &Access,
        request: CheckRequest,
        throttling: Throttling,
    ) -> Result<Verdict, Problem> {
        self.judge(self.admit(access, request)?, throttling).await
    }

    pub(crate) async fn judge(
        &self,
        admitted: Admitted,
        throttling: Throttling,
    ) -> Result<Verdict, Problem> {
        let span = tracing::info_span!(
            "check",
            portcullis.bot = %admitted.interaction.bot,
            portcullis.direction = admitted.interaction.direction.as_str(),
            portcullis.decision = tracing::field::Empty,
            portcullis.shadow_decision = tracing::field::Empty,
            portcullis.gaps = tracing::field::Empty,
            portcullis.unscanned = tracing::field::Empty,
            portcullis.recorded = tracing::field::Empty,
            portcullis.policy.version = tracing::field::Empty,
        );
        async {
            let policy = admitted.policy.clone();
            let began = self.parts.clock.instant();
            let verdict = self.decide(admitted, throttling).await?;
            told::tell(&verdict, began.elapsed());
            Ok(portcullis_pipeline::for_bot(&policy, verdict))
        }
        .instrument(span)
        .await
    }

    async fn decide(&self, admitted: Admitted, throttling: Throttling) -> Result<Verdict, Problem> {
        let Admitted { interaction, policy, repeatable, api_key, ended } = admitted;
        let since = self.parts.clock.instant();
        let (bot, direction) = (&interaction.bot, interaction.direction);
        let digest = repeatable.then(|| self.once.digest(&interaction));
        let mut memory_gap = false;
        if let Some(digest) = &digest {
            let recall = self.once.recall(bot, direction, &interaction.id);
            match tokio::time::timeout(RECALL_BUDGET, recall).await {
                Ok(Ok(Some(known))) => {
                    let known = Once::same(known, digest)?;
                    return self.again(known, &interaction, &policy, since, throttling).await;
                }
                Ok(Ok(None)) => {}
                Ok(Err(_)) | Err(_) => memory_gap = true,
            }
        }
        let mut identity = self.identity(&interaction);
        identity.api_key = api_key
            .map(|key| self.parts.sealer.keyed_hash(&context("api_key", bot), &String::from(key)));
        let stopped = ended.as_ref().map(|ended| ended.stopped.clone()).unwrap_or_default();
        let mut outcome = self.run(&interaction, &identity, &policy, since, stopped).await;
        let streamed = ended.map(|ended| ended.streamed);
        settle(&mut outcome.verdict, streamed.as_ref());
        if memory_gap {
            outcome.verdict.receipt.push(store_gap());
        }
        if outcome.verdict.decision == Decision::Throttle && throttling == Throttling::AskAgain {
            return Ok(self.throttled(&interaction, &identity, &policy, outcome).await);
        }
        let held = outcome.verdict.decision == Decision::Hold;
        if held && self.hold(&interaction, &identity, &policy, &outcome).await.is_err() {
            block(&mut outcome.verdict, &policy, "gap.held.away");
            settle(&mut outcome.verdict, streamed.as_ref());
        }
        let mut entry = self.entry(&interaction, &identity, &policy, &outcome, "");
        // Who is held is asked for later by id, whoever made the id.
        if digest.is_some() || held {
            let digest = digest.unwrap_or_else(|| self.once.digest(&interaction));
            // Whoever is asked about it later says where the record will have it.
            let recorded = if self.records() { Recorded::Journal } else { Recorded::Nowhere };
            let verdict = Verdict { recorded, ..outcome.verdict.clone() };
            let mine = Remembered { digest, verdict, entry: entry.clone() };
            let first = self.once.first(bot, direction, &mine);
            match tokio::time::timeout(RECALL_BUDGET, first).await {
                Ok(Ok(First::Mine)) => {}
                Ok(Ok(First::Theirs(theirs))) => {
                    if held && theirs.verdict.decision != Decision::Hold {
                        // The case that was just kept is that of no verdict.
                        self.forget_held(bot, direction, &interaction.id).await;
                    }
                    let theirs = Once::same(*theirs, &mine.digest)?;
                    return self.again(theirs, &interaction, &policy, since, throttling).await;
                }
                Ok(Err(_)) | Err(_) if !memory_gap => {
                    outcome.verdict.receipt.push(store_gap());
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let learning = self.learn(&interaction, &identity, &outcome);
        let mut verdict = outcome.verdict.clone();
        let recording = self.record_or_block(&entry, &policy, &mut verdict);
        let (recorded, ()) = tokio::join!(recording, learning);
        outcome.verdict = verdict;
        if !recorded && throttling == Throttling::Final {
            // It waits in its queue, and gets the verdict that is remembered when the record is back.
            return Err(away("the journal"));
        }
        if !recorded {
            settle(&mut outcome.verdict, streamed.as_ref());
            if held {
                // Nobody is to release what was never recorded.
                self.forget_held(bot, direction, &interaction.id).await;
            }
        }
        let is_told_rightly = recorded && outcome.verdict.recorded != Recorded::Nowhere;
        if (repeatable || held) && self.records() && !is_told_rightly {
            set_verdict(&mut entry, &outcome.verdict);
            let digest = self.once.digest(&interaction);
            let mine = Remembered { digest, verdict: outcome.verdict.clone(), entry };
            let replaced = self.once.replace(bot, direction, &mine);
            let _ = tokio::time::timeout(RECALL_BUDGET, replaced).await;
        }
        let took = self.parts.clock.instant().saturating_duration_since(since);
        outcome.verdict.took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Ok(outcome.verdict)
    }

    /// The verdict of an id that came before. Its entry is written again: the same id twice is one entry,
    /// and whoever died between remembering and recording left it out. Where it cannot be written, memory lets
    /// nothing through that the policy wants recorded. While an order blocks the message, a text is not let through
    /// by memory either: that answer is an entry of its own.
    async fn again(
        &self,
        mut known: Remembered,
        interaction: &Interaction,
        policy: &Policy,
        since: Instant,
        throttling: Throttling,
    ) -> Result<Verdict, Problem> {
        if known.verdict.decision.forwards() && self.is_stopped(interaction, policy) {
            let who = self.identity(interaction);
            let mut outcome = self.run(interaction, &who, policy, since, Vec::new()).await;
            let suffix = format!("/control-{}", self.parts.clock.now().as_millisecond());
            let entry = self.entry(interaction, &who, policy, &outcome, &suffix);
            self.record_or_block(&entry, policy, &mut outcome.verdict).await;
            return Ok(outcome.verdict);
        }
        let mut verdict = known.verdict.clone();
        let recorded = self.record_or_block(&known.entry, policy, &mut verdict).await;
        if recorded {
            return Ok(verdict);
        }
        if throttling == Throttling::Final {
            return Err(away("the journal"));
        }
        if known.verdict.decision.forwards() {
            return Ok(verdict);
        }
        // What does not go on anyway stays what it was.
        known.verdict.recorded = Recorded::Nowhere;
        Ok(known.verdict)
    }

    /// Whether what operators have ordered blocks this message.
    pub(crate) fn is_stopped(&self, interaction: &Interaction, policy: &Policy) -> bool {
        let Parts { control, sealer, clock, .. } = &*self.parts;
        let ordered = control.findings(interaction, sealer, clock.now());
        portcullis_policy::decide(policy, interaction.direction, &ordered, &[]) == Decision::Block
    }

    async fn run(
        &self,
        interaction: &Interaction,
        identity: &Identity,
        policy: &Policy,
        since: Instant,
        stopped: Vec<Finding>,
    ) -> Outcome {
        let Parts { control, sealer, clock, pipeline, .. } = &*self.parts;
        let mut ordered = control.findings(interaction, sealer, clock.now());
        ordered.extend(stopped);
        let vault = self.vault(&interaction.bot, identity.conversation.as_ref(), policy);
        let given = Given {
            policy,
            vault: vault.as_ref().map(|vault| vault as &dyn Vaulting),
            control: ordered,
            control_version: control.version(),
            identity,
            memory: Box::pin(self.known(interaction, identity)),
            more: false,
            since,
            trace_id: portcullis_telemetry::current_trace_id(),
        };
        pipeline.run(interaction, given).await
    }
}

/// Turns a verdict into a block because something that must not be missing is.
pub(crate) fn block(verdict: &mut Verdict, policy: &Policy, reason: &str) {
    verdict.decision = Decision::Block;
    verdict.reasons.push(reason.to_owned());
    verdict.text = None;
    verdict.retry_after_s = None;
    // Somebody in danger is never only refused.
    let replies = &policy.document().replies;
    if verdict.reply.as_ref() != Some(&replies.crisis) {
        verdict.reply = Some(replies.refusal.clone());
    }
}

/// The memory of verdicts was away: the same id might get a second verdict.
fn store_gap() -> Check {
    gap(&StageName::verdicts(), Cause::Dependency, Effect::Pass, Duration::ZERO)
}
