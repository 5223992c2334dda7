//! From logits to probabilities, thresholds and the correction for long texts, all on sources that
//! the weights were not learnt from.

use portcullis_model::metrics::{Confusion, Scored, threshold_at_fpr};
use portcullis_model::{Calibration, LinearModel, TextClassifier, Thresholds};

use crate::data::Row;
use crate::learner::Parts;

/// Corrections that are tried.
const PENALTIES: &[f32] = &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25];
/// Shares of harmless texts that may be blocked, and that may be held.
const BLOCK_FPR: f64 = 0.003;
const HOLD_FPR: f64 = 0.01;
/// Bytes of a long text put together from short ones.
const LONG: usize = 16 * 1024;

/// Scores rows with the whole path that the service takes.
pub(crate) fn scored(model: &LinearModel, rows: &[&Row]) -> Vec<Scored> {
    rows.iter()
        .map(|row| Scored { score: model.judge(&row.text, &mut || true).score, attack: row.attack })
        .collect()
}

/// Long benign texts: documents of the rows, one after another, up to 16 KiB each.
pub(crate) fn long_benign(rows: &[&Row]) -> Vec<Row> {
    let mut long: Vec<Row> = Vec::new();
    let mut text = String::new();
    let documents = [
        "benign_document",
        "hard_benign_security_text",
        "benign_code",
        "benign_email",
        "instruction",
    ];
    for row in rows.iter().filter(|row| documents.contains(&row.kind.as_str())) {
        text.push_str(&row.text);
        text.push_str("\n\n");
        if text.len() >= LONG {
            long.push(Row {
                text: std::mem::take(&mut text),
                kind: "long".to_owned(),
                ..(*row).clone()
            });
        }
    }
    long
}

/// Attacks of a person's own words, each in the middle of a long benign text.
pub(crate) fn long_attacks(rows: &[&Row]) -> Vec<Row> {
    let hosts = long_benign(rows);
    let direct = ["direct_injection", "jailbreak", "prompt_leak"];
    rows.iter()
        .filter(|row| row.attack && direct.contains(&row.kind.as_str()) && row.text.len() < 1_000)
        .zip(hosts.iter().cycle())
        .map(|(attack, host)| {
            let (before, after) =
                host.text.split_at(host.text.floor_char_boundary(host.text.len() / 2));
            Row { text: format!("{before}\n{}\n{after}", attack.text), ..(*attack).clone() }
        })
        .collect()
}

/// Sets the correction for long texts (the one at which, at the threshold to hold, the recalls on texts
/// and on attacks in long texts less the false alarms on long ones are highest), the calibration and the thresholds of `parts` on `rows`.
pub(crate) fn calibrate(parts: &mut Parts, rows: &[&Row]) -> anyhow::Result<()> {
    let (harmless, attacks) = (long_benign(rows), long_attacks(rows));
    let harmless: Vec<&Row> = harmless.iter().collect();
    let attacks: Vec<&Row> = attacks.iter().collect();

    // calibration is monotone and has no say in the choice, but a plain logistic would saturate
    parts.manifest.calibration = Calibration { slope: 0.2, offset: 0.0 };
    let mut best = (f64::MIN, 0.0);
    for penalty in PENALTIES {
        parts.manifest.windows.penalty_per_doubling = *penalty;
        let model = parts.model()?;
        let texts = scored(&model, rows);
        let at = threshold_at_fpr(HOLD_FPR, &texts).unwrap_or(1.0);
        let reported = |all: &[Scored]| Confusion::at(at, all);
        let worth = reported(&texts).recall().unwrap_or(0.0)
            + reported(&scored(&model, &attacks)).recall().unwrap_or(0.0)
            - reported(&scored(&model, &harmless)).false_positive_rate().unwrap_or(0.0);
        if worth > best.0 {
            best = (worth, *penalty);
        }
    }
    parts.manifest.windows.penalty_per_doubling = best.1;

    let model = parts.model()?;
    let logits: Vec<(f32, bool)> =
        rows.iter().filter_map(|row| Some((model.logit(&row.text)?, row.attack))).collect();
    parts.manifest.calibration = platt(&logits);
    let all = scored(&parts.model()?, rows);
    let at = |rate| threshold_at_fpr(rate, &all).unwrap_or(1.0).min(1.0);
    parts.manifest.thresholds = Thresholds { block: at(BLOCK_FPR), hold: at(HOLD_FPR) };
    Ok(())
}

/// Platt scaling (Platt 1999) by Newton's method on slope and offset, each step halved until it
/// lessens the loss. Attacks and harmless texts
/// weigh the same in all: the probability is that of a text of which nothing is known before.
fn platt(logits: &[(f32, bool)]) -> Calibration {
    let attacks = logits.iter().filter(|(_, attack)| *attack).count() as f64;
    let harmless = logits.len() as f64 - attacks;
    // targets a little inside 0 and 1, as Platt has them, so that few samples do not make sure
    let (high, low) = ((attacks + 1.0) / (attacks + 2.0), 1.0 / (harmless + 2.0));
    let loss = |slope: f64, offset: f64| -> f64 {
        logits
            .iter()
            .map(|(logit, attack)| {
                let (target, weight) =
                    if *attack { (high, 1.0 / attacks) } else { (low, 1.0 / harmless) };
                let z = slope * f64::from(*logit) + offset;
                // log(1 + exp(z)) without overflow
                weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
            })
            .sum()
    };
    let (mut slope, mut offset) = (0.1f64, 0.0f64);
    for _ in 0..100 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (logit, attack) in logits {
            let x = f64::from(*logit);
            let (target, weight) =
                if *attack { (high, 1.0 / attacks) } else { (low, 1.0 / harmless) };
            let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
            let (error, curve) = ((p - target) * weight, p * (1.0 - p) * weight);
            ga += error * x;
            gb += error;
            haa += curve * x * x;
            hab += curve * x;
            hbb += curve;
        }
        let determinant = haa * hbb - hab * hab;
        if determinant.abs() < 1e-12 {
            break;
        }
        let (da, db) = ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant);
        let before = loss(slope, offset);
        let mut share = 1.0;
        while share > 1e-6 && loss(slope - share * da, offset - share * db) > before {
            share /= 2.0;
        }
        slope -= share * da;
        offset -= share * db;
    }
    Calibration { slope: slope.max(1e-3) as f32, offset: offset as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platt_finds_the_slope_that_made_the_labels() {
        // at logit ±1, the label is right three times in four: sigmoid(ln 3) = 0.75
        let logits: Vec<(f32, bool)> = (0..4_000)
            .map(|n| match n % 2 {
                0 => (1.0, n % 8 != 0),
                _ => (-1.0, n % 8 == 1),
            })
            .collect();
        let found = platt(&logits);
        assert!((found.slope - 3.0f32.ln()).abs() < 0.02, "{found:?}");
        assert!(found.offset.abs() < 0.02, "{found:?}");
    }
}
