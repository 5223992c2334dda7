//! Takes rows, and counts.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use portcullis_core::{Body, Decision, Entry, Resolution, Status, Verdict, VerdictRecord};
use portcullis_ledger::{Content, Row};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::figures::{
    Change, Counted, FindingKind, Hole, Latency, Report, Resolutions, Shadowed, StageFigures,
    Volume,
};
use crate::sample::{Draw, Nearest, Sampled, score};

/// Verdicts are counted in steps of this many seconds, and shown in longer ones.
const STEP: i64 = 3600;
/// Steps that are shown at most.
const SHOWN: usize = 72;
/// Orders and holes that are listed at most.
const LISTED: usize = 200;
/// Kinds that are listed at most.
const KINDS: usize = 25;
const SCORES: usize = 20;

/// What a report is about.
#[derive(Debug, Clone)]
pub struct Options {
    /// When it is made.
    pub made_at: Timestamp,
    /// Of one bot, for the title: rows of others are not looked for.
    pub bot: Option<String>,
    /// From when, for the title.
    pub from: Option<Timestamp>,
    /// Until when, for the title.
    pub until: Option<Timestamp>,
    /// Interactions in each sample.
    pub sample: usize,
    /// The score that "near the threshold" means.
    pub threshold: f64,
    /// What the sample is drawn with.
    pub seed: u64,
}

/// Counts rows. Holds counters, and as many rows as the samples have.
pub struct Collector {
    options: Options,
    chance: StdRng,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    entries: u64,
    summarised: u64,
    unreadable: u64,
    messages: BTreeMap<String, u64>,
    bots: BTreeMap<String, u64>,
    decisions: BTreeMap<String, u64>,
    hours: BTreeMap<i64, BTreeMap<&'static str, u64>>,
    findings: HashMap<String, (u64, u64)>,
    reasons: HashMap<String, u64>,
    gaps: HashMap<String, u64>,
    resolutions: Resolutions,
    orders: Vec<Change>,
    orders_left_out: u64,
    holes: Vec<Hole>,
    latency: Histogram<u64>,
    stages: BTreeMap<String, Stage>,
    scores: Vec<u64>,
    shadow: Shadowed,
    shadow_found: HashMap<String, u64>,
    random: Draw,
    shadowed: Draw,
    near: Nearest,
}

struct Stage {
    ran: u64,
    skipped: u64,
    gaps: u64,
    latency: Histogram<u64>,
}

/// A time beyond two hours counts as two hours: no check lasts that long.
const LONGEST_US: u64 = 7_200_000_000;

/// Microseconds with three digits. One that may grow would clip what is beyond its first bound.
#[expect(clippy::expect_used, reason = "the bounds and three digits are lawful")]
fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("a histogram of three digits")
}

fn record_time(times: &mut Histogram<u64>, us: u64) {
    times.saturating_record(us);
}

impl Collector {
    /// Nothing counted yet.
    pub fn new(options: Options) -> Self {
        Self {
            chance: StdRng::seed_from_u64(options.seed),
            random: Draw::new(options.sample),
            shadowed: Draw::new(options.sample),
            near: Nearest::new(options.sample, options.threshold),
            options,
            first: None,
            last: None,
            entries: 0,
            summarised: 0,
            unreadable: 0,
            messages: BTreeMap::new(),
            bots: BTreeMap::new(),
            decisions: BTreeMap::new(),
            hours: BTreeMap::new(),
            findings: HashMap::new(),
            reasons: HashMap::new(),
            gaps: HashMap::new(),
            resolutions: Resolutions::default(),
            orders: Vec::new(),
            orders_left_out: 0,
            holes: Vec::new(),
            latency: times(),
            stages: BTreeMap::new(),
            scores: vec![0; SCORES],
            shadow: Shadowed::default(),
            shadow_found: HashMap::new(),
        }
    }

