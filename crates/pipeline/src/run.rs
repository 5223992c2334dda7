//! The walk of one message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use portcullis_bus::{CallError, Caller};
use portcullis_core::{
    Budget, Cause, Check, Clock, ConversationId, Decision, Edit, Effect, Finding, Gap, Interaction,
    Known, Learned, Recorded, Report, Size, SpeakerId, StageName, Text, Tone, ToneDirective,
    Verdict, View,
};
use portcullis_policy::{Call, Mode, OnGap, Plan, Policy, StepName, judge, rewritten};

use tracing::Instrument;

use crate::ask::{Question, Sofar};
use crate::edits::{self, MaskHash};
use crate::examine::examine;
use crate::receipt;

/// Pause before the one further try that a `busy` or `absent` stage gets.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// Keyed hashes in the place of names: stages never learn who somebody is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// For the speaker.
    pub speaker: Option<SpeakerId>,
    /// For the conversation.
    pub conversation: Option<ConversationId>,
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
    /// When the message was received.
    pub since: Instant,
    /// The trace of this check.
    pub trace_id: Option<String>,
}

/// A verdict, and what ingress does besides answering.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The verdict; `recorded` is `nowhere` until somebody records it.
    pub verdict: Verdict,
    /// The text after masking, also where it is not forwarded.
    pub masked: Text,
    /// Whether the sanitizer saw the whole text, so that `masked` may be kept.
    pub cleaned: bool,
    /// What goes into the conversation's state.
    pub learned: Learned,
}

/// Walks plans. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    caller: Arc<dyn Caller>,
    stand_in: Arc<dyn Caller>,
    hash: Arc<MaskHash>,
    clock: Arc<dyn Clock>,
}

