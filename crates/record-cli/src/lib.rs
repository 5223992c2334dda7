//! `portcullis audit`: searches, exports, verifies and proves the record.

mod cells;
mod evidence;
mod export;
mod parquet;
mod report;
mod source;

use std::process::ExitCode;

use jiff::Timestamp;
use portcullis_core::{Body, BotId, Decision};
use portcullis_ledger::{Content, Query, Row};
use serde_json::{Value, json};

use self::source::Data;
use portcullis_out::{Out, harmless};

/// What can be done with the record.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Find entries: the newest first, as a table or a JSON row a line.
    Search(Search),
    /// Print entries as JSON lines or as a table (CSV, Parquet), the oldest first.
    Export(export::Export),
    /// Write the report of a period: volumes, decisions, findings, overrides, gaps, latencies, and messages for a
    /// person to read.
    Report(report::Report),
    /// Read every byte and name the first broken entry. Exit status: 0 consistent, 1 broken, 2 unusable.
    Verify(evidence::Verify),
    /// Print the proof that an entry is in the record, for somebody who has the public key alone.
    Prove(evidence::Prove),
    /// Check such a proof, offline, and print the entry. Exit status: 0 proven, 1 not proven, 2 unusable.
    CheckProof(evidence::CheckProof),
}

/// What is looked for: entries that meet every condition.
#[derive(clap::Args)]
struct Filter {
    /// Of this bot.
    #[arg(long)]
    bot: Option<BotId>,
    /// Of this speaker, by the keyed hash that entries carry.
    #[arg(long, value_name = "HASH")]
    speaker: Option<String>,
    /// At this time (2026-01-31T12:00:00Z) or later.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Verdicts of this decision: allow, rewrite, throttle, hold or block.
    #[arg(long, value_parser = decision)]
    decision: Option<Decision>,
    /// Verdicts with a finding of this kind or family, such as injection.
    #[arg(long, value_name = "KIND")]
    finding: Option<String>,
    /// The entry or message with this id.
    #[arg(long)]
    id: Option<String>,
    /// With this in the kept text or in a reason.
    #[arg(long)]
    text: Option<String>,
    /// Of this kind.
    #[arg(long, value_parser = ["verdict", "resolution", "action", "summary", "gap", "dead"])]
    kind: Option<String>,
    /// At most this many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// What `audit search` can be told.
#[derive(clap::Args)]
pub struct Search {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    filter: Filter,
    /// From the newest to the oldest, which it does by itself.
    #[arg(long, conflicts_with = "oldest_first")]
    newest_first: bool,
    /// From the oldest to the newest.
    #[arg(long)]
    oldest_first: bool,
    /// Print JSON: a row a line, with the entry as it was received.
    #[arg(long)]
    json: bool,
}

/// Does what is asked.
///
/// # Errors
/// What the command says when it cannot be done; [`portcullis_out::Closed`] if nobody reads its output.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Search(args) => search(args),
        Command::Export(args) => export::export(args),
        Command::Report(args) => report::report(args),
        Command::Verify(args) => evidence::verify(&args),
        Command::Prove(args) => evidence::prove(&args),
        Command::CheckProof(args) => evidence::check_proof(&args),
    }
}

fn decision(word: &str) -> Result<Decision, &'static str> {
    [Decision::Allow, Decision::Rewrite, Decision::Throttle, Decision::Hold, Decision::Block]
        .into_iter()
        .find(|decision| decision.as_str() == word)
        .ok_or("must be allow, rewrite, throttle, hold or block")
}

impl Filter {
    fn query(self, newest_first: bool) -> Query {
        let Self { bot, speaker, from, until, decision, finding, id, text, kind, limit } = self;
        Query { bot, speaker, from, until, decision, finding, id, text, kind, limit, newest_first }
    }
}

fn search(args: Search) -> anyhow::Result<ExitCode> {
    let reader = args.data.open()?;
    let mut out = Out::new();
    if !args.json {
        out.line(&format!(
            "{:>8}  {:<24}  {:<10}  {:<16}  {:<10}  {}",
            "seq", "at", "kind", "bot", "what", "of"
        ))?;
    }
    for row in reader.search(args.filter.query(!args.oldest_first)) {
        let row = row?;
        if args.json {
            out.json(&value(&row)?)?;
        } else {
            out.line(&line(&row))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A row as JSON.
fn value(row: &Row) -> anyhow::Result<Value> {
    let mut value = json!({ "seq": row.seq, "stored_at": row.stored_at });
    let Some(fields) = value.as_object_mut() else { return Ok(value) };
    if let Some(journal_seq) = row.journal_seq {
        fields.insert("journal_seq".into(), journal_seq.into());
    }
    let (name, what) = match (&row.content, &row.raw) {
        (Content::Entry(_), Some(raw)) => ("entry", serde_json::from_str(raw.get())?),
        (Content::Entry(entry), None) => ("entry", serde_json::to_value(entry)?),
        (Content::Gap(gap), _) => ("gap", serde_json::to_value(gap)?),
        (Content::Dead(note), _) => ("dead", serde_json::to_value(note)?),
    };
    fields.insert(name.into(), what);
    if let Some(personal) = &row.personal {
        fields.insert("personal".into(), serde_json::to_value(personal)?);
    }
    Ok(value)
}

/// A row for people: no text.
fn line(row: &Row) -> String {
    let (at, bot, what, of) = match &row.content {
        Content::Entry(entry) => {
            let (what, of) = summary(&entry.body);
            (entry.at, entry.bot.to_string(), what, of)
        }
        Content::Gap(gap) => {
            let of = format!("{} entries after journal number {}", gap.missing(), gap.after);
            (row.stored_at, String::new(), "missing".into(), of)
        }
        Content::Dead(note) => {
            (row.stored_at, String::new(), "unreadable".into(), format!("{} bytes", note.bytes))
        }
    };
    let at = format!("{at:.3}");
    format!(
        "{:>8}  {at:<24}  {:<10}  {bot:<16}  {:<10}  {}",
        row.seq,
        row.content.kind(),
        harmless(&what),
        harmless(&of)
    )
    .trim_end()
    .to_owned()
}

/// What happened, and to what.
fn summary(body: &Body) -> (String, String) {
    match body {
        Body::Verdict(record) => {
            let verdict = &record.verdict;
            let (id, way) = (&verdict.id, record.direction.as_str());
            let of = format!("{way} {id}  {}", verdict.reasons.join(", "));
            (verdict.decision.as_str().into(), of.trim_end().into())
        }
        Body::Resolution(record) => {
            let of = format!("{} {}  by {}", record.direction.as_str(), record.message, record.by);
            (record.resolution.as_str().into(), of)
        }
        Body::Action(record) => {
            let reason = record.reason.iter().map(|reason| format!(": {reason}"));
            let of = format!("{}  by {}{}", record.scope, record.by, reason.collect::<String>());
            (record.action.clone(), of)
        }
        Body::Summary(record) => (record.of.clone(), format!("{} times", record.count)),
        Body::Unknown => ("unknown".into(), String::new()),
    }
}
