//! Scores texts for a comparison with other programs: `score [--model FOLDER] FILE.jsonl` prints the polarity of
//! each line's `text`, and on the last line the microseconds that one text took, the quickest of fifteen rounds
//! over all texts in memory.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use portcullis_sentiment::Sentiment;
use portcullis_sentiment::model::Model;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut file, mut stage) = (None, Sentiment::new()?);
    while let Some(argument) = arguments.next() {
        if argument == "--model" {
            let folder = PathBuf::from(arguments.next().context("--model FOLDER")?);
            let manifest = std::fs::read(folder.join("manifest.json"))?;
            let weights = std::fs::read(folder.join("weights.bin"))?;
            stage = Sentiment::with_model(Model::from_parts(&manifest, &weights)?);
        } else {
            file = Some(argument);
        }
    }
    let file = std::fs::File::open(file.context("usage: score [--model FOLDER] FILE.jsonl")?)?;
    let mut texts = Vec::new();
    for line in BufReader::new(file).lines() {
        let line: serde_json::Value = serde_json::from_str(&line?)?;
        texts.push(line.get("text").and_then(|text| text.as_str()).context("text")?.to_owned());
    }
    let mut rounds: Vec<f64> = (0..15)
        .map(|_| {
            let began = Instant::now();
            for text in &texts {
                black_box(stage.feel(black_box(text)));
            }
            began.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    for text in &texts {
        println!("{}", stage.polarity(text));
    }
    println!("{:.3}", rounds.first().context("rounds")? / texts.len().max(1) as f64 * 1e6);
    Ok(())
}
