//! The record in PostgreSQL: how it is reached, and the turns of standing by and writing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::future::join_all;
use portcullis_bus::Journal;
use portcullis_bus_nats::Client;
use portcullis_config::{Secret, ServerUrl};
use portcullis_core::SystemClock;
use portcullis_host::audit_key;
use portcullis_ledger::LedgerError;
use portcullis_ledger_postgres::{Address, PostgresLedger, Standby, WriterOptions};
use portcullis_service::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::checkpoints::{self, CheckpointConfig};
use crate::personal::{Kept, PersonalConfig};
use crate::{Auditor, AuditorOptions, Dead};

/// How long to wait before the database or the keys are tried again.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How to reach PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// Address of the server and name of the database: postgres://host:5432/portcullis. With another machine TLS is
    /// spoken and the server's certificate checked, unless the address ends with ?sslmode=… and says otherwise.
    pub url: ServerUrl,
    /// User name. It owns the schema, or may make it.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// File with the certificates of the authorities to trust, in PEM; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// The schema of the tables. Another one is another record.
    pub schema: String,
    /// Seconds after its last sign of life until another audit may take over from this one.
    #[schemars(range(min = 1))]
    pub lease_s: u64,
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long an answer may take, in milliseconds.
    #[schemars(range(min = 1))]
    pub answer_timeout_ms: u64,
}

#[expect(clippy::expect_used, reason = "a literal of this file, which the sample's test parses")]
fn default_url() -> ServerUrl {
    ServerUrl::parse("postgres://127.0.0.1:5432/portcullis").expect("an address")
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: default_url(),
            user: None,
            password: None,
            ca_file: None,
            schema: "portcullis".into(),
            lease_s: 15,
            connect_timeout_ms: 5_000,
            answer_timeout_ms: 10_000,
        }
    }
}

impl PostgresConfig {
    /// Where the record is.
    ///
    /// # Errors
    /// If the address or the schema is none, or a file cannot be read.
    pub fn address(&self) -> anyhow::Result<Address> {
        anyhow::ensure!(self.lease_s > 0, "postgres.lease_s must be at least 1");
        let mut address = Address::parse(self.url.as_str()).context("postgres.url")?;
        if let Some(user) = &self.user {
            address = address.user(user, self.password.as_ref().map(Secret::expose));
        }
        anyhow::ensure!(
            self.user.is_some() || self.password.is_none(),
            "postgres.password is of no use without postgres.user"
        );
        if let Some(file) = &self.ca_file {
            let place = || format!("postgres.ca_file: {}", file.display());
            address = address.authorities(fs::read(file).with_context(place)?);
        }
        let (connect, answer) = (self.connect_timeout_ms, self.answer_timeout_ms.max(1));
        address
            .patience(Duration::from_millis(connect), Duration::from_millis(answer))
            .in_schema(&self.schema)
            .context("postgres.schema")
    }
}

/// All that an audit on PostgreSQL works with.
pub(crate) struct OnPostgres {
    pub(crate) address: Address,
    pub(crate) options: WriterOptions,
    pub(crate) data: PathBuf,
    pub(crate) personal: PersonalConfig,
    pub(crate) checkpoints: CheckpointConfig,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) dead: Arc<dyn Dead>,
    pub(crate) client: Client,
    /// Whether the database does what it is asked.
    pub(crate) record: Condition,
}

