//! What a period comes to.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::Serialize;

use crate::Sampled;

/// The figures of a period.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When it was made.
    pub made_at: Timestamp,
    /// Of this bot; of all where it is absent.
    pub bot: Option<String>,
    /// From this time: what was asked for, else the first entry's.
    pub from: Option<Timestamp>,
    /// Until this time: what was asked for, else the last entry's.
    pub until: Option<Timestamp>,
    /// Entries of any kind.
    pub entries: u64,
    /// Verdicts, by direction.
    pub messages: BTreeMap<String, u64>,
    /// Verdicts, by bot.
    pub bots: BTreeMap<String, u64>,
    /// Verdicts, by decision.
    pub decisions: BTreeMap<String, u64>,
    /// Messages that a flood's summaries counted, beside the verdicts.
    pub summarised: u64,
    /// Verdicts over time, by decision.
    pub volume: Volume,
    /// Kinds of findings, the most frequent first.
    pub findings: Vec<FindingKind>,
    /// What decided, the most frequent first.
    pub reasons: Vec<Counted>,
    /// How held messages ended.
    pub resolutions: Resolutions,
    /// What people, the console and the anomaly watch ordered.
    pub orders: Vec<Change>,
    /// Orders beyond those that are listed.
    pub orders_left_out: u64,
    /// Checks that should have run and gave no whole answer, by stage and cause.
    pub gaps: Vec<Counted>,
    /// Entries that the journal should have had and had not.
    pub holes: Vec<Hole>,
    /// Entries of the journal that could not be read.
    pub unreadable: u64,
    /// From receipt to verdict.
    pub latency: Latency,
    /// Each stage.
    pub stages: Vec<StageFigures>,
    /// Verdicts by the injection score, in twenty steps from 0 to 1.
    pub scores: Vec<u64>,
    /// Bots in shadow mode: what would have been decided.
    pub shadow: Option<Shadowed>,
    /// Interactions drawn at random, for a person to read.
    pub random: Vec<Sampled>,
    /// Those whose score was the nearest to the threshold, for a person to read.
    pub near: Vec<Sampled>,
    /// That threshold.
    pub threshold: f64,
    /// What the sample was drawn with: the same seed draws the same.
    pub seed: u64,
}

/// Verdicts over time.
#[derive(Debug, Clone, Serialize)]
pub struct Volume {
    /// Seconds that one step is long.
    pub step_s: i64,
    /// Each step: when it began, and its verdicts by decision.
    pub steps: Vec<(Timestamp, BTreeMap<String, u64>)>,
}

/// Something, and how often.
#[derive(Debug, Clone, Serialize)]
pub struct Counted {
    /// What.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// A kind of finding.
#[derive(Debug, Clone, Serialize)]
pub struct FindingKind {
    /// Its dotted name.
    pub kind: String,
    /// Verdicts that have it.
    pub verdicts: u64,
    /// Of these, how many were not forwarded.
    pub stopped: u64,
}

/// How held messages ended.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Resolutions {
    /// By how.
    pub by_kind: BTreeMap<String, u64>,
    /// By whom.
    pub by_person: BTreeMap<String, u64>,
    /// Held messages that a person let through, as they were or in another wording: the guard overruled.
    pub overrides: u64,
}

/// An order.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Which bot.
    pub bot: String,
    /// What.
    pub action: String,
    /// On what.
    pub scope: String,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A hole in the journal's sequence.
#[derive(Debug, Clone, Serialize)]
pub struct Hole {
    /// When it was noticed.
    pub at: Timestamp,
    /// The last number that was there.
    pub after: u64,
    /// How many are missing.
    pub missing: u64,
}

/// Times in microseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The median.
    pub p50_us: u64,
    /// Nine of ten are not slower.
    pub p90_us: u64,
    /// 99 of 100 are not slower.
    pub p99_us: u64,
    /// 999 of 1,000 are not slower.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Latency {
    pub(crate) fn of(times: &Histogram<u64>) -> Self {
        Self {
            count: times.len(),
            p50_us: times.value_at_quantile(0.5),
            p90_us: times.value_at_quantile(0.9),
            p99_us: times.value_at_quantile(0.99),
            p999_us: times.value_at_quantile(0.999),
            max_us: times.max(),
        }
    }
}

/// What a stage did.
#[derive(Debug, Clone, Serialize)]
pub struct StageFigures {
    /// Which.
    pub stage: String,
    /// Checks that ran.
    pub ran: u64,
    /// Checks that were left out on purpose.
    pub skipped: u64,
    /// Checks without a whole answer.
    pub gaps: u64,
    /// How long those that ran took.
    pub latency: Latency,
}

/// What a bot in shadow mode was spared.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Shadowed {
    /// Verdicts given in shadow mode.
    pub verdicts: u64,
    /// By what would have been decided.
    pub would: BTreeMap<String, u64>,
    /// What was found in those that would have been held or blocked, the most frequent first.
    pub found: Vec<Counted>,
    /// Some that would have been held or blocked, drawn at random, for a person to read.
    pub sample: Vec<Sampled>,
}
