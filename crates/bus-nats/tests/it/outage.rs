//! The server goes away and comes back in mid-traffic.

use std::time::{Duration, Instant};

use futures::StreamExt;
use portcullis_bus::{Caller, Journal, JournalError, Kv, KvEvent};
use portcullis_bus_nats::{
    ConnectError, ConnectOptions, NatsJournal, NatsKv, Remote, Work, admin, connect, subjects,
};
use portcullis_core::StageName;
use portcullis_testkit::{NatsOptions, NatsServer, ask, entry, eventually};

use crate::{PATIENCE, Replica, client, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_the_record_come_again_after_a_restart() {
    let options = NatsOptions { sync_always: true, ..NatsOptions::default() };
    let mut server = NatsServer::start_with(options).await;
    let bus = client(&server).await;
    admin::init(&bus, &small()).await.unwrap();
    let replica = Replica::start(&server, StageName::sentiment(), 8, Work::Waits).await;
    let remote = Remote::new(bus.clone());
    let journal = NatsJournal::new(bus.clone(), Duration::from_millis(300));
    let mut deliveries = journal.follow("audit").await.unwrap();
    let control = NatsKv::open(bus.clone(), subjects::CONTROL_BUCKET).await.unwrap();
    let mut watched = control.watch().await.unwrap();
    assert_eq!(watched.next().await, Some(KvEvent::Snapshot));

    let name = StageName::sentiment();
    remote.call(&name, &ask("hello")).await.unwrap();
    journal.append(&entry("before")).await.unwrap();

    server.kill();
    eventually(PATIENCE, async || {
        journal.append(&entry("during")).await == Err(JournalError::Away)
    })
    .await;
    let start = Instant::now();
    server.restart().await;
    eventually(PATIENCE, async || remote.call(&name, &ask("hello")).await.is_ok()).await;
    eventually(PATIENCE, async || journal.append(&entry("after")).await.is_ok()).await;
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());

    // What was acknowledged before the kill is there; the reader goes on with the same stream.
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("action/shop/after") {
        let item = tokio::time::timeout(Duration::from_secs(30), deliveries.next()).await;
        if let Ok(delivery) = item.expect("the reader goes on").expect("the stream goes on") {
            seen.push(delivery.entry().unwrap().id.clone());
            delivery.ack().await.unwrap();
        }
    }
    assert_eq!(seen.first().map(String::as_str), Some("action/shop/before"), "{seen:?}");
    let unique: std::collections::BTreeSet<_> = seen.iter().collect();
    assert!(unique.len() <= 3, "{seen:?}");

    // A watcher goes on, or is ended and watches again.
    let mut put = None;
    eventually(PATIENCE, async || {
        put = control.put("operator.all", "stop".into()).await.ok();
        put.is_some()
    })
    .await;
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            match watched.next().await {
                Some(KvEvent::Put { key, .. }) if key == "operator.all" => return,
                Some(_) => {}
                None => watched = control.watch().await.unwrap(),
            }
        }
    });
    told.await.expect("the watcher is told");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_its_server_and_a_command_does_not() {
    let mut server = NatsServer::start().await;
    server.kill();
    let options = ConnectOptions::new(server.url(), "test");
    let failed = connect(&options.clone().fail_fast()).await.unwrap_err();
    assert!(matches!(failed, ConnectError::Away(_)), "{failed}");
    let (client, ()) = tokio::join!(connect(&options), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart().await;
    });
    client.unwrap().flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_is_refused_by_name() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let old = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let hello = "INFO {\"server_id\":\"x\",\"version\":\"2.9.25\",\"max_payload\":1024}\r\n";
        socket.write_all(hello.as_bytes()).await.unwrap();
        socket.write_all(b"PONG\r\n").await.unwrap();
        socket
    };
    let options = ConnectOptions::new(format!("nats://127.0.0.1:{port}"), "test").fail_fast();
    let (answer, _socket) = tokio::join!(connect(&options), old);
    let error = answer.unwrap_err();
    assert_eq!(error, ConnectError::TooOld { found: "2.9.25".into() });
    assert!(error.to_string().contains("2.10.23 or later"), "{error}");
}
