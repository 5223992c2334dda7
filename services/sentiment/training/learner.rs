//! Multinomial logistic regression, neutral against negative and positive, by Adam (Kingma and Ba 2015) on
//! the whole of the data at each step: no chance is involved, so that the same data give the same weights.

use portcullis_sentiment::learning::Passage;
use portcullis_sentiment::model::{
    ANCHORS, FEATURES, Manifest, Model, WEIGHTS, anchor, hex_sha256, norm,
};
use portcullis_sentiment::{Label, Sentiment};

use crate::data::Row;
use crate::figures::{Figures, LABELS};

const STEPS: usize = 300;
const RATE: f32 = 0.05;
/// What a weight costs, so that a word which was seen seldom is believed little.
const DECAY: f32 = 1e-4;
/// The same for the anchors.
const ANCHOR_DECAY: f32 = 1e-6;
/// An n-gram that fewer texts have teaches nothing.
const FEWEST_TEXTS: u32 = 3;
/// Weights of neutral that are tried.
const NEUTRALS: std::ops::RangeInclusive<u32> = 2..=40;

/// A model as it will lie on disk.
pub(crate) struct Trained {
    pub(crate) manifest: Manifest,
    pub(crate) weights: Vec<u8>,
}

impl Trained {
    pub(crate) fn manifest_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.manifest)? + "\n")
    }

    pub(crate) fn model(&self) -> anyhow::Result<Model> {
        Ok(Model::from_parts(self.manifest_json()?.as_bytes(), &self.weights)?)
    }
}

struct Instance<'a> {
    passage: &'a Passage,
    label: Label,
    weight: f32,
}

/// The parameters in one row: pairs of weights, then pairs of anchors, then the moodless pair.
struct Parameters(Vec<f32>);

const ANCHORS_AT: usize = WEIGHTS;
const MOODLESS_AT: usize = ANCHORS_AT + 2 * ANCHORS;
const ALL: usize = MOODLESS_AT + 2;

impl Parameters {
    /// Calls `tell` with each parameter's pair that a passage touches, and how much.
    fn touched(passage: &Passage, used: &[bool], mut tell: impl FnMut(usize, f32)) {
        match passage.lexicon {
            None => tell(MOODLESS_AT, 1.0),
            Some(polarity) => {
                let (below, share) = anchor(polarity);
                tell(ANCHORS_AT + 2 * below, 1.0 - share);
                tell(ANCHORS_AT + 2 * below + 2, share);
            }
        }
        let scale = 1.0 / norm(passage.grams.len());
        for gram in passage.grams.iter().map(|gram| *gram as usize).filter(|gram| used[*gram]) {
            tell(2 * gram, scale);
        }
    }
}

/// Learns from `rows`, sets the weight of neutral on `calibration`.
pub(crate) fn train(rows: &[&Row], calibration: &[&Row]) -> anyhow::Result<Trained> {
    let used = used(rows);
    let instances = instances(rows);
    let mut parameters = Parameters(vec![0.0; ALL]);
    let (mut first, mut second) = (vec![0.0f32; ALL], vec![0.0f32; ALL]);
    for step in 1..=STEPS {
        let mut gradient = vec![0.0f32; ALL];
        for Instance { passage, label, weight } in &instances {
            let mut scores = [0.0f32; 2];
            Parameters::touched(passage, &used, |at, value| {
                scores[0] += value * parameters.0[at];
                scores[1] += value * parameters.0[at + 1];
            });
            let [negative, positive] = scores.map(|score| score.clamp(-30.0, 30.0).exp());
            let all = 1.0 + negative + positive;
            let errors = [
                weight * (negative / all - f32::from(u8::from(*label == Label::Negative))),
                weight * (positive / all - f32::from(u8::from(*label == Label::Positive))),
            ];
            Parameters::touched(passage, &used, |at, value| {
                gradient[at] += value * errors[0];
                gradient[at + 1] += value * errors[1];
            });
        }
        let rate = RATE * (1.0 - step as f32 / (STEPS as f32 * 1.1));
        let (fade, fade_square) =
            (1.0 - 0.9f32.powi(step as i32), 1.0 - 0.999f32.powi(step as i32));
        for at in 0..ALL {
            let decay = if at < ANCHORS_AT { DECAY } else { ANCHOR_DECAY };
            let slope = gradient[at] + decay * parameters.0[at];
            first[at] = 0.9 * first[at] + 0.1 * slope;
            second[at] = 0.999 * second[at] + 0.001 * slope * slope;
            let size = (second[at] / fade_square).sqrt() + 1e-8;
            parameters.0[at] -= rate * (first[at] / fade) / size;
        }
    }
    let mut trained = quantised(&parameters);
    calibrate(&mut trained, calibration)?;
    Ok(trained)
}

