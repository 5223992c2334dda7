//! `portcullis audit`.

use std::path::{Path, PathBuf};

use portcullis_core::{Body, Direction, MessageId, Resolution, ResolutionRecord};
use portcullis_ledger::{Ledger, LedgerOptions, Record, Signing};
use portcullis_merkle::Signer;
use portcullis_testkit::{entry, verdict_entry};

use crate::run::run;

/// A ledger of two orders and three verdicts.
async fn ledger() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let signer = Signer::parse(&Signer::generate("test/audit").unwrap()).unwrap();
    std::fs::write(keys.join("checkpoint.pub"), signer.public()).unwrap();
    let signing = Some(Signing::new(signer));
    let options = LedgerOptions { signing, ..LedgerOptions::default() };
    let (ledger, _) = Ledger::open(folder.path(), options).unwrap();
    let entries =
        [entry("1"), verdict_entry("m1"), verdict_entry("m2"), entry("2"), verdict_entry("m3")];
    let records = entries.iter().map(|entry| Record::new(entry).unwrap()).collect();
    ledger.append_all(records).await.unwrap();
    folder
}

fn segment(folder: &Path) -> PathBuf {
    folder.join("audit/00000000000000000001.segment")
}

#[tokio::test]
async fn a_sound_ledger_is_consistent_and_a_tampered_one_names_the_entry() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    let ran = run(&["audit", "verify", "--data", data]);
    assert_eq!(
        (ran.code, ran.out.trim_end()),
        (
            0,
            "consistent, not proven against its own writer: 5 entries, 1 segments\n\
             all of them are signed"
        )
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
async fn a_record_is_proven_by_checkpoints_from_elsewhere_and_an_entry_to_anybody() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    let (key, kept, proof) = (path("key"), path("checkpoints"), path("proof"));
    std::fs::copy(folder.path().join("keys/checkpoint.pub"), &key).unwrap();

    let ran = run(&["audit", "prove", "--data", data, "m2"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    std::fs::write(&proof, &ran.out).unwrap();
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    std::fs::write(&kept, printed["checkpoint"].as_str().unwrap()).unwrap();
    let checked = run(&["audit", "check-proof", &proof, "--key", &key]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert_eq!(checked.lines()[0]["entry"]["verdict"]["id"], "m2");
    assert!(checked.err.contains("proven: entry 3 of the 5"), "{}", checked.err);
    // The letters of the entry are in the proof in base64: change one.
    let changed = ran.out.replacen("\"index\": 2", "\"index\": 3", 1);
    std::fs::write(&proof, changed).unwrap();
    assert_eq!(run(&["audit", "check-proof", &proof, "--key", &key]).code, 1);

    let verify = ["audit", "verify", "--data", data, "--checkpoint", &kept, "--key", &key];
    let ran = run(&verify);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.starts_with("proven: entries 1 to 5 are those of the checkpoint"),
        "{}",
        ran.out
    );
    // Whoever can write everything here writes another record and signs it.
    std::fs::remove_dir_all(folder.path().join("audit")).unwrap();
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (ledger, _) = Ledger::open(folder.path(), LedgerOptions::default()).unwrap();
    for number in 0..9 {
        let entry = entry(&format!("x{number}"));
        ledger.append(Record::new(&entry).unwrap()).await.unwrap();
    }
    drop(ledger);
    assert_eq!(run(&["audit", "verify", "--data", data]).code, 0);
    let ran = run(&verify);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("is one of 1 to 5"), "{}", ran.out);
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
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("export.jsonl");
    let ran = run(&["audit", "export", "--data", data, "--out", file.to_str().unwrap()]);
    assert!(ran.out.ends_with("5 entries\n"), "{}", ran.out);
    let exported = std::fs::read_to_string(file).unwrap();
    assert_eq!(exported, run(&["audit", "export", "--data", data]).out);
    let first: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(first["entry"]["id"], "action/shop/1");
}

#[tokio::test]
async fn the_record_itself_is_never_written_over() {
    let folder = ledger().await;
    let (data, file) = (folder.path().to_str().unwrap(), segment(folder.path()));
    let before = std::fs::read(&file).unwrap();
    for command in ["export", "report"] {
        let ran = run(&["audit", command, "--data", data, "--out", file.to_str().unwrap()]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("lies in a folder of the record"), "{}", ran.err);
    }
    assert!(std::fs::read(&file).unwrap() == before);
    assert_eq!(run(&["audit", "verify", "--data", data]).code, 0);
}

#[tokio::test]
async fn of_a_message_the_verdict_is_proven_and_what_became_of_it_is_named() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    // Signed by whoever opened it last; the key of the test lies nowhere.
    let mut later = entry("m2");
    let at = later.at;
    let message = MessageId::parse("m2").unwrap();
    later.id = "resolution/shop/inbound/m2".into();
    later.body = Body::Resolution(ResolutionRecord {
        message,
        direction: Direction::Inbound,
        resolution: Resolution::Release,
        by: "tester".into(),
        reason: None,
        text: None,
        at,
    });
    let (ledger, _) = Ledger::open(folder.path(), LedgerOptions::default()).unwrap();
    ledger.append(Record::new(&later).unwrap()).await.unwrap();
    drop(ledger);
    let ran = run(&["audit", "prove", "--data", data, "m2"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.json()["index"], 2);
    assert_eq!(
        ran.err,
        "proof of entry 3 (verdict/shop/inbound/m2)\n\
         not proven, of the same message: 6 (resolution/shop/inbound/m2)\n"
    );
    let ran = run(&["audit", "prove", "--data", data, "resolution/shop/inbound/m2"]);
    assert!(ran.err.contains("entry 6 is not signed yet"), "{}", ran.err);
}

#[tokio::test]
async fn what_is_not_there_is_2() {
    let folder = ledger().await;
    let data = folder.path().to_str().unwrap();
    let ran = run(&["audit", "verify", "--data", data, "--checkpoint", "/nowhere"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--checkpoint /nowhere"), "{}", ran.err);
    let ran = run(&["audit", "prove", "--data", data, "unheard-of"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no entry or message has the id unheard-of"), "{}", ran.err);
    assert_eq!(run(&["audit", "verify", "--data", "/nowhere"]).code, 2);
    assert_eq!(run(&["audit", "search", "--data", data, "--decision", "maybe"]).code, 2);
}
