//! From logits to probabilities and thresholds, on rows that the weights were not learnt from.

use futures::executor::block_on;
use futures::{StreamExt, stream};
use portcullis_model::metrics::{Scored, threshold_at_fpr};
use portcullis_model::{Blend, Calibration, Thresholds};
use portcullis_moderation::content::{ContentModel, EncoderManifest, Judged, Pass, Seen};

use crate::data::Row;
use crate::learner::Parts;

/// Shares of harmless rows that may be reported in each category. There are six categories, and every answer is
/// judged by all: together they report a few times as many.
const LINEAR: Rates = Rates { block: 0.001, hold: 0.004 };
/// The encoder errs less on everyday answers than on the hard ones among these rows.
const ENCODER: Rates = Rates { block: 0.002, hold: 0.008 };
/// Nothing is reported that is less likely than this.
const LEAST: f32 = 0.5;
/// Share of what the encoder reports that it may be kept from seeing.
const SKIPPED: f64 = 0.005;
/// Rows that wait for the encoder at once.
const AT_ONCE: usize = 32;

/// What a model makes of each row.
pub(crate) fn judged(model: &ContentModel, rows: &[&Row]) -> Vec<Vec<Judged>> {
    let read = rows.iter().map(|row| async {
        let pass = model.pass(&row.text, &mut || true);
        let read = model.read(&row.text, &pass, None).await;
        if read.is_whole { read.judged } else { pass.judged() }
    });
    block_on(stream::iter(read).buffered(AT_ONCE).collect())
}

/// The score of each row whose label for this output is known.
pub(crate) fn scored(judged: &[Vec<Judged>], rows: &[&Row], output: usize) -> Vec<Scored> {
    let known = rows.iter().zip(judged).filter_map(|(row, judged)| {
        let attack = row.labels[output]?;
        Some(Scored { score: judged.get(output).map_or(0.0, |one| one.score), attack })
    });
    known.collect()
}

#[derive(Clone, Copy)]
struct Rates {
    block: f64,
    hold: f64,
}

fn thresholds(all: &[Scored], rates: Rates) -> Thresholds {
    let at = |rate| threshold_at_fpr(rate, all).unwrap_or(1.0).clamp(LEAST, 1.0);
    Thresholds { block: at(rates.block), hold: at(rates.hold) }
}

/// Sets calibration and thresholds of each output, of the linear model and of the encoder.
pub(crate) fn calibrate(parts: &mut Parts, rows: &[&Row]) -> anyhow::Result<()> {
    let model = parts.model()?;
    let linear = |model: &ContentModel, row: &&Row| model.pass(&row.text, &mut || true).judged();
    let logits: Vec<Vec<f32>> = rows
        .iter()
        .map(|row| {
            let logits = model.pass(&row.text, &mut || true).logits();
            logits.into_iter().map(|(logit, _)| logit).collect()
        })
        .collect();
    for (output, one) in parts.manifest.outputs.iter_mut().enumerate() {
        let known: Vec<([f32; 1], bool)> = rows
            .iter()
            .zip(&logits)
            .filter_map(|(row, logits)| Some(([*logits.get(output)?], row.labels[output]?)))
            .collect();
        let ([slope], offset) = logistic(&known);
        one.calibration = Calibration { slope, offset };
    }
    let model = parts.model()?;
    let judged: Vec<Vec<Judged>> = rows.iter().map(|row| linear(&model, row)).collect();
    for (output, one) in parts.manifest.outputs.iter_mut().enumerate() {
        one.thresholds = thresholds(&scored(&judged, rows, output), LINEAR);
    }
    if parts.manifest.encoder.is_some() { encoder(parts, rows) } else { Ok(()) }
}

