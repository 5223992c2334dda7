//! Each condition of a query, against the plain way of filtering.

use portcullis_core::{BotId, Decision};

use super::{entry_of, open, time};
use crate::{Ledger, Query, Record};

const BOTS: [&str; 3] = ["shop", "bank", "news"];

async fn filled(folder: &std::path::Path) -> Ledger {
    let (ledger, _) = open(folder);
    for part in 0..6 {
        let records = (part * 100..part * 100 + 100)
            .map(|n| Record::new(&entry_of(BOTS[n as usize % 3], n)).unwrap())
            .collect();
        ledger.append_all(records).await.unwrap();
    }
    ledger
}

fn found(ledger: &Ledger, query: Query) -> Vec<u64> {
    ledger.search(query).map(|row| row.unwrap().seq - 1).collect()
}

fn expected(keep: impl Fn(u64) -> bool) -> Vec<u64> {
    (0..600).filter(|n| keep(*n)).collect()
}

#[tokio::test]
async fn each_condition_filters() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = filled(folder.path()).await;
    let any = Query::default;
    let bank = || BotId::parse("bank").ok();
    assert_eq!(found(&ledger, Query { bot: bank(), ..any() }), expected(|n| n % 3 == 1));
    let speaker = Some("hash-3".to_owned());
    assert_eq!(found(&ledger, Query { speaker, ..any() }), expected(|n| n % 5 == 3));
    let (from, until) = (Some(time(120)), Some(time(340)));
    assert_eq!(
        found(&ledger, Query { from, until, ..any() }),
        expected(|n| (120..340).contains(&n))
    );
    let id = Some("action/bank/100".to_owned());
    assert_eq!(found(&ledger, Query { id, ..any() }), [100]);
    assert_eq!(found(&ledger, Query { id: Some("101".into()), ..any() }), [101]);
    let text = Some("rEASON № 59".to_owned());
    assert_eq!(
        found(&ledger, Query { text, ..any() }),
        expected(|n| n == 59 || (590..600).contains(&n))
    );
    assert_eq!(found(&ledger, Query { kind: Some("action".into()), ..any() }).len(), 600);
    assert!(found(&ledger, Query { kind: Some("verdict".into()), ..any() }).is_empty());
    assert!(found(&ledger, Query { decision: Some(Decision::Block), ..any() }).is_empty());
    assert!(found(&ledger, Query { finding: Some("pii".into()), ..any() }).is_empty());
    assert_eq!(found(&ledger, Query { limit: Some(2), ..any() }), [0, 1]);
    let newest = Query { limit: Some(3), newest_first: true, bot: bank(), ..any() };
    assert_eq!(found(&ledger, newest), [598, 595, 592]);
}

#[tokio::test]
async fn verdicts_are_found_by_decision_finding_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let raw = r#"{"id":"verdict/shop/inbound/m-1","bot":"shop","at":"2026-01-01T00:00:00Z",
        "kind":"verdict","direction":"inbound","speaker":"abc","bytes":5,"digest":"d",
        "text":"Über den Wolken","verdict":{"id":"m-1","decision":"block","text":null,"tone":null,
        "reply":null,"retry_after_s":null,"findings":[{"stage":"sanitizer","kind":"pii.email",
        "severity":"low","confidence":0.5}],"receipt":[],"policy":{"bot":"shop","version":"1",
        "digest":"d"},"shadow_decision":null,"recorded":"journal","trace_id":null,"took_us":1}}"#;
    let entry: portcullis_core::Entry = serde_json::from_str(raw).unwrap();
    let record = Record::received(&entry, raw.as_bytes(), 1).unwrap();
    ledger.append(record).await.unwrap();
    let any = Query::default;
    for (query, count) in [
        (Query { decision: Some(Decision::Block), ..any() }, 1),
        (Query { decision: Some(Decision::Hold), ..any() }, 0),
        (Query { finding: Some("pii".into()), ..any() }, 1),
        (Query { finding: Some("pii.email".into()), ..any() }, 1),
        (Query { finding: Some("pi".into()), ..any() }, 0),
        (Query { text: Some("ÜBER DEN".into()), ..any() }, 1),
        (Query { speaker: Some("abc".into()), ..any() }, 1),
        (Query { speaker: Some("ab".into()), ..any() }, 0),
        (Query { id: Some("m-1".into()), ..any() }, 1),
    ] {
        assert_eq!(found(&ledger, query).len(), count);
    }
    // The bytes as they came are kept.
    let row = ledger.search(any()).next().unwrap().unwrap();
    assert_eq!(row.raw.unwrap().get(), raw);
}
