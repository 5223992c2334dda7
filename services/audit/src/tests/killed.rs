//! Audit killed between reading, writing and acknowledging, a hundred times: nothing is lost, nothing is
//! there twice.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_bus::{Journal, JournalError};
use portcullis_ledger::{Fsync, Ledger, LedgerJournal, LedgerOptions, LedgerReader, Query};
use portcullis_ledger::{Signing, Verify};
use portcullis_merkle::Signer;
use tokio_util::sync::CancellationToken;

use super::entry;
use crate::{Auditor, AuditorOptions, Dead, DeadLetter};

const FOLDER: &str = "PORTCULLIS_AUDIT_KILLED_FOLDER";
const KILLS: usize = 100;
const ENTRIES: i64 = 4000;

struct Nobody;

#[async_trait]
impl Dead for Nobody {
    async fn keep(&self, _: DeadLetter<'_>) -> Result<(), JournalError> {
        Err(JournalError::Refused)
    }
}

fn journal(root: &Path) -> LedgerJournal {
    let options = LedgerOptions { fsync: Fsync::System, ..LedgerOptions::default() };
    LedgerJournal::new(Arc::new(Ledger::open(&root.join("journal"), options).unwrap().0))
}

fn ledger(root: &Path) -> Ledger {
    let signer = Signer::parse(&Signer::generate("test/audit").unwrap()).unwrap();
    let signing = Some(Signing { signer, entries: 20, within: Duration::MAX });
    let options = LedgerOptions { signing, ..LedgerOptions::default() };
    Ledger::open(&root.join("kept"), options).unwrap().0
}

/// Carries the journal into the ledger, and prints how far it has come.
async fn work(root: &Path, mut tell: impl FnMut(u64)) {
    let kept = Arc::new(ledger(root));
    let options = AuditorOptions { batch: 7, gather: Duration::ZERO, ..AuditorOptions::default() };
    let auditor = Auditor::new(Arc::new(journal(root)), kept.clone(), Arc::new(Nobody), options);
    let shutdown = CancellationToken::new();
    let watch = async {
        let mut told = 0;
        while kept.last_seq() < ENTRIES as u64 {
            if kept.last_seq() > told {
                told = kept.last_seq();
                tell(told);
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(auditor.run(shutdown.clone()), watch);
    ended.unwrap();
}

#[tokio::test]
#[ignore = "a process of the next test, which kills it"]
async fn auditor_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    work(&PathBuf::from(folder), |at| println!("\nkept {at}")).await;
}

#[tokio::test]
async fn an_auditor_killed_a_hundred_times_keeps_each_entry_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
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
            .env(FOLDER, folder.path())
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
    work(folder.path(), |_| {}).await;
    let kept = folder.path().join("kept");
    let rows = LedgerReader::open(&kept).unwrap().search(Query::default());
    let mut count = 0;
    for (number, row) in rows.enumerate() {
        assert_eq!(row.unwrap().content.entry(), Some(&entry(number as i64)));
        count += 1;
    }
    assert_eq!(count, ENTRIES);
    let found = LedgerReader::verify(&kept, &Verify::default()).unwrap();
    assert!(found.signed > 0 && found.entries == ENTRIES as u64, "{found:?}");
}
