//! From logits to probabilities and thresholds, on rows that the weights were not learnt from.

use portcullis_model::metrics::{Scored, threshold_at_fpr};
use portcullis_model::{Calibration, Thresholds};
use portcullis_moderation::content::ContentModel;

use crate::data::Row;
use crate::learner::Parts;

/// Shares of harmless rows that may be reported in each category. There are six categories, and every answer is
/// judged by all: together they report a few times as many.
const BLOCK_FPR: f64 = 0.001;
const HOLD_FPR: f64 = 0.004;
/// Nothing is reported that is less likely than this.
const LEAST: f32 = 0.5;

/// The score of each row whose label for this output is known.
pub(crate) fn scored(model: &ContentModel, rows: &[&Row], output: usize) -> Vec<Scored> {
    rows.iter()
        .filter_map(|row| {
            let attack = row.labels[output]?;
            let (judged, _) = model.judge(&row.text, &mut || true);
            Some(Scored { score: judged.get(output).map_or(0.0, |one| one.score), attack })
        })
        .collect()
}

/// Sets calibration and thresholds of each output.
pub(crate) fn calibrate(parts: &mut Parts, rows: &[&Row]) -> anyhow::Result<()> {
    let model = parts.model()?;
    let logits: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| {
            model.logits(&row.text, &mut || true).0.iter().map(|(logit, _)| *logit).collect()
        })
        .collect();
    for (output, one) in parts.manifest.outputs.iter_mut().enumerate() {
        let known: Vec<(f32, bool)> = rows
            .iter()
            .zip(&logits)
            .filter_map(|(row, logits)| Some((*logits.get(output)?, row.labels[output]?)))
            .collect();
        one.calibration = platt(&known);
    }
    let model = parts.model()?;
    for (output, one) in parts.manifest.outputs.iter_mut().enumerate() {
        let all = scored(&model, rows, output);
        let at = |rate| threshold_at_fpr(rate, &all).unwrap_or(1.0).clamp(LEAST, 1.0);
        one.thresholds = Thresholds { block: at(BLOCK_FPR), hold: at(HOLD_FPR) };
    }
    Ok(())
}

/// Platt scaling (Platt 1999) by gradient descent with halved steps. Both classes weigh the same in all: the
/// probability is that of a text of which nothing is known before.
fn platt(logits: &[(f32, bool)]) -> Calibration {
    let positives = logits.iter().filter(|(_, is)| *is).count().max(1) as f64;
    let negatives = (logits.len() as f64 - positives).max(1.0);
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let each = |is: bool| if is { (high, 1.0 / positives) } else { (low, 1.0 / negatives) };
    let loss = |slope: f64, offset: f64| -> f64 {
        let one = |(logit, is): &(f32, bool)| {
            let (target, weight) = each(*is);
            let z = slope * f64::from(*logit) + offset;
            weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
        };
        logits.iter().map(one).sum()
    };
    let (mut slope, mut offset, mut step) = (0.5f64, 0.0f64, 1.0f64);
    let mut now = loss(slope, offset);
    for _ in 0..400 {
        let (mut by_slope, mut by_offset) = (0.0, 0.0);
        for (logit, is) in logits {
            let (target, weight) = each(*is);
            let p = 1.0 / (1.0 + (-(slope * f64::from(*logit) + offset)).exp());
            by_slope += (p - target) * weight * f64::from(*logit);
            by_offset += (p - target) * weight;
        }
        loop {
            let next = ((slope - step * by_slope).max(1e-3), offset - step * by_offset);
            let then = loss(next.0, next.1);
            if then <= now || step < 1e-9 {
                (slope, offset, now) = (next.0, next.1, then.min(now));
                step *= 1.5;
                break;
            }
            step /= 2.0;
        }
    }
    Calibration { slope: slope as f32, offset: offset as f32 }
}
