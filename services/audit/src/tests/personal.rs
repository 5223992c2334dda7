//! Personal fields from ingress's seal to erasure, in a ledger that verifies all along.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use portcullis_bus::Journal;
use portcullis_core::{Body, Entry, Personal, Sealed};
use portcullis_ledger::{LedgerJournal, LedgerReader, Query, Verify};
use portcullis_personal::{Envelope, PersonKeys};

use super::{open, time};
use crate::personal::PersonalConfig;

fn verdict(number: i64, speaker: &str, personal: Option<Sealed>) -> Entry {
    let raw = format!(
        r#"{{"id":"verdict/shop/inbound/{number}","bot":"shop","at":"{}","kind":"verdict",
        "direction":"inbound","speaker":"{speaker}","bytes":5,"digest":"d",
        "verdict":{{"id":"{number}","decision":"allow","text":null,"tone":null,"reply":null,
        "retry_after_s":null,"findings":[],"receipt":[],"policy":{{"bot":"shop","version":"1",
        "digest":"d"}},"shadow_decision":null,"recorded":"journal","trace_id":null,"took_us":1}}}}"#,
        time(number * 86_400 * 40)
    );
    let mut entry: Entry = serde_json::from_str(&raw).unwrap();
    if let Body::Verdict(record) = &mut entry.body {
        record.personal = personal;
    }
    entry
}

fn erase(speaker: &str) -> Entry {
    let raw = format!(
        r#"{{"id":"action/shop/e","bot":"shop","at":"{}","kind":"action","action":"erase",
        "scope":"speaker.{speaker}","by":"operator"}}"#,
        time(0)
    );
    serde_json::from_str(&raw).unwrap()
}

#[tokio::test]
async fn who_is_erased_is_found_no_more_and_the_record_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let config = PersonalConfig::default();
    let kept = config.open(root).unwrap();
    let envelope = Envelope::new(kept.public()).unwrap();
    let ledger = Arc::new(open(root).0);
    let journal = LedgerJournal::new(Arc::clone(&ledger)).keeping(kept.clone());
    for number in 0..6 {
        let speaker = if number % 2 == 0 { "jane" } else { "john" };
        let text = Some(format!("secret words № {number}").into());
        let personal = Personal { text, ..Personal::default() };
        let id = format!("verdict/shop/inbound/{number}");
        let sealed = envelope.seal(&id, &personal, Instant::now()).unwrap();
        journal.append(&verdict(number, speaker, Some(sealed))).await.unwrap();
    }
    let found = |text: &str| {
        let keys = PersonKeys::read(&root.join("keys/persons")).unwrap();
        let reader = LedgerReader::open(root).unwrap().revealing(Arc::new(keys));
        let query = Query { text: Some(text.into()), ..Query::default() };
        reader.search(query).map(|row| row.unwrap().seq).collect::<Vec<_>>()
    };
    assert_eq!(found("SECRET words"), [1, 2, 3, 4, 5, 6]);
    let on_disk = || {
        let files = fs::read_dir(root.join("audit")).unwrap().map(|file| file.unwrap().path());
        files.flat_map(|path| fs::read(path).unwrap()).collect::<Vec<u8>>()
    };
    assert!(!on_disk().windows(6).any(|window| window == b"secret"));

    let before = on_disk().len();
    journal.append(&erase("jane")).await.unwrap();
    assert_eq!(found("secret words"), [2, 4, 6]);
    assert!(on_disk().len() > before, "the erasure is an entry itself");

    // Retention: keys of whole months go, but not those under a legal hold.
    let days = 60;
    let held = PersonalConfig { legal_hold: vec!["shop/john".into()], ..config.clone() };
    let now = time(86_400 * 40 * 6);
    assert_eq!(kept.expire(&held, "shop", days, &*ledger, now).await.unwrap(), 0);
    let held = PersonalConfig { legal_hold: vec!["shop".into()], ..config.clone() };
    assert_eq!(kept.expire(&held, "shop", days, &*ledger, now).await.unwrap(), 0);
    assert_eq!(kept.expire(&config, "shop", days, &*ledger, now).await.unwrap(), 2);
    assert_eq!(found("secret words"), [6]);
    drop(journal);
    drop(ledger);
    let found = LedgerReader::verify(root, &Verify::default()).unwrap();
    // Six verdicts, the erasure, and what retention did.
    assert_eq!(found.entries, 8);
}
