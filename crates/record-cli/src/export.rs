//! `portcullis audit export`: entries as JSON lines or as a table, and the hashes of what was written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use portcullis_core::{Body, Entry};
use portcullis_ledger::{Content, Row};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Data, Filter, create_private, value};
use portcullis_out::{self as out, Out};

/// What `audit export` can be told.
#[derive(clap::Args)]
pub struct Export {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    filter: Filter,
    /// Write into this file instead of standard output, and its hash beside it, with the ending .manifest.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// JSON lines hold all of each entry; a table (CSV) has a line a row, without findings' places and without
    /// receipts.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// JSON lines.
    Jsonl,
    /// Comma-separated values, with a head line.
    Csv,
}

/// Writes bytes on, and hashes them.
struct Hashed {
    to: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.to.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Prints or writes entries, the oldest first.
pub(super) fn export(args: Export) -> anyhow::Result<ExitCode> {
    let reader = args.data.open()?;
    let last = reader.last_seq()?;
    let rows = reader.search(args.filter.query(false));
    let Some(path) = args.out else {
        let mut out = Out::new();
        if args.format == Format::Csv {
            out.line(&HEAD.join(","))?;
        }
        for row in rows {
            let row = row?;
            match args.format {
                Format::Jsonl => out.json(&value(&row)?)?,
                Format::Csv => out.line(&line(&row))?,
            }
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    };
    let name = path.display().to_string();
    let file = create_private(&path).with_context(|| name.clone())?;
    let mut to = Hashed { to: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
    let mut count = 0_u64;
    let mut ends = (None, None);
    if args.format == Format::Csv {
        writeln!(to, "{}", HEAD.join(",")).with_context(|| name.clone())?;
    }
    for row in rows {
        let row = row?;
        match args.format {
            Format::Jsonl => writeln!(to, "{}", serde_json::to_string(&value(&row)?)?),
            Format::Csv => writeln!(to, "{}", line(&row)),
        }
        .with_context(|| name.clone())?;
        ends = (ends.0.or(Some(row.seq)), Some(row.seq));
        count += 1;
    }
    to.flush().with_context(|| name.clone())?;
    to.to.get_ref().sync_all().with_context(|| name.clone())?;
    let checkpoint = reader.checkpoints()?.pop();
    let manifest = json!({
        "format": "portcullis-export/1",
        "file": path.file_name().map(|name| name.to_string_lossy()),
        "form": match args.format { Format::Jsonl => "jsonl", Format::Csv => "csv" },
        "bytes": to.bytes,
        "sha256": to.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "rows": count,
        "first_seq": ends.0,
        "last_seq": ends.1,
        "record_last_seq": last,
        "checkpoint": checkpoint.map(|checkpoint| checkpoint.note),
    });
    let beside = manifest_of(&path);
    let place = || beside.display().to_string();
    let file = create_private(&beside).with_context(place)?;
    serde_json::to_writer_pretty(&file, &manifest).with_context(place)?;
    file.sync_all().with_context(place)?;
    out::print(&format!("{name}: {count} entries"))?;
    Ok(ExitCode::SUCCESS)
}

fn manifest_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}

const HEAD: [&str; 16] = [
    "seq",
    "at",
    "stored_at",
    "kind",
    "bot",
    "direction",
    "id",
    "decision",
    "shadow_decision",
    "reasons",
    "findings",
    "score",
    "speaker",
    "bytes",
    "took_us",
    "text",
];

/// A row of the table (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe.
fn line(row: &Row) -> String {
    let mut cells: [String; 16] = Default::default();
    let [seq, at, stored_at, kind, rest @ ..] = &mut cells;
    *seq = row.seq.to_string();
    *stored_at = row.stored_at.to_string();
    *kind = row.content.kind().to_owned();
    match &row.content {
        Content::Entry(entry) => {
            *at = entry.at.to_string();
            fill(rest, row, entry);
        }
        Content::Gap(_) | Content::Dead(_) => *at = row.stored_at.to_string(),
    }
    cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",")
}

fn fill(cells: &mut [String; 12], row: &Row, entry: &Entry) {
    let [
        bot,
        direction,
        id,
        decision,
        shadow,
        reasons,
        findings,
        score,
        speaker,
        bytes,
        took,
        text,
    ] = cells;
    *bot = entry.bot.to_string();
    *id = entry.id.clone();
    match &entry.body {
        Body::Verdict(record) => {
            let verdict = &record.verdict;
            *direction = record.direction.as_str().into();
            *id = verdict.id.to_string();
            *decision = verdict.decision.as_str().into();
            *shadow = verdict.shadow_decision.map_or("", |shadow| shadow.as_str()).into();
            *reasons = verdict.reasons.join(" ");
            let kinds: Vec<&str> = verdict.findings.iter().map(|found| &*found.kind).collect();
            *findings = kinds.join(" ");
            let scores = verdict.receipt.iter().filter_map(|check| check.measures.score);
            *score = scores.reduce(f64::max).map(|score| score.to_string()).unwrap_or_default();
            *speaker = record.speaker.clone().unwrap_or_default();
            *bytes = record.bytes.to_string();
            *took = verdict.took_us.to_string();
            let kept = row.personal.as_ref().and_then(|personal| personal.text.as_ref());
            let kept = kept.or(record.text.as_ref());
            *text = kept.map(|text| text.expose().to_owned()).unwrap_or_default();
        }
        Body::Resolution(record) => {
            *direction = record.direction.as_str().into();
            *id = record.message.to_string();
            *decision = record.resolution.as_str().into();
            *reasons = record.reason.clone().unwrap_or_default();
        }
        Body::Action(record) => {
            *decision = record.action.clone();
            *reasons = record.reason.clone().unwrap_or_default();
        }
        Body::Summary(record) => {
            *decision = record.of.clone();
            *speaker = record.speaker.clone().unwrap_or_default();
        }
        Body::Unknown => {}
    }
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_a_cell() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"no\"\nnow"), "\"say \"\"no\"\"\nnow\"");
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
    }
}
