//! A writer killed at any time: what it was told is stored is there, once.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use portcullis_merkle::Signer;

use super::{entry, open, options};
use crate::{Fsync, Ledger, LedgerOptions, LedgerReader, Query, Record, Signing, Verify};

const FOLDER: &str = "PORTCULLIS_AUDIT_TEST_FOLDER";

#[tokio::test]
#[ignore = "a process of the next test, which kills it"]
async fn writer_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    // Made by the first, and the same in each life.
    let path = folder.join("signer");
    let key = std::fs::read_to_string(&path).unwrap_or_else(|_| {
        let key = Signer::generate("test/audit").unwrap();
        std::fs::write(&path, &key).unwrap();
        key
    });
    let signer = Signer::parse(&key).unwrap();
    let signing = Some(Signing { signer, entries: 5, within: Duration::MAX });
    let options = LedgerOptions { fsync: Fsync::Batch, signing, ..options() };
    let (ledger, _) = Ledger::open(&folder, options).unwrap();
    for number in ledger.last_seq().cast_signed().. {
        ledger.append(Record::new(&entry(number)).unwrap()).await.unwrap();
        println!("\nstored {number}");
    }
}

#[test]
fn a_killed_writer_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=100_usize {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::killed::writer_to_be_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let last: i64 = lines
            .filter_map(|line| line.unwrap().strip_prefix("stored ")?.parse().ok())
            .nth(round % 9 * 7)
            .unwrap();
        writer.kill().unwrap();
        writer.wait().unwrap();

        let (ledger, report) = open(folder.path());
        assert!(report.entries.cast_signed() > last, "{report:?} after {last}");
        assert_eq!(report.missing, 0);
        assert_eq!(ledger.verify(&Verify::default()).unwrap().entries, report.entries);
        drop(ledger);
        let rows = LedgerReader::open(folder.path()).unwrap().search(Query::default());
        for (number, row) in rows.enumerate() {
            assert_eq!(row.unwrap().content.entry(), Some(&entry(number as i64)));
        }
    }
}
