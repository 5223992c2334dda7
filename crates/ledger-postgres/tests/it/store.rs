//! What is stored: once, in order, and with the ledger's own remarks.

use portcullis_frames::frame;
use portcullis_ledger::{Appended, Content, Gap, LedgerError, Record, Store};
use portcullis_merkle::{Frontier, leaf_hash};
use portcullis_testkit::PostgresServer;

use crate::{admin, entry, ledger, numbers, records, rows, tamper};

#[tokio::test]
async fn entries_are_stored_once_and_in_order() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    let stored = kept.append_all(records(1..=3)).await.unwrap();
    assert_eq!(stored, [1, 2, 3].map(Appended::Stored));
    // Known ones among new ones, one of them twice in the same batch.
    let stored = kept.append_all(records([2, 4, 4, 3, 5])).await.unwrap();
    use Appended::{AlreadyThere, Stored};
    assert_eq!(stored, [AlreadyThere(2), Stored(4), AlreadyThere(4), AlreadyThere(3), Stored(5)]);
    assert_eq!(kept.append_all(Vec::new()).await.unwrap(), []);
    assert_eq!((kept.last_seq(), kept.last_journal_seq()), (5, 5));
    assert_eq!(numbers(&server).await, [1, 2, 3, 4, 5]);
    let rows = rows(&server).await;
    assert_eq!(rows[4].content, Content::Entry(Box::new(entry(5))));
    // More than one statement takes.
    let stored = kept.append_all(records(6..=10_000)).await.unwrap();
    assert_eq!(stored.last(), Some(&Stored(10_000)));
    assert_eq!(numbers(&server).await, (1..=10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_the_next_writer_finds_is_what_was_stored() {
    let server = PostgresServer::start().await;
    for round in 0..4 {
        let kept = ledger(&server).await;
        assert_eq!(kept.last_seq(), round * 7);
        let first = (round * 7) as i64;
        kept.append_all(records(first + 1..=first + 7)).await.unwrap();
        // What came before is there for this one too.
        let again = kept.append_all(records([1])).await.unwrap();
        assert_eq!(again, [Appended::AlreadyThere(1)]);
        kept.close().await.unwrap();
    }
    assert_eq!(numbers(&server).await, (1..=28).collect::<Vec<_>>());
}

#[tokio::test]
async fn gaps_and_dead_entries_are_records() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    let gap = Gap { after: 1, next: 5 };
    let mut all = records([1]);
    all.extend([Record::gap(gap), Record::dead(77, 5)]);
    kept.append_all(all.clone()).await.unwrap();
    let again = kept.append_all(all).await.unwrap();
    assert!(again.iter().all(|stored| matches!(stored, Appended::AlreadyThere(_))));
    let rows = rows(&server).await;
    let kinds: Vec<_> = rows.iter().map(|row| row.content.kind()).collect();
    assert_eq!(kinds, ["action", "gap", "dead"]);
    assert_eq!(rows[1].content, Content::Gap(gap));
    assert_eq!(numbers(&server).await, [1, 4, 5]);
}

/// After its window of deduplication a journal keeps the same entry twice, under two sequence numbers.
#[tokio::test]
async fn the_place_of_a_repetition_in_the_journal_is_no_hole() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    kept.append_all(records(1..=2)).await.unwrap();
    let known = entry(1);
    let raw = serde_json::to_vec(&known).unwrap();
    let again = Record::received(&known, &raw, 3).unwrap();
    assert_eq!(kept.append_all(vec![again]).await.unwrap(), [Appended::AlreadyThere(1)]);
    assert_eq!(kept.last_journal_seq(), 3);
    kept.close().await.unwrap();
    assert_eq!(ledger(&server).await.last_journal_seq(), 3);
}

#[tokio::test]
async fn strange_entries_are_stored_as_they_are_and_unstorable_ones_refused() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    let base = entry(1);
    let strange = |id: &str, kind: &str| {
        let entry = portcullis_core::Entry { id: id.to_owned(), ..base.clone() };
        let json = serde_json::json!({"id": id, "bot": "shop", "at": entry.at, "kind": kind});
        Record::kept(&entry, json.to_string().as_bytes(), None).unwrap()
    };
    let long = "x".repeat(50_000);
    let ids = ["a\0b", "ä ☃", "'; DROP TABLE entries; --", &long];
    let all: Vec<_> = ids.iter().map(|id| strange(id, "of\0tomorrow")).collect();
    kept.append_all(all.clone()).await.unwrap();
    let again = kept.append_all(all).await.unwrap();
    assert_eq!(again, [1, 2, 3, 4].map(Appended::AlreadyThere));
    assert_eq!(rows(&server).await.len(), 4);
    numbers(&server).await;
    let text = format!("{{\"x\":\"{}\"}}", "y".repeat(frame::MAX_PAYLOAD));
    let large = Record::kept(&base, text.as_bytes(), None).unwrap();
    let refused = kept.append_all(vec![large]).await;
    assert!(matches!(refused, Err(LedgerError::Refused(_))), "{refused:?}");
    kept.append_all(records([9])).await.unwrap();
    assert_eq!(kept.last_seq(), 5);
}

/// The leaves are the frames, as in files, and the tree is that of RFC 6962 over them.
#[tokio::test]
async fn the_tree_is_over_the_frames() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    for part in [1..=1, 2..=10, 11..=300] {
        kept.append_all(records(part)).await.unwrap();
    }
    let mut connection = admin(&server).await;
    let frames: Vec<Vec<u8>> = sqlx::query_scalar("SELECT frame FROM entries ORDER BY seq")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let (mut frontier, mut hashes) = (Frontier::new(), Vec::new());
    for bytes in &frames {
        assert_eq!(frame::decode(bytes).unwrap().bytes.len(), bytes.len());
        frontier.push(leaf_hash(bytes), |hash| hashes.extend(hash.0));
    }
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT hashes FROM tree ORDER BY first")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!((frames.len(), stored.len()), (300, 3));
    assert_eq!(stored.concat(), hashes);
}

#[tokio::test]
async fn a_slip_of_the_hand_changes_nothing() {
    let server = PostgresServer::start().await;
    ledger(&server).await.append_all(records(1..=3)).await.unwrap();
    let mut connection = admin(&server).await;
    for slip in [
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE entries SET bot = 'other'",
        "TRUNCATE entries",
        "UPDATE tree SET hashes = ''",
        "DELETE FROM checkpoints",
    ] {
        assert!(sqlx::raw_sql(slip).execute(&mut connection).await.is_err(), "{slip}");
    }
    assert_eq!(numbers(&server).await, [1, 2, 3]);
}

#[tokio::test]
async fn tables_of_a_later_release_are_left_alone_and_another_schema_is_another_record() {
    let server = PostgresServer::start().await;
    ledger(&server).await.close().await.unwrap();
    tamper(
        &server,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    )
    .await;
    let refused = portcullis_ledger_postgres::Standby::prepare(
        crate::address(server.port()),
        Default::default(),
    )
    .await;
    assert!(matches!(refused.err(), Some(LedgerError::Format { version: 9999, .. })));
    let other = crate::address(server.port()).in_schema("other").unwrap();
    let mut other =
        portcullis_ledger_postgres::Standby::prepare(other, Default::default()).await.unwrap();
    assert_eq!(other.take().await.unwrap().unwrap().last_seq(), 0);
}
