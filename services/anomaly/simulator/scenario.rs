//! What goes wrong, and when.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One speaker sends hundreds a minute.
    FloodOfOne,
    /// Hundreds of speakers send at once.
    FloodOfMany,
    /// One speaker changes an attack again and again, a message every minute or two.
    Probing,
    /// Many speakers send the same attack with small changes.
    Campaign,
    /// At night one speaker asks for record after record: long answers where few are given.
    NightTheft,
    /// The classifier answers every message with nearly nothing.
    ModelFails,
    /// A stage stops answering for one message in three.
    StageGaps,
    /// Blocked attacks of many speakers.
    Attacks,
    /// Nothing comes any more.
    Silence,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::FloodOfOne,
        Self::FloodOfMany,
        Self::Probing,
        Self::Campaign,
        Self::NightTheft,
        Self::ModelFails,
        Self::StageGaps,
        Self::Attacks,
        Self::Silence,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FloodOfOne => "flood of one",
            Self::FloodOfMany => "flood of many",
            Self::Probing => "slow probing",
            Self::Campaign => "campaign",
            Self::NightTheft => "theft at night",
            Self::ModelFails => "model fails",
            Self::StageGaps => "stage gaps",
            Self::Attacks => "wave of attacks",
            Self::Silence => "silence",
        }
    }

    fn minutes(self) -> i64 {
        match self {
            Self::FloodOfOne | Self::FloodOfMany => 5,
            Self::Probing => 60,
            Self::NightTheft | Self::ModelFails => 40,
            Self::Campaign | Self::StageGaps | Self::Attacks | Self::Silence => 20,
        }
    }
}

/// One thing that goes wrong, between two seconds of the simulation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) kind: Kind,
    pub(crate) start_s: i64,
    pub(crate) end_s: i64,
}

/// One of each kind, from the third day on, at times that do not meet.
pub(crate) fn plan(seed: u32, days: u32) -> Vec<Scenario> {
    let mut chance = StdRng::seed_from_u64(u64::from(seed) ^ 0x5ce0);
    let mut kinds = Kind::ALL;
    kinds.shuffle(&mut chance);
    let first = 3 * 24;
    let hours = i64::from(days) * 24 - first;
    let step = hours / kinds.len() as i64;
    kinds
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let mut hour = first + number as i64 * step + chance.random_range(0..step.max(2) / 2);
            let of_day = hour % 24;
            hour += match kind {
                // at night, which is what makes it strange
                Kind::NightTheft => (26 - of_day) % 24,
                // in the daytime, when there is something to fall silent
                Kind::Silence => (36 - of_day) % 24,
                _ => 0,
            };
            let start_s = hour * 3_600 + chance.random_range(0..1_800);
            Scenario { kind: *kind, start_s, end_s: start_s + kind.minutes() * 60 }
        })
        .collect()
}
