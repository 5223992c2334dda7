//! One writer at a time: who stands by, who takes over, and who is kept out afterwards.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_ledger::{LedgerError, Store};
use portcullis_testkit::{PostgresServer, Proxy, Weather};

use crate::{LEASE, numbers, options, records, standby};

const SHORT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_second_writer_waits_until_the_first_gives_the_lease_back() {
    let server = PostgresServer::start().await;
    let mut first = standby(server.port(), options(LEASE, None)).await;
    let mut second = standby(server.port(), options(LEASE, None)).await;
    let writer = first.take().await.unwrap().unwrap();
    assert!(second.take().await.unwrap().is_none());
    writer.append_all(records(1..=5)).await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        writer.close().await.unwrap();
    };
    let (successor, ()) = tokio::join!(second.wait(|_| {}), release);
    let successor = successor.unwrap();
    assert_eq!(successor.last_journal_seq(), 5);
    successor.append_all(records(6..=9)).await.unwrap();
    assert!(matches!(writer.append_all(records([10])).await, Err(LedgerError::Fenced)));
    assert_eq!(numbers(&server).await, (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_lives_keeps_the_lease_and_who_does_not_is_fenced_out() {
    let server = PostgresServer::start().await;
    let first = standby(server.port(), options(SHORT, None)).await.take().await.unwrap().unwrap();
    let mut second = standby(server.port(), options(SHORT, None)).await;
    // Three leases long it has nothing to store, and stays the writer.
    let lives = tokio::time::timeout(SHORT * 3, first.keep_up());
    let (still, none) = tokio::join!(lives, async {
        tokio::time::sleep(SHORT * 2).await;
        second.take().await.unwrap()
    });
    assert!(still.is_err() && none.is_none());
    first.append_all(records(1..=3)).await.unwrap();
    // From here on it is as if paused: nothing renews.
    let second = second.wait(|_| {}).await.unwrap();
    second.append_all(records(4..=6)).await.unwrap();
    assert!(matches!(first.append_all(records(7..=9)).await, Err(LedgerError::Fenced)));
    assert!(matches!(first.keep_up().await, LedgerError::Fenced));
    assert!(matches!(first.close().await, Err(LedgerError::Fenced)));
    second.append_all(records(7..=8)).await.unwrap();
    assert_eq!(numbers(&server).await, (1..=8).collect::<Vec<_>>());
}

/// A batch that was under way for longer than the lease arrives after another writer has stored.
#[tokio::test]
async fn a_batch_that_arrives_after_the_takeover_is_not_stored() {
    let server = PostgresServer::start().await;
    let proxy = Proxy::to(server.port()).await;
    let first = standby(proxy.port(), options(SHORT, None)).await.take().await.unwrap().unwrap();
    let mut second = standby(server.port(), options(LEASE, None)).await;
    first.append_all(records(1..=3)).await.unwrap();
    proxy.set(Weather::Slow(SHORT * 4));
    let (late, successor) = tokio::join!(first.append_all(records(4..=6)), async {
        let second = second.wait(|_| {}).await.unwrap();
        second.append_all(records(4..=5)).await.unwrap();
        second
    });
    assert!(matches!(late, Err(LedgerError::Fenced)), "{late:?}");
    successor.append_all(records(6..=7)).await.unwrap();
    assert_eq!(numbers(&server).await, (1..=7).collect::<Vec<_>>());
}

/// Cut off from the database, it cannot learn that another one writes, and gives itself up when the lease is over.
#[tokio::test]
async fn a_writer_that_is_cut_off_gives_itself_up() {
    let server = PostgresServer::start().await;
    let proxy = Proxy::to(server.port()).await;
    let first = standby(proxy.port(), options(SHORT, None)).await.take().await.unwrap().unwrap();
    first.append_all(records(1..=3)).await.unwrap();
    proxy.set(Weather::Cut);
    let begun = Instant::now();
    assert!(matches!(first.keep_up().await, LedgerError::Fenced));
    assert!(begun.elapsed() >= SHORT / 2, "{:?}", begun.elapsed());
    assert!(matches!(first.append_all(records([4])).await, Err(LedgerError::Fenced)));
    let second = standby(server.port(), options(LEASE, None)).await.wait(|_| {}).await.unwrap();
    second.append_all(records([4])).await.unwrap();
    assert_eq!(numbers(&server).await, [1, 2, 3, 4]);
}

const PORT: &str = "PORTCULLIS_LEDGER_PAUSED_PORT";

#[tokio::test]
#[ignore = "a process of the next test, which pauses it"]
async fn writer_to_be_paused() {
    let Ok(port) = std::env::var(PORT) else { return };
    let port = port.parse().unwrap();
    let writer = standby(port, options(SHORT, None)).await.wait(|_| {}).await.unwrap();
    let mut number = 0;
    let write = async {
        loop {
            number += 1;
            match writer.append_all(records([number])).await {
                Ok(_) => println!("\nstored {number}"),
                Err(error) => return error,
            }
        }
    };
    let ended = tokio::select! {
        error = write => error,
        error = writer.keep_up() => error,
    };
    println!("\nended {ended:?}");
}

/// A process that is stopped in the middle of its work, whatever it is just doing, and goes on after another one
/// has taken over.
#[tokio::test]
async fn a_paused_process_that_comes_back_stores_nothing_more() {
    let server = PostgresServer::start().await;
    let mut paused = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lease::writer_to_be_paused", "--ignored", "--nocapture"])
        .env(PORT, server.port().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(paused.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.by_ref().find(|line| line == "stored 50").unwrap();
    signal(paused.id(), "STOP");
    let begun = Instant::now();
    let mut second = standby(server.port(), options(LEASE, None)).await;
    let second = second.wait(|_| {}).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "taken over after {:?}", begun.elapsed());
    let last = second.last_journal_seq() as i64;
    second.append_all(records(last + 1..=last + 100)).await.unwrap();
    signal(paused.id(), "CONT");
    let ended = lines.by_ref().find(|line| line.starts_with("ended ")).unwrap();
    assert_eq!(ended, "ended Fenced");
    paused.wait().unwrap();
    second.append_all(records(last + 101..=last + 110)).await.unwrap();
    assert_eq!(numbers(&server).await, (1..=last as u64 + 110).collect::<Vec<_>>());
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}
