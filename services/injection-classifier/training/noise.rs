//! Label noise: rows whose label the linear model, learnt without them, contradicts with great certainty.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::data::{Channel, Row, channel};
use crate::learner::{Sample, sample, train};
use crate::{calibrate, synthetic};

const FOLDS: u64 = 5;

/// The fold of a row: by its id, so that it stays when rows are added.
fn fold(row: &Row) -> u64 {
    u64::from_str_radix(row.id.get(..8).unwrap_or("0"), 16).unwrap_or(0) % FOLDS
}

/// Probability that each row is an attack, by a model of its channel that has not seen it.
fn out_of_fold(rows: &[Row]) -> anyhow::Result<Vec<f32>> {
    let samples: Vec<Sample> = rows.iter().map(sample).collect();
    let templates = synthetic::rows();
    let templates: Vec<Sample> = templates.iter().map(sample).collect();
    let mut probabilities = vec![0.5; rows.len()];
    for asked in [Channel::User, Channel::Context] {
        for held in 0..FOLDS {
            let mine = |row: &Row| channel(&row.kind) == asked;
            let mut learnt: Vec<&Sample> = rows
                .iter()
                .zip(&samples)
                .filter(|(row, _)| mine(row) && fold(row) != held)
                .map(|(_, sample)| sample)
                .collect();
            if asked == Channel::User {
                learnt.extend(&templates);
            }
            let mut parts = train(&learnt)?;
            let out: Vec<&Row> = rows.iter().filter(|row| mine(row) && fold(row) == held).collect();
            calibrate::calibrate(&mut parts, &out)?;
            let model = parts.model()?;
            for (row, probability) in rows.iter().zip(&mut probabilities) {
                if mine(row) && fold(row) == held {
                    *probability = calibrate::scored(&model, &[row])
                        .first()
                        .map_or(0.5, |scored| scored.score);
                }
            }
        }
    }
    Ok(probabilities)
}

/// Writes `id, label, kind, family, probability` of the rows that the model contradicts most.
pub(crate) fn write(rows: &[Row], out: &Path) -> anyhow::Result<()> {
    let probabilities = out_of_fold(rows)?;
    let mut text = String::new();
    for (row, p) in rows.iter().zip(&probabilities) {
        let label = if row.attack { "injection" } else { "benign" };
        let _infallible =
            writeln!(text, "{}\t{label}\t{}\t{}\t{p:.4}", row.id, row.kind, row.family);
    }
    std::fs::write(out, text).context("write the list")
}
