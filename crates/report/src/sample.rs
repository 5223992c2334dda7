//! Interactions for a person to read: drawn at random, and the nearest to a threshold.

use std::collections::BinaryHeap;

use jiff::Timestamp;
use portcullis_core::VerdictRecord;
use portcullis_ledger::Row;
use rand::Rng;
use rand::rngs::StdRng;
use serde::Serialize;

/// One interaction.
#[derive(Debug, Clone, Serialize)]
pub struct Sampled {
    /// Its number in the record.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Which bot.
    pub bot: String,
    /// Which way.
    pub direction: String,
    /// The message's id.
    pub id: String,
    /// What was decided.
    pub decision: String,
    /// What would have been decided, in shadow mode.
    pub shadow: Option<String>,
    /// What decided.
    pub reasons: Vec<String>,
    /// The injection score.
    pub score: Option<f64>,
    /// The text, where it is kept and the reader has the keys.
    pub text: Option<String>,
}

impl Sampled {
    pub(crate) fn of(row: &Row, at: Timestamp, bot: &str, record: &VerdictRecord) -> Self {
        let verdict = &record.verdict;
        let kept = row.personal.as_ref().and_then(|personal| personal.text.as_ref());
        Self {
            seq: row.seq,
            at,
            bot: bot.to_owned(),
            direction: record.direction.as_str().to_owned(),
            id: verdict.id.to_string(),
            decision: verdict.decision.as_str().to_owned(),
            shadow: verdict.shadow_decision.map(|decision| decision.as_str().to_owned()),
            reasons: verdict.reasons.clone(),
            score: score(record),
            text: kept.or(record.text.as_ref()).map(|text| text.expose().to_owned()),
        }
    }
}

/// The injection score of a verdict.
pub(crate) fn score(record: &VerdictRecord) -> Option<f64> {
    let check = record.verdict.receipt.iter();
    check
        .filter(|check| check.stage.as_str() == "injection-classifier")
        .find_map(|check| check.measures.score)
}

/// Draws a few of many, each with the same chance (Vitter's algorithm R).
pub(crate) struct Draw {
    size: usize,
    seen: u64,
    pub(crate) kept: Vec<Sampled>,
}

impl Draw {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, seen: 0, kept: Vec::new() }
    }

    pub(crate) fn offer(&mut self, chance: &mut StdRng, make: impl FnOnce() -> Sampled) {
        self.seen += 1;
        if self.kept.len() < self.size {
            self.kept.push(make());
        } else if let Ok(at) = usize::try_from(chance.random_range(0..self.seen))
            && let Some(place) = self.kept.get_mut(at)
        {
            *place = make();
        }
    }

    pub(crate) fn sorted(mut self) -> Vec<Sampled> {
        self.kept.sort_by_key(|sampled| sampled.seq);
        self.kept
    }
}

/// Keeps the few that are the nearest to a threshold.
pub(crate) struct Nearest {
    size: usize,
    threshold: f64,
    kept: BinaryHeap<Near>,
}

struct Near(f64, Sampled);

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(self.1.seq.cmp(&other.1.seq))
    }
}

impl Nearest {
    pub(crate) fn new(size: usize, threshold: f64) -> Self {
        Self { size, threshold, kept: BinaryHeap::new() }
    }

    pub(crate) fn offer(&mut self, score: f64, make: impl FnOnce() -> Sampled) {
        let distance = (score - self.threshold).abs();
        let full = self.kept.len() >= self.size;
        if full && self.kept.peek().is_none_or(|farthest| farthest.0 <= distance) {
            return;
        }
        self.kept.push(Near(distance, make()));
        if full {
            self.kept.pop();
        }
    }

    pub(crate) fn sorted(self) -> Vec<Sampled> {
        self.kept.into_sorted_vec().into_iter().map(|near| near.1).collect()
    }
}
