//! The plan of one direction as a plain value: steps, each with stages, times, what each stage reads,
//! and what a missing answer means.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Direction, StageName};

use crate::document::{Document, OnGap, Read, StageSection};

/// A step of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepName {
    /// May it come in at all?
    Gate,
    /// Canonical readings and masking.
    Clean,
    /// What is it?
    Judge,
}

/// One stage's part in a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which stage.
    pub stage: StageName,
    /// Time for its answer.
    pub timeout: Duration,
    /// Added for each 1024 bytes of text and context.
    pub timeout_per_kib: Duration,
    /// What it is given to read.
    pub reads: Vec<Read>,
    /// What a missing answer means.
    pub on_gap: OnGap,
    /// What a partial answer means.
    pub on_partial: OnGap,
    /// Whether it runs also where an earlier step has decided.
    pub always: bool,
    /// Whether it runs at all.
    pub enabled: bool,
    /// The stage's own settings.
    pub settings: Arc<serde_json::Value>,
}

impl Call {
    /// Time for an answer about this many bytes.
    pub fn timeout_for(&self, bytes: usize) -> Duration {
        scaled(self.timeout, self.timeout_per_kib, bytes)
    }

    /// Whether the stage is given this to read.
    pub fn reads(&self, what: Read) -> bool {
        self.reads.contains(&what)
    }

    fn new(stage: &StageName, section: &StageSection) -> Self {
        let default = Defaults::of(stage);
        Self {
            stage: stage.clone(),
            timeout: Duration::from_millis(section.timeout_ms.unwrap_or(default.timeout_ms)),
            timeout_per_kib: Duration::from_millis(
                section.timeout_ms_per_kib.unwrap_or(default.timeout_ms_per_kib),
            ),
            reads: section.reads.clone().unwrap_or_else(|| default.reads.to_vec()),
            on_gap: section.on_gap.unwrap_or(default.on_gap),
            on_partial: section.on_partial.unwrap_or(default.on_partial),
            always: section.always.unwrap_or(default.always),
            enabled: section.enabled.unwrap_or(true),
            settings: Arc::new(section.settings.clone()),
        }
    }
}

/// Stages that are asked at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which step.
    pub name: StepName,
    /// Its stages.
    pub calls: Vec<Call>,
}

/// The way of one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Steps, in order.
    pub steps: Vec<Step>,
    total: Duration,
    total_per_kib: Duration,
    /// Time for the journal's acknowledgement.
    pub journal: Duration,
}

impl Plan {
    pub(crate) fn of(document: &Document, direction: Direction) -> Self {
        let way = document.way(direction);
        let nothing = StageSection::default();
        let step = |name, stages: &[StageName]| Step {
            name,
            calls: stages
                .iter()
                .map(|stage| Call::new(stage, document.stages.get(stage).unwrap_or(&nothing)))
                .collect(),
        };
        Self {
            steps: vec![
                step(StepName::Gate, &way.gate),
                step(StepName::Clean, &way.clean),
                step(StepName::Judge, &way.judge),
            ],
            total: Duration::from_millis(document.limits.total_ms),
            total_per_kib: Duration::from_millis(document.limits.total_ms_per_kib),
            journal: Duration::from_millis(document.limits.journal_ms),
        }
    }

    /// Time from receipt to decision for this many bytes.
    pub fn total_for(&self, bytes: usize) -> Duration {
        scaled(self.total, self.total_per_kib, bytes)
    }

    /// Gives every answer at least `time`: for commands where nobody waits at the other end and a gap
    /// would only say that the machine was busy.
    #[must_use]
    pub fn unhurried(mut self, time: Duration) -> Self {
        self.total = self.total.max(time);
        for call in self.steps.iter_mut().flat_map(|step| &mut step.calls) {
            call.timeout = call.timeout.max(time);
        }
        self
    }

    /// Every call, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().flat_map(|step| &step.calls)
    }
}

fn scaled(base: Duration, per_kib: Duration, bytes: usize) -> Duration {
    base + per_kib * u32::try_from(bytes / 1024).unwrap_or(u32::MAX)
}

/// What a stage does where the policy says nothing of it.
struct Defaults {
    timeout_ms: u64,
    timeout_ms_per_kib: u64,
    reads: &'static [Read],
    on_gap: OnGap,
    on_partial: OnGap,
    always: bool,
}

impl Defaults {
    fn of(stage: &StageName) -> Self {
        use Read::{Context, Identity, Text, Views};
        let judge = Self {
            timeout_ms: 200,
            timeout_ms_per_kib: 0,
            reads: &[Text, Context, Views],
            on_gap: OnGap::Hold,
            on_partial: OnGap::Hold,
            always: false,
        };
        match stage.as_str() {
            "rate-limit" => Self {
                timeout_ms: 25,
                reads: &[Identity],
                on_gap: OnGap::Local,
                on_partial: OnGap::Pass,
                ..judge
            },
            "sanitizer" => Self {
                timeout_ms: 50,
                reads: &[Text, Context],
                on_gap: OnGap::Block,
                on_partial: OnGap::Block,
                ..judge
            },
            // Sentiment runs always: somebody in danger is answered also where they are throttled.
            "sentiment" => Self {
                reads: &[Text],
                on_gap: OnGap::Pass,
                on_partial: OnGap::Pass,
                always: true,
                ..judge
            },
            // their encoders need about 40 ms of a core for 1 KiB of text that they have to judge whole
            "injection-classifier" => Self { timeout_ms_per_kib: 40, ..judge },
            "moderation" => Self { timeout_ms_per_kib: 40, reads: &[Text, Views], ..judge },
            _ => judge,
        }
    }
}
