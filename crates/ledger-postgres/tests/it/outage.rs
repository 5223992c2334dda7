//! The database restarted, out of reach, refusing, or out of room: nothing is answered that is not stored, and the
//! writer goes on when it is over.

use std::time::Duration;

use portcullis_core::Body;
use portcullis_ledger::{Appended, LedgerError, Record, Store};
use portcullis_testkit::{PostgresOptions, PostgresServer, Proxy, Weather};

use crate::{LEASE, admin, entry, is_away, ledger, numbers, options, records, standby};

#[tokio::test]
async fn a_restart_of_the_database_costs_nothing() {
    let mut server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    kept.append_all(records(1..=10)).await.unwrap();
    server.kill().await;
    for _ in 0..3 {
        let error = kept.append_all(records(11..=20)).await.unwrap_err();
        assert!(is_away(&error), "{error:?}");
        assert!(!*kept.answers().borrow());
    }
    assert_eq!(kept.last_seq(), 10);
    server.restart().await;
    let stored = kept.append_all(records(11..=20)).await.unwrap();
    assert_eq!(stored[0], Appended::Stored(11));
    assert!(*kept.answers().borrow());
    assert_eq!(numbers(&server).await, (1..=20).collect::<Vec<_>>());
}

/// The answer to a batch is lost on its way: what was stored is found, and not stored again.
#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_stored_once() {
    let server = PostgresServer::start().await;
    let proxy = Proxy::to(server.port()).await;
    let address =
        crate::address(proxy.port()).patience(Duration::from_secs(2), Duration::from_millis(500));
    let mut first =
        portcullis_ledger_postgres::Standby::prepare(address, options(LEASE, None)).await.unwrap();
    let kept = first.take().await.unwrap().unwrap();
    kept.append_all(records(1..=3)).await.unwrap();
    // The batch arrives, and waits there for a lock; then the way back is gone.
    let mut other = admin(&server).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE entries IN SHARE MODE").execute(&mut other).await.unwrap();
    let lost = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.set(Weather::BlackHole);
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    };
    let (answer, ()) = tokio::join!(kept.append_all(records(4..=6)), lost);
    assert!(is_away(&answer.unwrap_err()));
    assert_eq!(kept.last_seq(), 3);
    proxy.set(Weather::Cut);
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.set(Weather::Clear);
    let stored = kept.append_all(records(4..=7)).await.unwrap();
    use Appended::{AlreadyThere, Stored};
    assert_eq!(stored, [AlreadyThere(4), AlreadyThere(5), AlreadyThere(6), Stored(7)]);
    assert_eq!(numbers(&server).await, (1..=7).collect::<Vec<_>>());
}

/// A batch is given up while it waits in the database, and stored there after all, in the middle of the next try.
#[tokio::test]
async fn a_batch_that_is_given_up_and_goes_through_late_is_stored_once() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    kept.append_all(records(1..=3)).await.unwrap();
    let mut other = admin(&server).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE entries IN SHARE MODE").execute(&mut other).await.unwrap();
    let given_up = kept.append_all(records(4..=6));
    assert!(tokio::time::timeout(Duration::from_millis(300), given_up).await.is_err());
    let (stored, _) = tokio::join!(kept.append_all(records(4..=7)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    });
    let numbers_of: Vec<u64> = stored.unwrap().into_iter().map(Appended::seq).collect();
    assert_eq!(numbers_of, [4, 5, 6, 7]);
    assert_eq!(numbers(&server).await, (1..=7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_statement_that_fails_stores_nothing_and_can_be_tried_again() {
    let server = PostgresServer::start().await;
    let kept = ledger(&server).await;
    kept.append_all(records(1..=3)).await.unwrap();
    let mut other = admin(&server).await;
    let spoil = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'secret words %', encode(NEW.frame, 'escape'); END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON entries FOR EACH ROW WHEN (NEW.seq = 5) EXECUTE FUNCTION spoil()";
    sqlx::raw_sql(spoil).execute(&mut other).await.unwrap();
    let error = kept.append_all(records(4..=6)).await.unwrap_err();
    assert!(is_away(&error));
    assert_eq!(error.to_string(), "could not store entries: database answered with SQLSTATE P0001");
    assert_eq!((kept.last_seq(), numbers(&server).await.len()), (3, 3));
    sqlx::raw_sql("DROP TRIGGER spoil ON entries").execute(&mut other).await.unwrap();
    kept.append_all(records(4..=6)).await.unwrap();
    assert_eq!(numbers(&server).await, (1..=6).collect::<Vec<_>>());
}

/// Entries of some kilobytes that cannot be compressed.
fn large(numbers: std::ops::RangeInclusive<i64>) -> Vec<Record> {
    let record = |number: i64| {
        let mut entry = entry(number);
        if let Body::Action(action) = &mut entry.body {
            let noise = std::iter::repeat_with(rand::random::<u64>).take(250);
            action.reason = Some(noise.map(|word| format!("{word:016x}")).collect());
        }
        let raw = serde_json::to_vec(&entry).unwrap();
        Record::received(&entry, &raw, number as u64).unwrap()
    };
    numbers.map(record).collect()
}

/// On a small file system in memory where this user may mount one; else under a limit on the size of files.
#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_gone_past_when_there_is_room() {
    let settings = ["max_wal_size=8MB", "min_wal_size=2MB"].map(str::to_owned).to_vec();
    let options = PostgresOptions { disk: Some(64 << 20), settings, ..PostgresOptions::default() };
    let mut server = PostgresServer::start_with(options).await;
    let kept = ledger(&server).await;
    let mut stored = 0;
    let error = loop {
        match kept.append_all(large(stored + 1..=stored + 200)).await {
            Ok(_) => stored += 200,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the disk never was full");
    };
    println!("small by {:?}: {stored} entries, then: {error}", server.small_disk());
    // Which of its files the server cannot write is chance; without room for its log it even ends.
    assert!(matches!(error, LedgerError::Full) || is_away(&error), "{error:?}");
    assert_eq!(kept.last_seq(), stored as u64);
    for _ in 0..3 {
        assert!(kept.append_all(large(stored + 1..=stored + 200)).await.is_err());
    }
    server.more_room().await;
    let mut tries = 0;
    while let Err(error) = kept.append_all(large(stored + 1..=stored + 200)).await {
        tries += 1;
        assert!(tries < 100, "{error:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(numbers(&server).await, (1..=stored as u64 + 200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_writer_that_stands_by_waits_for_a_database_that_is_away() {
    let mut server = PostgresServer::start().await;
    let mut waits = standby(server.port(), options(LEASE, None)).await;
    server.kill().await;
    let (taken, ()) = tokio::join!(waits.wait(|_| {}), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.restart().await;
    });
    assert_eq!(taken.unwrap().last_seq(), 0);
}