/// What has come together so far.
struct Walk {
    views: Vec<View>,
    findings: Vec<Finding>,
    gaps: Vec<Gap>,
    edits: Vec<Edit>,
    receipt: Vec<Check>,
    learned: Learned,
    tone: Option<Tone>,
    retry_after_s: Option<u64>,
    cleaned: bool,
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
        };
        let mut walk = Walk::new(given.control, &given.control_version);
        if policy.document().mode == Mode::Bypass {
            for call in plan.calls() {
                walk.receipt.push(receipt::skipped(&call.stage, "bypass"));
            }
        } else {
            let deadline = given.since + plan.total_for(size.bytes);
            let memory = (given.memory, deadline);
            self.walk(interaction, given.identity, size, policy, plan, memory, &mut walk).await;
        }
        let outcome = walk.finish(interaction, policy, &*self.hash);
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
                        otel.kind = "client",
                        stage = call.stage.as_str(),
                        gap = tracing::field::Empty,
                    );
                    self.ask(call, question).instrument(span)
                }));
                let gate_end = Instant::now() + Duration::from_millis(25);
                let (answers, loaded) =
                    futures::join!(answers, load(loading, gate_end.min(deadline)));
                if let Some(loaded) = loaded {
                    match loaded {
                        Ok(loaded) => known = loaded,
                        Err(cause) => walk.receipt.push(receipt::gap(
                            &StageName::conversation(),
                            cause,
                            Effect::Pass,
                            Duration::ZERO,
                        )),
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
        if let Err(error) = &answer {
            tracing::Span::current().record("gap", Cause::from(*error).as_str());
        }
        Answer { took: began.elapsed(), result: answer, question, stood_in }
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

struct Answer {
    question: Question,
    result: Result<Report, CallError>,
    took: Duration,
    /// Why the stand-in was asked.
    stood_in: Option<Cause>,
}

async fn load(memory: Option<Memory<'_>>, deadline: Instant) -> Option<Result<Known, Cause>> {
    let loaded = tokio::time::timeout_at(deadline.into(), memory?).await;
    Some(loaded.unwrap_or(Err(Cause::Late)))
}

impl Walk {
    fn new(control: Vec<Finding>, control_version: &str) -> Self {
        Self {
            views: Vec::new(),
            findings: control,
            gaps: Vec::new(),
            edits: Vec::new(),
            receipt: vec![receipt::control(control_version)],
            learned: Learned::default(),
            tone: None,
            retry_after_s: None,
            cleaned: false,
        }
    }

    /// Adds a stage's answer. Findings are only ever appended.
    fn take(&mut self, call: &Call, answer: Answer) {
        let Answer { question, result, took, stood_in } = answer;
        let stage = &call.stage;
        let mut report = match result {
            Ok(report) => report,
            Err(error) => {
                let (cause, effect) = (Cause::from(error), call.on_gap.effect());
                self.receipt.push(receipt::gap(stage, cause, effect, took));
                return self.gap(stage, cause, effect);
            }
        };
        question.renumber(&mut report.findings, &mut report.measures.parts, self.views.len());
        let mut line = receipt::ran(stage, &report, took);
        if let Some(cause) = stood_in {
            line.cause = Some(cause);
            line.mode.get_or_insert_with(|| "local".into());
            metrics::counter!("portcullis_stand_in_total", "stage" => stage.to_string())
                .increment(1);
        }
        let given = question.ask.total_bytes();
        let whole = report.coverage.is_whole() && report.coverage.scanned >= given;
        if !whole {
            let effect = call.on_partial.effect();
            line.cause = Some(Cause::Partial);
            line.effect = Some(effect);
            if let Some(coverage) = &mut line.coverage {
                coverage.total = coverage.total.max(given);
                coverage.complete = false;
            }
            self.gap(stage, Cause::Partial, effect);
        }
        if *stage == StageName::sanitizer() {
            self.cleaned = whole;
        }
        self.receipt.push(line);
        // Nobody speaks in another's name.
        for finding in &mut report.findings {
            finding.stage = stage.clone();
        }
        self.retry_after_s = self.retry_after_s.max(report.measures.retry_after_s);
        self.findings.append(&mut report.findings);
        self.edits.append(&mut report.edits);
        self.views.append(&mut report.views);
        self.learned.values.append(&mut report.learned.values);
        self.learned.polarity = report.learned.polarity.or(self.learned.polarity);
        if let Some(tone) = report.tone {
            let stronger = self.tone.as_ref().is_none_or(|now| now.directive < tone.directive);
            if stronger {
                self.tone = Some(tone);
            }
        }
    }

    fn gap(&mut self, stage: &StageName, cause: Cause, effect: Effect) {
        metrics::counter!(
            "portcullis_gaps_total",
            "stage" => stage.to_string(),
            "cause" => cause.as_str(),
        )
        .increment(1);
        self.gaps.push(Gap { stage: stage.clone(), cause, effect });
    }

    /// Decides, masks and puts the verdict together.
    fn finish(self, interaction: &Interaction, policy: &Policy, hash: &MaskHash) -> Outcome {
        let way = interaction.direction;
        let judgement = judge(policy, way, &self.findings, &self.gaps);
        let masked = edits::apply(&interaction.text, &self.edits, hash);
        let found = rewritten(judgement.decision, masked != interaction.text);
        // What an operator orders is in force in shadow mode too: a human can always stop it.
        let shadow = policy.document().mode == Mode::Shadow;
        let (decision, reasons) = if shadow {
            let ordered: Vec<Finding> = self
                .findings
                .iter()
                .filter(|finding| finding.stage == StageName::control())
                .cloned()
                .collect();
            let ordered = judge(policy, way, &ordered, &[]);
            (ordered.decision, ordered.reasons)
        } else {
            (found, judgement.reasons)
        };
        let text = match decision {
            Decision::Allow => Some(interaction.text.clone()),
            Decision::Rewrite => Some(masked.clone()),
            _ => None,
        };
        let tone = self.tone.filter(|tone| tone.directive != ToneDirective::Neutral);
        let replies = &policy.document().replies;
        let in_crisis =
            tone.as_ref().is_some_and(|tone| tone.directive == ToneDirective::CrisisRoute);
        let reply = match decision {
            _ if in_crisis => Some(replies.crisis.clone()),
            Decision::Allow | Decision::Rewrite => None,
            Decision::Throttle => Some(replies.throttled.clone()),
            Decision::Hold => Some(replies.held.clone()),
            Decision::Block | Decision::Unknown => Some(replies.refusal.clone()),
        };
        let retry_after_s = match decision {
            Decision::Throttle => Some(self.retry_after_s.unwrap_or(1).max(1)),
            _ => None,
        };
        Outcome {
            verdict: Verdict {
                id: interaction.id.clone(),
                decision,
                reasons,
                text,
                tone,
                reply,
                retry_after_s,
                findings: self.findings,
                receipt: self.receipt,
                policy: policy.stamp().clone(),
                shadow_decision: shadow.then_some(found),
                recorded: Recorded::Nowhere,
                trace_id: None,
                took_us: 0,
            },
            masked,
            cleaned: self.cleaned,
            learned: self.learned,
        }
    }
}