    /// Takes a row.
    pub fn add(&mut self, row: &Row) {
        self.entries += 1;
        let at = row.content.entry().map_or(row.stored_at, |entry| entry.at);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = self.last.max(Some(at));
        match &row.content {
            Content::Entry(entry) => self.entry(row, entry),
            Content::Gap(gap) => {
                if self.holes.len() < LISTED {
                    self.holes.push(Hole { at, after: gap.after, missing: gap.missing() });
                }
            }
            Content::Dead(_) => self.unreadable += 1,
        }
    }

    fn entry(&mut self, row: &Row, entry: &Entry) {
        match &entry.body {
            Body::Verdict(record) => self.verdict(row, entry, record),
            Body::Resolution(record) => {
                let kind = record.resolution;
                *self.resolutions.by_kind.entry(kind.as_str().to_owned()).or_default() += 1;
                if kind != Resolution::Expired {
                    *self.resolutions.by_person.entry(record.by.clone()).or_default() += 1;
                }
                let through = matches!(kind, Resolution::Release | Resolution::Edit);
                self.resolutions.overrides += u64::from(through);
            }
            Body::Action(record) if self.orders.len() < LISTED => self.orders.push(Change {
                at: entry.at,
                bot: entry.bot.to_string(),
                action: record.action.clone(),
                scope: record.scope.clone(),
                by: record.by.clone(),
                reason: record.reason.clone(),
            }),
            Body::Action(_) => self.orders_left_out += 1,
            Body::Summary(record) => self.summarised += record.count,
            Body::Unknown => {}
        }
    }

    fn verdict(&mut self, row: &Row, entry: &Entry, record: &VerdictRecord) {
        let verdict = &record.verdict;
        let (bot, decision) = (entry.bot.as_str(), verdict.decision.as_str());
        *self.messages.entry(record.direction.as_str().to_owned()).or_default() += 1;
        *self.bots.entry(bot.to_owned()).or_default() += 1;
        *self.decisions.entry(decision.to_owned()).or_default() += 1;
        let hour = entry.at.as_second().div_euclid(STEP);
        *self.hours.entry(hour).or_default().entry(decision).or_default() += 1;
        let mut kinds: Vec<&str> = verdict.findings.iter().map(|found| &*found.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in &kinds {
            let counts = self.findings.entry((*kind).to_owned()).or_default();
            counts.0 += 1;
            counts.1 += u64::from(!verdict.decision.forwards());
        }
        for reason in &verdict.reasons {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
        record_time(&mut self.latency, verdict.took_us);
        self.receipt(verdict);
        let sampled = || Sampled::of(row, entry.at, bot, record);
        if let Some(score) = score(record) {
            let step = ((score * SCORES as f64) as usize).min(SCORES - 1);
            if let Some(count) = self.scores.get_mut(step) {
                *count += 1;
            }
            self.near.offer(score, sampled);
        }
        self.random.offer(&mut self.chance, sampled);
        let Some(would) = verdict.shadow_decision else { return };
        self.shadow.verdicts += 1;
        *self.shadow.would.entry(would.as_str().to_owned()).or_default() += 1;
        if would >= Decision::Hold {
            for kind in kinds {
                *self.shadow_found.entry(kind.to_owned()).or_default() += 1;
            }
            self.shadowed.offer(&mut self.chance, sampled);
        }
    }

    fn receipt(&mut self, verdict: &Verdict) {
        for check in &verdict.receipt {
            let name = check.stage.as_str();
            if !self.stages.contains_key(name) {
                let stage = Stage { ran: 0, skipped: 0, gaps: 0, latency: times() };
                self.stages.insert(name.to_owned(), stage);
            }
            let Some(stage) = self.stages.get_mut(name) else { continue };
            match check.status {
                Status::Ran => {
                    stage.ran += 1;
                    record_time(&mut stage.latency, check.took_us);
                }
                Status::Skipped => stage.skipped += 1,
                Status::Gap | Status::Unknown => {
                    stage.gaps += 1;
                    let cause = check.cause.map_or("unknown", portcullis_core::Cause::as_str);
                    *self.gaps.entry(format!("{name}: {cause}")).or_default() += 1;
                }
            }
        }
    }

    /// What it comes to.
    pub fn report(self) -> Report {
        let stages = self.stages.into_iter().map(|(stage, figures)| StageFigures {
            stage,
            ran: figures.ran,
            skipped: figures.skipped,
            gaps: figures.gaps,
            latency: Latency::of(&figures.latency),
        });
        let mut findings: Vec<_> = self
            .findings
            .into_iter()
            .map(|(kind, (verdicts, stopped))| FindingKind { kind, verdicts, stopped })
            .collect();
        findings.sort_by(|a, b| b.verdicts.cmp(&a.verdicts).then_with(|| a.kind.cmp(&b.kind)));
        findings.truncate(KINDS);
        let shadow = (self.shadow.verdicts > 0).then(|| Shadowed {
            found: counted(self.shadow_found),
            sample: self.shadowed.sorted(),
            ..self.shadow
        });
        Report {
            made_at: self.options.made_at,
            bot: self.options.bot,
            from: self.options.from.or(self.first),
            until: self.options.until.or(self.last),
            entries: self.entries,
            messages: self.messages,
            bots: self.bots,
            decisions: self.decisions,
            summarised: self.summarised,
            volume: volume(&self.hours),
            findings,
            reasons: counted(self.reasons),
            resolutions: self.resolutions,
            orders: self.orders,
            orders_left_out: self.orders_left_out,
            gaps: counted(self.gaps),
            holes: self.holes,
            unreadable: self.unreadable,
            latency: Latency::of(&self.latency),
            stages: stages.collect(),
            scores: self.scores,
            shadow,
            random: self.random.sorted(),
            near: self.near.sorted(),
            threshold: self.options.threshold,
            seed: self.options.seed,
        }
    }
}

fn counted(counts: HashMap<String, u64>) -> Vec<Counted> {
    let mut all: Vec<_> = counts.into_iter().map(|(what, count)| Counted { what, count }).collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.what.cmp(&b.what)));
    all.truncate(KINDS);
    all
}

