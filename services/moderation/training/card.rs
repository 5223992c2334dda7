//! The model card: what the model is, what it was measured to do, and where it is bad.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_model::metrics::{Confusion, auc, expected_calibration_error, recall_at_fpr};
use portcullis_moderate::Category;
use portcullis_moderation::content::{ContentModel, Judged};

use crate::calibrate::{judged, scored};
use crate::data::Row;
use crate::learner::Parts;

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// One line a category.
fn categories(model: &ContentModel, judged: &[Vec<Judged>], test: &[&Row]) -> String {
    let mut text = String::from(
        "| category | examples | none of it | AUC | recall at 1 % FPR | recall / FPR at block | recall / FPR at hold | calibration error |\n|---|---|---|---|---|---|---|---|\n",
    );
    let outputs = model.manifest().encoder.iter().flat_map(|encoder| &encoder.outputs);
    for (index, output) in outputs.enumerate() {
        let all = scored(judged, test, index);
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
fn groups(judged: &[Vec<Judged>], test: &[&Row]) -> String {
    // rows, at block, at hold, and at block by category
    type Counts = (usize, usize, usize, BTreeMap<Category, usize>);
    let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
    for (row, judged) in test.iter().zip(judged) {
        let entry = groups.entry(&row.group).or_default();
        let (mut block, mut hold) = (false, false);
        for one in judged {
            if one.score >= one.thresholds.block {
                *entry.3.entry(one.category).or_default() += 1;
                block = true;
            }
            hold |= one.score >= one.thresholds.hold;
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

/// Shares of harmless rows that are reported in any category, at block and at hold, and their number.
fn any(judged: &[Vec<Judged>], test: &[&Row]) -> (String, String, usize) {
    let benign: Vec<&Vec<Judged>> = test
        .iter()
        .zip(judged)
        .filter(|(row, _)| row.group.starts_with("benign"))
        .map(|(_, judged)| judged)
        .collect();
    let share = |reported: fn(&Judged) -> bool| {
        let reported = benign.iter().filter(|judged| judged.iter().any(reported)).count();
        percent(Some(reported as f64 / benign.len().max(1) as f64))
    };
    (
        share(|one| one.score >= one.thresholds.block),
        share(|one| one.score >= one.thresholds.hold),
        benign.len(),
    )
}

/// The share of rows of which the encoder reads something, of harmless rows and of all others.
fn read(model: &ContentModel, test: &[&Row]) -> (String, String) {
    let Some(encoder) = &model.manifest().encoder else { return ("0 %".into(), "0 %".into()) };
    let asked = |row: &&Row| {
        let pass = model.pass(&row.text, &mut || true);
        model.suspicion(&pass.stretch(&(0..row.text.len()))) >= encoder.skip_below
    };
    let share = |is_benign: bool| {
        let rows = test.iter().filter(|row| row.group.starts_with("benign") == is_benign);
        let (all, asked) = (rows.clone().count(), rows.filter(|row| asked(row)).count());
        percent(Some(asked as f64 / all.max(1) as f64))
    };
    (share(true), share(false))
}

fn linear_alone(model: &ContentModel, rows: &[&Row]) -> Vec<Vec<Judged>> {
    rows.iter().map(|row| model.pass(&row.text, &mut || true).judged()).collect()
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
    let linear = linear_alone(&model, test);
    let both = judged(&model, test);
    let without = without.model()?;
    let unseen = judged(&without, answers);
    let unseen_linear = linear_alone(&without, answers);
    let (block, hold, benign) = any(&both, test);
    let (linear_block, linear_hold, _) = any(&linear, test);
    let (read_benign, read_other) = read(&model, test);
    let bytes: usize = shipped.files()?.iter().map(|(_, bytes)| bytes.len()).sum();
    Ok(format!(
        include_str!("card.md.in"),
        model = shipped.manifest.model,
        buckets = 1u32 << shipped.manifest.features.bits,
        kib = shipped.weights.len() / 1024,
        mib = bytes as f64 / 1_048_576.0,
        windows =
            shipped.manifest.windows.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
        rows = rows.len(),
        block = block,
        hold = hold,
        benign = benign,
        linear_block = linear_block,
        linear_hold = linear_hold,
        read_benign = read_benign,
        read_other = read_other,
        categories = categories(&model, &both, test),
        groups = groups(&both, test),
        linear_groups = groups(&linear, test),
        unseen = groups(&unseen, answers),
        unseen_linear = groups(&unseen_linear, answers),
    ))
}
