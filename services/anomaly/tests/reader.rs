//! From the record to the outlets, and orders on the way.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use portcullis_anomaly::outlet::{Alertmanager, Outlet, OutletError, Webhook, queue};
use portcullis_anomaly::{
    Acting, Actor, Alert, Order, Reader, Reading, Signal, State, Subject, Urgency, Watch, Watching,
};
use portcullis_bus::{Journal, Kv, MemoryJournal, MemoryKv};
use portcullis_core::{Action, Body, BotId, Clock, Decision, Entry, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn alert() -> Alert {
    let at = Timestamp::from_second(1_767_571_200).unwrap();
    Alert {
        id: "a1".into(),
        bot: BotId::fallback(),
        subject: Subject::Speaker("5e".into()),
        severity: Urgency::Warning,
        state: State::Firing,
        since: at,
        at,
        signals: vec![Reading {
            signal: Signal::Blocks,
            value: 9.0,
            normal: 0.0,
            size: 1e4,
            unit: "refused messages".into(),
        }],
        examples: vec!["verdict/default/inbound/1".into()],
        recommended: Action::Block,
        acted: None,
    }
}

fn actor(action: Action, kv: &MemoryKv, journal: &MemoryJournal) -> Actor {
    let mut acting = Acting::default();
    acting.speaker.insert(Signal::Blocks, Order { action, factor: 0.2, for_s: 60 });
    Actor::new(acting, Arc::new(kv.clone()), Arc::new(journal.clone()))
}

#[tokio::test]
async fn an_order_stands_in_the_bucket_and_in_the_record_and_goes_when_it_is_over() {
    let (kv, journal) = (MemoryKv::new(1), MemoryJournal::new());
    let mut actor = actor(Action::Limit, &kv, &journal);
    let (mut alert, now) = (alert(), alert().at);
    actor.act(&mut alert, now).await;
    let kept = kv.get("anomaly.speaker.5e").await.unwrap().unwrap();
    let order: portcullis_core::Order = serde_json::from_slice(&kept.value).unwrap();
    assert_eq!(
        (order.action, order.factor, order.by.as_str()),
        (Action::Limit, Some(0.2), "anomaly")
    );
    assert_eq!(order.expires_at, alert.acted.as_ref().map(|acted| acted.expires_at));

    actor.act(&mut alert, now).await;
    assert_eq!(journal.entries().len(), 1, "the same alert orders once");
    actor.expire(order.expires_at.unwrap()).await;
    assert_eq!(kv.get("anomaly.speaker.5e").await.unwrap(), None);
    let actions: Vec<String> = journal
        .entries()
        .into_iter()
        .map(|entry| match entry.body {
            Body::Action(record) => format!("{} {} {}", record.action, record.scope, record.by),
            _ => String::new(),
        })
        .collect();
    assert_eq!(actions, ["limit speaker:5e anomaly", "limit_expired speaker:5e anomaly"]);
}

#[tokio::test]
async fn what_is_long_over_orders_nothing() {
    let (kv, journal) = (MemoryKv::new(1), MemoryJournal::new());
    let mut actor = actor(Action::Limit, &kv, &journal);
    let seen = alert().at;
    for (later, ordered) in [(61, false), (59, true)] {
        let mut alert = alert();
        let now = Timestamp::from_second(seen.as_second() + later).unwrap();
        actor.act(&mut alert, now).await;
        assert_eq!(alert.acted.is_some(), ordered, "{later} s after it was seen");
        if let Some(acted) = alert.acted {
            assert_eq!(acted.expires_at.as_second(), seen.as_second() + 60);
        }
        assert_eq!(kv.get("anomaly.speaker.5e").await.unwrap().is_some(), ordered);
    }
}

#[tokio::test]
async fn without_settings_nothing_is_ordered_and_a_resolution_orders_nothing() {
    let (kv, journal) = (MemoryKv::new(1), MemoryJournal::new());
    let mut idle = Actor::new(Acting::default(), Arc::new(kv.clone()), Arc::new(journal.clone()));
    let mut one = alert();
    let at = one.at;
    idle.act(&mut one, at).await;
    let mut over = Alert { state: State::Resolved, ..alert() };
    let now = over.at;
    actor(Action::Block, &kv, &journal).act(&mut over, now).await;
    assert_eq!((kv.get("anomaly.speaker.5e").await.unwrap(), journal.entries().len()), (None, 0));
    assert_eq!((one.acted, over.acted), (None, None));
}

/// Keeps what it is told; away for the first few times.
#[derive(Clone, Default)]
struct Ear {
    heard: Arc<Mutex<Vec<Alert>>>,
    away: Arc<Mutex<u32>>,
}

#[async_trait]
impl Outlet for Ear {
    fn name(&self) -> &'static str {
        "ear"
    }

    async fn tell(&self, alert: &Alert) -> Result<(), OutletError> {
        let mut away = self.away.lock().unwrap();
        if *away > 0 {
            *away -= 1;
            return Err(OutletError::Away);
        }
        self.heard.lock().unwrap().push(alert.clone());
        Ok(())
    }
}

async fn until(what: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it happens in time");
}

/// A message of a speaker, so many seconds ago.
fn said(id: &str, speaker: &str, blocked: bool, ago: i64) -> Entry {
    let mut entry = portcullis_testkit::verdict_entry(id);
    entry.at = SystemClock.now() - jiff::SignedDuration::from_secs(ago);
    if let Body::Verdict(record) = &mut entry.body {
        record.speaker = Some(speaker.into());
        record.verdict.decision = if blocked { Decision::Block } else { Decision::Allow };
    }
    entry
}

