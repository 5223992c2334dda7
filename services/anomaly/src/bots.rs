//! What is normal for a bot, minute by minute, and what is unlike it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{Reading, Signal, Subject};
use crate::campaign::Campaigns;
use crate::fact::{Fact, Outcome};
use crate::forest::Forest;
use crate::normal::{Fading, Normal, Seasonal};
use crate::settings::Watching;
use crate::speakers::{reading, seconds};

/// The weight of one more minute.
const RATE: f32 = 0.01;
/// Seconds in which the count for bursts halves.
const BURST: f32 = 5.0;
/// Trees, and minutes that each holds.
const TREES: usize = 30;
const MINUTES: usize = 256;
/// Minutes after which a silent bot is no longer counted minute by minute.
const SILENCE: i64 = 180;

/// Sums over one minute.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Minute {
    messages: u32,
    blocked: u32,
    held: u32,
    scores: (f32, u32),
    lengths: (f32, u32),
    entropies: (f32, u32),
    conversations: u32,
    gaps: BTreeMap<String, u32>,
    examples: Vec<String>,
}

fn mean((sum, count): (f32, u32)) -> Option<f32> {
    (count > 0).then(|| sum / count as f32)
}

/// One number of a minute, and what it is usually.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Track {
    normal: Seasonal,
    /// Its size in the minute before.
    before: f32,
}

impl Track {
    /// The size of `value` where it is an alert; learns it where it is none.
    fn look(
        &mut self,
        at: Timestamp,
        value: f32,
        floor: f32,
        watching: &Watching,
    ) -> Option<(f32, f32)> {
        let normal = self.normal.at(at);
        let size = normal.size(value, floor);
        let is_one = size.abs() >= watching.one_minute;
        let is_second = size.abs() >= watching.two_minutes
            && self.before.abs() >= watching.two_minutes
            && size.signum() == self.before.signum();
        self.before = size;
        // a new level is learnt all the same, slowly: an alert must not last for ever
        let rate = if is_one || is_second { RATE / 20.0 } else { RATE };
        self.normal.learn(at, value, rate);
        (is_one || is_second).then_some((size, normal.mean()))
    }
}

/// A bot: a few tens of KiB, most of it the forest and the campaigns.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct BotWatch {
    minute: i64,
    now: Minute,
    seen: u32,
    volume: Track,
    blocks: Track,
    holds: Track,
    scores: Track,
    lengths: Track,
    entropies: Track,
    conversations: Track,
    burst: Fading,
    gaps: BTreeMap<String, Normal>,
    forest: Forest,
    joint: Normal,
    pub(crate) campaigns: Campaigns,
}

/// What was unlike the past, and entries that show it.
pub(crate) struct Seen {
    pub(crate) subject: Subject,
    pub(crate) readings: Vec<Reading>,
    pub(crate) examples: Vec<String>,
    pub(crate) at: Timestamp,
}

