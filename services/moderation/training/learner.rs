//! Logistic regression over hashed n-grams by AdaGrad (Duchi, Hazan, Singer 2011), one output a category over the
//! same features. Long texts are learnt in windows: what is harmless is so in every window; of what is not, the
//! window that is suspected most is taken with the text's label.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use portcullis_model::{
    Blend, Calibration, EncoderParameters, FeatureParameters, Features, Thresholds, TokenEnd,
    extract, hex_sha256, norm,
};
use portcullis_moderate::Category;
use portcullis_moderation::content::{
    ContentModel, EncoderManifest, EncoderOutput, FORMAT, Manifest, OUTPUTS, Output,
};

use crate::data::Row;
use crate::labels::Labels;

/// Binary logarithm of the number of buckets: six bytes each, 768 KiB.
pub(crate) const BITS: u32 = 17;
/// Lengths of windows in tokens.
pub(crate) const WINDOWS: &[usize] = &[24, 64, 128];
const EPOCHS: usize = 5;
const RATE: f32 = 0.12;
const DECAY: f32 = 4e-6;
const SEED: u64 = 20_261_124;
/// Longest text that is learnt from, in buckets.
const LONGEST: usize = 12_000;

/// A text as buckets, with the ends of its tokens among them.
pub(crate) struct Sample {
    buckets: Vec<u32>,
    ends: Vec<u32>,
    labels: Labels,
    weight: f32,
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
        self.buckets.len() < LONGEST
    }
}

/// Extracts what the model will see of a row.
pub(crate) fn sample(row: &Row) -> Sample {
    let mut collect = Collect::default();
    extract(&row.text, BITS, &mut collect);
    Sample { buckets: collect.buckets, ends: collect.ends, labels: row.labels, weight: row.weight }
}

struct Learner {
    weights: Vec<[f32; OUTPUTS]>,
    squares: Vec<[f32; OUTPUTS]>,
    bias: [f32; OUTPUTS],
    bias_squares: [f32; OUTPUTS],
}

impl Learner {
    fn sums(&self, buckets: &[u32]) -> [f32; OUTPUTS] {
        let mut sums = [0.0; OUTPUTS];
        for bucket in buckets {
            for (sum, weight) in sums.iter_mut().zip(&self.weights[*bucket as usize]) {
                *sum += weight;
            }
        }
        sums
    }

    fn learn(&mut self, buckets: &[u32], labels: &Labels, weight: f32) {
        if buckets.is_empty() {
            return;
        }
        let scale = 1.0 / norm(buckets.len());
        let sums = self.sums(buckets);
        let mut errors = [0.0; OUTPUTS];
        for (output, slope) in errors.iter_mut().enumerate() {
            let Some(label) = labels[output] else { continue };
            let logit = self.bias[output] + sums[output] * scale;
            let probability = 1.0 / (1.0 + (-logit).exp());
            let error = (probability - f32::from(u8::from(label))) * weight;
            if error.abs() < 1e-4 {
                continue;
            }
            self.bias_squares[output] += error * error;
            self.bias[output] -= RATE * error / (self.bias_squares[output] + 1.0).sqrt();
            *slope = error * scale;
        }
        if errors.iter().all(|error| *error == 0.0) {
            return;
        }
        for bucket in buckets {
            let index = *bucket as usize;
            let rows = self.weights[index].iter_mut().zip(&mut self.squares[index]);
            for ((weight, square), error) in rows.zip(errors) {
                if error == 0.0 {
                    continue;
                }
                let gradient = error + DECAY * *weight;
                *square += gradient * gradient;
                *weight -= RATE * gradient / (*square + 1e-4).sqrt();
            }
        }
    }

