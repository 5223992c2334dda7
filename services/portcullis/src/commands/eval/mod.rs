//! `portcullis eval`: labelled messages, judged here by the whole path, and how well that went.

mod table;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use portcullis_core::{Decision, StageName, Status, Verdict};
use portcullis_ingress::Problem;
use portcullis_ingress::request::RequestText;
use serde::{Deserialize, Serialize};

use crate::commands::scan::{Channel, read};
use crate::engine::{Engine, PolicyArg};
use crate::lines::{self, Line, Source};
use crate::out;
use portcullis_measure::{Figures, Judged, Label};

/// Bad lines of a file that are named one by one.
const NAMED: u64 = 10;

/// What `eval` can be told.
#[derive(clap::Args)]
#[command(after_help = "\
A line of a file is a JSON object: {\"text\", \"label\" (injection or benign), \"channel\"? (user or \
context)}. Of `kind` and `lang` groups are made; further fields are remarks of whoever made the file.

A message counts as reported where the decision is block or hold. AUC, recall at a false-positive rate and \
calibration are about the injection classifier's score; a message that was decided before it was scored \
counts as 1 where it was reported and as 0 where not.

Exit status: 0 every line was judged, 1 some could not be read, 2 nothing was judged.")]
pub(crate) struct Args {
    /// Files of labelled messages; `-`: standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    policy: PolicyArg,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write line, label, score and decision of each message (no text) into this file.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
}

/// A line of a file. Fields that are not named here are ignored on purpose: labelled files carry remarks
/// (source, licence, …) that differ from one to the next.
#[derive(Deserialize)]
struct Item {
    text: RequestText,
    label: Label,
    #[serde(default)]
    channel: Channel,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    lang: Option<String>,
}

/// A line of the scores.
#[derive(Serialize)]
struct Score<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    label: Label,
    score: Option<f64>,
    decision: Decision,
}

/// Judges every file and prints its figures.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = Engine::telling_all(&args.policy)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let mut scores = args.scores.as_deref().map(create).transpose()?;
    let (mut all, mut bad) = (Vec::new(), 0);
    for file in &args.files {
        let source = Source::open(file)?;
        let name = source.name.clone();
        let mut figures = Figures::default();
        let named = (args.files.len() > 1).then_some(name.as_str());
        let take = |judged: Result<Judged, (u64, Problem)>| {
            match judged {
                Ok(judged) => {
                    if let Some(scores) = &mut scores {
                        write(scores, named, &judged)?;
                    }
                    figures.add(judged);
                }
                Err((line, problem)) => {
                    figures.bad += 1;
                    if figures.bad <= NAMED {
                        out::note(&format!("{name}:{line}: {}", problem.detail));
                    }
                }
            }
            Ok(())
        };
        runtime.block_on(judge(source, engine.clone(), take))?;
        if figures.bad > NAMED {
            out::note(&format!("{name}: {} bad lines in all", figures.bad));
        }
        bad += figures.bad;
        all.push(figures.summary(&name));
    }
    runtime.shutdown_background();
    if let Some(scores) = &mut scores {
        scores.flush().context("--scores")?;
    }
    if args.json {
        out::pretty(&serde_json::json!({ "files": all }))?;
    } else {
        out::print(table::table(&all).trim_end())?;
    }
    Ok(ExitCode::from(u8::from(bad > 0)))
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("--scores {}", path.display()))?;
    Ok(BufWriter::new(file))
}

fn write(scores: &mut impl Write, file: Option<&str>, judged: &Judged) -> anyhow::Result<()> {
    let Judged { line, label, score, decision, .. } = *judged;
    serde_json::to_writer(&mut *scores, &Score { file, line, label, score, decision })?;
    scores.write_all(b"\n").context("--scores")
}

async fn judge(
    source: Source,
    engine: Engine,
    take: impl FnMut(Result<Judged, (u64, Problem)>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bar = source.progress();
    let work = |line: Line| {
        bar.inc(line.bytes);
        let number = line.number;
        let engine = engine.clone();
        async move {
            let Item { text, label, channel, kind, lang } =
                read(line).map_err(|problem| (number, problem))?;
            let text = text.into_text();
            let chars = text.expose().chars().count();
            let request = channel.request(Some(text.expose().to_owned().into()));
            let verdict = engine.check(request).await.map_err(|problem| (number, problem))?;
            Ok(judged(number, label, kind, lang, chars, &verdict))
        }
    };
    let done = lines::in_order(source, work, take).await;
    bar.finish_and_clear();
    done
}

fn judged(
    line: u64,
    label: Label,
    kind: Option<String>,
    lang: Option<String>,
    chars: usize,
    verdict: &Verdict,
) -> Judged {
    let check = verdict.check(&StageName::injection_classifier());
    let covered: Vec<_> = verdict.receipt.iter().filter_map(|check| check.coverage).collect();
    Judged {
        line,
        label,
        score: check.and_then(|check| check.measures.score),
        // In shadow mode what counts is what would have been.
        decision: verdict.shadow_decision.unwrap_or(verdict.decision),
        took_us: verdict.took_us,
        scanned: covered.iter().map(|part| part.scanned as u64).sum(),
        total: covered.iter().map(|part| part.total as u64).sum(),
        has_gap: verdict.receipt.iter().any(|check| {
            check.status == Status::Gap || check.coverage.is_some_and(|part| !part.is_whole())
        }),
        kind,
        lang,
        chars,
    }
}
