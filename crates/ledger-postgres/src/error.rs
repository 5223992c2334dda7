//! What the database says, as an error of the ledger's. The server's own words may quote what people wrote: of them
//! only the code is kept.

use portcullis_ledger::{Flaw, LedgerError};
use sqlx::migrate::MigrateError;
use tokio::time::error::Elapsed;

/// `disk_full`.
const FULL: &str = "53100";
/// `unique_violation`.
const UNIQUE: &str = "23505";

/// Makes an error of the database one of the ledger's.
pub(crate) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| {
        if code(&error).as_deref() == Some(FULL) {
            return LedgerError::Full;
        }
        let why = match &error {
            sqlx::Error::Database(_) => {
                let code = code(&error).unwrap_or_else(|| "unknown".into());
                format!("answered with SQLSTATE {code}")
            }
            sqlx::Error::Io(error) => format!("connection: {}", error.kind()),
            sqlx::Error::Tls(_) => "connection: TLS failed".into(),
            sqlx::Error::PoolTimedOut => "gave no connection in time".into(),
            sqlx::Error::Configuration(_) => "address cannot be used".into(),
            sqlx::Error::RowNotFound => "has lost a row".into(),
            _ => "answered with what was not expected".into(),
        };
        LedgerError::Database { doing, why: why.into() }
    }
}

/// What took too long.
pub(crate) fn late(doing: &'static str) -> impl Fn(Elapsed) -> LedgerError {
    move |_| LedgerError::Database { doing, why: "did not answer in time".into() }
}

/// Whether a key is there already.
pub(crate) fn is_there(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some(UNIQUE)
}

/// The tables could not be made.
pub(crate) fn migration(error: MigrateError) -> LedgerError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            database("make the tables")(error)
        }
        MigrateError::VersionMissing(version) => LedgerError::Format {
            file: "the database".into(),
            version: u32::try_from(version).unwrap_or(u32::MAX),
        },
        _ => LedgerError::Database {
            doing: "make the tables",
            why: "has tables that are not of this release".into(),
        },
    }
}

/// Something in a table is broken.
pub(crate) fn broken(table: &'static str, seq: Option<u64>, flaw: Flaw) -> LedgerError {
    LedgerError::Corrupt { file: table.to_owned(), offset: 0, seq, flaw }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}
