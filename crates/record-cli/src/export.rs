//! `portcullis audit export`: entries as JSON lines or as a table, and the hashes of what was written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use portcullis_ledger::Row;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::cells::{COLUMNS, cells};
use super::parquet::Table;
use super::{Data, Filter, value};
use portcullis_out::{self as out, NewFile, Out};

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
    /// JSON lines hold all of each entry; a table (CSV, Parquet) has a row for each, without findings' places and
    /// without receipts. Parquet needs --out.
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
    /// Apache Parquet, with the columns of CSV in types of their own.
    Parquet,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Writes rows in one of the forms.
enum Rows {
    Lines(Box<Hashed>, Format),
    Table(Box<Table<Hashed>>),
}

impl Rows {
    fn begin(mut to: Hashed, format: Format) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Parquet => Self::Table(Box::new(Table::begin(to)?)),
            Format::Csv => {
                writeln!(to, "{}", head())?;
                Self::Lines(Box::new(to), format)
            }
            Format::Jsonl => Self::Lines(Box::new(to), format),
        })
    }

    fn put(&mut self, row: &Row) -> anyhow::Result<()> {
        match self {
            Self::Table(table) => table.put(row)?,
            Self::Lines(to, Format::Csv) => writeln!(to, "{}", line(row))?,
            Self::Lines(to, _) => writeln!(to, "{}", serde_json::to_string(&value(row)?)?)?,
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<Hashed> {
        let mut to = match self {
            Self::Table(table) => table.end()?,
            Self::Lines(to, _) => *to,
        };
        to.flush()?;
        Ok(to)
    }
}

/// Writes bytes on, and hashes them.
struct Hashed {
    to: NewFile,
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
        anyhow::ensure!(args.format != Format::Parquet, "parquet is written into a file: --out");
        let mut out = Out::new();
        if args.format == Format::Csv {
            out.line(&head())?;
        }
        for row in rows {
            let row = row?;
            match args.format {
                Format::Csv => out.line(&line(&row))?,
                Format::Jsonl | Format::Parquet => out.json(&value(&row)?)?,
            }
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    };
    let name = path.display().to_string();
    // Entries may hold what people wrote: for their owner alone.
    let to = Hashed { to: NewFile::begin(&path, true, &[])?, hash: Sha256::new(), bytes: 0 };
    let mut to = Rows::begin(to, args.format).with_context(|| name.clone())?;
    let mut count = 0_u64;
    let mut ends = (None, None);
    for row in rows {
        let row = row?;
        to.put(&row).with_context(|| name.clone())?;
        ends = (ends.0.or(Some(row.seq)), Some(row.seq));
        count += 1;
    }
    let to = to.end().with_context(|| name.clone())?;
    let checkpoint = reader.checkpoints()?.pop();
    let manifest = json!({
        "format": "portcullis-export/1",
        "file": path.file_name().map(|name| name.to_string_lossy()),
        "form": args.format.word(),
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
    let mut file = NewFile::begin(&beside, true, &[])?;
    serde_json::to_writer_pretty(&mut file, &manifest).with_context(place)?;
    to.to.finish()?;
    file.finish()?;
    out::print(&format!("{name}: {count} entries"))?;
    Ok(ExitCode::SUCCESS)
}

fn manifest_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}

/// A row of the table (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe.
fn line(row: &Row) -> String {
    cells(row).map(|value| cell(&value.to_string())).join(",")
}

fn head() -> String {
    COLUMNS.map(|(name, _)| name).join(",")
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
