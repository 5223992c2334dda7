//! Rules 9, 10, 11 and 13: readiness, the drain, what the server echoes, and what it forbids.

use std::time::Duration;

use futures::future::join_all;
use portcullis_bus::Caller;
use portcullis_bus_nats::{ConnectError, ConnectOptions, Remote, admin, connect, streams};
use portcullis_core::{Decision, StageName, Status};
use portcullis_testkit::{FaultStage, Mood, NatsServer, ask, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{City, CityOptions, PATIENCE, metric, run};

#[test]
fn rule_09_ready_once_the_bus_has_been_there_and_a_later_loss_is_not_unready() {
    run(async {
        let options = CityOptions::only(&["ingress", "sanitizer", "audit"]);
        let mut city = City::start(options.clone()).await;
        city.nats.kill();
        for service in ["ingress", "sanitizer", "audit"] {
            let name = format!("{service}-0");
            let (status, body) = city.service(&name).health("livez").await.unwrap();
            assert_eq!(status, 200, "{name}: {body}");
            assert!(city.service(&name).is_ready().await, "{name} was ready before the loss");
        }
        // Who starts without a bus lives, and is not ready.
        for service in ["ingress", "sanitizer"] {
            city.add(&options, service, 1);
        }
        for service in ["ingress-1", "sanitizer-1"] {
            let service = city.service(service);
            eventually(PATIENCE, async || service.health("livez").await.is_some()).await;
            let (status, body) = service.health("readyz").await.unwrap();
            assert_eq!(status, 503, "{body}");
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["ready"], false);
        }
        city.nats.restart().await;
        for service in ["ingress-1", "sanitizer-1"] {
            city.service(service).ready().await;
        }
        let metrics = city.metrics("ingress-1").await;
        for condition in ["bus", "policies", "control"] {
            assert_eq!(metric(&metrics, "portcullis_condition", &[("condition", condition)]), 1.0);
        }
        let metrics = city.metrics("sanitizer-1").await;
        assert_eq!(metric(&metrics, "portcullis_condition", &[("condition", "warm-up")]), 1.0);
    });
}

#[test]
fn rule_10_a_drained_stage_answers_what_was_in_flight() {
    run(async {
        let city = City::start(CityOptions::only(&["ingress"])).await;
        let stage = FaultStage::new(StageName::sentiment());
        stage.set(Mood::Sleeps(Duration::from_millis(300)));
        let served = city.serve(&stage, 64).await;
        let ingress = Remote::new(city.user("ingress").await);
        let name = StageName::sentiment();
        let asks = join_all((0..20).map(|_| async { ingress.call(&name, &ask("hello")).await }));
        let stopping = async {
            eventually(PATIENCE, async || stage.asked() == 20).await;
            served.stop().await;
        };
        let (answers, ()) = tokio::join!(asks, stopping);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert!(ingress.call(&name, &ask("hello")).await.is_err(), "nobody serves it now");
    });
}

#[test]
fn rule_10_an_ingress_that_is_told_to_stop_answers_first_and_ends_well() {
    run(async {
        let services = ["ingress", "rate-limit", "sanitizer", "injection-classifier"];
        let mut city = City::start(CityOptions::only(&services)).await;
        let stage = FaultStage::new(StageName::sentiment());
        stage.set(Mood::Sleeps(Duration::from_millis(500)));
        let _served = city.serve(&stage, 64).await;
        let (http, bot) = (city.http(), city.bot("shop").await);
        let message = json!({"bot": "shop", "text": "hello"});
        let by_http = join_all((0..8).map(|_| http.check(message.clone())));
        let by_nats = join_all((0..8).map(|_| crate::support::nats_check(&bot, "shop", &message)));
        let stopping = async {
            eventually(PATIENCE, async || stage.asked() == 16).await;
            city.service("ingress-0").stop().await
        };
        let (by_http, by_nats, status) = tokio::join!(by_http, by_nats, stopping);
        for verdict in by_http.iter().chain(&by_nats) {
            assert_eq!(verdict.decision, Decision::Allow);
            assert!(verdict.receipt.iter().all(|check| check.status == Status::Ran));
        }
        assert!(status.success(), "{status}");
        assert_eq!(city.journal().await.len(), 16);
    });
}

