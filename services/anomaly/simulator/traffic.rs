//! A bot's days: people come and go with the hour, ask what everybody asks, and now and then something goes
//! wrong.

use jiff::Timestamp;
use portcullis_anomaly::{Fact, Outcome};
use portcullis_core::{BotId, Sketch, StageName};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::scenario::{Kind, Scenario};

/// When it begins: 2026-01-05 00:00 UTC, a Monday.
pub(crate) const START: i64 = 1_767_571_200;
/// People who may write.
const PEOPLE: u32 = 4_000;
/// Messages a minute at noon; a tenth of it at night.
const NOON: f64 = 60.0;
/// Questions that many ask with the same words.
const COMMON: u64 = 40;

/// Minutes of facts.
pub(crate) struct Traffic<'a> {
    chance: StdRng,
    minute: i64,
    end: i64,
    scenarios: &'a [Scenario],
    count: u64,
}

impl<'a> Traffic<'a> {
    pub(crate) fn new(seed: u32, days: u32, scenarios: &'a [Scenario]) -> Self {
        Self {
            chance: StdRng::seed_from_u64(u64::from(seed)),
            minute: 0,
            end: i64::from(days) * 1_440,
            scenarios,
            count: 0,
        }
    }

    /// Knuth's way for small means, the normal approximation for large ones.
    fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 30.0 {
            return (mean + self.gauss() * mean.sqrt()).round().max(0.0) as u32;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.chance.random::<f64>(), 0);
        while product > limit {
            product *= self.chance.random::<f64>();
            count += 1;
        }
        count
    }

    fn gauss(&mut self) -> f64 {
        // the sum of twelve uniform numbers (Irwin-Hall) is near enough
        (0..12).map(|_| self.chance.random::<f64>()).sum::<f64>() - 6.0
    }

    fn fact(&mut self, second: i64, speaker: String, inbound: bool) -> Fact {
        self.count += 1;
        let common = self.chance.random_bool(0.3);
        let sketch = match common {
            true => self.chance.random_range(0..COMMON).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            false => self.chance.random(),
        };
        let suspicious = self.chance.random_bool(0.004);
        let score = if suspicious {
            0.3 + 0.7 * self.chance.random::<f32>()
        } else {
            0.05 * self.chance.random::<f32>().powi(2)
        };
        Fact {
            id: format!("verdict/shop/inbound/{}", self.count),
            at: Timestamp::from_second(START + second).unwrap_or(Timestamp::UNIX_EPOCH),
            bot: BotId::fallback(),
            inbound,
            network: Some(format!("n{}", hash(&speaker) % 500)),
            conversation: Some(format!("{speaker}/{}", second / 1_800)),
            speaker: Some(speaker),
            outcome: if score > 0.9 { Outcome::Blocked } else { Outcome::Passed },
            score: inbound.then_some(score),
            bytes: (4.0 + 0.8 * self.gauss() + if inbound { 0.0 } else { 1.0 }).exp() as u32,
            entropy: Some(4.2 + 0.2 * self.gauss() as f32),
            sketch: Some(Sketch(sketch)),
            gaps: if self.chance.random_bool(0.0005) {
                vec![StageName::sentiment()]
            } else {
                Vec::new()
            },
        }
    }

    fn usual(&mut self, facts: &mut Vec<Fact>) {
        let day = (self.minute % 1_440) as f64 / 1_440.0;
        // lowest at four in the morning
        let season = 0.1 + 0.9 * (0.5 - 0.5 * (std::f64::consts::TAU * (day - 1.0 / 6.0)).cos());
        let weekday = if (self.minute / 1_440) % 7 >= 5 { 0.7 } else { 1.0 };
        let pairs = self.poisson(NOON / 2.0 * season * weekday);
        for _ in 0..pairs {
            let second = self.minute * 60 + self.chance.random_range(0..60);
            let speaker = format!("s{}", self.chance.random_range(0..PEOPLE));
            facts.push(self.fact(second, speaker.clone(), true));
            facts.push(self.fact(second, speaker, false));
        }
    }

    fn add(&mut self, scenario: Scenario, facts: &mut Vec<Fact>) {
        let start = self.minute * 60;
        let since = (start - scenario.start_s).max(0);
        let share = since as f32 / (scenario.end_s - scenario.start_s) as f32;
        match scenario.kind {
            Kind::FloodOfOne => {
                for n in 0..300 {
                    facts.push(self.fact(start + n / 5, "flooder".into(), true));
                }
            }
            Kind::FloodOfMany => {
                for n in 0..600 {
                    let speaker = format!("bot{}", self.chance.random_range(0..300));
                    facts.push(self.fact(start + n / 10, speaker, true));
                }
            }
            Kind::Probing => {
                let mut fact = self.fact(start + 7, "prober".into(), true);
                fact.score =
                    Some((0.1 + 0.75 * share + 0.05 * self.gauss() as f32).clamp(0.02, 0.88));
                fact.outcome = Outcome::Passed;
                facts.push(fact);
            }
            Kind::Campaign => {
                for n in 0..4 {
                    let speaker = format!("puppet{}", self.chance.random_range(0..60));
                    let mut fact = self.fact(start + n * 14, speaker, true);
                    // words are changed: one part of the sketch, or two
                    let mut sketch = 0x1234_5678_9abc_def0;
                    for _ in 0..2 {
                        sketch ^= 1u64 << self.chance.random_range(0..64);
                    }
                    fact.sketch = Some(Sketch(sketch));
                    fact.score = Some(0.35 + 0.3 * self.chance.random::<f32>());
                    facts.push(fact);
                }
            }
            Kind::NightTheft => {
                for n in 0..6 {
                    facts.push(self.fact(start + n * 9, "thief".into(), true));
                    let mut answer = self.fact(start + n * 9 + 1, "thief".into(), false);
                    answer.bytes = 20_000;
                    answer.entropy = Some(5.4);
                    facts.push(answer);
                }
            }
            Kind::ModelFails => {
                for fact in facts.iter_mut().filter(|fact| fact.score.is_some()) {
                    fact.score = Some(0.3);
                }
            }
            Kind::StageGaps => {
                for (n, fact) in facts.iter_mut().enumerate() {
                    if n % 3 == 0 {
                        fact.gaps = vec![StageName::injection_classifier()];
                    }
                }
            }
            Kind::Attacks => {
                for n in 0..15 {
                    let speaker = format!("raider{}", self.chance.random_range(0..200));
                    let mut fact = self.fact(start + n * 4, speaker, true);
                    fact.score = Some(0.97);
                    fact.outcome = Outcome::Blocked;
                    facts.push(fact);
                }
            }
            Kind::Silence => facts.clear(),
        }
    }
}

fn hash(name: &str) -> u32 {
    name.bytes().fold(2_166_136_261, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619))
}

impl Iterator for Traffic<'_> {
    type Item = Vec<Fact>;

    fn next(&mut self) -> Option<Vec<Fact>> {
        if self.minute >= self.end {
            return None;
        }
        let mut facts = Vec::new();
        self.usual(&mut facts);
        let now = self.minute * 60;
        for scenario in self.scenarios {
            if (scenario.start_s..scenario.end_s).contains(&now) {
                self.add(*scenario, &mut facts);
            }
        }
        facts.sort_by_key(|fact| fact.at);
        self.minute += 1;
        Some(facts)
    }
}
