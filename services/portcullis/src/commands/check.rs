//! `portcullis check`: one message, judged here.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use anyhow::Context;
use portcullis_core::{BotId, ConversationId, Decision, Direction, MessageId, SpeakerId};
use portcullis_ingress::request::CheckRequest;

use crate::engine::{Engine, PolicyArg};
use crate::{lines, out};

/// What `check` can be told.
#[derive(clap::Args)]
#[command(after_help = "Exit status: 0 allow or rewrite, 10 block, 11 hold, 12 throttle, \
                        2 nothing was judged.")]
pub(crate) struct Args {
    /// The bot.
    #[arg(long)]
    bot: Option<BotId>,
    /// Who writes, in the bot's own words.
    #[arg(long, visible_alias = "speaker")]
    user: Option<SpeakerId>,
    /// Which way it goes: inbound (to the bot) or outbound (an answer of the bot).
    #[arg(long, default_value = "inbound", value_parser = direction)]
    direction: Direction,
    #[command(flatten)]
    policy: PolicyArg,
    /// The conversation, in the bot's own words.
    #[arg(long)]
    conversation: Option<ConversationId>,
    /// The message's id.
    #[arg(long)]
    id: Option<MessageId>,
    /// The text. `-` or nothing: standard input, less one line break at its end.
    text: Option<String>,
}

/// Reads `inbound` or `outbound`.
pub(crate) fn direction(word: &str) -> Result<Direction, &'static str> {
    [Direction::Inbound, Direction::Outbound]
        .into_iter()
        .find(|direction| direction.as_str() == word)
        .ok_or("must be inbound or outbound")
}

/// Prints the verdict; the exit status says the decision.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = match args.text {
        Some(text) if text != "-" => text,
        named => standard_input(named.is_some())?,
    };
    let engine = Engine::new(&args.policy, args.bot.as_ref())?;
    let request = CheckRequest {
        id: args.id,
        bot: args.bot,
        conversation: args.conversation,
        speaker: args.user,
        direction: args.direction,
        text: Some(text.into()),
        ..CheckRequest::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    match runtime.block_on(engine.check(request)) {
        Ok(verdict) => {
            out::pretty(&verdict)?;
            Ok(status(verdict.decision))
        }
        Err(problem) => {
            out::note(&serde_json::to_string_pretty(&problem)?);
            Ok(ExitCode::from(2))
        }
    }
}

fn standard_input(named: bool) -> anyhow::Result<String> {
    anyhow::ensure!(named || !io::stdin().is_terminal(), "no text: give one, or - to type it");
    // One byte more than anything that is judged: what is too long is refused as such.
    let limit = lines::LONGEST as u64 + 1;
    let mut bytes = Vec::new();
    io::stdin().lock().take(limit).read_to_end(&mut bytes).context("standard input")?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("standard input is not UTF-8: the first wrong byte is number {at}")
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn status(decision: Decision) -> ExitCode {
    ExitCode::from(match decision {
        Decision::Allow | Decision::Rewrite => 0,
        Decision::Block | Decision::Unknown => 10,
        Decision::Hold => 11,
        Decision::Throttle => 12,
    })
}
