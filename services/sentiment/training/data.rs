//! Labelled texts, and the part of the split that each is in.

use std::io::{BufRead, Write};
use std::path::Path;

use anyhow::Context;
use portcullis_sentiment::Label;
use portcullis_sentiment::learning::{Passage, passages};
use portcullis_sentiment::model::hex_sha256;
use serde::{Deserialize, Serialize};

/// What a text is used for. All texts of one group (one product's reviews, say) are in one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Weights are learnt from it: 80 of 100 groups.
    Train,
    /// How much neutral weighs is set on it: 10 of 100.
    Calibrate,
    /// The figures are measured on it: 10 of 100.
    Test,
}

/// One labelled text.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) label: Label,
    pub(crate) source: String,
    pub(crate) part: Part,
    pub(crate) passages: Vec<Passage>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    text: String,
    label: String,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

/// The word for a label in the data.
pub(crate) fn word(label: Label) -> &'static str {
    match label {
        Label::Negative => "negative",
        Label::Neutral => "neutral",
        Label::Positive => "positive",
    }
}

/// Reads a file of one JSON object a line.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    let opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
    let mut rows = Vec::new();
    for (line, number) in std::io::BufReader::new(opened).lines().zip(1..) {
        let line: Line =
            serde_json::from_str(&line?).with_context(|| format!("line {number} of the data"))?;
        let label = label_of(&line.label).with_context(|| format!("label of line {number}"))?;
        let group = line.group.as_ref().unwrap_or(&line.text);
        let part = part(&line.source, group);
        let passages = passages(&line.text);
        rows.push(Row { label, part, passages, text: line.text, source: line.source });
    }
    Ok(rows)
}

/// The source of the texts that were written for this project.
pub(crate) const AUTHORED: &str = "authored";

#[derive(Deserialize)]
struct Authored {
    text: String,
    label: String,
}

/// The texts of `authored.jsonl`: messages to bots, reviews and everyday posts, written and labelled by a language model for this
/// project. They are learnt from and calibrated on, and are in no figure.
pub(crate) fn authored() -> anyhow::Result<Vec<Row>> {
    let row = |line: &str| {
        let Authored { text, label } =
            serde_json::from_str(line).context("a line of authored.jsonl")?;
        let label = label_of(&label).context("a label of authored.jsonl")?;
        let part = match part(AUTHORED, &text) {
            Part::Calibrate => Part::Calibrate,
            Part::Train | Part::Test => Part::Train,
        };
        let passages = passages(&text);
        Ok(Row { text, label, source: AUTHORED.to_owned(), part, passages })
    };
    include_str!("authored.jsonl").lines().map(row).collect()
}

fn label_of(word_of_it: &str) -> Option<Label> {
    [Label::Negative, Label::Neutral, Label::Positive]
        .into_iter()
        .find(|label| word(*label) == word_of_it)
}

fn part(source: &str, group: &str) -> Part {
    let digest = hex_sha256(format!("{source}\n{group}").as_bytes());
    match u32::from_str_radix(&digest[..6], 16).unwrap_or_default() % 100 {
        0..80 => Part::Train,
        80..90 => Part::Calibrate,
        _ => Part::Test,
    }
}

/// The sources, each once, in order of the alphabet.
pub(crate) fn sources(rows: &[Row]) -> Vec<String> {
    let mut sources: Vec<String> = rows.iter().map(|row| row.source.clone()).collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// Writes texts with their labels, one JSON object a line.
pub(crate) fn write(file: &Path, rows: &[&Row]) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    for row in rows {
        let (text, source) = (row.text.clone(), row.source.clone());
        let line = Line { text, source, label: word(row.label).to_owned(), group: None };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
