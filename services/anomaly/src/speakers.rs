//! What is normal for each speaker, in bounded memory, and what is unlike it.

use std::num::NonZeroUsize;

use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::alert::{Reading, Signal};
use crate::fact::{Fact, Outcome};
use crate::normal::Fading;
use crate::settings::Watching;

/// Seconds in which counts of messages, of conversations and of refusals halve.
const MESSAGES: f32 = 60.0;
const CONVERSATIONS: f32 = 300.0;
const REFUSALS: f32 = 1_800.0;
/// Blocked messages, fading, that are never an alert.
const FEW_BLOCKS: f32 = 4.0;
/// Attempts near the threshold, fading, that are never an alert.
const FEW_ATTEMPTS: f32 = 6.0;
/// From this share of the threshold on, a score is an attempt.
const NEAR: f32 = 0.35;
/// New conversations, fading, that are never an alert.
const FEW_CONVERSATIONS: f32 = 15.0;
/// The weight of one message in what is the usual pace.
const PACE: f32 = 0.002;
/// How many times the usual is too much.
const TIMES: f32 = 4.0;

/// One speaker of one bot: under a hundred bytes, so that there may be a million.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Speaker {
    messages: Fading,
    stopped: Fading,
    recent: Fading,
    near: Fading,
    conversations: Fading,
    last_conversation: u64,
    /// The level of `messages` that this speaker usually has.
    pace: f32,
    quick_score: f32,
    slow_score: f32,
    scores: u32,
}

/// Every speaker.
pub(crate) struct Speakers {
    known: LruCache<u64, Speaker>,
}

impl Speakers {
    pub(crate) fn new(most: usize) -> Self {
        Self { known: LruCache::new(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN)) }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes a message of a speaker in; says whether its conversation is new, and what is unlike
    /// before.
    pub(crate) fn observe(
        &mut self,
        key: u64,
        fact: &Fact,
        watching: &Watching,
    ) -> (bool, Vec<Reading>) {
        let now = seconds(fact);
        let speaker = self.known.get_or_insert_mut(key, Speaker::default);
        let mut readings = Vec::new();
        speaker.pace(now, watching, &mut readings);
        let new = speaker.conversation(now, fact, &mut readings);
        speaker.refusals(now, fact, &mut readings);
        speaker.probing(now, fact, watching, &mut readings);
        (new, readings)
    }

    /// Everybody, the one not seen for longest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, Speaker)> {
        self.known.iter().rev().map(|(key, speaker)| (*key, *speaker))
    }
}

impl Extend<(u64, Speaker)> for Speakers {
    fn extend<T: IntoIterator<Item = (u64, Speaker)>>(&mut self, all: T) {
        for (key, speaker) in all {
            self.known.put(key, speaker);
        }
    }
}

pub(crate) fn seconds(fact: &Fact) -> f64 {
    fact.at.as_millisecond() as f64 / 1_000.0
}

impl Speaker {
    fn pace(&mut self, now: f64, watching: &Watching, readings: &mut Vec<Reading>) {
        let usual = self.pace;
        let count = self.messages.add(now, MESSAGES, 1.0);
        let least = Fading::settled(watching.speaker_messages as f32 / 60.0, MESSAGES);
        let is_much = count > least.max(TIMES * usual);
        // a new level is learnt over hundreds of messages, and far more slowly while it is an alert: the first
        // messages of a flood must not make it usual
        self.pace += if is_much { PACE / 20.0 } else { PACE } * (count - usual);
        if is_much {
            readings.push(reading(
                Signal::Volume,
                per_minute(count),
                per_minute(usual),
                "messages/min",
            ));
        }
    }

    fn conversation(&mut self, now: f64, fact: &Fact, readings: &mut Vec<Reading>) -> bool {
        let Some(conversation) = fact.conversation.as_deref().map(hash) else { return false };
        if conversation == self.last_conversation {
            return false;
        }
        self.last_conversation = conversation;
        let count = self.conversations.add(now, CONVERSATIONS, 1.0);
        if count > FEW_CONVERSATIONS {
            readings.push(reading(
                Signal::NewConversations,
                count / Fading::settled(1.0 / 60.0, CONVERSATIONS),
                0.0,
                "conversations/min",
            ));
        }
        true
    }

    fn refusals(&mut self, now: f64, fact: &Fact, readings: &mut Vec<Reading>) {
        let recent = self.recent.add(now, REFUSALS, 1.0);
        if fact.outcome != Outcome::Blocked && fact.outcome != Outcome::Held {
            return;
        }
        let stopped = self.stopped.add(now, REFUSALS, 1.0);
        if stopped > FEW_BLOCKS && stopped > 0.3 * recent {
            readings.push(reading(Signal::Blocks, stopped, 0.0, "refused messages"));
        }
    }

    /// Scores that rise while they stay below the threshold: a text changed again and again.
    fn probing(&mut self, now: f64, fact: &Fact, watching: &Watching, readings: &mut Vec<Reading>) {
        let Some(score) = fact.score.filter(|_| fact.inbound) else { return };
        self.scores = self.scores.saturating_add(1);
        if self.scores == 1 {
            (self.quick_score, self.slow_score) = (score, score);
        }
        self.quick_score += 0.3 * (score - self.quick_score);
        self.slow_score += 0.05 * (score - self.slow_score);
        let threshold = watching.score_threshold;
        if score < NEAR * threshold || score >= threshold {
            return;
        }
        let near = self.near.add(now, REFUSALS, 1.0);
        let rises = self.quick_score - self.slow_score > 0.08 * threshold;
        if near > FEW_ATTEMPTS && rises {
            readings.push(reading(Signal::Probing, self.quick_score, self.slow_score, "score"));
        }
    }
}

fn per_minute(count: f32) -> f32 {
    count / Fading::settled(1.0 / 60.0, MESSAGES)
}

/// A reading whose size is the ratio to normal.
pub(crate) fn reading(signal: Signal, value: f32, normal: f32, unit: &str) -> Reading {
    Reading {
        signal,
        value: f64::from(value),
        normal: f64::from(normal),
        size: f64::from(value / normal.max(1e-3 * value.abs()).max(1e-6)).min(1e4),
        unit: unit.to_owned(),
    }
}

/// A number for a name that is a keyed hash already; the same in every process and after a restart.
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
