//! What is personal in the record: kept under a key of each person, for as long as the bot's retention says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use portcullis_core::{ActionRecord, Body, BotId, Clock, Entry, MessageId};
use portcullis_ledger::{Keep, LedgerError, LedgerReader, Query, Record, Store};
use portcullis_personal::{PersonalError, Vault, month_of_retention};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::checkpoints::RESTORE;

/// How often retention is looked at.
const EACH: Duration = Duration::from_secs(3600);

/// How long what is personal can be read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PersonalConfig {
    /// The folder of the keys. Absent: keys in the data folder. It must lie outside the record, and no copy of
    /// it may outlive an erasure.
    pub keys: Option<PathBuf>,
    /// Days after which what is personal can be read no more, a bot each. A bot that is not here keeps it. Keys
    /// are of one month: they go when the whole month is older.
    pub retention_days: BTreeMap<String, u32>,
    /// What retention leaves alone: a bot, or `<bot>/<speaker's keyed hash>`. Erasure of a person does not ask.
    pub legal_hold: Vec<String>,
}

impl PersonalConfig {
    /// Opens the keys.
    ///
    /// # Errors
    /// If they cannot be opened or are lost, or a bot's name is none.
    pub fn open(&self, data: &Path) -> anyhow::Result<Arc<Kept>> {
        let folder = self.folder(data);
        for bot in self.retention_days.keys() {
            BotId::parse(bot).with_context(|| format!("personal.retention_days: {bot}"))?;
        }
        refuse_if_lost(&folder, data)?;
        let vault = Vault::open(&folder).with_context(|| format!("keys {}", folder.display()))?;
        Ok(Arc::new(Kept(vault)))
    }

    fn folder(&self, data: &Path) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| data.join("keys"))
    }
}

/// New keys would not open what is sealed with lost ones.
fn refuse_if_lost(folder: &Path, data: &Path) -> anyhow::Result<()> {
    let there = |name: &str| folder.join(name).exists();
    let lost = match (there("audit.secret"), there("persons")) {
        (true, true) => return Ok(()),
        (false, true) => "audit.secret",
        (_, false) if holds_sealed(data) => "persons",
        (_, false) => return Ok(()),
    };
    let path = folder.join(lost);
    anyhow::bail!("{} is not there, and the record needs it: {RESTORE}", path.display())
}

/// Whether the record in files holds something under the key of a person. A record of which that cannot be told is
/// judged by whoever opens it.
fn holds_sealed(data: &Path) -> bool {
    let Ok(reader) = LedgerReader::open(data) else { return false };
    let kind = Some("verdict".into());
    let mut rows = reader.search(Query { kind, newest_first: true, ..Query::default() });
    rows.any(|row| {
        row.is_ok_and(|row| match row.content.entry().map(|entry| &entry.body) {
            Some(Body::Verdict(record)) => record.personal.is_some(),
            _ => false,
        })
    })
}

/// The keys, as the ledger asks for them.
pub struct Kept(Vault);

impl Kept {
    /// The public key that ingress seals to.
    pub fn public(&self) -> &str {
        self.0.public()
    }

    /// Destroys the keys whose time is over, and says so in the record; until `shutdown`.
    pub async fn retain(
        &self,
        config: &PersonalConfig,
        store: &dyn Store,
        clock: &dyn Clock,
        shutdown: CancellationToken,
    ) {
        loop {
            for (bot, days) in &config.retention_days {
                if let Err(error) = self.expire(config, bot, *days, store, clock.now()).await {
                    tracing::error!(bot, error = format!("{error:#}"), "retention not done");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EACH) => {}
            }
        }
    }

    /// Destroys a bot's keys that are older than `days`, and makes that an entry.
    ///
    /// # Errors
    /// If keys could not be destroyed, or the entry was not stored.
    pub async fn expire(
        &self,
        config: &PersonalConfig,
        bot: &str,
        days: u32,
        store: &dyn Store,
        now: Timestamp,
    ) -> anyhow::Result<usize> {
        if config.legal_hold.iter().any(|held| held == bot) {
            return Ok(0);
        }
        let name = bot;
        let bot = BotId::parse(bot)?;
        let held: Vec<&str> = config
            .legal_hold
            .iter()
            .filter_map(|held| held.strip_prefix(name)?.strip_prefix('/'))
            .collect();
        let destroyed = self.0.expire(&bot, month_of_retention(now, days), &held)?;
        if destroyed > 0 {
            let entry = Entry {
                id: format!("action/{bot}/{}", MessageId::generate()),
                bot: bot.clone(),
                at: now,
                body: Body::Action(ActionRecord {
                    action: "retention".into(),
                    scope: format!("bot.{bot}"),
                    factor: None,
                    by: "audit".into(),
                    reason: Some(format!("{destroyed} keys of persons, older than {days} days")),
                    expires_at: None,
                }),
            };
            store.append_all(vec![Record::new(&entry)?]).await?;
            tracing::info!(bot = name, keys = destroyed, "keys of persons destroyed by retention");
        }
        Ok(destroyed)
    }
}

impl Keep for Kept {
    fn keep(&self, entry: &Entry, raw: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.0.keep(entry, raw).map_err(error)
    }

    fn settle(&self) -> Result<(), LedgerError> {
        self.0.sync().map_err(error)
    }
}

/// Whether the keys could not be opened because another process has them.
pub(crate) fn is_locked(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PersonalError::Locked))
}

fn error(error: PersonalError) -> LedgerError {
    match error {
        PersonalError::Store(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            LedgerError::Full
        }
        PersonalError::Store(source) => {
            LedgerError::Io { doing: "keep a person's key", source: Arc::new(source) }
        }
        PersonalError::Locked => LedgerError::Locked,
        PersonalError::Key | PersonalError::Broken | PersonalError::Form | PersonalError::Gone => {
            LedgerError::Refused("sealed for another key, or changed")
        }
    }
}
