//! Trains the sentiment model: labelled texts in, the model and its card out. The same data and the same
//! program give the same bytes.
//!
//! `cargo run --release -p portcullis-sentiment --bin train-sentiment -- \
//!     --data PATH/sentiment_train.jsonl --out services/sentiment/model [--compare FOLDER]`
//!
//! With `--compare` it also writes what a comparison with other programs needs: the texts that were held
//! out, and for each source the model that has not seen that source.
#![expect(clippy::print_stderr, reason = "a program for people: progress goes to the terminal")]
#![expect(
    clippy::indexing_slicing,
    reason = "an offline program over its own tables: a wrong index is a bug that should stop it"
)]

mod card;
mod data;
mod figures;
mod learner;

use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_sentiment::Sentiment;

use crate::data::{Part, Row};
use crate::figures::Figures;
use crate::learner::Trained;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let mut rows = data::read(&arguments.data)?;
    let sources = data::sources(&rows);
    let authored = data::authored()?;
    eprintln!("{} rows of {} sources, {} authored", rows.len(), sources.len(), authored.len());
    rows.extend(authored);

    let of = |keep: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| keep(row)).collect::<Vec<_>>();
    eprintln!("learning the model that is shipped");
    let shipped = learner::train(
        &of(&|row| row.part == Part::Train),
        &of(&|row| row.part == Part::Calibrate),
    )?;
    let judge = Sentiment::with_model(shipped.model()?);
    let mut held_out = Vec::new();
    let mut unseen = Vec::new();
    for source in &sources {
        let test = of(&|row| row.part == Part::Test && row.source == *source);
        held_out.push(Figures::of(source, &judge, &test));
        eprintln!("learning without {source}");
        let without = learner::train(
            &of(&|row| row.part != Part::Calibrate && row.source != *source),
            &of(&|row| row.part == Part::Calibrate && row.source != *source),
        )?;
        let stranger = Sentiment::with_model(without.model()?);
        let all = of(&|row| row.source == *source);
        unseen.push(Figures::of(source, &stranger, &all));
        if let Some(folder) = &arguments.compare {
            let folder = folder.join(source.replace(' ', "-"));
            write_model(&folder, &without)?;
            data::write(&folder.join("texts.jsonl"), &all)?;
        }
    }
    if let Some(folder) = &arguments.compare {
        data::write(&folder.join("held-out.jsonl"), &of(&|row| row.part == Part::Test))?;
    }
    let text = card::write(&rows, &shipped, &held_out, &unseen);
    write_model(&arguments.out, &shipped)?;
    std::fs::write(arguments.out.join("CARD.md"), &text).context("write CARD.md")?;
    eprintln!("{text}");
    Ok(())
}

fn write_model(folder: &Path, trained: &Trained) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).context("make the output folder")?;
    std::fs::write(folder.join("weights.bin"), &trained.weights).context("write weights.bin")?;
    std::fs::write(folder.join("manifest.json"), trained.manifest_json()?)
        .context("write manifest.json")
}

struct Arguments {
    data: PathBuf,
    out: PathBuf,
    compare: Option<PathBuf>,
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (mut data, mut out, mut compare) = (None, None, None);
        while let Some(name) = given.next() {
            let value = given.next().map(PathBuf::from);
            match name.as_str() {
                "--data" => data = value,
                "--out" => out = value,
                "--compare" => compare = value,
                _ => anyhow::bail!(
                    "unknown argument; usage: train-sentiment --data FILE --out FOLDER [--compare FOLDER]"
                ),
            }
        }
        let data = data.context("--data FILE is missing")?;
        Ok(Self { data, out: out.context("--out FOLDER is missing")?, compare })
    }
}
