//! Label noise: rows whose label the linear model, learnt without them, contradicts with great certainty. A
//! person reads them and writes what comes of it into `noise.tsv`, which both trainers follow.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use portcullis_model::Channel;

use crate::data::{Row, answer};
use crate::fit::platt;
use crate::learner::{Learnt, Sample, train};

const FOLDS: u64 = 5;
/// Probabilities from which a label is contradicted.
const HARMLESS: f32 = 0.1;
const ATTACK: f32 = 0.88;

/// The fold of a row: by its id, so that it stays when rows are added.
fn fold(row: &Row) -> u64 {
    u64::from_str_radix(row.id.get(..8).unwrap_or("0"), 16).unwrap_or(0) % FOLDS
}

fn logit(learnt: &Learnt, sample: &Sample) -> Option<f32> {
    let sum: i64 = sample
        .buckets()
        .iter()
        .map(|bucket| i64::from(learnt.weights[*bucket as usize].cast_signed()))
        .sum();
    let count = sample.buckets().len();
    let logit = learnt.bias + learnt.step * sum as f32 / portcullis_model::norm(count);
    (count > 0).then_some(logit)
}

/// Writes what is to be read: `id, label, kind, family, question, probability`.
pub(crate) fn write(rows: &[Row], samples: &[Sample], out: &Path) -> anyhow::Result<()> {
    let mut text = String::from("id\tlabel\tkind\tfamily\tquestion\tprobability\n");
    for asked in [Channel::User, Channel::Context] {
        let labelled: Vec<(&Row, &Sample, bool)> = rows
            .iter()
            .zip(samples)
            .filter_map(|(row, sample)| Some((row, sample, answer(row, asked)?)))
            .collect();
        for held in 0..FOLDS {
            let is_held = |row: &Row| fold(row) == held;
            let learnt: Vec<(&Sample, bool)> = labelled
                .iter()
                .filter(|(row, ..)| !is_held(row))
                .map(|(_, sample, attack)| (*sample, *attack))
                .collect();
            let learnt = train(&learnt);
            let out: Vec<(&Row, f32, bool)> = labelled
                .iter()
                .filter(|(row, ..)| is_held(row))
                .filter_map(|(row, sample, attack)| Some((*row, logit(&learnt, sample)?, *attack)))
                .collect();
            let logits: Vec<(f32, bool)> = out.iter().map(|(_, l, attack)| (*l, *attack)).collect();
            let calibration = platt(&logits);
            for (row, logit, attack) in out {
                let p = calibration.probability(logit);
                if (attack && p < HARMLESS) || (!attack && p > ATTACK) {
                    let label = if attack { "injection" } else { "benign" };
                    let Row { id, kind, family, .. } = row;
                    let _infallible =
                        writeln!(text, "{id}\t{label}\t{kind}\t{family}\t{asked:?}\t{p:.3}");
                }
            }
        }
    }
    std::fs::write(out, text).context("write the list")
}
