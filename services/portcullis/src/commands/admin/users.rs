//! `portcullis admin nats-config`: the users of a NATS server, from the table of rights.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use portcullis_bus_nats::Journals;
use portcullis_bus_rights::{self as rights, UserPassword};
use portcullis_core::{BotId, StageName};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::ExposeSecret;

use crate::out::{self, NewFile};

/// What `admin nats-config` can be told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file for the server to include. Passwords go into `users.env` beside it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A bot that has a user; may be given several times.
    #[arg(long, value_name = "BOT", default_value = "default")]
    bot: Vec<BotId>,
    /// A stage of your own that has a user, with the rights of a stage; may be given several times.
    #[arg(long, value_name = "STAGE")]
    stage: Vec<StageName>,
    /// Streams that the record is kept in, as `admin init --journals` says.
    #[arg(long, value_name = "N", default_value = "1", value_parser = super::journals)]
    journals: Journals,
    /// A folder for a file a user, named as the user, with its password alone: for what mounts secrets as
    /// files.
    #[arg(long, value_name = "DIR")]
    passwords: Option<PathBuf>,
}

/// Writes both files. A user keeps the password that `users.env` has for it.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let beside = args.out.with_file_name("users.env");
    anyhow::ensure!(beside != args.out, "--out: users.env is where the passwords go");
    let mut passwords = kept(&beside)?;
    let mut made = 0;
    let mut table = rights::table(&args.bot);
    for stage in &args.stage {
        let own = rights::own_stage(stage);
        let taken = table.iter().any(|rights| rights.user == own.user);
        anyhow::ensure!(!taken, "--stage {stage}: there is such a user already");
        table.push(own);
    }
    let table = rights::with_journals(table, args.journals);
    let users: Vec<String> = table.iter().map(|rights| rights.user.clone()).collect();
    for user in &users {
        if !passwords.contains_key(user) {
            passwords.insert(user.clone(), random_hex(24)?);
            made += 1;
        }
    }
    let pairs: Vec<UserPassword> = users
        .iter()
        .filter_map(|user| {
            let password = passwords.get(user)?.clone().into();
            Some(UserPassword { user: user.clone(), password })
        })
        .collect();
    let config = rights::server_config_of(&pairs, &table)?;
    // Passwords first: a server that knows a password which nobody else has would be of no use.
    let lines: String =
        passwords.iter().map(|(user, password)| format!("{user}={password}\n")).collect();
    write_private(&beside, &lines)?;
    if let Some(folder) = &args.passwords {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (user, password) in &passwords {
            write_private(&folder.join(user), password)?;
        }
    }
    write_private(&args.out, config.expose_secret())?;
    out::print(&format!(
        "{}: {} users; {}: {} passwords, {made} of them new",
        args.out.display(),
        users.len(),
        beside.display(),
        passwords.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The passwords that are there, also of users that are not asked for now.
fn kept(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let name = path.display();
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.with_context(|| name.to_string())?,
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            line.split_once('=')
                .map(|(user, password)| (user.to_owned(), password.to_owned()))
                .with_context(|| format!("{name}: line {} is not user=password", index + 1))
        })
        .collect()
}

/// Replaces a file as a whole, for its owner alone.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = NewFile::begin(path, true, &[])?;
    file.write_all(text.as_bytes()).with_context(|| path.display().to_string())?;
    file.finish()
}

/// Random bytes of the operating system, as hex.
pub(super) fn random_hex(bytes: usize) -> anyhow::Result<String> {
    let mut random = vec![0_u8; bytes];
    OsRng.try_fill_bytes(&mut random).context("the system's random numbers")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