/// Which n-grams enough texts have.
fn used(rows: &[&Row]) -> Vec<bool> {
    let mut texts = vec![0u32; WEIGHTS / 2];
    for row in rows {
        let mut grams: Vec<u32> =
            row.passages.iter().flat_map(|passage| &passage.grams).copied().collect();
        grams.sort_unstable();
        grams.dedup();
        for gram in grams {
            texts[gram as usize] += 1;
        }
    }
    texts.into_iter().map(|texts| texts >= FEWEST_TEXTS).collect()
}

/// Passages with the label of their text. A class weighs as the root of its size, between what it is in
/// these data and as much as any other: how often people are unhappy differs from place to place.
fn instances<'a>(rows: &[&'a Row]) -> Vec<Instance<'a>> {
    let of = |label| rows.iter().filter(|row| row.label == label).count().max(1) as f32;
    let roots: f32 = LABELS.iter().map(|label| of(*label).sqrt()).sum();
    let weights = LABELS.map(|label| (label, 1.0 / (of(label).sqrt() * roots)));
    rows.iter()
        .flat_map(|row| {
            let weight = weights.iter().find(|(label, _)| *label == row.label);
            let weight =
                weight.map_or(0.0, |(_, weight)| weight / row.passages.len().max(1) as f32);
            row.passages.iter().map(move |passage| Instance { passage, label: row.label, weight })
        })
        .collect()
}

/// Rounds to 127 steps each way; the step is set by the 99.9th percentile of the weights in use.
fn quantised(parameters: &Parameters) -> Trained {
    let floats = &parameters.0[..WEIGHTS];
    let mut sizes: Vec<f32> = floats.iter().map(|w| w.abs()).filter(|w| *w > 0.0).collect();
    sizes.sort_by(f32::total_cmp);
    let top = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 1_000)).copied();
    let step = top.unwrap_or(1.0).max(1e-6) / 127.0;
    let weights: Vec<u8> = floats
        .iter()
        .map(|w| ((w / step).round().clamp(-127.0, 127.0) as i8).cast_unsigned())
        .collect();
    let pair = |at: usize| [parameters.0[at], parameters.0[at + 1]];
    let mut anchors = [[0.0; 2]; ANCHORS];
    for (index, anchor) in anchors.iter_mut().enumerate() {
        *anchor = pair(ANCHORS_AT + 2 * index);
    }
    let manifest = Manifest {
        model: "linear-1".to_owned(),
        features: FEATURES,
        step,
        anchors,
        moodless: pair(MOODLESS_AT),
        neutral: 1.0,
        sha256: hex_sha256(&weights),
    };
    Trained { manifest, weights }
}

/// Sets the weight of neutral to where accuracy and the mean of the classes' F1 are highest together, in the
/// mean over the sources: a large one says no more of texts of another kind than a small one.
fn calibrate(trained: &mut Trained, rows: &[&Row]) -> anyhow::Result<()> {
    let mut sources: Vec<&String> = rows.iter().map(|row| &row.source).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut best = (f64::MIN, trained.manifest.neutral);
    for neutral in NEUTRALS {
        trained.manifest.neutral = neutral as f32 / 20.0;
        let judge = Sentiment::with_model(trained.model()?);
        let quality = sources.iter().map(|source| {
            let rows: Vec<&Row> =
                rows.iter().filter(|row| row.source == **source).copied().collect();
            let figures = Figures::of("", &judge, &rows);
            figures.accuracy() + figures.macro_f1()
        });
        let quality = quality.sum::<f64>();
        if quality > best.0 {
            best = (quality, trained.manifest.neutral);
        }
    }
    trained.manifest.neutral = best.1;
    Ok(())
}
