//! Whether the record is what was signed: one row changed, removed, added or put elsewhere is named.

use portcullis_ledger::{Flaw, LedgerError, Query, Row, Store, Verified};
use portcullis_ledger_postgres::{Against, PostgresLedger};
use portcullis_merkle::{Checkpoint, ProofError, PublicKey};
use portcullis_testkit::PostgresServer;

use crate::{LEASE, options, reader, records, signing, standby, tamper};

const COUNT: i64 = 200;

/// A record of 200 entries, of which the first 150 are signed, and the checkpoint as it was told elsewhere.
async fn signed(server: &PostgresServer) -> (PostgresLedger, PublicKey, Checkpoint) {
    let (signing, key) = signing(100);
    let mut standby = standby(server.port(), options(LEASE, Some(signing))).await;
    let kept = standby.take().await.unwrap().unwrap();
    kept.append_all(records(1..=150)).await.unwrap();
    let mut told = kept.checkpoints();
    tokio::select! {
        _ = kept.keep_up() => {}
        told = told.wait_for(|told| told.as_ref().is_some_and(|told| told.size == 150)) => drop(told),
    }
    let checkpoint = told.borrow().clone().unwrap();
    kept.append_all(records(151..=COUNT)).await.unwrap();
    (kept, key, checkpoint)
}

async fn verify(
    server: &PostgresServer,
    key: &PublicKey,
    elsewhere: &[Checkpoint],
) -> Result<Verified, LedgerError> {
    let against = Against { key: Some(key), kept_elsewhere: elsewhere, ..Against::default() };
    reader(server).verify(&against).await
}

#[tokio::test]
async fn what_was_signed_is_proven_entry_by_entry() {
    let server = PostgresServer::start().await;
    let (kept, key, checkpoint) = signed(&server).await;
    let found = verify(&server, &key, std::slice::from_ref(&checkpoint)).await.unwrap();
    assert_eq!((found.entries, found.signed, found.proven), (200, 150, 150));
    assert_eq!(found.checkpoints, 1);
    let reader = reader(&server);
    assert_eq!(reader.checkpoints().await.unwrap(), std::slice::from_ref(&checkpoint));
    let rows = reader.search(Query::default()).all().await.unwrap();
    for row in &rows {
        let proof = reader.prove(row, &checkpoint).await.unwrap();
        if row.seq > 150 {
            assert_eq!(proof, Err(ProofError::NotCovered));
            continue;
        }
        let (leaf, under) = proof.unwrap().check(&key).unwrap();
        assert_eq!(Row::of_frame(&leaf).unwrap().content, row.content);
        assert_eq!(under.size, 150);
    }
    // The rest is signed at the end, and the next writer goes on from there.
    kept.close().await.unwrap();
    assert_eq!(verify(&server, &key, &[]).await.unwrap().signed, 200);
}