/// Sets what belongs to the encoder.
fn encoder(parts: &mut Parts, rows: &[&Row]) -> anyhow::Result<()> {
    let model = parts.model()?;
    let seen = rows.iter().map(|row| async {
        let pass = model.pass(&row.text, &mut || true);
        model.seen(&row.text, &pass, 0.0, None).await
    });
    let seen: Vec<Vec<Seen>> = block_on(stream::iter(seen).buffered(AT_ONCE).collect::<Vec<_>>())
        .into_iter()
        .collect::<Result<_, _>>()?;
    let passes: Vec<Pass<'_>> =
        rows.iter().map(|row| model.pass(&row.text, &mut || true)).collect();
    let Some(manifest) = &mut parts.manifest.encoder else { return Ok(()) };
    for (output, one) in manifest.outputs.iter_mut().enumerate() {
        // by the window that the encoder suspects most
        let hottest = |seen: &Vec<Seen>| {
            let logits = seen.iter().filter_map(|window| {
                let encoder = *window.encoder.as_ref()?.get(output)?;
                Some([encoder, window.linear.get(output).copied().unwrap_or(0.0)])
            });
            logits.max_by(|a, b| a[0].total_cmp(&b[0]))
        };
        let known: Vec<([f32; 2], bool)> = rows
            .iter()
            .zip(&seen)
            .filter_map(|(row, seen)| Some((hottest(seen)?, row.labels[output]?)))
            .collect();
        let ([encoder, linear], offset) = logistic(&known);
        one.blend = Blend { encoder, linear, offset };
    }
    let judge = |manifest: &EncoderManifest| -> Vec<Vec<Judged>> {
        seen.iter().zip(&passes).map(|(seen, pass)| manifest.judged(seen, pass)).collect()
    };
    let all = judge(manifest);
    for (output, one) in manifest.outputs.iter_mut().enumerate() {
        one.thresholds = thresholds(&scored(&all, rows, output), ENCODER);
    }
    // how suspicious the linear model was of what the encoder reports rightly, at most
    let all = judge(manifest);
    let reported = rows.iter().zip(&all).map(|(row, judged)| {
        let is_reported = |one: &Judged| one.score >= one.thresholds.hold;
        row.labels.contains(&Some(true)) && judged.iter().any(is_reported)
    });
    let mut highest: Vec<f32> = reported
        .zip(&seen)
        .filter(|(is_reported, _)| *is_reported)
        .map(|(_, seen)| {
            seen.iter().map(|window| model.suspicion(&window.linear)).fold(0.0, f32::max)
        })
        .collect();
    highest.sort_by(f32::total_cmp);
    let skipped = (highest.len() as f64 * SKIPPED) as usize;
    manifest.skip_below = highest.get(skipped).copied().unwrap_or(0.0);
    Ok(())
}

/// Logistic regression by gradient descent with steps that halve, no factor below zero; Platt scaling (Platt 1999) where
/// there is one feature. Both classes weigh the same in all: the probability is that of a text of which nothing is
/// known before.
fn logistic<const N: usize>(rows: &[([f32; N], bool)]) -> ([f32; N], f32) {
    let positives = rows.iter().filter(|(_, is)| *is).count().max(1) as f64;
    let negatives = (rows.len() as f64 - positives).max(1.0);
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let each = |is: bool| if is { (high, 1.0 / positives) } else { (low, 1.0 / negatives) };
    let logit = |factors: &[f64; N], offset: f64, features: &[f32; N]| -> f64 {
        offset + factors.iter().zip(features).map(|(w, x)| w * f64::from(*x)).sum::<f64>()
    };
    let loss = |factors: &[f64; N], offset: f64| -> f64 {
        let one = |(features, is): &([f32; N], bool)| {
            let (target, weight) = each(*is);
            let z = logit(factors, offset, features);
            weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
        };
        rows.iter().map(one).sum()
    };
    let (mut factors, mut offset, mut step) = ([0.5f64; N], 0.0f64, 1.0f64);
    let mut now = loss(&factors, offset);
    for _ in 0..400 * N {
        let (mut slopes, mut by_offset) = ([0.0; N], 0.0);
        for (features, is) in rows {
            let (target, weight) = each(*is);
            let p = 1.0 / (1.0 + (-logit(&factors, offset, features)).exp());
            for (slope, feature) in slopes.iter_mut().zip(features) {
                *slope += (p - target) * weight * f64::from(*feature);
            }
            by_offset += (p - target) * weight;
        }
        loop {
            let mut next = factors;
            for (factor, slope) in next.iter_mut().zip(slopes) {
                *factor = (*factor - step * slope).max(0.0);
            }
            let then = loss(&next, offset - step * by_offset);
            if then <= now || step < 1e-9 {
                (factors, offset, now) = (next, offset - step * by_offset, then.min(now));
                step *= 1.5;
                break;
            }
            step /= 2.0;
        }
    }
    (factors.map(|factor| factor.max(1e-3) as f32), offset as f32)
}
