//! Trains the content model of moderation: rows in, a bundle and its card out. The same data and the same program
//! give the same bytes.
//!
//! `make train-moderation DATA=FOLDER`: the folder holds `unsafe_output_train.jsonl`,
//! `harmful_requests_train.jsonl` and `train.jsonl` (its benign rows). With `--rows FILE` it writes the rows for
//! `encoder/train.py`; with that one's results, the bundle.
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

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::data::{Part, Row};
use crate::learner::{EncoderFiles, Sample, train};

fn main() -> anyhow::Result<()> {
    let given = Arguments::read(std::env::args().skip(1))?;
    let mut rows = data::read(&given.data)?;
    rows.extend(synthetic::rows());
    rows.extend(data::authored()?);
    rows.extend(data::everyday()?);
    eprintln!("{} rows", rows.len());
    let (out, encoder, unseen) = match given.to {
        To::Rows(file) => return write_rows(&file, &rows),
        To::Bundle { out, encoder, unseen } => {
            (out, EncoderFiles::read(&encoder)?, EncoderFiles::read(&unseen)?)
        }
    };
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
    let mut measured = learn(&|row| row.part == Part::Train).with_encoder(encoder.clone());
    calibrate::calibrate(&mut measured, &calibration)?;
    eprintln!("learning without the answers of a model, to see what an unseen source costs");
    let is_answer = |row: &Row| row.group.starts_with("llm_response");
    let without = learn(&|row| row.part == Part::Train && !is_answer(row));
    let mut without = without.with_encoder(unseen);
    let others: Vec<&Row> = calibration.iter().copied().filter(|row| !is_answer(row)).collect();
    calibrate::calibrate(&mut without, &others)?;
    let answers: Vec<&Row> = rows.iter().filter(|row| is_answer(row)).collect();
    eprintln!("learning the model that is shipped");
    let mut shipped = learn(&|row| row.part != Part::Calibrate).with_encoder(encoder);
    calibrate::calibrate(&mut shipped, &calibration)?;

    let text = card::write(&rows, &test, &measured, &shipped, (&without, &answers))?;
    std::fs::create_dir_all(&out).context("make the output folder")?;
    for (name, bytes) in shipped.files()? {
        std::fs::write(out.join(name), bytes).with_context(|| format!("write {name}"))?;
    }
    std::fs::write(out.join("CARD.md"), &text).context("write CARD.md")?;
    eprintln!("{text}");
    Ok(())
}

/// What is wanted.
enum To {
    /// The rows, for the encoder's trainer.
    Rows(PathBuf),
    /// The bundle, of this encoder; and of one that has seen no model's answer, for the card.
    Bundle { out: PathBuf, encoder: PathBuf, unseen: PathBuf },
}

struct Arguments {
    data: PathBuf,
    to: To,
}

impl Arguments {
    const USAGE: &str = "usage: train-moderation --data FOLDER --rows FILE, or \
        --data FOLDER --encoder FOLDER --unseen-encoder FOLDER --out FOLDER";

    fn read(mut given: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        const NAMES: [&str; 5] = ["--data", "--rows", "--encoder", "--unseen-encoder", "--out"];
        let mut values: [Option<PathBuf>; 5] = Default::default();
        while let Some(name) = given.next() {
            let at = NAMES.iter().position(|known| *known == name).context(Self::USAGE)?;
            values[at] = Some(given.next().context(Self::USAGE)?.into());
        }
        let (data, to) = match values {
            [Some(data), Some(rows), None, None, None] => (data, To::Rows(rows)),
            [Some(data), None, Some(encoder), Some(unseen), Some(out)] => {
                (data, To::Bundle { out, encoder, unseen })
            }
            _ => anyhow::bail!(Self::USAGE),
        };
        Ok(Self { data, to })
    }
}

/// Writes every row as a line of JSON.
fn write_rows(file: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let named = || format!("write {}", file.display());
    let mut out = std::io::BufWriter::new(std::fs::File::create(file).with_context(named)?);
    for row in rows {
        serde_json::to_writer(&mut out, row).with_context(named)?;
        out.write_all(b"\n").with_context(named)?;
    }
    out.flush().with_context(named)
}
