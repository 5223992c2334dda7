//! Storing, reopening, torn ends, damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{entry, open, options};
use crate::files::index::Index;
use crate::files::segment::Layout;
use crate::{Appended, Flaw, IndexState, Ledger, LedgerError, LedgerReader, Query, Record, Verify};

async fn fill(ledger: &Ledger, numbers: std::ops::Range<i64>) {
    let records = numbers.map(|number| Record::new(&entry(number)).unwrap()).collect();
    ledger.append_all(records).await.unwrap();
}

fn segments(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(root.join("audit")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn ids(root: &Path) -> Vec<String> {
    LedgerReader::open(root)
        .unwrap()
        .search(Query::default())
        .map(|row| row.unwrap().content.entry().unwrap().id.clone())
        .collect()
}

#[tokio::test]
async fn entries_are_numbered_kept_and_unique_across_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, report) = open(folder.path());
    assert_eq!((report.entries, report.index), (0, IndexState::Current));
    for batch in 0..10 {
        fill(&ledger, batch * 50..batch * 50 + 50).await;
    }
    let again = ledger.append(Record::new(&entry(7)).unwrap()).await.unwrap();
    assert_eq!(again, Appended::AlreadyThere(8));
    drop(ledger);
    assert!(segments(folder.path()).len() > 2);

    let (ledger, report) = open(folder.path());
    assert_eq!((report.entries, report.index), (500, IndexState::Current));
    let again = ledger.append(Record::new(&entry(499)).unwrap()).await.unwrap();
    assert_eq!(again, Appended::AlreadyThere(500));
    let new = ledger.append(Record::new(&entry(500)).unwrap()).await.unwrap();
    assert_eq!(new, Appended::Stored(501));
    assert_eq!(ledger.get("action/shop/123").unwrap().unwrap().seq, 124);
    assert_eq!(ledger.verify(&Verify::default()).unwrap().entries, 501);
    let rows: Vec<u64> = ledger.search(Query::default()).map(|row| row.unwrap().seq).collect();
    assert_eq!(rows, (1..=501).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_writer_is_refused_and_a_reader_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 0..10).await;
    assert!(matches!(Ledger::open(folder.path(), options()), Err(LedgerError::Locked)));
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.last_seq(), 10);
    assert_eq!(LedgerReader::verify(folder.path(), &Verify::default()).unwrap().entries, 10);
    drop(ledger);
    assert!(Ledger::open(folder.path(), options()).is_ok());
}

#[tokio::test]
async fn a_torn_last_write_is_cut_at_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 0..5).await;
    drop(ledger);
    let file = segments(folder.path()).remove(0);
    let before = fs::metadata(&file).unwrap().len();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 5..6).await;
    drop(ledger);
    let whole = fs::read(&file).unwrap();
    for length in before as usize + 1..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let (ledger, report) = open(folder.path());
        let cut = report.cut.unwrap();
        assert_eq!((cut.offset, cut.bytes), (before, length as u64 - before));
        assert_eq!(report.entries, 5);
        let appended = ledger.append(Record::new(&entry(5)).unwrap()).await.unwrap();
        assert_eq!(appended, Appended::Stored(6));
        drop(ledger);
        assert_eq!(ids(folder.path()).len(), 6);
    }
}

#[tokio::test]
async fn an_unfinished_new_segment_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 0..5).await;
    drop(ledger);
    fs::write(folder.path().join("audit/00000000000000000006.segment"), b"PLSEG").unwrap();
    let (ledger, report) = open(folder.path());
    assert_eq!(report.cut.unwrap().bytes, 5);
    fill(&ledger, 5..6).await;
    assert_eq!(ledger.verify(&Verify::default()).unwrap().entries, 6);
}

