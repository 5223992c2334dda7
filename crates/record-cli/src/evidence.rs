//! `portcullis audit verify | prove | check-proof`: whether the record is what was signed.

use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use portcullis_ledger::{LedgerError, Query, Row, Verified};
use portcullis_merkle::{Checkpoint, Proof, ProofError, PublicKey};

use super::source::Source;
use super::{Data, value};
use portcullis_out as out;

/// Entries of one message that are looked at.
const OF_A_MESSAGE: usize = 100;

/// What `audit verify` can be told.
#[derive(clap::Args)]
pub struct Verify {
    #[command(flatten)]
    data: Data,
    /// Signed checkpoints that were kept elsewhere, one after the other: the record is proven against them.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    key: Key,
}

/// What `audit prove` can be told.
#[derive(clap::Args)]
pub struct Prove {
    #[command(flatten)]
    data: Data,
    /// The entry with this id, as verdict/<bot>/inbound/<id of the message>; or the message with this id, of which
    /// the newest verdict is proven. Standard error says which entry it is.
    id: String,
    /// Prove it under the newest checkpoint of this file instead of the record's own newest.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    key: Key,
}

/// What `audit check-proof` can be told.
#[derive(clap::Args)]
pub struct CheckProof {
    /// The proof, as `audit prove` printed it.
    proof: PathBuf,
    /// The log's public key, or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
}

