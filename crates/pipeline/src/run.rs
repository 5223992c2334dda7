//! The walk of one message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use portcullis_bus::{CallError, Caller};
use portcullis_core::{
    Budget, Cause, Clock, ConversationId, Decision, Effect, Factors, Finding, Interaction, Known,
    Report, Size, SpeakerId, StageName, Verdict,
};
use portcullis_policy::{Call, Mode, OnGap, Plan, Policy, StepName, judge};

use tracing::Instrument;

use crate::ask::{Question, Sofar};
use crate::edits::MaskHash;
use crate::examine::examine;
use crate::receipt;
use crate::vault::{self, Vaulted, Vaulting};
use crate::walk::{Answer, Outcome, Walk};

/// Pause before the one further try that a `busy` or `absent` stage gets.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// Keyed hashes in the place of names: stages never learn who somebody is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// For the speaker.
    pub speaker: Option<SpeakerId>,
    /// For the conversation.
    pub conversation: Option<ConversationId>,
    /// For the API key that the message came with.
    pub api_key: Option<String>,
    /// What orders say of this sender's limits.
    pub factors: Factors,
}

/// What is known of the conversation, loaded while the gate is asked; `Err` where its store is away.
pub type Memory<'a> = BoxFuture<'a, Result<Known, Cause>>;

/// What ingress gives with a message.
pub struct Given<'a> {
    /// The pinned policy.
    pub policy: &'a Policy,
    /// What operators have ordered for this message, as findings of the stage `control`.
    pub control: Vec<Finding>,
    /// Revision of the orders that were looked at.
    pub control_version: String,
    /// Keyed hashes for stages that read who it is.
    pub identity: &'a Identity,
    /// What is known of the conversation.
    pub memory: Memory<'a>,
    /// Whether this is a part of an answer that is still being written.
    pub more: bool,
    /// The vault of the message's conversation; absent where it has none.
    pub vault: Option<&'a dyn Vaulting>,
    /// When the message was received.
    pub since: Instant,
    /// The trace of this check.
    pub trace_id: Option<String>,
}

/// Walks plans. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    caller: Arc<dyn Caller>,
    stand_in: Arc<dyn Caller>,
    hash: Arc<MaskHash>,
    clock: Arc<dyn Clock>,
}

impl Pipeline {
    /// `caller` asks the stages; `stand_in` is asked where a stage is missing and the policy says `local`.
    pub fn new(
        caller: Arc<dyn Caller>,
        stand_in: Arc<dyn Caller>,
        hash: Arc<MaskHash>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { caller, stand_in, hash, clock }
    }

