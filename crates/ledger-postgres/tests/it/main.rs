//! The record in PostgreSQL, on a real server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this program is tests: a panic in a function that they share is a failed test with its place"
)]

mod evidence;
mod lease;
mod outage;
mod search;
mod store;

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Entry, ManualClock};
use portcullis_ledger::{LedgerError, Record, Row, Signing};
use portcullis_ledger_postgres::{Address, PostgresLedger, PostgresReader, Standby, WriterOptions};
use portcullis_merkle::{PublicKey, Signer};
use portcullis_testkit::{PostgresServer, numbered, second as time};
use sqlx::{Connection, PgConnection};

/// An entry with a number, one second after the one before.
fn entry(number: i64) -> Entry {
    numbered("shop", number)
}

/// Entries from a journal, with their numbers in it.
fn records(numbers: impl IntoIterator<Item = i64>) -> Vec<Record> {
    let record = |number: i64| {
        let entry = entry(number);
        let raw = serde_json::to_vec(&entry).unwrap();
        Record::received(&entry, &raw, number as u64).unwrap()
    };
    numbers.into_iter().map(record).collect()
}

fn address(port: u16) -> Address {
    let url = format!("postgres://portcullis@127.0.0.1:{port}/postgres");
    Address::parse(&url).unwrap().patience(Duration::from_secs(5), Duration::from_secs(5))
}

/// A lease long enough that only tests of it see its end.
const LEASE: Duration = Duration::from_secs(60);

fn options(lease: Duration, signing: Option<Signing>) -> WriterOptions {
    WriterOptions { holder: "test".into(), lease, signing, ..WriterOptions::default() }
}

fn signing(entries: u64) -> (Signing, PublicKey) {
    let signer = Signer::parse(&Signer::generate("test/audit").unwrap()).unwrap();
    let key = PublicKey::parse(signer.public()).unwrap();
    (Signing { signer, entries, within: Duration::MAX }, key)
}

async fn standby(port: u16, options: WriterOptions) -> Standby {
    Standby::prepare(address(port), options).await.unwrap()
}

async fn ledger(server: &PostgresServer) -> PostgresLedger {
    let clock = Arc::new(ManualClock::at(time(1_000_000)));
    let options = WriterOptions { clock, ..options(LEASE, None) };
    standby(server.port(), options).await.take().await.unwrap().unwrap()
}

fn reader(server: &PostgresServer) -> PostgresReader {
    PostgresReader::new(&address(server.port()), 2)
}

async fn rows(server: &PostgresServer) -> Vec<Row> {
    reader(server).search(Default::default()).all().await.unwrap()
}

/// The numbers in the journal of what is stored, in order, after a full verification.
async fn numbers(server: &PostgresServer) -> Vec<u64> {
    reader(server).verify(&Default::default()).await.unwrap();
    let rows = rows(server).await;
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row.seq, at as u64 + 1);
    }
    rows.iter().filter_map(|row| row.journal_seq).collect()
}

/// A connection of whoever may do everything.
async fn admin(server: &PostgresServer) -> PgConnection {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("SET search_path = portcullis").execute(&mut connection).await.unwrap();
    connection
}

/// Does what the triggers would refuse.
async fn tamper(server: &PostgresServer, sql: &'static str) {
    let mut connection = admin(server).await;
    sqlx::raw_sql("SET session_replication_role = replica").execute(&mut connection).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

fn is_away(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Database { .. })
}
