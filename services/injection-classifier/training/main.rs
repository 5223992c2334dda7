//! Trains the injection model: rows in, a bundle and its card out. The same data and the same program
//! give the same bytes.
//!
//! `cargo run --release -p portcullis-injection-classifier --bin train-injection -- \
//!     --data PATH/train.jsonl --out services/injection-classifier/model`
#![expect(clippy::print_stderr, reason = "a program for people: progress goes to the terminal")]
#![expect(
    clippy::indexing_slicing,
    reason = "an offline program over its own tables: a wrong index is a bug that should stop it"
)]

mod calibrate;
mod card;
mod data;
mod learner;
mod noise;
mod synthetic;

use std::path::PathBuf;

use anyhow::Context;

use crate::data::{Part, Row, part};
use crate::learner::{Parts, Sample, sample, train};

/// Families of attacks that are left out one at a time, to see what an unseen one costs.
const LEFT_OUT: &[&str] = &[
    "TaskTracker trigger",
    "ASB attacker instruction",
    "ReversecLabs/spikee",
    "verazuth/jailbreak_llms",
];

fn main() -> anyhow::Result<()> {
    let (data, out) = arguments(std::env::args().skip(1))?;
    let rows = data::read(&data)?;
    if out.extension().is_some_and(|end| end == "tsv") {
        return noise::write(&rows, &out);
    }
    let templates = synthetic::rows();
    eprintln!("{} rows, {} from templates", rows.len(), templates.len());

    let samples: Vec<Sample> = rows.iter().map(sample).collect();
    let template_samples: Vec<Sample> = templates.iter().map(sample).collect();
    let rows_of = |wanted: Part| -> Vec<&Row> {
        rows.iter().filter(|row| part(&row.family) == wanted).collect()
    };
    let learn_from = |keep: &dyn Fn(&Row) -> bool| -> anyhow::Result<Parts> {
        let chosen: Vec<&Sample> = rows
            .iter()
            .zip(&samples)
            .filter(|(row, _)| keep(row))
            .map(|(_, sample)| sample)
            .chain(&template_samples)
            .collect();
        train(&chosen)
    };
    let calibration_rows = rows_of(Part::Calibrate);
    let test_rows = rows_of(Part::Test);

    eprintln!("learning from the training part alone, for the figures");
    let mut measured = learn_from(&|row| part(&row.family) == Part::Train)?;
    calibrate::calibrate(&mut measured, &calibration_rows)?;
    let mut left_out = Vec::new();
    for family in LEFT_OUT {
        eprintln!("learning without {family}");
        let mut without =
            learn_from(&|row| part(&row.family) != Part::Calibrate && row.family != *family)?;
        calibrate::calibrate(&mut without, &calibration_rows)?;
        let rows: Vec<&Row> =
            rows.iter().filter(|row| row.family == *family && row.attack).collect();
        left_out.push(card::left_out(family, &without.model()?, &rows));
    }

    eprintln!("learning the model that is shipped");
    let mut shipped = learn_from(&|row| part(&row.family) != Part::Calibrate)?;
    calibrate::calibrate(&mut shipped, &calibration_rows)?;

    let text = card::write(&card::Facts {
        rows: &rows,
        calibration: &calibration_rows,
        test: &test_rows,
        measured: &measured,
        shipped: &shipped,
        left_out: &left_out,
    })?;
    std::fs::create_dir_all(&out).context("make the output folder")?;
    std::fs::write(out.join("weights.bin"), &shipped.weights).context("write weights.bin")?;
    std::fs::write(out.join("manifest.json"), shipped.manifest_json()?)
        .context("write manifest.json")?;
    std::fs::write(out.join("CARD.md"), &text).context("write CARD.md")?;
    eprintln!("{text}");
    Ok(())
}

/// Reads `--data FILE --out FOLDER`.
fn arguments(mut given: impl Iterator<Item = String>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (mut data, mut out) = (None, None);
    while let Some(name) = given.next() {
        let value = given.next().map(PathBuf::from);
        match name.as_str() {
            "--data" => data = value,
            "--out" => out = value,
            _ => anyhow::bail!("unknown argument; usage: train-injection --data FILE --out FOLDER"),
        }
    }
    Ok((data.context("--data FILE is missing")?, out.context("--out FOLDER is missing")?))
}
