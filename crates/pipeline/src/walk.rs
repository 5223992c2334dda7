//! What comes together on the way of one message, and the verdict that it becomes.

use std::time::Duration;

use portcullis_bus::CallError;
use portcullis_core::{
    Cause, Check, Decision, Direction, Edit, Effect, Finding, Gap, Interaction, Learned, Recorded,
    Report, Severity, StageName, Text, Tone, ToneDirective, Verdict, View,
};
use portcullis_policy::{Call, Mode, Policy, judge, rewritten};

use crate::ask::Question;
use crate::edits::{self, MaskHash, Masks};
use crate::placeholders;
use crate::receipt;
use crate::vault::Vaulted;

/// A verdict, and what ingress does besides answering.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The verdict; `recorded` is `nowhere` until somebody records it.
    pub verdict: Verdict,
    /// The text after masking, also where it is not forwarded.
    pub masked: Text,
    /// Whether whoever masks in this direction saw the whole text, so that `masked` may be kept.
    pub cleaned: bool,
    /// What goes into the conversation's state.
    pub learned: Learned,
}

/// What has come together so far.
pub(crate) struct Walk {
    pub(crate) views: Vec<View>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) gaps: Vec<Gap>,
    edits: Vec<Edit>,
    pub(crate) receipt: Vec<Check>,
    learned: Learned,
    tone: Option<Tone>,
    retry_after_s: Option<u64>,
    /// The stage that masks: a person's message the sanitizer, an answer moderation.
    masks: StageName,
    cleaned: bool,
}

/// What one stage answered.
pub(crate) struct Answer {
    pub(crate) question: Question,
    pub(crate) result: Result<Report, CallError>,
    pub(crate) took: Duration,
    /// Why the stand-in was asked.
    pub(crate) stood_in: Option<Cause>,
}

impl Walk {
    pub(crate) fn new(direction: Direction, control: Vec<Finding>, control_version: &str) -> Self {
        Self {
            masks: match direction {
                Direction::Inbound => StageName::sanitizer(),
                Direction::Outbound => StageName::moderation(),
            },
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
    pub(crate) fn take(&mut self, call: &Call, answer: Answer) {
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
        metrics::counter!("portcullis_given_bytes_total", "stage" => stage.to_string())
            .increment(given as u64);
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
        if *stage == self.masks {
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
        self.learned.moods = report.learned.moods.or(self.learned.moods);
        if let Some(tone) = report.tone {
            let stronger = self.tone.as_ref().is_none_or(|now| now.directive < tone.directive);
            if stronger {
                self.tone = Some(tone);
            }
        }
    }

    /// The changes that stages asked for.
    pub(crate) fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Something that ingress itself needs was not to be had. The message is judged without it.
    pub(crate) fn missing(&mut self, stage: &StageName, cause: Cause, effect: Effect) {
        count_gap(stage, cause);
        self.receipt.push(receipt::gap(stage, cause, effect, Duration::ZERO));
    }

    pub(crate) fn gap(&mut self, stage: &StageName, cause: Cause, effect: Effect) {
        count_gap(stage, cause);
        self.gaps.push(Gap { stage: stage.clone(), cause, effect });
    }

    /// Decides, masks and puts the verdict together.
    pub(crate) fn finish(
        self,
        interaction: &Interaction,
        policy: &Policy,
        hash: &MaskHash,
        vaulted: &Vaulted,
    ) -> Outcome {
        let way = interaction.direction;
        let judgement = judge(policy, way, &self.findings, &self.gaps);
        let masks = Masks { hash, numbers: &vaulted.numbers, escape: vaulted.escape };
        let masked = edits::apply(&interaction.text, &self.edits, masks);
        // What is given back goes to the person, and not into the record.
        let restored = placeholders::restore(masked.expose(), &vaulted.values)
            .filter(|_| vaulted.restores)
            .map_or_else(|| masked.clone(), Text::from);
        let found = rewritten(judgement.decision, restored != interaction.text);
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
            Decision::Rewrite => Some(restored),
            _ => None,
        };
        let tone = self.tone.filter(|tone| tone.directive != ToneDirective::Neutral);
        let replies = &policy.document().replies;
        let in_crisis = in_crisis(tone.as_ref(), &self.findings);
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
                stream: None,
            },
            masked,
            cleaned: self.cleaned,
            learned: self.learned,
        }
    }
}

/// Whether somebody may be in danger: whoever that is gets the crisis route, whatever is decided about the
/// message. By the tone, which a policy may set otherwise, and by what was found, which it may not.
fn in_crisis(tone: Option<&Tone>, findings: &[Finding]) -> bool {
    let told = |finding: &Finding| {
        matches!(finding.kind.as_str(), "distress.self_harm" | "unsafe.self_harm")
            && finding.severity >= Severity::Medium
    };
    tone.is_some_and(|tone| tone.directive == ToneDirective::CrisisRoute)
        || findings.iter().any(told)
}

fn count_gap(stage: &StageName, cause: Cause) {
    metrics::counter!(
        "portcullis_gaps_total",
        "stage" => stage.to_string(),
        "cause" => cause.as_str(),
    )
    .increment(1);
}
