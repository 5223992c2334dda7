//! Logistic regression over hashed n-grams by AdaGrad (Duchi, Hazan, Singer 2011), with windows learnt
//! as instances of a bag: of a long text, the window that the model now suspects most is trained on
//! with the text's label, so that an attack in a long document is learnt where it stands and a benign
//! document gives its hardest window.

use std::ops::Range;

use portcullis_model::{Features, TokenEnd, extract, norm};

use crate::data::{Row, weight};

/// Binary logarithm of the number of buckets: one byte each, 1 MiB.
pub(crate) const BITS: u32 = 20;
/// Lengths of windows in tokens.
pub(crate) const WINDOWS: &[usize] = &[12, 24, 48, 96];
/// Passes over the data; the first ones see whole texts alone.
const EPOCHS: usize = 6;
const WHOLE_ONLY: usize = 2;
const RATE: f32 = 0.15;
const DECAY: f32 = 2e-6;
const SEED: u64 = 20_261_123;

/// A text as buckets, with the ends of its tokens among them.
pub(crate) struct Sample {
    buckets: Vec<u32>,
    ends: Vec<u32>,
    weight: f32,
    /// Whether its windows are instances of its label. A harmless text that quotes an attack is not
    /// harmless in every window.
    windows: bool,
}

impl Sample {
    /// The buckets of its n-grams, in the order of the text.
    pub(crate) fn buckets(&self) -> &[u32] {
        &self.buckets
    }
}

#[derive(Default)]
struct Collect {
    buckets: Vec<u32>,
    ends: Vec<u32>,
}

impl Features for Collect {
    fn feature(&mut self, bucket: usize) {
        self.buckets.push(bucket as u32);
    }
    fn token(&mut self, _: TokenEnd) -> bool {
        self.ends.push(self.buckets.len() as u32);
        true
    }
}

/// Extracts what the model will see of a row.
pub(crate) fn sample(row: &Row) -> Sample {
    let mut collect = Collect::default();
    extract(&row.text, BITS, &mut collect);
    Sample {
        buckets: collect.buckets,
        ends: collect.ends,
        weight: weight(row),
        windows: row.kind != "hard_benign_quoted_attack",
    }
}

struct Learner {
    weights: Vec<f32>,
    squares: Vec<f32>,
    bias: f32,
    bias_square: f32,
}

impl Learner {
    fn sum(&self, buckets: &[u32]) -> f32 {
        buckets.iter().map(|bucket| self.weights[*bucket as usize]).sum()
    }

    fn learn(&mut self, buckets: &[u32], attack: bool, weight: f32) {
        if buckets.is_empty() {
            return;
        }
        let scale = 1.0 / norm(buckets.len());
        let logit = self.bias + self.sum(buckets) * scale;
        let probability = 1.0 / (1.0 + (-logit).exp());
        let error = (probability - f32::from(u8::from(attack))) * weight;
        if error.abs() < 1e-4 {
            return;
        }
        self.bias_square += error * error;
        self.bias -= RATE * error / (self.bias_square + 1.0).sqrt();
        let slope = error * scale;
        for bucket in buckets {
            let index = *bucket as usize;
            let gradient = slope + DECAY * self.weights[index];
            self.squares[index] += gradient * gradient;
            self.weights[index] -= RATE * gradient / (self.squares[index] + 1e-4).sqrt();
        }
    }

    /// The window of highest suspicion, as a range of buckets.
    fn hottest(&self, sample: &Sample) -> Option<Range<usize>> {
        let tokens = sample.ends.len();
        if !sample.windows || tokens <= WINDOWS[0] {
            return None;
        }
        let mut totals = Vec::with_capacity(tokens + 1);
        totals.push((0usize, 0.0f32));
        let mut sum = 0.0;
        let mut from = 0;
        for end in &sample.ends {
            let end = *end as usize;
            sum += self.sum(&sample.buckets[from..end]);
            totals.push((end, sum));
            from = end;
        }
        let mut best: Option<(f32, Range<usize>)> = None;
        for &length in WINDOWS.iter().filter(|length| tokens > **length) {
            for end in (length..tokens).step_by(length / 4).chain([tokens]) {
                let (a, before) = totals[end - length];
                let (b, after) = totals[end];
                let logit = (after - before) / norm(b - a);
                if best.as_ref().is_none_or(|(highest, _)| logit > *highest) {
                    best = Some((logit, a..b));
                }
            }
        }
        best.map(|(_, range)| range)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the order of the samples, the same in every run.
struct Order(u64);

impl Order {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Learns from samples and whether each is an attack.
pub(crate) fn train(samples: &[(&Sample, bool)]) -> Learnt {
    let size = 1usize << BITS;
    let mut learner =
        Learner { weights: vec![0.0; size], squares: vec![0.0; size], bias: 0.0, bias_square: 0.0 };
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let mut chance = Order(SEED);
    for epoch in 0..EPOCHS {
        for last in (1..order.len()).rev() {
            order.swap(last, chance.below(last + 1));
        }
        for index in &order {
            let (sample, attack) = samples[*index];
            let hottest = if epoch < WHOLE_ONLY { None } else { learner.hottest(sample) };
            match hottest {
                Some(range) => {
                    // the whole of a long attack is mostly harmless words
                    let whole = if attack { 0.2 } else { 0.5 };
                    learner.learn(&sample.buckets, attack, sample.weight * whole);
                    learner.learn(&sample.buckets[range], attack, sample.weight);
                }
                None => {
                    // while windows are not looked at, long attacks say less about single words
                    let long = attack && sample.ends.len() > 2 * WINDOWS[2];
                    let share = if long { 0.3 } else { 1.0 };
                    learner.learn(&sample.buckets, attack, sample.weight * share);
                }
            }
        }
    }
    Learnt::quantised(&learner)
}

/// What was learnt: weights as 8-bit integers, not yet calibrated.
#[derive(Clone)]
pub(crate) struct Learnt {
    pub(crate) weights: Vec<u8>,
    pub(crate) step: f32,
    pub(crate) bias: f32,
}

impl Learnt {
    /// Rounds to 127 steps each way. The step is set by the 99.99th percentile of the weights in use,
    /// so that a few outliers are cut rather than the rest coarsened.
    fn quantised(learner: &Learner) -> Self {
        let mut sizes: Vec<f32> =
            learner.weights.iter().map(|w| w.abs()).filter(|w| *w > 0.0).collect();
        sizes.sort_by(f32::total_cmp);
        let top = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 10_000)).copied();
        let step = top.unwrap_or(1.0) / 127.0;
        let weights = learner
            .weights
            .iter()
            .map(|w| ((w / step).round().clamp(-127.0, 127.0) as i8).cast_unsigned())
            .collect();
        Self { weights, step, bias: learner.bias }
    }
}

/// Texts in which a bucket must have been seen to count as known.
const KNOWN_IN: u8 = 3;

/// The buckets that harmless texts have, a bit each.
pub(crate) fn known<'a>(harmless: impl Iterator<Item = &'a Sample>) -> Vec<u8> {
    let mut texts = vec![0u8; 1 << BITS];
    for sample in harmless {
        let mut buckets = sample.buckets.clone();
        buckets.sort_unstable();
        buckets.dedup();
        for bucket in buckets {
            let seen = &mut texts[bucket as usize];
            *seen = seen.saturating_add(1);
        }
    }
    let mut bits = vec![0u8; (1 << BITS) / 8];
    for (bucket, _) in texts.iter().enumerate().filter(|(_, seen)| **seen >= KNOWN_IN) {
        bits[bucket / 8] |= 1 << (bucket % 8);
    }
    bits
}