    /// The window in which the text's own categories (or, of a harmless text, any) are suspected most.
    fn hottest(&self, sample: &Sample) -> Option<Range<usize>> {
        let tokens = sample.ends.len();
        if tokens <= WINDOWS[0] * 2 {
            return None;
        }
        let own: Vec<usize> =
            (0..OUTPUTS).filter(|output| sample.labels[*output] == Some(true)).collect();
        let watched: Vec<usize> = if own.is_empty() { (0..OUTPUTS).collect() } else { own };
        let mut totals = vec![(0usize, [0.0f32; OUTPUTS])];
        let mut so_far = [0.0; OUTPUTS];
        let mut from = 0;
        for end in &sample.ends {
            let end = *end as usize;
            for (sum, more) in so_far.iter_mut().zip(self.sums(&sample.buckets[from..end])) {
                *sum += more;
            }
            totals.push((end, so_far));
            from = end;
        }
        let mut best: Option<(f32, Range<usize>)> = None;
        for &length in WINDOWS.iter().filter(|length| tokens > **length) {
            for end in (length..tokens).step_by(length / 2).chain([tokens]) {
                let ((a, before), (b, after)) = (&totals[end - length], &totals[end]);
                for output in &watched {
                    let logit =
                        self.bias[*output] + (after[*output] - before[*output]) / norm(b - a);
                    if best.as_ref().is_none_or(|(highest, _)| logit > *highest) {
                        best = Some((logit, *a..*b));
                    }
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

/// Learns from the samples and gives a bundle that is not calibrated yet.
pub(crate) fn train(samples: &[&Sample]) -> Parts {
    let mut learner = Learner {
        weights: vec![[0.0; OUTPUTS]; 1 << BITS],
        squares: vec![[0.0; OUTPUTS]; 1 << BITS],
        bias: [0.0; OUTPUTS],
        bias_squares: [0.0; OUTPUTS],
    };
    let mut order = Order(SEED);
    let mut indexes: Vec<usize> = (0..samples.len()).collect();
    for epoch in 0..EPOCHS {
        for index in (1..indexes.len()).rev() {
            indexes.swap(index, order.below(index + 1));
        }
        for index in &indexes {
            let sample = samples[*index];
            let window = if epoch == 0 { None } else { learner.hottest(sample) };
            match window {
                Some(range) => {
                    learner.learn(&sample.buckets, &sample.labels, sample.weight * 0.5);
                    learner.learn(&sample.buckets[range], &sample.labels, sample.weight * 0.7);
                }
                None => learner.learn(&sample.buckets, &sample.labels, sample.weight),
            }
        }
    }
    Parts::quantised(&learner)
}

/// What `encoder/train.py` leaves in a folder.
#[derive(Clone)]
pub(crate) struct EncoderFiles {
    parameters: EncoderParameters,
    weights: Vec<u8>,
    vocabulary: Vec<u8>,
}

impl EncoderFiles {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("read {}", path.display()))
        };
        let parameters =
            EncoderParameters::described(&file("encoder.json")?).context("encoder.json")?;
        let (weights, vocabulary) = (file(&parameters.weights)?, file(&parameters.vocabulary)?);
        Ok(Self { parameters, weights, vocabulary })
    }

    fn manifest(&self) -> EncoderManifest {
        let output = |category: &Category| EncoderOutput {
            category: *category,
            blend: Blend { encoder: 1.0, linear: 0.0, offset: 0.0 },
            thresholds: Thresholds { block: 1.0, hold: 1.0 },
        };
        EncoderManifest {
            parameters: self.parameters.clone(),
            weights_sha256: hex_sha256(&self.weights),
            vocabulary_sha256: hex_sha256(&self.vocabulary),
            skip_below: 0.0,
            penalty_per_doubling: 0.3,
            outputs: Category::ALL.iter().map(output).collect(),
        }
    }
}

/// The parts of a bundle.
pub(crate) struct Parts {
    pub(crate) manifest: Manifest,
    pub(crate) weights: Vec<u8>,
    encoder: Option<EncoderFiles>,
}

impl Parts {
    /// Rounds to 127 steps each way, each output with a step of its own, set by the 99.99th percentile of its
    /// weights, so that a few outliers are cut rather than the rest coarsened.
    fn quantised(learner: &Learner) -> Self {
        let steps: [f32; OUTPUTS] = std::array::from_fn(|output| {
            let mut sizes: Vec<f32> =
                learner.weights.iter().map(|row| row[output].abs()).filter(|w| *w > 0.0).collect();
            sizes.sort_by(f32::total_cmp);
            let top = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 10_000)).copied();
            top.unwrap_or(1.0) / 127.0
        });
        let byte = |weight: f32, step: f32| {
            ((weight / step).round().clamp(-127.0, 127.0) as i8).cast_unsigned()
        };
        let weights: Vec<u8> = learner
            .weights
            .iter()
            .flat_map(|row| row.iter().zip(steps).map(move |(weight, step)| byte(*weight, step)))
            .collect();
        let outputs = Category::ALL.iter().enumerate().map(|(output, category)| Output {
            category: *category,
            step: steps[output],
            bias: learner.bias[output],
            calibration: Calibration { slope: 1.0, offset: 0.0 },
            thresholds: Thresholds { block: 1.0, hold: 1.0 },
        });
        let manifest = Manifest {
            format: FORMAT,
            model: concat!("content-linear-", env!("CARGO_PKG_VERSION")).to_owned(),
            features: FeatureParameters { version: Collect::VERSION, bits: BITS },
            windows: WINDOWS.iter().map(|length| *length as u32).collect(),
            penalty_per_doubling: 0.3,
            outputs: outputs.collect(),
            weights_sha256: hex_sha256(&weights),
            encoder: None,
        };
        Self { manifest, weights, encoder: None }
    }

    /// Adds an encoder that is not calibrated yet.
    pub(crate) fn with_encoder(mut self, files: EncoderFiles) -> Self {
        self.manifest.encoder = Some(files.manifest());
        self.encoder = Some(files);
        self
    }

    /// Files of the bundle, by name.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
        let mut files = vec![
            ("manifest.json", self.manifest_json()?.into_bytes()),
            ("weights.bin", self.weights.clone()),
        ];
        if let Some(encoder) = &self.encoder {
            let [weights, vocabulary] = EncoderParameters::FILES;
            files.push((weights, encoder.weights.clone()));
            files.push((vocabulary, encoder.vocabulary.clone()));
        }
        Ok(files)
    }

    /// The bytes of `manifest.json`.
    pub(crate) fn manifest_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.manifest)? + "\n")
    }

    /// The model as the service will load it.
    pub(crate) fn model(&self) -> anyhow::Result<ContentModel> {
        let encoder = self.encoder.as_ref();
        let encoder =
            encoder.map(|files| (files.weights.clone().into(), files.vocabulary.clone().into()));
        Ok(ContentModel::from_parts(self.manifest_json()?.as_bytes(), &self.weights, encoder)?)
    }
}