impl OnPostgres {
    /// Stands by, writes, and stands by again when another one has taken over, until `shutdown`.
    ///
    /// # Errors
    /// If the record is not the one that was signed, or another thing that waiting does not mend.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        metrics::gauge!("portcullis_audit_active").set(0.0);
        for name in ["takeovers", "fenced"] {
            metrics::counter!(format!("portcullis_audit_{name}_total")).increment(0);
        }
        let mut standby = tokio::select! {
            standby = self.prepare() => standby?,
            () = shutdown.cancelled() => return Ok(()),
        };
        while !shutdown.is_cancelled() {
            self.record.met();
            tracing::info!(address = ?self.address, "standing by");
            let record = self.record.clone();
            let told = move |there: bool| if there { record.met() } else { record.lost() };
            let ledger = tokio::select! {
                ledger = standby.wait(told) => Arc::new(ledger?),
                () = shutdown.cancelled() => return Ok(()),
            };
            Box::pin(self.write(&ledger, &shutdown)).await?;
        }
        Ok(())
    }

    /// One turn as the writer: until `shutdown`, or until another one has taken over.
    async fn write(
        &self,
        ledger: &Arc<PostgresLedger>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let (ended, told) = (shutdown.child_token(), CancellationToken::new());
        let hold = async {
            tokio::select! {
                _fenced = ledger.keep_up() => ended.cancel(),
                () = ended.cancelled() => {}
            }
        };
        let audit = async {
            let audited = self.audit(ledger, &ended).await;
            ended.cancel();
            audited
        };
        let turn = async {
            let (audited, ()) = tokio::join!(audit, hold);
            match ledger.close().await {
                Ok(()) | Err(LedgerError::Fenced) => {}
                Err(error) => tracing::warn!(%error, "lease not given back: it ends by itself"),
            }
            told.cancel();
            audited
        };
        let places = self.checkpoints.places(Some(self.client.clone()))?;
        let mut publishers = Vec::new();
        for place in places {
            publishers.push(checkpoints::publish(ledger.checkpoints(), place, told.clone()));
        }
        let tell = join_all(publishers);
        let mut answers = ledger.answers();
        let watch = async {
            while answers.changed().await.is_ok() {
                if *answers.borrow_and_update() { self.record.met() } else { self.record.lost() }
            }
        };
        let watch = async {
            tokio::select! {
                () = watch => {}
                () = told.cancelled() => {}
            }
        };
        let (audited, _, ()) = tokio::join!(turn, tell, watch);
        audited
    }

    async fn audit(
        &self,
        ledger: &Arc<PostgresLedger>,
        ended: &CancellationToken,
    ) -> anyhow::Result<()> {
        let kept = tokio::select! {
            kept = keys(&self.personal, &self.data) => kept?,
            () = ended.cancelled() => return Ok(()),
        };
        tracing::info!(audit_key = kept.public(), "ingress seals what is personal to this key");
        let (journal, dead) = (Arc::clone(&self.journal), Arc::clone(&self.dead));
        let store: Arc<PostgresLedger> = Arc::clone(ledger);
        let auditor =
            Auditor::new(journal, store, dead, AuditorOptions::default())
                .keeping(Arc::<Kept>::clone(&kept));
        let audit = async {
            let ran = auditor.run(ended.clone()).await;
            ended.cancel();
            ran
        };
        let retain = kept.retain(&self.personal, &**ledger, &SystemClock, ended.clone());
        let key = kept.public().to_owned();
        let tell = audit_key::tell(self.client.clone(), key, ended.cancelled());
        match tokio::join!(audit, retain, tell).0 {
            Ok(()) | Err(LedgerError::Fenced) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn prepare(&self) -> anyhow::Result<Standby> {
        loop {
            match Standby::prepare(self.address.clone(), self.options.clone()).await {
                Ok(standby) => return Ok(standby),
                Err(error @ (LedgerError::Database { .. } | LedgerError::Full)) => {
                    tracing::warn!(%error, address = ?self.address, "database not ready");
                    tokio::time::sleep(BACK_OFF).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The keys of what is personal. The writer before may still hold them.
async fn keys(personal: &PersonalConfig, data: &Path) -> anyhow::Result<Arc<Kept>> {
    loop {
        match personal.open(data) {
            Ok(kept) => return Ok(kept),
            Err(error) if crate::personal::is_locked(&error) => {
                tracing::warn!("the keys are held by another process");
                tokio::time::sleep(BACK_OFF).await;
            }
            Err(error) => return Err(error),
        }
    }
}
