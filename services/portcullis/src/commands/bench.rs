//! `portcullis bench`: puts load on a gateway and measures what comes back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use portcullis_core::BotId;
use serde::Deserialize;
use serde_json::json;

use crate::commands::scan::Channel;
use crate::lines::Source;
use crate::{nats, out};
use portcullis_measure::{Plan, Report, Target, is_here, load};

/// Messages of a corpus that are held.
const CORPUS: usize = 100_000;
/// Bytes of a corpus that are held.
const CORPUS_BYTES: usize = 256 * 1024 * 1024;
/// The longest that a run bounded by its count may take.
const AT_MOST: u64 = 600;

/// What `bench` can be told.
#[derive(clap::Args)]
#[command(after_help = "\
A closed loop: each of the --in-flight askers asks again when it is answered, so a slow gateway is asked less. \
Latency is from before a request is written until its verdict is read.

Exit status: 0 every request was answered by a verdict, 1 some were not, 2 nothing was measured.")]
pub(crate) struct Args {
    /// The gateway: http://HOST:PORT (its /v1/check) or nats://HOST:PORT.
    #[arg(long, value_name = "URL")]
    target: String,
    /// Requests at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: u32,
    /// How long to measure, in seconds.
    #[arg(long, value_name = "S", default_value_t = 10, conflicts_with = "count",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    duration: u64,
    /// How many requests to measure, in 600 s at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    count: Option<u64>,
    /// How long to ask before measuring, in seconds.
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    warmup: u64,
    /// The message to send.
    #[arg(
        long,
        conflicts_with = "corpus",
        default_value = "Hello! I ordered a pair of shoes last week and would like to know when they will arrive. \
                           My order number is 81723, and I would be glad about a short answer. Thank you very much!"
    )]
    text: String,
    /// Messages to send in turn: JSON lines with `text` and perhaps `channel`.
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// The bot to ask as.
    #[arg(long)]
    bot: Option<BotId>,
    /// The bot's API key, for HTTP.
    #[arg(long, env = "PORTCULLIS_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Short for --nats-user.
    #[arg(long)]
    user: Option<String>,
    /// Short for --nats-password.
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Allow a target that is not this machine: it will get as much load as it can answer.
    #[arg(long)]
    yes_remote: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    login: nats::Login,
}

/// Measures, and prints what was measured.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.yes_remote || is_here(&args.target).context("--target")?,
        "the target is not this machine: say --yes-remote if it is yours to put under load"
    );
    let bodies = bodies(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        let target = open(args).await?;
        let plan = Plan {
            bodies,
            in_flight: args.in_flight as usize,
            warmup: Duration::from_secs(args.warmup),
            duration: Duration::from_secs(if args.count.is_some() {
                AT_MOST
            } else {
                args.duration
            }),
            count: args.count,
        };
        load(target, plan).await
    })?;
    let report = Report::new(&args.target, args.in_flight as usize, &measured);
    if args.json {
        out::pretty(&report)?;
    } else {
        out::print(report.table().trim_end())?;
    }
    anyhow::ensure!(report.requests > 0, "nothing was answered and nothing failed in that time");
    Ok(ExitCode::from(u8::from(!report.errors.is_empty())))
}

async fn open(args: &Args) -> anyhow::Result<Target> {
    let over_http = Target::http(&args.target, args.key.clone(), args.in_flight as usize);
    if let Some(target) = over_http.context("--target")? {
        return Ok(target);
    }
    let login = args.login.clone().or(args.user.as_ref(), args.password.as_ref());
    let client = login.connect(&args.target).await?;
    Ok(Target::nats(client, &args.bot.clone().unwrap_or_else(BotId::fallback)))
}

#[derive(Deserialize)]
struct Item {
    text: String,
    #[serde(default)]
    channel: Channel,
}

/// The requests' bodies. They have no ids, so that no verdict is given from memory.
fn bodies(args: &Args) -> anyhow::Result<Vec<Bytes>> {
    let items = match &args.corpus {
        Some(file) => corpus(file)?,
        None => vec![Item { text: args.text.clone(), channel: Channel::User }],
    };
    let with = |item: &Item| {
        let mut body = match item.channel {
            Channel::User => json!({ "text": item.text }),
            Channel::Context => json!({ "context": [{ "text": item.text }] }),
        };
        if let (Some(bot), Some(body)) = (&args.bot, body.as_object_mut()) {
            body.insert("bot".into(), json!(bot));
        }
        serde_json::to_vec(&body).map(Bytes::from)
    };
    Ok(items.iter().map(with).collect::<Result<_, _>>()?)
}

fn corpus(file: &Path) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut bytes = 0;
    for line in Source::open(file)?.into_lines().take(CORPUS) {
        let line = line.with_context(|| file.display().to_string())?;
        bytes += line.content.as_ref().map_or(0, Vec::len);
        if bytes > CORPUS_BYTES {
            break;
        }
        let number = line.number;
        let item = super::scan::read(line).map_err(|problem| {
            anyhow::anyhow!("{}:{number}: {}", file.display(), problem.detail)
        })?;
        items.push(item);
    }
    anyhow::ensure!(!items.is_empty(), "{}: there is no message in it", file.display());
    Ok(items)
}