#[tokio::test]
async fn what_is_read_late_counts_for_when_it_was() {
    let (kv, journal) = (MemoryKv::new(1), MemoryJournal::new());
    // One message a minute, for ten hours in which nobody read: no flood, whenever it is read.
    for minute in (1..=600).rev() {
        let entry = said(&format!("calm{minute}"), "5e", false, 60 * minute);
        journal.append(&entry).await.unwrap();
    }
    for n in 0..30 {
        journal.append(&said(&format!("now{n}"), "6f", true, 0)).await.unwrap();
    }
    let (ear, shutdown) = (Ear::default(), CancellationToken::new());
    let (put, telling) = queue(ear.clone(), shutdown.clone());
    let reader = Reader {
        journal: Arc::new(journal.clone()),
        watch: Watch::new(Watching::default()),
        actor: actor(Action::Block, &kv, &journal),
        outlets: vec![put],
        snapshots: None,
        clock: Arc::new(SystemClock),
    };
    let work = async {
        until(|| !ear.heard.lock().unwrap().is_empty()).await;
        shutdown.cancel();
    };
    tokio::join!(reader.run(shutdown.clone()), telling, work);
    for alert in &*ear.heard.lock().unwrap() {
        assert_eq!(alert.subject, Subject::Speaker("6f".into()), "{alert:?}");
    }
}

#[tokio::test]
async fn the_record_becomes_alerts_and_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anomaly.snapshot");
    let (kv, journal) = (MemoryKv::new(1), MemoryJournal::new());
    let shutdown = CancellationToken::new();
    let ear = Ear { away: Arc::new(Mutex::new(2)), ..Ear::default() };
    let (put, telling) = queue(ear.clone(), shutdown.clone());
    let reader = Reader {
        journal: Arc::new(journal.clone()),
        watch: Watch::new(Watching::default()),
        actor: actor(Action::Block, &kv, &journal),
        outlets: vec![put],
        snapshots: Some((path.clone(), Duration::from_secs(3_600))),
        clock: Arc::new(SystemClock),
    };
    let work = async {
        for n in 0..30 {
            journal.append(&said(&format!("m{n}"), "5e", true, 0)).await.unwrap();
        }
        until(|| !ear.heard.lock().unwrap().is_empty()).await;
        shutdown.cancel();
    };
    tokio::join!(reader.run(shutdown.clone()), telling, work);
    let heard = ear.heard.lock().unwrap().clone();
    assert_eq!(heard[0].subject, Subject::Speaker("5e".into()));
    assert_eq!(heard[0].acted.as_ref().map(|acted| acted.action), Some(Action::Block));
    assert!(kv.get("anomaly.speaker.5e").await.unwrap().is_some());
    let bytes = portcullis_anomaly::snapshot::read(&path).unwrap().expect("a snapshot at the end");
    assert_eq!(Watch::from_bytes(&bytes, Watching::default()).unwrap().speakers(), 1);
}

/// Answers each request with the next status, and hands out what was posted.
async fn server(statuses: &'static [u16]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::task::spawn(async move {
        let mut bodies = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let body = loop {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.unwrap();
                request.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length =
                    head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| {
                        rest.split("\r\n").next().and_then(|number| number.parse::<usize>().ok())
                    });
                if length.is_some_and(|length| body.len() >= length) {
                    break format!("{} {body}", head.lines().next().unwrap());
                }
            };
            bodies.push(body);
            let answer =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        bodies
    });
    (format!("http://{address}"), task)
}

#[tokio::test]
async fn alertmanager_is_told_in_its_own_form_and_a_failure_is_tried_again() {
    let (url, server) = server(&[503, 200]).await;
    let shutdown = CancellationToken::new();
    let (put, telling) = queue(Alertmanager::new(&url).unwrap(), shutdown.clone());
    put.put(&alert());
    let ((), bodies) = tokio::join!(telling, async {
        let bodies = server.await.unwrap();
        shutdown.cancel();
        bodies
    });
    assert_eq!(bodies[0], bodies[1]);
    let (request, body) = bodies[1].split_once(" HTTP/1.1 ").unwrap();
    assert_eq!(request, "POST /api/v2/alerts");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body[0]["labels"]["severity"], "warning");
    assert_eq!(body[0]["labels"]["alert_id"], "a1");
    assert!(body[0].get("endsAt").is_none());
    assert!(!body.to_string().contains("5e"), "no name of a person, not even hashed");
}

#[tokio::test]
async fn a_webhook_that_refuses_is_not_asked_again_and_one_that_redirects_is_not_followed() {
    let (url, answered) = server(&[400]).await;
    assert_eq!(Webhook::new(&url).unwrap().tell(&alert()).await, Err(OutletError::Refused));
    let posted = answered.await.unwrap();
    let body = posted[0].split_once(" HTTP/1.1 ").unwrap().1;
    assert_eq!(serde_json::from_str::<Alert>(body).unwrap(), alert());
    let (url, _answered) = server(&[302]).await;
    assert_eq!(Webhook::new(&url).unwrap().tell(&alert()).await, Err(OutletError::Refused));
    assert_eq!(
        Webhook::new("http://127.0.0.1:1").unwrap().tell(&alert()).await,
        Err(OutletError::Away)
    );
}
