//! `portcullis scan`: many messages from a file of JSON lines, judged here; a verdict a line, in order.

use std::path::PathBuf;
use std::process::ExitCode;

use portcullis_core::{BotId, ConversationId, Direction, MessageId, SpeakerId, Verdict};
use portcullis_ingress::Problem;
use portcullis_ingress::request::{CheckRequest, ContextKindRequest, ContextRequest, RequestText};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, PolicyArg};
use crate::lines::{self, Line, Source};
use crate::out::Out;
use crate::turns::Turns;

/// What `scan` can be told.
#[derive(clap::Args)]
#[command(after_help = "\
A line of the file is a JSON object: {\"text\", \"id\"?, \"context\"? ([{\"kind\"?, \"text\"}]), \
\"channel\"? (user or context: context says that the text is third-party content), \"direction\"?, \
\"conversation\"?, \"bot\"?, \"user\"?}.

Exit status: 0 every line was judged, 1 some could not be read, 2 nothing was judged.")]
pub(crate) struct Args {
    /// The file; `-`: standard input.
    file: PathBuf,
    /// The bot of lines that name none.
    #[arg(long)]
    bot: Option<BotId>,
    #[command(flatten)]
    policy: PolicyArg,
}

/// Whose words a text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    /// The person's own.
    #[default]
    User,
    /// Third-party content that the bot will read.
    Context,
}

impl Channel {
    /// A request about a text of this channel.
    pub(crate) fn request(self, text: Option<RequestText>) -> CheckRequest {
        match (self, text) {
            (Self::User, text) => CheckRequest { text, ..CheckRequest::default() },
            (Self::Context, None) => CheckRequest::default(),
            (Self::Context, Some(text)) => CheckRequest {
                context: vec![ContextRequest { kind: ContextKindRequest::default(), text }],
                ..CheckRequest::default()
            },
        }
    }
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(default)]
    text: Option<RequestText>,
    #[serde(default)]
    id: Option<MessageId>,
    #[serde(default)]
    context: Vec<ContextRequest>,
    #[serde(default)]
    channel: Channel,
    #[serde(default)]
    direction: Direction,
    #[serde(default)]
    conversation: Option<ConversationId>,
    #[serde(default)]
    bot: Option<BotId>,
    #[serde(default, alias = "speaker")]
    user: Option<SpeakerId>,
}

impl Item {
    /// The line's id, which is only echoed, and the request, which has none, so that nothing is known again.
    fn into_request(self, bot: Option<&BotId>) -> (Option<MessageId>, CheckRequest) {
        let mut request = self.channel.request(self.text);
        request.context.extend(self.context);
        let request = CheckRequest {
            bot: self.bot.or_else(|| bot.cloned()),
            conversation: self.conversation,
            speaker: self.user,
            direction: self.direction,
            ..request
        };
        (self.id, request)
    }
}

/// A line of the output.
#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Verdict(Box<Verdict>),
    Bad { line: u64, error: Problem },
}

/// Prints a verdict or a problem for each line.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = Engine::new(&args.policy, args.bot.as_ref())?;
    let source = Source::open(&args.file)?;
    let bar = source.progress();
    let mut out = if source.is_live { Out::new().at_once() } else { Out::new() };
    let (mut good, mut bad) = (0_u64, 0_u64);
    let mut turns = Turns::default();
    let work = |line: Line| {
        bar.inc(line.bytes);
        let number = line.number;
        let item = read::<Item>(line).map(|item| item.into_request(args.bot.as_ref()));
        let mut turn = item.as_ref().ok().and_then(|(_, request)| turns.take(request));
        let engine = engine.clone();
        async move {
            let judged = match item {
                Ok((id, request)) => {
                    if let Some(turn) = &mut turn {
                        turn.come().await;
                    }
                    engine.check(request).await.map(|verdict| named(verdict, id))
                }
                Err(problem) => Err(problem),
            };
            match judged {
                Ok(verdict) => Row::Verdict(Box::new(verdict)),
                Err(error) => Row::Bad { line: number, error },
            }
        }
    };
    let take = |row: Row| {
        let count = if matches!(row, Row::Bad { .. }) { &mut bad } else { &mut good };
        *count += 1;
        out.json(&row)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let done = runtime.block_on(lines::in_order(source, lines::busy(), work, take));
    runtime.shutdown_background();
    bar.finish_and_clear();
    done?;
    out.flush()?;
    Ok(lines::exit(good, bad))
}

fn named(verdict: Verdict, id: Option<MessageId>) -> Verdict {
    match id {
        Some(id) => Verdict { id, ..verdict },
        None => verdict,
    }
}

/// Reads a line strictly.
pub(crate) fn read<T: serde::de::DeserializeOwned>(line: Line) -> Result<T, Problem> {
    let Some(content) = line.content else {
        return Err(Problem::too_large(format!("the line is over {} bytes", lines::LONGEST)));
    };
    portcullis_ingress::json(&content).map_err(|mut problem| {
        // The words are a door's.
        problem.detail = problem
            .detail
            .replace("; see /openapi.json for those that are", "")
            .replace("the body", "the line");
        problem.field = problem.field.filter(|field| field != "the body");
        problem
    })
}