/// The key to check with.
#[derive(clap::Args)]
struct Key {
    /// The log's public key, or a file that holds it; without it, keys/checkpoint.pub in the data folder.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

impl Key {
    /// The key that was named, or the one in the data folder, if there is one.
    fn read(&self, data: &Data) -> anyhow::Result<Option<PublicKey>> {
        let beside = data.data.join("keys/checkpoint.pub");
        match &self.key {
            Some(named) => read_key(named).map(Some),
            None if beside.exists() => read_key(&beside.to_string_lossy()).map(Some),
            None => Ok(None),
        }
    }
}

fn read_key(named: &str) -> anyhow::Result<PublicKey> {
    if let Ok(key) = PublicKey::parse(named) {
        return Ok(key);
    }
    let text = fs::read_to_string(named).with_context(|| format!("--key {named}"))?;
    PublicKey::parse(&text).with_context(|| format!("--key {named}"))
}

/// The checkpoints of a file, checked with the key.
fn read_checkpoints(path: &Path, key: Option<&PublicKey>) -> anyhow::Result<Vec<Checkpoint>> {
    let place = || format!("--checkpoint {}", path.display());
    let key =
        key.context("a checkpoint is checked with the log's public key: name it with --key")?;
    let text = fs::read_to_string(path).with_context(place)?;
    key.open_all(&text).with_context(place)
}

/// Reads every byte of the record.
pub(super) fn verify(args: &Verify) -> anyhow::Result<ExitCode> {
    let key = args.key.read(&args.data)?;
    let kept = match &args.checkpoint {
        Some(path) => read_checkpoints(path, key.as_ref())?,
        None => Vec::new(),
    };
    let database = args.data.is_database();
    let bar = bar(args.data.amount()?, database);
    let found = args.data.verify(key.as_ref(), &kept, &|done| bar.inc(done))?;
    bar.finish_and_clear();
    match found {
        Ok(found) => {
            out::print(&sound(&found, key.is_some(), database))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(LedgerError::Corrupt { file, offset, seq, flaw }) => {
            let entry = seq.map_or_else(|| "unknown".into(), |seq| seq.to_string());
            let place = if offset > 0 { format!(", offset {offset}") } else { String::new() };
            let kind = if database { "table" } else { "file" };
            out::print(&format!("broken: {kind} {file}{place}, entry {entry}: {flaw}"))?;
            Ok(ExitCode::from(1))
        }
        Err(error @ LedgerError::NotAsSigned { .. }) => {
            let LedgerError::NotAsSigned { size, good, .. } = error else {
                return Err(error.into());
            };
            out::print(&format!(
                "broken: {error}. The first entry that was changed is one of {} to {size}",
                good + 1
            ))?;
            Ok(ExitCode::from(1))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is said of a record that is as it should be.
fn sound(found: &Verified, key: bool, database: bool) -> String {
    let Verified { entries, segments, unfinished, checkpoints, signed, proven, .. } = *found;
    let place = if database { "in PostgreSQL".to_owned() } else { format!("{segments} segments") };
    let mut text = if proven > 0 {
        format!(
            "proven: entries 1 to {proven} are those of the checkpoint; {entries} entries, {place}"
        )
    } else {
        format!("consistent, not proven against its own writer: {entries} entries, {place}")
    };
    let signed = signed.max(proven);
    text += &match (checkpoints, entries - signed.min(entries)) {
        (0, _) if proven == 0 => "\nnothing is signed".to_owned(),
        (_, 0) => "\nall of them are signed".to_owned(),
        (_, tail) => format!("\nentries {} to {entries} are not signed yet ({tail})", signed + 1),
    };
    if checkpoints > 0 && !key {
        text += "\nthe signatures were not checked: name the log's public key with --key";
    }
    if unfinished > 0 {
        text += &format!("\n{unfinished} bytes at the end are just being written");
    }
    text
}

fn bar(amount: u64, entries: bool) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(amount);
    let template = if entries {
        "{bar:32} {human_pos}/{human_len} entries  {per_sec}  {eta} left"
    } else {
        "{bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left"
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The entry that an id means, and the others of its message: the one that has it, else the newest verdict of the
/// message, else the newest of what became of it.
fn found(reader: &Source, id: &str) -> anyhow::Result<(Row, Vec<Row>)> {
    let query = Query {
        id: Some(id.to_owned()),
        limit: Some(OF_A_MESSAGE),
        newest_first: true,
        ..Query::default()
    };
    let mut rows = reader.search(query).collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!rows.is_empty(), "no entry or message has the id {id}");
    let exact = |row: &Row| row.content.entry().is_some_and(|entry| entry.id == id);
    let at = rows.iter().position(exact);
    let at = at.or_else(|| rows.iter().position(|row| row.content.kind() == "verdict"));
    let row = rows.remove(at.unwrap_or(0));
    Ok((row, rows))
}

/// An entry for people: its number and its id.
fn named(row: &Row) -> String {
    let id = row.content.entry().map_or(row.content.kind(), |entry| &entry.id);
    format!("{} ({})", row.seq, out::harmless(id))
}

/// Prints the proof that an entry is in the record.
pub(super) fn prove(args: &Prove) -> anyhow::Result<ExitCode> {
    let reader = args.data.open()?;
    let (row, others) = found(&reader, &args.id)?;
    let key = args.key.read(&args.data)?;
    let checkpoint = match &args.checkpoint {
        Some(path) => {
            read_checkpoints(path, key.as_ref())?.into_iter().max_by_key(|kept| kept.size)
        }
        None => reader.checkpoints()?.into_iter().next_back(),
    };
    let checkpoint = checkpoint.context("nothing is signed in this record yet")?;
    match reader.prove(&row, &checkpoint)? {
        Ok(proof) => {
            out::pretty(&proof)?;
            out::note(&format!("proof of entry {}", named(&row)));
            if !others.is_empty() {
                let others: Vec<_> = others.iter().map(named).collect();
                out::note(&format!("not proven, of the same message: {}", others.join(", ")));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(ProofError::NotCovered) => anyhow::bail!(
            "entry {} is not signed yet: the checkpoint covers entries 1 to {}",
            row.seq,
            checkpoint.size
        ),
        Err(error @ ProofError::Mismatch) => {
            out::print(&format!("broken: {error}; run 'portcullis audit verify'"))?;
            Ok(ExitCode::from(1))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks a proof with nothing but the public key, and prints the entry.
pub(super) fn check_proof(args: &CheckProof) -> anyhow::Result<ExitCode> {
    let name = args.proof.display();
    let key = read_key(&args.key)?;
    let text = fs::read(&args.proof).with_context(|| name.to_string())?;
    // A parser's message could quote the entry.
    let proof: Proof = serde_json::from_slice(&text)
        .map_err(|_| anyhow::anyhow!("{name}: not a proof as 'audit prove' prints it"))?;
    match proof.check(&key) {
        Ok((leaf, checkpoint)) => {
            let row = Row::of_frame(&leaf)
                .with_context(|| format!("{name}: proven, but not an entry of this release"))?;
            out::json(&value(&row)?)?;
            out::note(&format!(
                "proven: entry {} of the {} that the checkpoint covers",
                row.seq, checkpoint.size
            ));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            out::note(&format!("not proven: {error}"));
            Ok(ExitCode::from(1))
        }
    }
}