#[tokio::test]
async fn every_changed_bit_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    for number in 0..4 {
        fill(&ledger, number..number + 1).await;
    }
    drop(ledger);
    let file = segments(folder.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&file, changed).unwrap();
        let read = LedgerReader::verify(folder.path(), &Verify::default());
        assert!(
            matches!(read, Err(LedgerError::Corrupt { .. } | LedgerError::Format { .. })),
            "byte {at}: {read:?}"
        );
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_no_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut synced = options();
    synced.fsync = crate::Fsync::Batch;
    let (ledger, _) = Ledger::open(folder.path(), synced).unwrap();
    for number in 0..4 {
        fill(&ledger, number..number + 1).await;
    }
    drop(ledger);
    // Without an index, the frames alone must tell.
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let file = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[60] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = Ledger::open(folder.path(), options()).err().unwrap();
    assert!(
        matches!(&error, LedgerError::Corrupt { file, offset: 24, flaw: Flaw::Checksum, .. }
            if file == "00000000000000000001.segment"),
        "{error}"
    );
    let error = LedgerReader::verify(folder.path(), &Verify::default()).unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { seq: Some(1), offset: 24, .. }));
}

#[tokio::test]
async fn a_lost_or_broken_index_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    for batch in 0..5 {
        fill(&ledger, batch * 100..batch * 100 + 100).await;
    }
    drop(ledger);
    fs::write(folder.path().join("index/ids.redb"), b"not a database").unwrap();
    let (ledger, report) = open(folder.path());
    assert_eq!(report.index, IndexState::Rebuilt(500));
    drop(ledger);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (ledger, report) = open(folder.path());
    assert_eq!(report.index, IndexState::Rebuilt(500));
    let again = ledger.append(Record::new(&entry(42)).unwrap()).await.unwrap();
    assert_eq!(again, Appended::AlreadyThere(43));
}

#[tokio::test]
async fn an_index_that_is_behind_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 0..100).await;
    drop(ledger);
    let index = folder.path().join("index/ids.redb");
    let old = fs::read(&index).unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 100..300).await;
    drop(ledger);
    fs::write(&index, old).unwrap();
    let (ledger, report) = open(folder.path());
    assert_eq!(report.index, IndexState::CaughtUp(200));
    let again = ledger.append(Record::new(&entry(250)).unwrap()).await.unwrap();
    assert_eq!(again, Appended::AlreadyThere(251));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_append_at_once_without_holes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(folder.path()).0);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..40 {
        let ledger = Arc::clone(&ledger);
        tasks.spawn(async move {
            for number in 0..25 {
                // Each entry is sent by two tasks.
                let record = Record::new(&entry(task / 2 * 25 + number)).unwrap();
                ledger.append(record).await.unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(ledger.last_seq(), 500);
    drop(ledger);
    let mut ids = ids(folder.path());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 500);
}

#[tokio::test]
async fn debug_of_a_row_does_not_show_the_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 0..1).await;
    let row = ledger.search(Query::default()).next().unwrap().unwrap();
    assert!(!format!("{row:?}").contains("Reason"));
}

#[test]
fn an_id_like_those_of_the_ledgers_own_remarks_is_refused() {
    let mut entry = entry(1);
    entry.id = "\0dead/1".into();
    assert!(matches!(Record::new(&entry), Err(LedgerError::Refused(_))));
}

/// An index of millions of entries takes its time, and whoever starts audit may be impatient.
#[tokio::test]
async fn a_rebuild_of_the_index_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    fill(&ledger, 0..200).await;
    fill(&ledger, 200..400).await;
    fill(&ledger, 400..600).await;
    drop(ledger);
    let layout = Layout::new(folder.path());
    let (mut firsts, _) = layout.segments().unwrap();
    assert!(firsts.len() > 2, "{firsts:?}");
    let (path, copy) = (folder.path().join("anew.redb"), folder.path().join("copy.redb"));
    let index = Index::open(&path).unwrap();
    // The last segment cannot be read: the work ends there, and what is on the disk then is what the next one has.
    let last = std::mem::replace(firsts.last_mut().unwrap(), 999_999);
    assert!(index.catch_up(&layout, None, &firsts, 0).is_err());
    fs::copy(&path, &copy).unwrap();
    let position = Index::open(&copy).unwrap().position().unwrap();
    assert_eq!(position.map(|at| at.next_seq), Some(last));
}