    /// Checks a message. One verdict, whatever happens.
    pub async fn run(&self, interaction: &Interaction, given: Given<'_>) -> Outcome {
        let policy = given.policy;
        let plan = policy.plan(interaction.direction);
        let size = Size {
            bytes: interaction.total_bytes(),
            chars: interaction.places().map(|(_, text)| text.expose().chars().count()).sum(),
            more: given.more,
        };
        let mut walk = Walk::new(interaction.direction, given.control, &given.control_version);
        let mut vaulted = Vaulted::default();
        if policy.document().mode == Mode::Bypass {
            for call in plan.calls() {
                walk.receipt.push(receipt::skipped(&call.stage, "bypass"));
            }
        } else {
            let deadline = given.since + plan.total_for(size.bytes);
            let memory = (given.memory, deadline);
            self.walk(interaction, given.identity, size, policy, plan, memory, &mut walk).await;
            if !given.more {
                vaulted = vault::ask(&mut walk, interaction, policy, given.vault, deadline).await;
            }
        }
        let outcome = walk.finish(interaction, policy, &*self.hash, &vaulted);
        let took = self.clock.instant().saturating_duration_since(given.since);
        Outcome {
            verdict: Verdict {
                trace_id: given.trace_id,
                took_us: receipt::micros(took),
                ..outcome.verdict
            },
            ..outcome
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message, used in one place")]
    async fn walk(
        &self,
        interaction: &Interaction,
        identity: &Identity,
        size: Size,
        policy: &Policy,
        plan: &Plan,
        (memory, deadline): (Memory<'_>, Instant),
        walk: &mut Walk,
    ) {
        let mut known = Known::default();
        let mut memory = Some(memory);
        for step in &plan.steps {
            let so_far = judge(policy, interaction.direction, &walk.findings, &walk.gaps).decision;
            let decided = matches!(so_far, Decision::Throttle | Decision::Block);
            let loading = if step.name == StepName::Gate { memory.take() } else { None };
            let mut asked = Vec::new();
            for call in &step.calls {
                if !call.enabled {
                    walk.receipt.push(receipt::skipped(&call.stage, "off_by_policy"));
                } else if decided && !call.always {
                    let why = format!("decided_{}", so_far.as_str());
                    walk.receipt.push(receipt::skipped(&call.stage, why));
                } else {
                    asked.push(call);
                }
            }
            let answers = {
                let sofar = Sofar {
                    interaction,
                    identity,
                    size,
                    views: &walk.views,
                    findings: &walk.findings,
                    known: &known,
                };
                let answers = join_all(asked.iter().map(|call| {
                    let own = Instant::now() + call.timeout_for(size.bytes);
                    let question = Question::new(call, &sofar, Budget::until(own.min(deadline)));
                    let span = tracing::info_span!(
                        "ask",
                        otel.name = format!("ask {}", call.stage),
                        otel.kind = "client",
                        portcullis.stage = call.stage.as_str(),
                        portcullis.stage.version = tracing::field::Empty,
                        portcullis.gap = tracing::field::Empty,
                        portcullis.coverage.scanned = tracing::field::Empty,
                        portcullis.coverage.total = tracing::field::Empty,
                        portcullis.findings = tracing::field::Empty,
                    );
                    self.ask(call, question).instrument(span)
                }));
                let gate_end = Instant::now() + Duration::from_millis(25);
                let (answers, loaded) =
                    futures::join!(answers, load(loading, gate_end.min(deadline)));
                if let Some(loaded) = loaded {
                    match loaded {
                        Ok(loaded) => known = loaded,
                        Err(cause) => walk.missing(&StageName::conversation(), cause, Effect::Pass),
                    }
                }
                answers
            };
            for (call, answer) in asked.into_iter().zip(answers) {
                walk.take(call, answer);
            }
        }
    }

    /// Asks one stage: once more where it was busy or absent and there is time.
    async fn ask(&self, call: &Call, question: Question) -> Answer {
        let began = Instant::now();
        let mut answer = self.ask_once(&*self.caller, call, &question).await;
        let may_retry = matches!(answer, Err(error) if error.may_retry());
        if may_retry && question.ask.budget.left() > RETRY_AFTER * 2 && call.on_gap != OnGap::Local
        {
            tokio::time::sleep(RETRY_AFTER).await;
            answer = self.ask_once(&*self.caller, call, &question).await;
        }
        let mut stood_in = None;
        if let (Err(error), OnGap::Local) = (&answer, call.on_gap) {
            stood_in = Some(Cause::from(*error));
            let mut question = question.ask.clone();
            question.budget = Budget::of(RETRY_AFTER);
            if let Ok(report) = self.stand_in.call(&call.stage, &question).await {
                answer = Ok(report);
            }
        }
        let took = began.elapsed();
        observe(call, &answer, took);
        Answer { took, result: answer, question, stood_in }
    }

    async fn ask_once(
        &self,
        caller: &dyn Caller,
        call: &Call,
        question: &Question,
    ) -> Result<Report, CallError> {
        if question.ask.budget.is_spent() {
            return Err(CallError::Late);
        }
        // The caller keeps the budget too; this is the promise that nobody can break.
        let deadline = question.ask.budget.deadline();
        let asked = caller.call(&call.stage, &question.ask);
        let report = tokio::time::timeout_at(deadline.into(), asked)
            .await
            .unwrap_or(Err(CallError::Late))?;
        examine(&question.ask, &report).map_err(|misfit| {
            tracing::warn!(stage = %call.stage, field = misfit.0, "a report does not fit its question");
            CallError::Unreadable
        })?;
        Ok(report)
    }
}

/// Tells of an answer, in the span of its question and as metrics.
fn observe(call: &Call, answer: &Result<Report, CallError>, took: Duration) {
    let stage = call.stage.to_string();
    let span = tracing::Span::current();
    match answer {
        Ok(report) => {
            let coverage = &report.coverage;
            span.record("portcullis.stage.version", report.version.as_str());
            span.record("portcullis.coverage.scanned", coverage.scanned);
            span.record("portcullis.coverage.total", coverage.total);
            span.record("portcullis.findings", report.findings.len());
            metrics::counter!("portcullis_scanned_bytes_total", "stage" => stage.clone())
                .increment(coverage.scanned as u64);
        }
        Err(error) => {
            span.record("portcullis.gap", Cause::from(*error).as_str());
        }
    }
    metrics::histogram!("portcullis_ask_seconds", "stage" => stage).record(took.as_secs_f64());
}

async fn load(memory: Option<Memory<'_>>, deadline: Instant) -> Option<Result<Known, Cause>> {
    let loaded = tokio::time::timeout_at(deadline.into(), memory?).await;
    Some(loaded.unwrap_or(Err(Cause::Late)))
}