impl BotWatch {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            minute: 0,
            now: Minute::default(),
            seen: 0,
            volume: Track::default(),
            blocks: Track::default(),
            holds: Track::default(),
            scores: Track::default(),
            lengths: Track::default(),
            entropies: Track::default(),
            conversations: Track::default(),
            burst: Fading::default(),
            gaps: BTreeMap::new(),
            forest: Forest::new(TREES, MINUTES, seed),
            joint: Normal::default(),
            campaigns: Campaigns::default(),
        }
    }

    pub(crate) fn is_warm(&self, watching: &Watching) -> bool {
        self.seen >= watching.warm_up_minutes
    }

    /// Takes a message in.
    pub(crate) fn observe(
        &mut self,
        fact: &Fact,
        new_conversation: bool,
        watching: &Watching,
    ) -> Vec<Seen> {
        let mut seen = self.pass(fact.at, watching);
        let now = &mut self.now;
        now.messages += 1;
        now.blocked += u32::from(fact.outcome == Outcome::Blocked);
        now.held += u32::from(fact.outcome == Outcome::Held);
        now.conversations += u32::from(new_conversation);
        let add = |to: &mut (f32, u32), value: Option<f32>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                to.0 += value;
                to.1 += 1;
            }
        };
        add(&mut now.scores, fact.score);
        add(&mut now.lengths, Some((fact.bytes as f32).ln_1p()));
        add(&mut now.entropies, fact.entropy);
        for stage in &fact.gaps {
            *now.gaps.entry(stage.as_str().to_owned()).or_default() += 1;
        }
        if now.examples.len() < 8 && (fact.stopped() || now.examples.len() < 2) {
            now.examples.push(fact.id.clone());
        }
        seen.extend(self.burst(fact, watching));
        seen
    }

    /// Many within seconds: told at once, not at the end of the minute.
    fn burst(&mut self, fact: &Fact, watching: &Watching) -> Option<Seen> {
        let count = self.burst.add(seconds(fact), BURST, 1.0);
        if !self.is_warm(watching) {
            return None;
        }
        let normal = self.volume.normal.at(fact.at);
        let usual = Fading::settled(normal.mean().exp_m1().max(0.0) / 60.0, BURST);
        let most =
            3.0 * usual + watching.one_minute * usual.sqrt() + watching.speaker_messages as f32;
        let a_second = Fading::settled(1.0, BURST);
        (count > most).then(|| Seen {
            subject: Subject::Bot,
            readings: vec![reading(
                Signal::Burst,
                count / a_second,
                usual / a_second,
                "messages/s",
            )],
            examples: vec![fact.id.clone()],
            at: fact.at,
        })
    }

    /// Time goes on: closes the minutes that are over.
    pub(crate) fn pass(&mut self, at: Timestamp, watching: &Watching) -> Vec<Seen> {
        let minute = at.as_second().div_euclid(60);
        if self.minute == 0 {
            self.minute = minute;
        }
        let mut seen = Vec::new();
        let silent_from = self.minute + SILENCE;
        while self.minute < minute {
            let Ok(began) = Timestamp::from_second(self.minute * 60) else { break };
            let closed = std::mem::take(&mut self.now);
            self.close(began, &closed, watching, &mut seen);
            self.minute += 1;
            if self.minute >= silent_from {
                self.minute = minute;
            }
        }
        seen
    }

    fn close(&mut self, at: Timestamp, minute: &Minute, watching: &Watching, seen: &mut Vec<Seen>) {
        self.seen = self.seen.saturating_add(1);
        let is_warm = self.is_warm(watching);
        let messages = minute.messages as f32;
        let mut readings = Vec::new();
        let mut tell =
            |signal, found: Option<(f32, f32)>, value: f32, unit: &str, back: fn(f32) -> f32| {
                if let Some((size, normal)) = found.filter(|_| is_warm) {
                    readings.push(Reading {
                        signal,
                        value: f64::from(back(value)),
                        normal: f64::from(back(normal)),
                        size: f64::from(size),
                        unit: unit.to_owned(),
                    });
                }
            };
        let same = |value: f32| value;
        let logarithm = messages.ln_1p();
        // counts scatter by their root: on the logarithm's scale by one over it
        let usual = self.volume.normal.at(at).mean().exp_m1().max(1.0);
        let floor = 0.12 + 1.0 / usual.max(messages).sqrt();
        let found = self.volume.look(at, logarithm, floor, watching);
        let enough = usual.max(messages) >= watching.least_messages as f32;
        tell(Signal::Volume, found.filter(|_| enough), logarithm, "messages/min", f32::exp_m1);
        if minute.messages >= watching.least_messages {
            let share = |part: u32| part as f32 / messages;
            for (signal, track, part, unit) in [
                (Signal::Blocks, &mut self.blocks, minute.blocked, "of messages blocked"),
                (Signal::Holds, &mut self.holds, minute.held, "of messages held"),
                (
                    Signal::NewConversations,
                    &mut self.conversations,
                    minute.conversations,
                    "of messages begin a conversation",
                ),
            ] {
                let value = share(part);
                let p = track.normal.at(at).mean().clamp(0.01, 0.99);
                let floor = (p * (1.0 - p) / messages).sqrt().max(0.01);
                let found = track.look(at, value, floor, watching);
                // fewer refusals than usual are no alert; fewer conversations neither
                tell(signal, found.filter(|(size, _)| *size > 0.0), value, unit, same);
            }
            let scatter = 1.0 / messages.sqrt();
            for (signal, track, sums, floor, unit) in [
                (Signal::ScoreDrift, &mut self.scores, minute.scores, 0.25 * scatter, "mean score"),
                (Signal::Length, &mut self.lengths, minute.lengths, 1.2 * scatter, "log bytes"),
                (
                    Signal::Entropy,
                    &mut self.entropies,
                    minute.entropies,
                    0.5 * scatter,
                    "bits/byte",
                ),
            ] {
                if let Some(value) = mean(sums) {
                    let found = track.look(at, value, floor.max(0.01), watching);
                    tell(signal, found, value, unit, same);
                }
            }
            self.look_at_gaps(at, minute, is_warm, seen);
        }
        self.look_at_all(at, minute, is_warm, &mut readings);
        if !readings.is_empty() {
            readings.sort_by(|a, b| b.size.abs().total_cmp(&a.size.abs()));
            let examples = minute.examples.clone();
            seen.push(Seen { subject: Subject::Bot, readings, examples, at });
        }
    }

    fn look_at_gaps(
        &mut self,
        at: Timestamp,
        minute: &Minute,
        is_warm: bool,
        seen: &mut Vec<Seen>,
    ) {
        let messages = minute.messages as f32;
        for stage in minute.gaps.keys() {
            self.gaps.entry(stage.clone()).or_default();
        }
        for (stage, normal) in &mut self.gaps {
            let count = minute.gaps.get(stage).copied().unwrap_or(0);
            let (share, usual) = (count as f32 / messages, normal.mean());
            let is_one = count >= 5 && share > 0.05 + 3.0 * usual;
            if is_one && is_warm {
                seen.push(Seen {
                    subject: Subject::Stage(stage.clone()),
                    readings: vec![reading(Signal::Gaps, share, usual, "of answers missing")],
                    examples: minute.examples.clone(),
                    at,
                });
            }
            normal.learn(share, if is_one { RATE / 20.0 } else { RATE });
        }
    }

    /// All numbers of the minute together, which the forest knows in their company.
    fn look_at_all(
        &mut self,
        at: Timestamp,
        minute: &Minute,
        is_warm: bool,
        readings: &mut Vec<Reading>,
    ) {
        let messages = minute.messages.max(1) as f32;
        let hour = at.as_second().rem_euclid(86_400) as f32 / 86_400.0 * std::f32::consts::TAU;
        // in scales on which a usual change of each is about one
        let point = [
            2.0 * (minute.messages as f32).ln_1p(),
            10.0 * minute.blocked as f32 / messages,
            10.0 * minute.held as f32 / messages,
            10.0 * mean(minute.scores).unwrap_or(0.0),
            2.0 * mean(minute.lengths).unwrap_or(0.0),
            2.0 * mean(minute.entropies).unwrap_or(0.0),
            4.0 * minute.conversations as f32 / messages,
            3.0 * hour.sin(),
            3.0 * hour.cos(),
        ];
        let score = self.forest.score(&point).ln_1p();
        let size = self.joint.size(score, 0.2);
        let is_full = self.forest.len() >= MINUTES;
        if is_full && is_warm && minute.messages > 0 && size > 6.0 {
            readings.push(Reading {
                signal: Signal::Joint,
                value: f64::from(score.exp_m1()),
                normal: f64::from(self.joint.mean().exp_m1()),
                size: f64::from(size),
                unit: "displacement".into(),
            });
        }
        self.joint.learn(score, RATE);
    }
}
