//! The model card: what the model is, what it was measured to do, and where it is bad.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_model::metrics::{
    Confusion, Scored, auc, expected_calibration_error, recall_at_fpr,
};
use portcullis_model::{LinearModel, Thresholds};

use crate::calibrate::{long_attacks, long_benign, scored};
use crate::data::Row;
use crate::learner::Parts;

/// What the card is made of.
pub(crate) struct Facts<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) calibration: &'a [&'a Row],
    pub(crate) test: &'a [&'a Row],
    /// Learnt from the training part alone: the figures are its.
    pub(crate) measured: &'a Parts,
    pub(crate) shipped: &'a Parts,
    pub(crate) left_out: &'a [LeftOut],
}

/// Recall on a family that nothing was learnt from.
pub(crate) struct LeftOut {
    family: String,
    rows: usize,
    at_block: Option<f64>,
    at_hold: Option<f64>,
}

/// Measures recall on the attacks of one family.
pub(crate) fn left_out(family: &str, model: &LinearModel, rows: &[&Row]) -> LeftOut {
    let all = scored(model, rows);
    let Thresholds { block, hold } = model.manifest().thresholds;
    LeftOut {
        family: family.to_owned(),
        rows: rows.len(),
        at_block: Confusion::at(block, &all).recall(),
        at_hold: Confusion::at(hold, &all).recall(),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

/// Rows and shares at both thresholds, by a property of the rows.
fn table(
    heading: &str,
    rows: &[&Row],
    all: &[Scored],
    thresholds: Thresholds,
    key: impl Fn(&Row) -> String,
) -> String {
    let mut groups: BTreeMap<(bool, String), Vec<Scored>> = BTreeMap::new();
    for (row, score) in rows.iter().zip(all) {
        groups.entry((!row.attack, key(row))).or_default().push(*score);
    }
    let mut text = format!(
        "| {heading} | label | rows | reported at block | reported at hold |\n|---|---|---|---|---|\n"
    );
    for ((benign, name), scores) in &groups {
        let share = |threshold| {
            let counts = Confusion::at(threshold, scores);
            percent(if *benign { counts.false_positive_rate() } else { counts.recall() })
        };
        let label = if *benign { "benign" } else { "attack" };
        let _infallible = writeln!(
            text,
            "| {name} | {label} | {} | {} | {} |",
            scores.len(),
            share(thresholds.block),
            share(thresholds.hold)
        );
    }
    text
}

/// Kinds of obfuscation together.
fn kind(row: &Row) -> String {
    row.kind.split(':').next().unwrap_or(&row.kind).to_owned()
}

/// Writes the card.
pub(crate) fn write(facts: &Facts<'_>) -> anyhow::Result<String> {
    let model = facts.measured.model()?;
    let thresholds = model.manifest().thresholds;
    let test = scored(&model, facts.test);
    let counts = |threshold| Confusion::at(threshold, &test);
    let long = long_benign(facts.test);
    let long: Vec<&Row> = long.iter().collect();
    let long_scores = scored(&model, &long);
    let long_fpr = |threshold| Confusion::at(threshold, &long_scores).false_positive_rate();
    let hidden = long_attacks(facts.test);
    let hidden: Vec<&Row> = hidden.iter().collect();
    let hidden_scores = scored(&model, &hidden);
    let hidden_recall = |threshold| Confusion::at(threshold, &hidden_scores).recall();
    let shipped = &facts.shipped.manifest;
    let calibration = scored(&facts.shipped.model()?, facts.calibration);
    let held_out = |threshold| {
        let counts = Confusion::at(threshold, &calibration);
        format!("{} | {}", percent(counts.recall()), percent(counts.false_positive_rate()))
    };
    let size = |part: &[&Row]| {
        let attacks = part.iter().filter(|row| row.attack).count();
        format!("{} attacks, {} benign", attacks, part.len() - attacks)
    };
    let left_out = facts.left_out.iter().fold(String::new(), |mut lines, one| {
        let _infallible = writeln!(
            lines,
            "| {} | {} | {} | {} |",
            one.family,
            one.rows,
            percent(one.at_block),
            percent(one.at_hold)
        );
        lines
    });
    Ok(format!(
        include_str!("card.md.in"),
        model = shipped.model,
        buckets = 1u32 << shipped.features.bits,
        windows = shipped.windows.tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
        penalty = shipped.windows.penalty_per_doubling,
        block = shipped.thresholds.block,
        hold = shipped.thresholds.hold,
        rows = facts.rows.len(),
        calibration = size(facts.calibration),
        test = size(facts.test),
        test_auc = number(auc(&test)),
        test_r1 = percent(recall_at_fpr(0.01, &test)),
        test_r01 = percent(recall_at_fpr(0.001, &test)),
        test_ece = number(expected_calibration_error(&test)),
        block_recall = percent(counts(thresholds.block).recall()),
        block_fpr = percent(counts(thresholds.block).false_positive_rate()),
        hold_recall = percent(counts(thresholds.hold).recall()),
        hold_fpr = percent(counts(thresholds.hold).false_positive_rate()),
        held_out_block = held_out(shipped.thresholds.block),
        held_out_hold = held_out(shipped.thresholds.hold),
        long_rows = long.len(),
        long_block = percent(long_fpr(thresholds.block)),
        long_hold = percent(long_fpr(thresholds.hold)),
        hidden_rows = hidden.len(),
        hidden_block = percent(hidden_recall(thresholds.block)),
        hidden_hold = percent(hidden_recall(thresholds.hold)),
        calibration_r1 = percent(recall_at_fpr(0.01, &calibration)),
        calibration_auc = number(auc(&calibration)),
        left_out = left_out,
        kinds = table("kind", facts.test, &test, thresholds, kind),
        families = table("source", facts.test, &test, thresholds, |row| row.family.clone()),
        languages = table("language", facts.test, &test, thresholds, |row| row.lang.clone()),
    ))
}
