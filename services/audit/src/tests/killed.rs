//! Audit killed between reading, writing and acknowledging, a hundred times: nothing is lost, nothing is
//! there twice.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_bus::{Delivery, Journal, JournalError};
use portcullis_ledger::{Fsync, Ledger, LedgerJournal, LedgerOptions, LedgerReader, Query};
use portcullis_ledger::{Row, Signing, Store, Verify};
use portcullis_ledger_postgres::{Address, PostgresLedger, PostgresReader, Standby, WriterOptions};
use portcullis_merkle::Signer;
use portcullis_testkit::PostgresServer;
use tokio_util::sync::CancellationToken;

use super::entry;
use crate::{Auditor, AuditorOptions, Dead};

const FOLDER: &str = "PORTCULLIS_AUDIT_KILLED_FOLDER";
/// Where the record is, if not in files.
const POSTGRES: &str = "PORTCULLIS_AUDIT_KILLED_POSTGRES";
const KILLS: usize = 100;
const ENTRIES: i64 = 4000;

struct Nobody;

#[async_trait]
impl Dead for Nobody {
    async fn keep(&self, _: &dyn Delivery, _: &str) -> Result<(), JournalError> {
        Err(JournalError::Refused)
    }
}

fn journal(root: &Path) -> LedgerJournal {
    let options = LedgerOptions { fsync: Fsync::System, ..LedgerOptions::default() };
    LedgerJournal::new(Arc::new(Ledger::open(&root.join("journal"), options).unwrap().0))
}

/// With the key of this folder, which the first makes.
fn signing(root: &Path) -> Option<Signing> {
    let path = root.join("signer");
    let key = std::fs::read_to_string(&path).unwrap_or_else(|_| {
        let key = Signer::generate("test/audit").unwrap();
        std::fs::write(&path, &key).unwrap();
        key
    });
    let signer = Signer::parse(&key).unwrap();
    Some(Signing { signer, entries: 20, within: Duration::MAX })
}

fn ledger(root: &Path) -> Ledger {
    let options = LedgerOptions { signing: signing(root), ..LedgerOptions::default() };
    Ledger::open(&root.join("kept"), options).unwrap().0
}

/// The record in PostgreSQL, once the lease of whoever was killed has run out.
async fn on_postgres(root: &Path, url: &str) -> PostgresLedger {
    let lease = Duration::from_millis(150);
    let options = WriterOptions { signing: signing(root), lease, ..WriterOptions::default() };
    let address = Address::parse(url).unwrap();
    Standby::prepare(address, options).await.unwrap().wait(|_| {}).await.unwrap()
}

/// Carries the journal into the ledger, and prints how far it has come.
async fn work(
    root: &Path,
    kept: Arc<dyn Store>,
    last: impl Fn() -> u64,
    mut tell: impl FnMut(u64),
) {
    let options = AuditorOptions { batch: 7, gather: Duration::ZERO, ..AuditorOptions::default() };
    let auditor = Auditor::new(Arc::new(journal(root)), kept, Arc::new(Nobody), options);
    let shutdown = CancellationToken::new();
    let watch = async {
        let mut told = 0;
        while last() < ENTRIES as u64 {
            if last() > told {
                told = last();
                tell(told);
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(auditor.run(shutdown.clone()), watch);
    ended.unwrap();
}

async fn work_on_files(root: &Path, tell: impl FnMut(u64)) {
    let kept = Arc::new(ledger(root));
    work(root, kept.clone(), || kept.last_seq(), tell).await;
}

async fn work_on_postgres(root: &Path, url: &str, tell: impl FnMut(u64)) {
    let kept = Arc::new(on_postgres(root, url).await);
    let work = work(root, kept.clone(), || kept.last_seq(), tell);
    tokio::select! {
        error = kept.keep_up() => panic!("{error}"),
        () = work => {}
    }
    kept.close().await.unwrap();
}

#[tokio::test]
#[ignore = "a process of the next tests, which kill it"]
async fn auditor_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let tell = |at| println!("\nkept {at}");
    match std::env::var(POSTGRES) {
        Ok(url) => work_on_postgres(&folder, &url, tell).await,
        Err(_) => work_on_files(&folder, tell).await,
    }
}

/// A journal of all the entries, and an auditor that is killed while it carries them, a hundred times.
async fn kill_a_hundred_times(folder: &Path, postgres: Option<&str>) {
    let journal = journal(folder);
    for first in (0..ENTRIES).step_by(100) {
        let appends = (first..first + 100).map(entry).collect::<Vec<_>>();
        for entry in &appends {
            journal.append(entry).await.unwrap();
        }
    }
    drop(journal);
    for kill in 0..KILLS {
        let mut auditor = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::killed::auditor_to_be_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .envs(postgres.map(|url| (POSTGRES, url)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At another place of its work each time; one that has come to the end ends by itself.
        let mut lines =
            BufReader::new(auditor.stdout.take().unwrap()).lines().map_while(Result::ok);
        lines.by_ref().filter(|line| line.starts_with("kept ")).nth(kill % 4);
        auditor.kill().unwrap();
        auditor.wait().unwrap();
    }
}

fn are_all_there(rows: impl Iterator<Item = Row>) {
    let mut count = 0;
    for (number, row) in rows.enumerate() {
        assert_eq!(row.content.entry(), Some(&entry(number as i64)));
        count += 1;
    }
    assert_eq!(count, ENTRIES);
}

#[tokio::test]
async fn an_auditor_killed_a_hundred_times_keeps_each_entry_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    kill_a_hundred_times(folder.path(), None).await;
    work_on_files(folder.path(), |_| {}).await;
    let kept = folder.path().join("kept");
    let rows = LedgerReader::open(&kept).unwrap().search(Query::default());
    are_all_there(rows.map(Result::unwrap));
    let found = LedgerReader::verify(&kept, &Verify::default()).unwrap();
    assert!(found.signed > 0 && found.entries == ENTRIES as u64, "{found:?}");
}

#[tokio::test]
async fn an_auditor_on_postgres_killed_a_hundred_times_keeps_each_entry_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start().await;
    kill_a_hundred_times(folder.path(), Some(&server.url())).await;
    let before = on_postgres(folder.path(), &server.url()).await;
    let came = before.last_seq();
    before.close().await.unwrap();
    assert!(came > 100, "the killed ones came to {came}");
    work_on_postgres(folder.path(), &server.url(), |_| {}).await;
    let reader = PostgresReader::new(&Address::parse(&server.url()).unwrap(), 2);
    are_all_there(reader.search(Query::default()).all().await.unwrap().into_iter());
    let found = reader.verify(&Default::default()).await.unwrap();
    assert!(found.signed > 0 && found.entries == ENTRIES as u64, "{found:?}");
}
