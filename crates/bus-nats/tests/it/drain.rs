//! Stopping a replica loses nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_bus::Caller;
use portcullis_bus_nats::{Remote, Work};
use portcullis_core::StageName;
use portcullis_testkit::{Mood, NatsServer, ask, eventually};

use crate::{PATIENCE, Replica, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_work_are_answered_in_a_drain() {
    let server = NatsServer::start().await;
    let replica = Replica::start(&server, StageName::sentiment(), 64, Work::Waits).await;
    replica.stage.set(Mood::Sleeps(Duration::from_millis(300)));
    let stage = replica.stage.clone();
    let remote = Remote::new(client(&server).await);
    let (name, question) = (StageName::sentiment(), ask("hello"));
    let asks = futures::future::join_all((0..50).map(|_| remote.call(&name, &question)));
    let stop = async {
        eventually(PATIENCE, async || stage.asked() == 50).await;
        replica.stop().await;
    };
    let (answers, ()) = tokio::join!(asks, stop);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_the_load_and_a_rolling_restart_loses_nothing() {
    let server = NatsServer::start().await;
    let name = StageName::sentiment();
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let replica = Replica::start(&server, name.clone(), 64, Work::Waits).await;
        replica.stage.set(Mood::Sleeps(Duration::from_millis(2)));
        replicas.push(replica);
    }
    let remote = Remote::new(client(&server).await);
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = futures::future::join_all((0..16).map(async |_| {
        while !stop.load(Ordering::SeqCst) {
            remote.call(&name, &ask("hello")).await.expect("no request fails");
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let roll = async {
        eventually(PATIENCE, async || answered.load(Ordering::SeqCst) > 200).await;
        for replica in &replicas {
            assert!(replica.stage.asked() > 20, "both have their share");
        }
        for _ in 0..12 {
            replicas.remove(0).stop().await;
            let replica = Replica::start(&server, name.clone(), 64, Work::Waits).await;
            replica.stage.set(Mood::Sleeps(Duration::from_millis(2)));
            let stage = replica.stage.clone();
            eventually(PATIENCE, async || stage.asked() > 20).await;
            replicas.push(replica);
        }
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(load, roll);
    for replica in replicas {
        replica.stop().await;
    }
}
