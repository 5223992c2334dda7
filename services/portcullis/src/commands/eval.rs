//! `portcullis eval`: labelled messages, judged here by the whole path, and how well that went.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use portcullis_core::{Answered, Check, Decision, Finding, StageName, Status, Verdict};
use portcullis_ingress::Problem;
use portcullis_ingress::request::{CheckRequest, ContextRequest, RequestText};
use serde::{Deserialize, Serialize};

use crate::commands::scan::{Channel, read};
use crate::engine::{Engine, PolicyArg};
use crate::lines::{self, Line, Source};
use crate::out::{self, NewFile};
use portcullis_measure::{Figures, Groups, Judged, Label};

/// Bad lines of a file that are named one by one.
const NAMED: u64 = 10;

/// What `eval` can be told.
#[derive(clap::Args)]
#[command(after_help = "\
A line of a file is a JSON object: {\"label\" (injection or benign), \"text\", \"channel\"? (user or context: \
context says that the text is third-party content), \"context\"? ([{\"kind\"?, \"text\"}]; then text may be \
absent)}. Groups are made of kind, lang, obfuscation and source, where a line has them; further fields are \
remarks of whoever made the file.

A message counts as reported where the decision is block or hold. AUC, recall at a false-positive rate and \
calibration are about the injection classifier's score; a message that was decided before it was scored \
counts as 1 where it was reported and as 0 where not. Groups are judged at the score that 1 % (0.1 %) of \
all benign messages of the file exceed.

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
    /// Write line, label, score, decision and findings of each message (no text) into this file.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Messages at once. Absent: one a core. Times are those of a message among so many.
    #[arg(long, value_name = "N")]
    in_flight: Option<NonZeroUsize>,
}

impl Args {
    /// Where scores go: into no file that is read.
    fn scores(&self) -> anyhow::Result<Option<NewFile>> {
        let read: Vec<_> = self.files.iter().chain(&self.policy.policy).map(|p| &**p).collect();
        let begin = |path: &PathBuf| NewFile::begin(path, false, &read).context("--scores");
        self.scores.as_ref().map(begin).transpose()
    }
}

/// A line of a file. Fields that are not named here are ignored on purpose: labelled files carry remarks
/// (source, licence, …) that differ from one to the next.
#[derive(Debug, Deserialize)]
struct Item {
    #[serde(default)]
    text: Option<RequestText>,
    #[serde(default)]
    context: Vec<ContextRequest>,
    label: Label,
    #[serde(default)]
    channel: Channel,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    obfuscation: Option<String>,
    #[serde(default)]
    source: Option<String>,
}

impl Item {
    fn groups(&self) -> Groups {
        let has_text = self.text.as_ref().is_some_and(|text| text.chars() > 0);
        let channel = match (self.channel, has_text, self.context.is_empty()) {
            (Channel::User, true, true) => "user",
            (Channel::User, true, false) => "both",
            _ => "context",
        };
        let texts = self.text.iter().chain(self.context.iter().map(|one| &one.text));
        Groups {
            kind: self.kind.clone(),
            lang: self.lang.clone(),
            obfuscation: self.obfuscation.clone(),
            source: self.source.clone(),
            channel: Some(channel),
            answered: None,
            chars: texts.map(RequestText::chars).sum(),
        }
    }

    fn into_request(self) -> CheckRequest {
        let mut request = self.channel.request(self.text);
        request.context.extend(self.context);
        request
    }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<&'a str>,
    findings: &'a [Finding],
}

/// A message with its figures, and what was found where.
struct Row {
    judged: Judged,
    findings: Vec<Finding>,
}

/// Judges every file and prints its figures.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = Engine::telling_all(&args.policy)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let mut scores = args.scores()?;
    let at_once = args.in_flight.map_or_else(lines::cores, NonZeroUsize::get);
    let (mut all, mut total) = (Vec::new(), Figures::default());
    for file in &args.files {
        let source = Source::open(file)?;
        let name = source.name.clone();
        let mut figures = Figures::default();
        let named = (args.files.len() > 1).then_some(name.as_str());
        let take = |row: Result<Row, (u64, Problem)>| {
            match row {
                Ok(row) => {
                    if let Some(scores) = &mut scores {
                        write(scores, named, &row)?;
                    }
                    figures.add(&row.judged);
                    total.add(&row.judged);
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
        runtime.block_on(judge(source, at_once, engine.clone(), take))?;
        if figures.bad > NAMED {
            out::note(&format!("{name}: {} bad lines in all", figures.bad));
        }
        total.bad += figures.bad;
        all.push(figures.summary(&name));
    }
    runtime.shutdown_background();
    if let Some(scores) = scores {
        scores.finish().context("--scores")?;
    }
    let bad = total.bad;
    let total = total.summary("all files");
    let ended = lines::exit(total.whole.n as u64, bad);
    if args.json {
        out::pretty(&serde_json::json!({ "files": all, "total": total }))?;
    } else {
        if all.len() > 1 {
            all.push(total);
        }
        out::print(portcullis_measure::table(&all).trim_end())?;
    }
    Ok(ended)
}

fn write(scores: &mut impl Write, file: Option<&str>, row: &Row) -> anyhow::Result<()> {
    let Row { judged: Judged { line, label, score, decision, groups, .. }, findings } = row;
    let (answered, findings) = (groups.answered, findings.as_slice());
    let (line, label, score, decision) = (*line, *label, *score, *decision);
    serde_json::to_writer(
        &mut *scores,
        &Score { file, line, label, score, decision, answered, findings },
    )?;
    scores.write_all(b"\n").context("--scores")
}

async fn judge(
    source: Source,
    at_once: usize,
    engine: Engine,
    take: impl FnMut(Result<Row, (u64, Problem)>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bar = source.progress();
    let work = |line: Line| {
        bar.inc(line.bytes);
        let number = line.number;
        let engine = engine.clone();
        async move {
            let item = read::<Item>(line).map_err(|problem| (number, problem))?;
            let (label, groups) = (item.label, item.groups());
            let verdict =
                engine.check(item.into_request()).await.map_err(|problem| (number, problem))?;
            Ok(judged(number, label, groups, verdict))
        }
    };
    let done = lines::in_order(source, at_once, work, take).await;
    bar.finish_and_clear();
    done
}

fn judged(line: u64, label: Label, groups: Groups, verdict: Verdict) -> Row {
    let check = verdict.check(&StageName::injection_classifier());
    let covered: Vec<_> = verdict.receipt.iter().filter_map(|check| check.coverage).collect();
    let judged = Judged {
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
        found: verdict.findings.iter().map(|finding| finding.kind.clone()).collect(),
        groups: Groups { answered: check.and_then(answered), ..groups },
    };
    Row { judged, findings: verdict.findings }
}

/// Which model answered: the encoder, if it was asked about any text or view of the message.
fn answered(check: &Check) -> Option<&'static str> {
    let by = |one| check.measures.parts.iter().any(|part| part.by == Some(one));
    match (by(Answered::Encoder), by(Answered::Linear)) {
        (true, _) => Some("encoder"),
        (false, true) => Some("linear"),
        (false, false) => None,
    }
}
