//! `portcullis audit report`: what a period of the record says, as a page for people and as JSON.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use portcullis_core::{BotId, Clock, SystemClock};
use portcullis_ledger::Query;
use portcullis_report::{Collector, Options};

use super::Data;
use portcullis_out::{self as out, NewFile};

/// What `audit report` can be told.
#[derive(clap::Args)]
pub struct Report {
    #[command(flatten)]
    data: Data,
    /// Of this bot; absent: of all.
    #[arg(long)]
    bot: Option<BotId>,
    /// From this time (2026-01-31T00:00:00Z); absent: from the first entry.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Until before this time; absent: until the last entry.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Write the page here.
    #[arg(long, value_name = "FILE", default_value = "audit-report.html")]
    out: PathBuf,
    /// Write the same as JSON here; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Interactions in each sample for a person to read.
    #[arg(long, value_name = "N", default_value_t = 20)]
    sample: usize,
    /// The injection score that the second sample is the nearest to.
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    threshold: f64,
    /// What the sample is drawn with; absent: by chance. The report says it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Reads the period and writes the report.
pub(super) fn report(args: Report) -> anyhow::Result<ExitCode> {
    anyhow::ensure!((0.0..=1.0).contains(&args.threshold), "--threshold must be from 0 to 1");
    let reader = args.data.open()?;
    let name = args.out.display().to_string();
    // Messages of people are in it: for its owner alone.
    let mut page = NewFile::begin(&args.out, true, &[])?;
    let mut collector = Collector::new(Options {
        made_at: SystemClock.now(),
        bot: args.bot.as_ref().map(ToString::to_string),
        from: args.from,
        until: args.until,
        sample: args.sample.min(1000),
        threshold: args.threshold,
        seed: args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
    });
    let query = Query { bot: args.bot, from: args.from, until: args.until, ..Query::default() };
    for row in reader.search(query) {
        collector.add(&row?);
    }
    let report = collector.report();
    page.write_all(report.html().as_bytes()).with_context(|| name.clone())?;
    page.finish()?;
    match &args.json {
        Some(path) if path.as_os_str() == "-" => out::pretty(&report)?,
        Some(path) => {
            let mut file = NewFile::begin(path, true, &[&args.out])?;
            let written = serde_json::to_writer_pretty(&mut file, &report);
            written.with_context(|| path.display().to_string())?;
            file.finish()?;
        }
        None => {}
    }
    out::note(&format!("{name}: {} entries", report.entries));
    Ok(ExitCode::SUCCESS)
}
