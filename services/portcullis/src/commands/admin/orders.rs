//! Orders and resolutions: put into the words of the gateway's operator door, and sent.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use portcullis_bus_nats::STATUS_HEADER;
use portcullis_bus_nats::{Client, subjects};
use portcullis_core::{BotId, ConversationId, Direction, MessageId, SpeakerId};
use serde_json::{Map, Value, json};

use super::show;
use crate::commands::check::direction;
use crate::{nats, out};

/// After this the gateway counts as away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the gateway is.
#[derive(Args)]
pub(crate) struct Door {
    /// The gateway's HTTP door.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The operators' API key, for HTTP.
    #[arg(long, env = "PORTCULLIS_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Go by this NATS server instead of HTTP.
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    nats: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    login: nats::Login,
}

/// Who orders, and why.
#[derive(Args)]
struct Who {
    /// Who orders it, for the record.
    #[arg(long, env = "USER")]
    by: String,
    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
}

/// An order about a bot, or about all.
#[derive(Args)]
pub(crate) struct Everything {
    /// One bot; absent: all.
    #[arg(long)]
    bot: Option<BotId>,
    #[command(flatten)]
    who: Who,
    /// For how long; absent: until it is taken back.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    for_s: Option<u64>,
    #[command(flatten)]
    pub(super) door: Door,
}

/// An order about somebody.
#[derive(Args)]
#[group(id = "whom", required = true, multiple = false)]
pub(crate) struct Person {
    /// The bot; absent: `default`.
    #[arg(long)]
    bot: Option<BotId>,
    /// The person, by the bot's name.
    #[arg(long, visible_alias = "speaker", group = "whom")]
    user: Option<SpeakerId>,
    /// The conversation, by the bot's name.
    #[arg(long, group = "whom")]
    conversation: Option<ConversationId>,
    /// The network address.
    #[arg(long, group = "whom")]
    address: Option<IpAddr>,
    #[command(flatten)]
    who: Who,
    /// For how long; absent: until it is taken back.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    for_s: Option<u64>,
    #[command(flatten)]
    pub(super) door: Door,
}

/// Who is forgotten.
#[derive(Args)]
pub(crate) struct Forgotten {
    /// The bot; absent: `default`.
    #[arg(long)]
    bot: Option<BotId>,
    /// The person, by the bot's name.
    #[arg(long, visible_alias = "speaker")]
    user: SpeakerId,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    pub(super) door: Door,
}

/// Whose limits: of one person, conversation or address; of a bot; or, with no bot either, everybody's.
#[derive(Args)]
#[group(id = "whose", multiple = false)]
pub(crate) struct Limited {
    /// One bot; absent: all, or `default` where somebody is named.
    #[arg(long)]
    bot: Option<BotId>,
    /// The person, by the bot's name.
    #[arg(long, visible_alias = "speaker", group = "whose")]
    user: Option<SpeakerId>,
    /// The conversation, by the bot's name.
    #[arg(long, group = "whose")]
    conversation: Option<ConversationId>,
    /// The network address.
    #[arg(long, group = "whose")]
    address: Option<IpAddr>,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    pub(super) door: Door,
}

/// By how much limits are scaled, and for how long.
#[derive(Args)]
pub(crate) struct Limit {
    /// What is left of the limits: above 0, at most 1.
    #[arg(long, default_value_t = 0.1)]
    factor: f64,
    /// For how long; absent: until it is taken back.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    for_s: Option<u64>,
    #[command(flatten)]
    pub(super) whose: Limited,
}

/// Which held messages.
#[derive(Args)]
pub(crate) struct Which {
    /// One bot; absent: all.
    #[arg(long)]
    bot: Option<BotId>,
    #[command(flatten)]
    pub(super) door: Door,
}

/// A held message.
#[derive(Args)]
pub(crate) struct Case {
    /// Its id.
    id: MessageId,
    /// The bot; absent: `default`.
    #[arg(long)]
    bot: Option<BotId>,
    /// Which way it went: inbound or outbound.
    #[arg(long, default_value = "inbound", value_parser = direction)]
    direction: Direction,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    pub(super) door: Door,
}

/// A held message and its new wording.
#[derive(Args)]
pub(crate) struct Wording {
    #[command(flatten)]
    pub(super) case: Case,
    /// What to forward instead.
    #[arg(long)]
    text: String,
}

type Ask = Map<String, Value>;