/// Puts hours together until they are few enough to be shown, and fills those without a message.
fn volume(hours: &BTreeMap<i64, BTreeMap<&'static str, u64>>) -> Volume {
    let (Some(first), Some(last)) = (hours.keys().next(), hours.keys().next_back()) else {
        return Volume { step_s: STEP, steps: Vec::new() };
    };
    let span = last - first + 1;
    let days = [1, 3, 6, 12, 24, 72, 168].into_iter().find(|each| span / each < SHOWN as i64);
    let each = days.unwrap_or_else(|| (span / SHOWN as i64 / 24 + 1) * 24);
    let (from, until) = (first.div_euclid(each), last.div_euclid(each));
    let steps = (from..=until).filter_map(|step| {
        let at = Timestamp::UNIX_EPOCH
            .checked_add(SignedDuration::from_secs(step * each * STEP))
            .ok()?;
        let mut counts = BTreeMap::<String, u64>::new();
        for (_, hour) in hours.range(step * each..(step + 1) * each) {
            for (decision, count) in hour {
                *counts.entry((*decision).to_owned()).or_default() += count;
            }
        }
        Some((at, counts))
    });
    Volume { step_s: each * STEP, steps: steps.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Latency;

    #[test]
    fn slow_ones_are_told_as_slow_as_they_were() {
        let mut times_taken = times();
        for us in [100, 120, 53_739, 4_000_000, 3 * LONGEST_US] {
            record_time(&mut times_taken, us);
        }
        let told = Latency::of(&times_taken);
        let near = |told: u64, us: u64| told.abs_diff(us) <= us / 500;
        assert!(near(told.p50_us, 53_739), "{}", told.p50_us);
        assert!(near(told.p999_us, LONGEST_US) && near(told.max_us, LONGEST_US), "two hours");
        assert_eq!(told.count, 5, "none is left out");
    }
}
