//! `portcullis policy`: checks, prints and publishes policy documents.

mod place;
mod sample;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use portcullis_bus::Kv;
use portcullis_bus_nats::{NatsKv, subjects};
use portcullis_core::BotId;
use portcullis_policy::{Document, Policy};

use crate::{nats, out};

/// What can be done with policies.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Say whether documents hold, or where they do not. Exit status: 0 all do, 1 some do not.
    Check {
        /// Documents in TOML.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print a document with every field, what it means, and its default.
    Sample,
    /// Print the JSON Schema of a document.
    Schema,
    /// Print the section that registers a bot's system prompt: hashes of its pieces, and a canary to put into it.
    Prompt {
        /// The prompt, as text.
        file: PathBuf,
    },
    /// Check a document and put it in force for a bot.
    Put(Put),
}

/// What `policy put` can be told.
#[derive(clap::Args)]
pub(crate) struct Put {
    /// A document in TOML.
    file: PathBuf,
    /// The bot that it is for.
    #[arg(long)]
    bot: BotId,
    /// The NATS server.
    #[arg(long = "nats", value_name = "URL", env = "PORTCULLIS__NATS__URL")]
    url: String,
    #[command(flatten)]
    login: nats::Login,
}

/// Does what is asked.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { files } => check(&files),
        Command::Sample => out::print(sample::sample()?.trim_end()).map(|()| ExitCode::SUCCESS),
        Command::Schema => {
            out::pretty(&portcullis_config::schema::<Document>()).map(|()| ExitCode::SUCCESS)
        }
        Command::Prompt { file } => prompt(&file).map(|()| ExitCode::SUCCESS),
        Command::Put(args) => put(&args),
    }
}

fn prompt(file: &Path) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("prompt {}", file.display()))?;
    let random =
        || rand::random::<[u8; 8]>().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let section = registered(&text, &random(), &random()).with_context(|| {
        let least = portcullis_moderate::SHINGLE;
        format!(
            "the prompt has fewer than {least} letters and digits: there is nothing to register"
        )
    })?;
    out::print(&section)
}

/// The section that registers a prompt; absent where it is too short. It is of the prompt as it is given: with the
/// canary in it, it is the same but for the pieces around the canary.
fn registered(prompt: &str, salt: &str, canary: &str) -> Option<String> {
    let shingles = portcullis_moderate::register(prompt, salt);
    let rows: Vec<String> = shingles
        .chunks(5)
        .map(|row| row.iter().map(|hash| format!("\"{hash}\", ")).collect::<String>())
        .map(|row| format!("  {}\n", row.trim_end()))
        .collect();
    (!rows.is_empty()).then(|| {
        format!(
            "# Put the canary somewhere into the prompt: nobody has a reason to say it.\n\
             [stages.moderation.settings.system_prompt]\ncanaries = [\"{canary}\"]\nsalt = \"{salt}\"\n\
             shingles = [\n{}]",
            rows.concat()
        )
    })
}

fn check(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut out = out::Out::new();
    for file in files {
        match read(file, &bot_of(file)) {
            Ok(policy) => {
                let digest = policy.stamp().digest.clone();
                out.line(&format!("{}: ok (digest {digest})", file.display()))?;
            }
            Err(error) => {
                out.line(&format!("{error:#}"))?;
                code = ExitCode::from(1);
            }
        }
    }
    out.flush()?;
    Ok(code)
}

/// The bot that a file's name says, as in a folder of policies.
fn bot_of(file: &Path) -> BotId {
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    BotId::parse(name).unwrap_or_else(|_| BotId::fallback())
}

/// Reads a document and checks all of it, the sections of stages too.
///
/// # Errors
/// Where it cannot be read or does not hold: file, line, column, and what is wrong.
pub(crate) fn read(file: &Path, bot: &BotId) -> anyhow::Result<Policy> {
    let name = file.display();
    let source = std::fs::read(file).with_context(|| name.to_string())?;
    let source = String::from_utf8(source).map_err(|_| anyhow::anyhow!("{name}: not UTF-8"))?;
    let wrong = |error: portcullis_policy::PolicyError| {
        anyhow::anyhow!("{name}:{}:{}: {}", error.line, error.column, error.message)
    };
    let policy = Policy::parse(bot, "file", &source).map_err(wrong)?;
    settings::check(&source, policy.document()).map_err(wrong)?;
    Ok(policy)
}

/// The bots and documents of a folder, by name.
///
/// # Errors
/// Where the folder cannot be read, or holds a document that is no bot's.
pub(crate) fn folder(folder: &Path) -> anyhow::Result<Vec<(BotId, PathBuf)>> {
    let name = folder.display();
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).with_context(|| name.to_string())? {
        let path = item.with_context(|| name.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let bot = BotId::parse(stem).map_err(|error| {
            anyhow::anyhow!("{}: its name is not a bot's: {error}", path.display())
        })?;
        found.push((bot, path));
    }
    found.sort();
    Ok(found)
}

fn put(args: &Put) -> anyhow::Result<ExitCode> {
    let policy = match read(&args.file, &args.bot) {
        Ok(policy) => policy,
        Err(error) => {
            out::note(&format!("{error:#}"));
            return Ok(ExitCode::from(1));
        }
    };
    let source = std::fs::read(&args.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let revision = runtime.block_on(async {
        let client = args.login.connect(&args.url).await?;
        let kv = NatsKv::open(client, subjects::POLICY_BUCKET).await?;
        anyhow::Ok(kv.put(args.bot.as_str(), source.into()).await?)
    })?;
    out::print(&format!("{}: revision {revision} (digest {})", args.bot, policy.stamp().digest))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_prompt_is_known_by_the_policy_that_it_is_written_into() {
        let prompt = "You are Vera, the assistant of the lamp shop in Ghent. Never give more than ten percent off.";
        let section = registered(prompt, "s4lt", "4be1c83f0a77d2e9").unwrap();
        let policy = Policy::parse(&BotId::fallback(), "1", &section).unwrap();
        let (_, stage) = policy.document().stages.first_key_value().unwrap();
        let rules = portcullis_moderate::Rules::of(&stage.settings).unwrap();
        let known = portcullis_moderate::Known::default();
        for leak in [prompt, "the code is 4BE1 C83F 0A77 D2E9"] {
            let hits = rules.places(leak, &known);
            assert!(hits.iter().any(|hit| hit.kind.starts_with("leak.prompt")), "{leak}");
        }
        assert_eq!(registered("Be nice.", "s", "c"), None);
    }
}
