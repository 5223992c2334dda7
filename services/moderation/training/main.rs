//! Trains the content model of moderation: rows in, a bundle and its card out. The same data and the same program
//! give the same bytes.
//!
//! `make train-moderation DATA=FOLDER`: the folder holds `unsafe_output_train.jsonl`,
//! `harmful_requests_train.jsonl` and `train.jsonl` (its benign rows).
#![expect(clippy::print_stderr, reason = "a program for people: progress goes to the terminal")]
#![expect(
    clippy::indexing_slicing,
    reason = "an offline program over its own tables: a wrong index is a bug that should stop it"
)]

mod calibrate;
mod card;
mod data;
mod labels;
mod learner;
mod synthetic;

use std::path::PathBuf;

use anyhow::Context;

use crate::data::{Part, Row};
use crate::learner::{Sample, train};

fn main() -> anyhow::Result<()> {
    let (data, out) = arguments(std::env::args().skip(1))?;
    let mut rows = data::read(&data)?;
    rows.extend(synthetic::rows());
    rows.extend(data::authored()?);
    rows.extend(data::everyday()?);
    eprintln!("{} rows", rows.len());
    let samples: Vec<Sample> = rows.iter().map(learner::sample).collect();
    let learn = |wanted: &dyn Fn(&Row) -> bool| {
        let chosen: Vec<&Sample> =
            rows.iter().zip(&samples).filter(|(row, _)| wanted(row)).map(|(_, s)| s).collect();
        train(&chosen)
    };
    let rows_of =
        |part: Part| -> Vec<&Row> { rows.iter().filter(|row| row.part == part).collect() };
    let (calibration, test) = (rows_of(Part::Calibrate), rows_of(Part::Test));

    eprintln!("learning from the training part alone, for the figures");
    let mut measured = learn(&|row| row.part == Part::Train);
    calibrate::calibrate(&mut measured, &calibration)?;
    eprintln!("learning without the answers of a model, to see what an unseen source costs");
    let is_answer = |row: &Row| row.group.starts_with("llm_response");
    let mut without = learn(&|row| row.part == Part::Train && !is_answer(row));
    let others: Vec<&Row> = calibration.iter().copied().filter(|row| !is_answer(row)).collect();
    calibrate::calibrate(&mut without, &others)?;
    let answers: Vec<&Row> = rows.iter().filter(|row| is_answer(row)).collect();
    eprintln!("learning the model that is shipped");
    let mut shipped = learn(&|row| row.part != Part::Calibrate);
    calibrate::calibrate(&mut shipped, &calibration)?;

    let text = card::write(&rows, &test, &measured, &shipped, (&without, &answers))?;
    std::fs::create_dir_all(&out).context("make the output folder")?;
    std::fs::write(out.join("weights.bin"), &shipped.weights).context("write weights.bin")?;
    std::fs::write(out.join("manifest.json"), shipped.manifest_json()?)
        .context("write manifest.json")?;
    std::fs::write(out.join("CARD.md"), &text).context("write CARD.md")?;
    eprintln!("{text}");
    Ok(())
}

/// Reads `--data FOLDER --out FOLDER`.
fn arguments(mut given: impl Iterator<Item = String>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (mut data, mut out) = (None, None);
    while let Some(name) = given.next() {
        let value = given.next().map(PathBuf::from);
        match name.as_str() {
            "--data" => data = value,
            "--out" => out = value,
            _ => anyhow::bail!(
                "unknown argument; usage: train-moderation --data FOLDER --out FOLDER"
            ),
        }
    }
    Ok((data.context("--data FOLDER is missing")?, out.context("--out FOLDER is missing")?))
}
