//! Trains the linear models, and makes of them and an encoder a bundle with its card and report. The same data,
//! encoder and program give the same bytes.
//!
//! `cargo run --release -p portcullis-injection-training -- \
//!     --data PATH/train.jsonl --encoder DIR [--measured-encoder DIR] --out services/injection-classifier/model`
#![expect(clippy::print_stderr, reason = "a program for people: progress goes to the terminal")]
#![expect(
    clippy::indexing_slicing,
    reason = "an offline program over its own tables: a wrong index is a bug that should stop it"
)]

mod calibrate;
mod card;
mod data;
mod draft;
mod figures;
mod fit;
mod learner;
mod long;
mod mix;
mod noise;
mod replay;
mod synthetic;

use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_model::{Channel, MANIFEST};

use crate::calibrate::HeldOut;
use crate::data::{Part, Row, answer, channel, is_learnt_when_shipped, part};
use crate::draft::{Draft, GivenEncoder, LinearHalf};
use crate::learner::{Sample, known, sample, train};
use crate::long::Long;

const CHANNELS: [Channel; 2] = [Channel::User, Channel::Context];

/// What the command line says.
#[derive(Default)]
struct Arguments {
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    /// Of the model that is shipped.
    encoder: Option<PathBuf>,
    /// Learnt from the training part alone, for the figures; the shipped one where absent.
    measured_encoder: Option<PathBuf>,
    /// Writes the rows whose label is contradicted, and ends.
    noise: Option<PathBuf>,
    /// Where the encoder's answers are kept from one run to the next.
    remembered: Option<PathBuf>,
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = Self::default();
        while let Some(name) = given.next() {
            let place = match name.as_str() {
                "--data" => &mut arguments.data,
                "--out" => &mut arguments.out,
                "--encoder" => &mut arguments.encoder,
                "--measured-encoder" => &mut arguments.measured_encoder,
                "--noise" => &mut arguments.noise,
                "--remembered" => &mut arguments.remembered,
                _ => anyhow::bail!(
                    "unknown argument; usage: train-injection --data FILE (--out FOLDER [--encoder FOLDER] \
                     [--measured-encoder FOLDER] [--remembered FOLDER] | --noise FILE)"
                ),
            };
            *place = Some(PathBuf::from(given.next().context("an argument has no value")?));
        }
        Ok(arguments)
    }
}

/// Everything that is learnt from.
struct Lessons {
    rows: Vec<Row>,
    samples: Vec<Sample>,
    /// Sentences of templates, and texts that were written by a language model.
    templates: Vec<Row>,
    template_samples: Vec<Sample>,
    authored: usize,
}

impl Lessons {
    fn read(data: &Path) -> anyhow::Result<Self> {
        let rows = data::read(data)?;
        let mut templates = synthetic::rows();
        let authored = data::authored()?;
        let count = authored.len();
        templates.extend(authored);
        eprintln!("{} rows, {} of our own", rows.len(), templates.len());
        let samples = rows.iter().map(sample).collect();
        let template_samples = templates.iter().map(sample).collect();
        Ok(Self { rows, samples, templates, template_samples, authored: count })
    }

    /// The linear model of a question, from the rows to keep, the templates and the authored texts.
    fn linear(&self, asked: Channel, keep: &dyn Fn(&Row) -> bool) -> LinearHalf {
        let rows = self.rows.iter().zip(&self.samples).filter(|(row, _)| keep(row));
        let templates = self.templates.iter().zip(&self.template_samples);
        let chosen: Vec<(&Sample, bool)> = rows
            .chain(templates)
            .filter_map(|(row, sample)| Some((sample, answer(row, asked)?)))
            .collect();
        let harmless = chosen.iter().filter(|(_, attack)| !attack).map(|(sample, _)| *sample);
        LinearHalf { known: known(harmless), learnt: train(&chosen) }
    }

    /// The rows that a question is naturally asked about.
    fn held_out(&self, asked: Channel, keep: &dyn Fn(&Row) -> bool) -> HeldOut<'_> {
        let kept: Vec<&Row> = self.rows.iter().filter(|row| keep(row)).collect();
        let long = Long::of(&kept, asked);
        let rows = kept.into_iter().filter(|row| channel(&row.kind) == asked).collect();
        HeldOut { rows, long }
    }

    fn draft(
        &self,
        encoder: Option<GivenEncoder>,
        learnt: &dyn Fn(&Row) -> bool,
    ) -> anyhow::Result<Draft> {
        let [user, context] = CHANNELS.map(|asked| self.linear(asked, learnt));
        let mut draft = Draft::new(user, context, encoder);
        for asked in CHANNELS {
            eprintln!("calibrating {asked:?}");
            let held = |row: &Row| part(&row.family) == Part::Calibrate && !learnt(row);
            calibrate::calibrate(&mut draft, asked, &self.held_out(asked, &held))?;
        }
        Ok(draft)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let lessons = Lessons::read(&arguments.data.context("--data FILE is missing")?)?;
    if let Some(noise) = &arguments.noise {
        return noise::write(&lessons.rows, &lessons.samples, noise);
    }
    let out = arguments.out.context("--out FOLDER is missing")?;
    let remembered = arguments.remembered.unwrap_or_else(|| PathBuf::from("target/encoder"));
    let read = |folder: &PathBuf| GivenEncoder::read(folder, &remembered);
    let encoder = arguments.encoder.as_ref().map(read).transpose()?;
    let measured = arguments.measured_encoder.as_ref().map(read).transpose()?;

    eprintln!("the model of the figures: from the training part alone");
    let measured = lessons
        .draft(measured.or_else(|| encoder.clone()), &|row| part(&row.family) == Part::Train)?;
    let mut figures = Vec::new();
    for asked in CHANNELS {
        eprintln!("measuring {asked:?}");
        let test = lessons.held_out(asked, &|row| part(&row.family) == Part::Test);
        let calibration = lessons.held_out(asked, &|row| part(&row.family) == Part::Calibrate);
        figures.push(figures::figures(&measured, asked, &test, &calibration.rows)?);
    }

    eprintln!("the model that is shipped");
    let shipped = lessons.draft(encoder, &is_learnt_when_shipped)?;
    let facts = card::Facts {
        rows: &lessons.rows,
        authored: lessons.authored,
        shipped: &shipped,
        measured: &measured,
        figures: &figures,
    };
    let text = card::write(&facts);
    std::fs::create_dir_all(&out).context("make the output folder")?;
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(out.join(name), bytes).with_context(|| format!("write {name}"))
    };
    for (name, bytes) in &shipped.parts {
        write(name, bytes)?;
    }
    write("CARD.md", text.as_bytes())?;
    write("report.json", (serde_json::to_string_pretty(&figures)? + "\n").as_bytes())?;
    // last, so that a folder with a manifest is whole
    write(MANIFEST, shipped.manifest_json()?.as_bytes())?;
    eprintln!("{text}");
    Ok(())
}
