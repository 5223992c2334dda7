//! The model card: what the model is, what it was measured to do, and where it is bad.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_model::metrics::{Confusion, auc, expected_calibration_error, recall_at_fpr};
use portcullis_moderate::Category;
use portcullis_moderation::content::ContentModel;

use crate::calibrate::scored;
use crate::data::Row;
use crate::learner::Parts;

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// One line a category.
fn categories(model: &ContentModel, test: &[&Row]) -> String {
    let mut text = String::from(
        "| category | examples | none of it | AUC | recall at 1 % FPR | recall / FPR at block | recall / FPR at hold | calibration error |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (index, output) in model.manifest().outputs.iter().enumerate() {
        let all = scored(model, test, index);
        let examples = all.iter().filter(|one| one.attack).count();
        let at = |threshold| {
            let counts = Confusion::at(threshold, &all);
            format!("{} / {}", percent(counts.recall()), percent(counts.false_positive_rate()))
        };
        let _infallible = writeln!(
            text,
            "| {} | {examples} | {} | {} | {} | {} | {} | {} |",
            output.category.name(),
            all.len() - examples,
            number(auc(&all)),
            percent(recall_at_fpr(0.01, &all)),
            at(output.thresholds.block),
            at(output.thresholds.hold),
            number(expected_calibration_error(&all)),
        );
    }
    text
}

/// Which share of each group of rows is reported in any category.
fn groups(model: &ContentModel, test: &[&Row]) -> String {
    // rows, at block, at hold, and at block by category
    type Counts = (usize, usize, usize, BTreeMap<Category, usize>);
    let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in test {
        let (judged, _) = model.judge(&row.text, &mut || true);
        let entry = groups.entry(&row.group).or_default();
        let (mut block, mut hold) = (false, false);
        for (one, output) in judged.iter().zip(&model.manifest().outputs) {
            if one.score >= output.thresholds.block {
                *entry.3.entry(one.category).or_default() += 1;
                block = true;
            }
            hold |= one.score >= output.thresholds.hold;
        }
        entry.0 += 1;
        entry.1 += usize::from(block);
        entry.2 += usize::from(hold);
    }
    let mut text = String::from(
        "| rows | number | reported at block | at hold | as (at block) |\n|---|---|---|---|---|\n",
    );
    for (name, (all, block, hold, by)) in groups {
        let share = |part: usize| percent(Some(part as f64 / all as f64));
        let by: Vec<String> =
            by.iter().map(|(category, n)| format!("{} {n}", category.name())).collect();
        let _infallible = writeln!(
            text,
            "| {name} | {all} | {} | {} | {} |",
            share(block),
            share(hold),
            by.join(", ")
        );
    }
    text
}

/// Writes the card.
pub(crate) fn write(
    rows: &[Row],
    test: &[&Row],
    measured: &Parts,
    shipped: &Parts,
    (without, answers): (&Parts, &[&Row]),
) -> anyhow::Result<String> {
    let model = measured.model()?;
    let benign: Vec<&Row> =
        test.iter().copied().filter(|row| row.group.starts_with("benign")).collect();
    let any = |hold: bool| {
        let reported = benign.iter().filter(|row| {
            let (judged, _) = model.judge(&row.text, &mut || true);
            judged.iter().zip(&model.manifest().outputs).any(|(one, output)| {
                let thresholds = output.thresholds;
                one.score >= if hold { thresholds.hold } else { thresholds.block }
            })
        });
        percent(Some(reported.count() as f64 / benign.len().max(1) as f64))
    };
    Ok(format!(
        include_str!("card.md.in"),
        model = shipped.manifest.model,
        buckets = 1u32 << shipped.manifest.features.bits,
        kib = shipped.weights.len() / 1024,
        windows =
            shipped.manifest.windows.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
        rows = rows.len(),
        benign = benign.len(),
        block = any(false),
        hold = any(true),
        categories = categories(&model, test),
        groups = groups(&model, test),
        unseen = groups(&without.model()?, answers),
    ))
}