#[test]
fn rule_11_init_compares_what_the_server_echoes() {
    run(async {
        let server = NatsServer::start().await;
        let asked = streams::streams(&admin::InitOptions::default());
        let held = asked.iter().find(|stream| stream.name == "HELD").unwrap();
        assert!(held.discard_new_per_subject, "the field that is lost below");
        // A server that does not know a field takes the rest and says nothing.
        let (port, _ignoring) = ignoring_proxy(server.port()).await;
        let options = ConnectOptions::new(format!("nats://127.0.0.1:{port}"), "test").fail_fast();
        let client = connect(&options).await.unwrap();
        let refused = admin::init(&client, &admin::InitOptions::default()).await.unwrap_err();
        let field = "discard_new_per_subject".to_owned();
        assert_eq!(refused, admin::InitError::Differs { name: "HELD".into(), field });
    });
}

/// A proxy for one connection in which the server never learns of `discard_new_per_subject`.
async fn ignoring_proxy(port: u16) -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let own = listener.local_addr().unwrap().port();
    #[expect(clippy::disallowed_methods, reason = "the handle ends the task on drop")]
    let task = tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut near_in, mut near_out) = near.into_split();
        let (mut far_in, mut far_out) = far.into_split();
        let back = tokio::io::copy(&mut far_in, &mut near_out);
        let forth = async {
            let mut bytes = vec![0; 64 * 1024];
            loop {
                let read = near_in.read(&mut bytes).await.unwrap();
                if read == 0 {
                    return;
                }
                // As long as before, because the protocol has said how much comes.
                let text = String::from_utf8_lossy(&bytes[..read]);
                let text = text.replace(
                    "\"discard_new_per_subject\":true",
                    "\"discard_new_per_subject\":null",
                );
                far_out.write_all(text.as_bytes()).await.unwrap();
            }
        };
        let _ = tokio::join!(back, forth);
    });
    (own, AbortOnDropHandle::new(task))
}

#[test]
fn rule_11_an_old_server_is_refused_at_the_start() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let info = json!({
                "server_id": "old", "server_name": "old", "version": "2.10.22", "proto": 1,
                "host": "127.0.0.1", "port": port, "headers": true, "max_payload": 1 << 20,
                "client_id": 1, "go": "go1.22",
            });
            stream.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
            let (reader, mut writer) = stream.split();
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.trim() == "PING" {
                    writer.write_all(b"PONG\r\n").await.unwrap();
                }
            }
        };
        let url = format!("nats://127.0.0.1:{port}");
        // Keeps trying by default, but not where trying cannot mend it.
        let options = ConnectOptions::new(url, "test");
        let connected = connect(&options);
        let refused = tokio::select! {
            connected = connected => connected.map(|_| ()),
            () = async { server.await; std::future::pending().await } => unreachable!(),
        };
        assert_eq!(refused, Err(ConnectError::TooOld { found: "2.10.22".into() }));
    });
}

#[test]
fn rule_13_a_forbidden_subscribe_is_a_metric() {
    run(async {
        // A stage that was given another's user, as a wrong secret in a cluster would.
        let options = CityOptions::only(&["sentiment"]).env(
            "sentiment",
            "PORTCULLIS__NATS__USER",
            "moderation",
        );
        let city = City::start(options).await;
        let event = [("event", "permission_violation")];
        eventually(PATIENCE, async || {
            metric(&city.metrics("sentiment-0").await, "portcullis_nats_events_total", &event) > 0.0
        })
        .await;
    });
}

#[test]
fn rule_13_a_forbidden_publish_is_a_metric() {
    run(async {
        // Ingress under the user of another may not write the record.
        let options = CityOptions::only(&["sanitizer"]);
        let mut city = City::start(options).await;
        let wrong =
            CityOptions::only(&["ingress"]).env("ingress", "PORTCULLIS__NATS__USER", "operator");
        city.add(&wrong, "ingress", 0);
        let event = [("event", "permission_violation")];
        let ingress = city.service("ingress-0");
        eventually(PATIENCE, async || {
            let Some((_, metrics)) = ingress.health("metrics").await else { return false };
            metric(&metrics, "portcullis_nats_events_total", &event) > 0.0
        })
        .await;
        assert!(
            ingress.log().contains("Permissions Violation for Publish"),
            "the log names the subject"
        );
    });
}