#[tokio::test]
async fn whatever_is_changed_is_named() {
    let server = PostgresServer::start().await;
    let (kept, key, checkpoint) = signed(&server).await;
    kept.close().await.unwrap();
    // Each is undone by its second half.
    let cases: [(&str, &str, &str, u64, Flaw); 9] = [
        // One byte of the text.
        (
            "UPDATE entries SET frame = set_byte(frame, 60, get_byte(frame, 60) # 1) WHERE seq = 77",
            "UPDATE entries SET frame = set_byte(frame, 60, get_byte(frame, 60) # 1) WHERE seq = 77",
            "entries",
            77,
            Flaw::Checksum,
        ),
        // What is searched says something else than what was signed.
        (
            "UPDATE entries SET bot = 'other' WHERE seq = 12",
            "UPDATE entries SET bot = 'shop' WHERE seq = 12",
            "entries",
            12,
            Flaw::Changed,
        ),
        (
            "UPDATE entries SET at = at + interval '1 year' WHERE seq = 13",
            "UPDATE entries SET at = at - interval '1 year' WHERE seq = 13",
            "entries",
            13,
            Flaw::Changed,
        ),
        (
            "CREATE TABLE away AS SELECT * FROM entries WHERE seq = 99; DELETE FROM entries WHERE seq = 99",
            "INSERT INTO entries SELECT * FROM away; DROP TABLE away",
            "entries",
            99,
            Flaw::Removed,
        ),
        (
            "CREATE TABLE away AS SELECT * FROM entries WHERE seq = 200; DELETE FROM entries WHERE seq = 200",
            "INSERT INTO entries SELECT * FROM away; DROP TABLE away",
            "entries",
            200,
            Flaw::Removed,
        ),
        (
            "INSERT INTO entries SELECT 201, 'new', journal_seq, at, bot, kind, frame FROM entries WHERE seq = 1",
            "DELETE FROM entries WHERE seq = 201",
            "entries",
            201,
            Flaw::Added,
        ),
        // Two that have changed places, in every column but the number.
        (
            "UPDATE entries SET seq = -1 WHERE seq = 5; UPDATE entries SET seq = 5 WHERE seq = 6;
             UPDATE entries SET seq = 6 WHERE seq = -1",
            "UPDATE entries SET seq = -1 WHERE seq = 5; UPDATE entries SET seq = 5 WHERE seq = 6;
             UPDATE entries SET seq = 6 WHERE seq = -1",
            "entries",
            5,
            Flaw::Sequence,
        ),
        // A hash of the tree.
        (
            "UPDATE tree SET hashes = set_byte(hashes, 640, get_byte(hashes, 640) # 1) WHERE first = 0",
            "UPDATE tree SET hashes = set_byte(hashes, 640, get_byte(hashes, 640) # 1) WHERE first = 0",
            "tree",
            12,
            Flaw::Tree,
        ),
        (
            "UPDATE checkpoints SET note = replace(note, 'audit', 'tidua') WHERE size = 150",
            "UPDATE checkpoints SET note = replace(note, 'tidua', 'audit') WHERE size = 150",
            "checkpoints",
            150,
            Flaw::Signature,
        ),
    ];
    for (change, undo, table, at, what) in cases {
        tamper(&server, change).await;
        let found = verify(&server, &key, std::slice::from_ref(&checkpoint)).await;
        let Err(LedgerError::Corrupt { file, seq, flaw, .. }) = found else {
            panic!("{change}: {found:?}")
        };
        assert_eq!((&*file, seq, flaw), (table, Some(at), what), "{change}");
        tamper(&server, undo).await;
        verify(&server, &key, std::slice::from_ref(&checkpoint)).await.unwrap();
    }
}

/// A new frame that is whole in itself, with its hash in the tree too: only what was signed tells.
#[tokio::test]
async fn a_record_that_was_rewritten_does_not_fit_what_was_kept_elsewhere() {
    let server = PostgresServer::start().await;
    let (kept, key, checkpoint) = signed(&server).await;
    kept.close().await.unwrap();
    // Another record of the same length, made from the start with a key of the forger's.
    tamper(
        &server,
        "TRUNCATE entries, tree, checkpoints; UPDATE head SET size = 0, journal_seq = 0",
    )
    .await;
    let (forged, _) = signing(10);
    let mut forger = standby(server.port(), options(LEASE, Some(forged))).await;
    let other = forger.take().await.unwrap().unwrap();
    other.append_all(records(1001..=1200)).await.unwrap();
    other.close().await.unwrap();
    let found = reader(&server).verify(&Against::default()).await.unwrap();
    assert_eq!((found.entries, found.proven), (200, 0), "consistent in itself");
    let found = verify(&server, &key, &[]).await;
    assert!(matches!(found, Err(LedgerError::Corrupt { flaw: Flaw::Signature, .. })), "{found:?}");
    let against = Against { kept_elsewhere: &[checkpoint], ..Against::default() };
    let found = reader(&server).verify(&against).await;
    assert!(
        matches!(found, Err(LedgerError::NotAsSigned { size: 150, good: 0, entries: 200 })),
        "{found:?}"
    );
}

/// An older copy in the place of the record, or one whose end was cut.
#[tokio::test]
async fn nothing_is_stored_on_top_of_a_record_that_is_not_the_signed_one() {
    let server = PostgresServer::start().await;
    let (kept, _, _) = signed(&server).await;
    kept.close().await.unwrap();
    // With a key of another record, as one that was made because the own was lost.
    let mut other = standby(server.port(), options(LEASE, Some(signing(10).0))).await;
    let refused = other.take().await.err().unwrap();
    assert!(matches!(refused, LedgerError::OtherKey { size: 200 }), "{refused}");
    tamper(&server, "DELETE FROM entries WHERE seq > 100").await;
    let mut next = standby(server.port(), options(LEASE, None)).await;
    let refused = next.take().await.err().unwrap();
    let shown = format!("{refused:?}");
    assert!(
        matches!(refused, LedgerError::Corrupt { flaw: Flaw::Removed, seq: Some(101), .. }),
        "{shown}"
    );
    tamper(&server, "UPDATE head SET size = 100; DELETE FROM tree WHERE first > 0").await;
    let refused = next.take().await.err().unwrap();
    assert!(matches!(refused, LedgerError::NotAsSigned { size: 200, entries: 100, .. }));
}
