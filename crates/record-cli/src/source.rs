//! Where the record is read from: files, or PostgreSQL.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use portcullis_ledger::{LedgerError, LedgerReader, Query, Row, Verified, Verify};
use portcullis_ledger_postgres::{Address, Against, PostgresReader};
use portcullis_merkle::{Checkpoint, Proof, ProofError, PublicKey};
use portcullis_personal::PersonKeys;
use tokio::runtime::Runtime;

/// Connections for reading the record: so many pages at once.
const CONNECTIONS: u32 = 2;

/// Where the record is.
#[derive(clap::Args)]
pub(super) struct Data {
    /// The folder of the gateway's data; the record is `audit` in it.
    #[arg(long, value_name = "DIR", default_value = "./portcullis-data")]
    pub(super) data: PathBuf,
    /// The folder of the keys of what is personal; keys in the data folder where it is not named.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The record is in this database: postgres://user@host/database. The password is better in PGPASSWORD, or in
    /// the file that PGPASSFILE names, than here.
    #[arg(long, value_name = "URL", env = "PORTCULLIS_RECORD_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// The schema of the tables in that database.
    #[arg(long, value_name = "NAME", default_value = "portcullis")]
    schema: String,
}

/// A record that is open for reading.
pub(super) enum Source {
    /// In files.
    Files(LedgerReader),
    /// In PostgreSQL.
    Postgres(Database),
}

/// A database, and what runs the questions to it.
pub(super) struct Database {
    runtime: Runtime,
    reader: PostgresReader,
}

impl Data {
    fn check(&self) -> anyhow::Result<()> {
        let name = self.data.display();
        anyhow::ensure!(
            self.data.join("audit").is_dir(),
            "{name}: there is no record here (no folder `audit` in it); name the folder with --data"
        );
        Ok(())
    }

    fn database(&self) -> anyhow::Result<Option<Database>> {
        let Some(url) = &self.postgres else { return Ok(None) };
        let address = Address::parse(url).context("--postgres")?;
        let address = address.in_schema(&self.schema).context("--schema")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let reader = runtime.block_on(async { PostgresReader::new(&address, CONNECTIONS) });
        Ok(Some(Database { runtime, reader }))
    }

    /// Opens the record. Whoever may read the keys reads what is personal, too.
    pub(super) fn open(&self) -> anyhow::Result<Source> {
        let database = self.database()?;
        let keys = self.keys.clone().unwrap_or_else(|| self.data.join("keys")).join("persons");
        let keys = if keys.exists() {
            let read = PersonKeys::read(&keys);
            Some(Arc::new(read.with_context(|| format!("keys {}", keys.display()))?))
        } else {
            None
        };
        if let Some(Database { runtime, mut reader }) = database {
            if let Some(keys) = keys {
                reader = reader.revealing(keys);
            }
            return Ok(Source::Postgres(Database { runtime, reader }));
        }
        self.check()?;
        let name = || self.data.display().to_string();
        let reader = LedgerReader::open(&self.data).with_context(name)?;
        Ok(Source::Files(match keys {
            Some(keys) => reader.revealing(keys),
            None => reader,
        }))
    }

    /// The entries or bytes that [`Data::verify`] will read: for a progress bar.
    pub(super) fn amount(&self) -> anyhow::Result<u64> {
        if let Some(database) = self.database()? {
            return Ok(database.runtime.block_on(database.reader.last_seq())?);
        }
        self.check()?;
        Ok(LedgerReader::bytes(&self.data)?)
    }

    /// Reads the whole record. The outer error is that it cannot be read.
    pub(super) fn verify(
        &self,
        key: Option<&PublicKey>,
        kept_elsewhere: &[Checkpoint],
        progress: &(dyn Fn(u64) + Sync),
    ) -> anyhow::Result<Result<Verified, LedgerError>> {
        if let Some(Database { runtime, reader }) = self.database()? {
            let pages = CONNECTIONS as usize;
            let against = Against { key, kept_elsewhere, progress, pages };
            return Ok(runtime.block_on(reader.verify(&against)));
        }
        let against = Verify { key, kept_elsewhere, progress, ..Verify::default() };
        Ok(LedgerReader::verify(&self.data, &against))
    }

    /// Whether the record is in a database, and progress is in entries.
    pub(super) fn is_database(&self) -> bool {
        self.postgres.is_some()
    }
}

impl Source {
    /// The number of the last entry; 0 in an empty record.
    pub(super) fn last_seq(&self) -> Result<u64, LedgerError> {
        match self {
            Self::Files(reader) => Ok(reader.last_seq()),
            Self::Postgres(database) => database.runtime.block_on(database.reader.last_seq()),
        }
    }

    /// Finds entries, while it is iterated.
    pub(super) fn search(
        &self,
        query: Query,
    ) -> Box<dyn Iterator<Item = Result<Row, LedgerError>> + '_> {
        match self {
            Self::Files(reader) => Box::new(reader.search(query)),
            Self::Postgres(Database { runtime, reader }) => {
                let mut rows = reader.search(query);
                Box::new(std::iter::from_fn(move || runtime.block_on(rows.next()).transpose()))
            }
        }
    }

    /// The checkpoints that the record itself keeps, the oldest first.
    pub(super) fn checkpoints(&self) -> Result<Vec<Checkpoint>, LedgerError> {
        match self {
            Self::Files(reader) => reader.checkpoints(),
            Self::Postgres(Database { runtime, reader }) => runtime.block_on(reader.checkpoints()),
        }
    }

    /// Proves that a row is in the record that `checkpoint` signed.
    pub(super) fn prove(
        &self,
        row: &Row,
        checkpoint: &Checkpoint,
    ) -> Result<Result<Proof, ProofError>, LedgerError> {
        match self {
            Self::Files(reader) => reader.prove(row, checkpoint),
            Self::Postgres(Database { runtime, reader }) => {
                runtime.block_on(reader.prove(row, checkpoint))
            }
        }
    }
}