/// The fields that are there.
fn fields<const N: usize>(fields: [(&str, Value); N]) -> Ask {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Everything {
    pub(super) fn ask(&self) -> Ask {
        let Who { by, reason } = &self.who;
        fields([
            ("bot", json!(self.bot)),
            ("by", json!(by)),
            ("reason", json!(reason)),
            ("for_s", json!(self.for_s)),
        ])
    }
}

impl Forgotten {
    pub(super) fn ask(&self) -> Ask {
        about(self.bot.as_ref(), (Some(&self.user), None, None), &self.who)
    }
}

/// About whom: the bot, who of it, who orders it and why.
fn about(
    bot: Option<&BotId>,
    (user, conversation, address): (Option<&SpeakerId>, Option<&ConversationId>, Option<IpAddr>),
    Who { by, reason }: &Who,
) -> Ask {
    fields([
        ("bot", json!(bot)),
        ("speaker", json!(user)),
        ("conversation", json!(conversation)),
        ("client_addr", json!(address)),
        ("by", json!(by)),
        ("reason", json!(reason)),
    ])
}

impl Person {
    pub(super) fn ask(&self) -> Ask {
        let whom = (self.user.as_ref(), self.conversation.as_ref(), self.address);
        let mut ask = about(self.bot.as_ref(), whom, &self.who);
        ask.extend(fields([("for_s", json!(self.for_s))]));
        ask
    }
}

impl Limited {
    pub(super) fn ask(&self) -> Ask {
        let whom = (self.user.as_ref(), self.conversation.as_ref(), self.address);
        about(self.bot.as_ref(), whom, &self.who)
    }
}

impl Limit {
    pub(super) fn ask(&self) -> Ask {
        let mut ask = self.whose.ask();
        ask.extend(fields([("factor", json!(self.factor)), ("for_s", json!(self.for_s))]));
        ask
    }
}

impl Which {
    pub(super) fn ask(&self) -> Ask {
        fields([("bot", json!(self.bot))])
    }
}

impl Case {
    pub(super) fn ask(&self) -> Ask {
        let Who { by, reason } = &self.who;
        fields([
            ("bot", json!(self.bot)),
            ("direction", json!(self.direction)),
            ("id", json!(self.id)),
            ("by", json!(by)),
            ("reason", json!(reason)),
        ])
    }
}

impl Wording {
    pub(super) fn ask(&self) -> Ask {
        let mut ask = self.case.ask();
        ask.insert("text".into(), json!(self.text));
        ask
    }
}

/// Sends a command and prints what was done. Exit status: 0 done, 1 refused, 2 not reached.
pub(super) fn send(command: &str, ask: &Ask, door: &Door) -> anyhow::Result<ExitCode> {
    let mut ask = ask.clone();
    ask.insert("command".into(), json!(command));
    let body = serde_json::to_vec(&ask)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        match &door.nats {
            Some(url) => by_nats(&door.login.connect(url).await?, command, body).await,
            None => by_http(door, body).await,
        }
    })?;
    match answer {
        Answer::Done(done) if door.json => out::pretty(&done)?,
        Answer::Done(done) => out::print(show::done(command, done)?.trim_end())?,
        Answer::Problem(problem) => {
            let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("no reason given");
            out::note(&format!("{command}: {detail}"));
            return Ok(ExitCode::from(1));
        }
    }
    Ok(ExitCode::SUCCESS)
}

enum Answer {
    Done(Value),
    Problem(Value),
}

async fn by_nats(client: &Client, command: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
    let asked = client.request(subjects::admin(command), body.into());
    let reply = tokio::time::timeout(PATIENCE, asked)
        .await
        .context("the gateway did not answer in 10 s")?
        .context("the gateway did not answer")?;
    let answer = serde_json::from_slice(&reply.payload).context("the gateway's answer")?;
    let refused = reply.headers.is_some_and(|headers| headers.get(STATUS_HEADER).is_some());
    Ok(if refused { Answer::Problem(answer) } else { Answer::Done(answer) })
}

async fn by_http(door: &Door, body: Vec<u8>) -> anyhow::Result<Answer> {
    let url = format!("{}/v1/admin", door.url.trim_end_matches('/'));
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let mut request =
        client.post(&url).header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
    if let Some(key) = &door.key {
        request = request.bearer_auth(key);
    }
    let response = request.send().await.with_context(|| format!("no gateway at {}", door.url))?;
    let done = response.status().is_success();
    let answer = response.json().await.context("the gateway's answer")?;
    Ok(if done { Answer::Done(answer) } else { Answer::Problem(answer) })
}
