//! `portcullis audit`.

use std::path::{Path, PathBuf};

use portcullis_audit::{Ledger, LedgerOptions, Record};
use portcullis_testkit::{entry, verdict_entry};

use crate::run::run;

/// A ledger of two orders and three verdicts.
async fn ledger() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(folder.path(), LedgerOptions::default()).unwrap();
    let entries =
        [entry("1"), verdict_entry("m1"), verdict_entry("m2"), entry("2"), verdict_entry("m3")];
    let records = entries.iter().map(|entry| Record::new(entry).unwrap()).collect();
    ledger.append_all(records).await.unwrap();
    folder
}

fn segment(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder.join("audit")).unwrap();
    files.next().unwrap().unwrap().path()
}

#[tokio::test]
async fn a_sound_ledger_is_consistent_and_a_tampered_one_names_the_entry() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    let ran = run(&["audit", "verify", "--data", data]);
    assert_eq!(
        (ran.code, ran.out.trim_end()),
        (0, "consistent, not proven against its own writer: 5 entries, 1 segments")
    );
    let file = segment(folder.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(3).position(|three| three == b"/m2").unwrap();
    bytes[at + 2] = b'9';
    std::fs::write(&file, bytes).unwrap();
    let ran = run(&["audit", "verify", "--data", data]);
    assert_eq!(ran.code, 1);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(ran.out.starts_with(&format!("broken: file {name}, offset ")), "{}", ran.out);
    assert!(ran.out.contains(", entry 3: "), "{}", ran.out);
}

#[tokio::test]
async fn rows_are_found_by_filter_in_both_orders_and_forms() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    let search = |args: &[&str]| {
        let mut all = vec!["audit", "search", "--data", data, "--json"];
        all.extend(args);
        let ran = run(&all);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.lines().iter().map(|row| row["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(search(&[]), [5, 4, 3, 2, 1]);
    assert_eq!(search(&["--oldest-first", "--kind", "verdict"]), [2, 3, 5]);
    assert_eq!(search(&["--id", "m2"]), [3]);
    assert_eq!(search(&["--limit", "2"]), [5, 4]);
    assert_eq!(search(&["--decision", "block"]), [] as [u64; 0]);
    assert_eq!(search(&["--bot", "shop", "--until", "2025-01-01T00:00:00Z"]), [] as [u64; 0]);
    let table = run(&["audit", "search", "--data", data]);
    assert_eq!(table.out.lines().count(), 6);
    assert!(table.out.contains("inbound m3"), "{}", table.out);
    let file = folder.path().join("export.jsonl");
    let ran = run(&["audit", "export", "--data", data, "--out", file.to_str().unwrap()]);
    assert!(ran.out.ends_with("5 entries\n"), "{}", ran.out);
    let exported = std::fs::read_to_string(file).unwrap();
    assert_eq!(exported, run(&["audit", "export", "--data", data]).out);
    let first: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(first["entry"]["id"], "action/shop/1");
}

#[tokio::test]
async fn what_is_not_there_is_2() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    let ran = run(&["audit", "verify", "--data", data, "--checkpoint", "any"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("does not sign checkpoints yet"), "{}", ran.err);
    assert_eq!(run(&["audit", "verify", "--data", "/nowhere"]).code, 2);
    assert_eq!(run(&["audit", "search", "--data", data, "--decision", "maybe"]).code, 2);
}
