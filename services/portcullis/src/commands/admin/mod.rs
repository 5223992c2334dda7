//! `portcullis admin`: makes streams, users and keys; switches models; gives orders; resolves held messages.

mod key;
mod model;
mod orders;
mod show;
mod users;

use std::process::ExitCode;

use portcullis_bus_nats::admin::{self, InitOptions, Outcome};
use portcullis_bus_nats::{Journals, journals};
use portcullis_core::BotId;
use portcullis_ingress::doors::text_limit;

use crate::{nats, out};

/// A gateway refuses a server that leaves messages less than this.
const LEAST_TEXT: usize = 4 * 1024;

/// What operators can do.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make or update every stream, consumer and bucket on a NATS server (with max_payload: 8MB). Safe to run again.
    Init(Init),
    /// Block everything: of one bot, or of all.
    Stop(orders::Everything),
    /// Take stop and mute back.
    Start(orders::Everything),
    /// Block the answers of a bot, or of all.
    Mute(orders::Everything),
    /// Block a person, a conversation or an address of a bot.
    Block(orders::Person),
    /// Take block back.
    Unblock(orders::Person),
    /// Scale what a person, a conversation, an address, a bot or everybody may send.
    Limit(orders::Limit),
    /// Take limit back.
    Unlimit(orders::Limited),
    /// Forget a speaker: what the record keeps of that person under a key can never be read again.
    Erase(orders::Forgotten),
    /// List what waits for a human.
    Held(orders::Which),
    /// Forward a held message.
    Release(orders::Case),
    /// Forward a held message in another wording.
    Edit(orders::Wording),
    /// Do not forward a held message.
    Reject(orders::Case),
    /// Write the users of a NATS server, with their rights, and their passwords beside them.
    NatsConfig(users::Args),
    /// Models of the injection classifier: put, judge in shadow, switch, switch back.
    #[command(subcommand)]
    Model(model::Command),
    /// Make an API key: print it once, and the lines that let it in.
    Key(key::Args),
}

/// What `admin init` can be told.
#[derive(clap::Args)]
pub(crate) struct Init {
    /// The NATS server.
    #[arg(long = "nats", value_name = "URL", env = "PORTCULLIS__NATS__URL")]
    url: String,
    /// Copies of each stream: 1 on a single server, 3 in production [default: as many as are there, or 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
    /// Streams that the record is kept in, each with an audit of its own, a bot's entries in one of them; said at
    /// the first `init` alone [default: as many as are there, or 1].
    #[arg(long, value_name = "N", value_parser = journals)]
    journals: Option<Journals>,
    /// A bot that gets mail; may be given several times.
    #[arg(long, value_name = "BOT", default_value = "default")]
    bot: Vec<BotId>,
    /// The most that the record may take on the server, in MiB, in each of its streams [default: as it is there, or
    /// 4096].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(i64).range(1..=1_048_576))]
    journal_mib: Option<i64>,
    #[command(flatten)]
    login: nats::Login,
}

/// A number of journals.
fn journals(number: &str) -> Result<Journals, String> {
    let parsed = number.parse().ok().and_then(Journals::new);
    parsed.ok_or_else(|| format!("a number from 1 to {}", journals::MOST))
}

/// Does what is asked.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(args) => init(&args),
        Command::Stop(args) => orders::send("stop", &args.ask(), &args.door),
        Command::Start(args) => orders::send("start", &args.ask(), &args.door),
        Command::Mute(args) => orders::send("mute", &args.ask(), &args.door),
        Command::Block(args) => orders::send("block", &args.ask(), &args.door),
        Command::Unblock(args) => orders::send("unblock", &args.ask(), &args.door),
        Command::Limit(args) => orders::send("limit", &args.ask(), &args.whose.door),
        Command::Unlimit(args) => orders::send("unlimit", &args.ask(), &args.door),
        Command::Erase(args) => orders::send("erase", &args.ask(), &args.door),
        Command::Held(args) => orders::send("held", &args.ask(), &args.door),
        Command::Release(args) => orders::send("release", &args.ask(), &args.door),
        Command::Edit(args) => orders::send("edit", &args.ask(), &args.case.door),
        Command::Reject(args) => orders::send("reject", &args.ask(), &args.door),
        Command::NatsConfig(args) => users::run(&args),
        Command::Model(command) => model::run(command),
        Command::Key(args) => key::run(&args),
    }
}

fn init(args: &Init) -> anyhow::Result<ExitCode> {
    let options = InitOptions {
        replicas: args.replicas.map(usize::from),
        bots: args.bot.clone(),
        journals: args.journals,
        journal_max_bytes: args.journal_mib.map(|mib| mib * 1024 * 1024),
        ..InitOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let changes = runtime.block_on(async {
        let client = args.login.connect(&args.url).await?;
        let max_payload = client.server_info().max_payload;
        anyhow::ensure!(
            text_limit(max_payload) >= LEAST_TEXT,
            "nats-server's max_payload is {max_payload} bytes, which leaves no room for messages: set \
             `max_payload: 8MB` in its configuration, and run this again; nothing was made"
        );
        anyhow::Ok(admin::init(&client, &options).await?)
    })?;
    let mut out = out::Out::new();
    for change in &changes {
        let outcome = match change.outcome {
            Outcome::Created => "created",
            Outcome::Unchanged => "found as it should be",
            Outcome::Updated => "updated",
        };
        out.line(&format!("{:<28} {outcome}", change.name))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
