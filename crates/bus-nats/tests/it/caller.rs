//! Asking a stage over the bus: every answer, and every way in which there is none.

use std::time::{Duration, Instant};

use portcullis_bus::{CallError, Caller};
use portcullis_bus_nats::{BUDGET_HEADER, ERROR_HEADER, HeaderMap, Remote, Work, subjects};
use portcullis_core::{Budget, Report, StageName};
use portcullis_testkit::{Mood, NatsServer, answer_garbage, ask, conformance};

use crate::{Replica, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_stage_conforms() {
    let server = NatsServer::start().await;
    for work in [Work::Waits, Work::Computes] {
        let replica = Replica::start(&server, StageName::sentiment(), 2, work).await;
        let remote = Remote::new(client(&server).await);
        conformance::caller(&remote, &replica.stage, 2).await;
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_is_known_at_once() {
    let server = NatsServer::start().await;
    let remote = Remote::new(client(&server).await);
    let question = ask("hello");
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        let answer = remote.call(&StageName::sanitizer(), &question).await;
        assert_eq!(answer, Err(CallError::Absent));
        fastest = fastest.min(start.elapsed());
    }
    // The fastest: what is measured is the bus and not the load of the machine.
    assert!(fastest < Duration::from_millis(10), "took {fastest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_is_said_at_once_while_every_seat_computes() {
    let server = NatsServer::start().await;
    let replica = Replica::start(&server, StageName::moderation(), 4, Work::Computes).await;
    replica.stage.set(Mood::Spins(Duration::from_millis(800)));
    let remote = Remote::new(client(&server).await);
    // Long enough to compute apart from the runtime, in more seats than that has workers: on the workers
    // they would keep the reader away.
    let (name, question) = (StageName::moderation(), ask(&"hello ".repeat(2_000)));
    let (seated, busy) = tokio::join!(
        futures::future::join_all((0..4).map(|_| remote.call(&name, &question))),
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let start = Instant::now();
            (remote.call(&name, &question).await, start.elapsed())
        }
    );
    assert!(seated.iter().all(Result::is_ok));
    assert_eq!(busy.0, Err(CallError::Busy));
    assert!(busy.1 < Duration::from_millis(300), "took {:?}", busy.1);
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_judged_whose_time_was_spent_waiting_for_a_turn() {
    let server = NatsServer::start().await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let replica = Replica::start(&server, StageName::moderation(), cores * 6, Work::Computes).await;
    replica.stage.set(Mood::Spins(Duration::from_millis(300)));
    let remote = Remote::new(client(&server).await);
    let (name, mut question) = (StageName::moderation(), ask(&"hello ".repeat(2_000)));
    // In so short a time two rounds begin, of as many as there are cores.
    question.budget = Budget::of(Duration::from_millis(450));
    let asked = (0..cores * 6).map(|_| remote.call(&name, &question));
    let answers = futures::future::join_all(asked).await;
    assert!(answers.iter().any(Result::is_ok));
    replica.stage.set(Mood::Well);
    assert!(remote.call(&name, &ask("hello")).await.is_ok());
    let asked = replica.stage.asked();
    replica.stop().await;
    assert!(asked <= cores * 2 + 1, "{asked} were judged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_for_an_answer_is_unreadable_and_a_later_release_is_read() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    let remote = Remote::new(bus.clone());
    // A stage for each: the server may not yet know that the one before is gone.
    let answered = async |name: &StageName, body: &'static str| {
        let subject = subjects::stage_check(name);
        let _responder = answer_garbage(bus.clone(), subject, name.to_string(), body.into()).await;
        remote.call(name, &ask("hello")).await
    };
    let garbage = ["", "{", "[]", "\u{1}\u{2}", "{\"version\":7}", "{\"findings\":[{}]}"];
    for (number, garbage) in garbage.into_iter().enumerate() {
        let name = StageName::parse(&format!("garbage-{number}")).unwrap();
        assert_eq!(answered(&name, garbage).await, Err(CallError::Unreadable), "{garbage:?}");
    }
    let later =
        r#"{"version":"9","coverage":{"scanned":5,"total":5,"complete":true},"new":{"x":1}}"#;
    assert_eq!(answered(&StageName::sentiment(), later).await, Ok(Report::clean("9", 5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_read_are_answered_and_never_quoted() {
    let server = NatsServer::start().await;
    let replica = Replica::start(&server, StageName::sentiment(), 2, Work::Waits).await;
    let bus = client(&server).await;
    let subject = subjects::stage_check(&StageName::sentiment());
    let whole = serde_json::to_string(&ask("hello")).unwrap();
    for (budget, body, word) in [
        (Some("200"), "{\"interaction\": \"marker-7\"}", "unreadable"),
        (Some("200"), "marker-7", "unreadable"),
        (Some("soon"), whole.as_str(), "unreadable"),
        (Some("0"), whole.as_str(), "late"),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(budget) = budget {
            headers.insert(BUDGET_HEADER, budget);
        }
        let reply = bus
            .request_with_headers(subject.clone(), headers, body.to_owned().into())
            .await
            .unwrap();
        assert!(reply.payload.is_empty());
        let headers = format!("{:?}", reply.headers);
        assert!(!headers.contains("marker"), "{headers}");
        assert_eq!(reply.headers.unwrap().get(ERROR_HEADER).unwrap().as_str(), word, "{body}");
    }
    let reply = bus.request(subject, whole.into()).await.unwrap();
    let report: Report = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(report, Report::clean("fault/1", 5), "a request without a budget has a default");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_is_found_with_the_micro_service_protocol() {
    let server = NatsServer::start().await;
    let replica = Replica::start(&server, StageName::sentiment(), 2, Work::Waits).await;
    let bus = client(&server).await;
    let remote = Remote::new(bus.clone());
    remote.call(&StageName::sentiment(), &ask("hello")).await.unwrap();
    replica.stage.set(Mood::Panics);
    remote.call(&StageName::sentiment(), &ask("hello")).await.unwrap_err();

    let get = async |subject: &str| -> serde_json::Value {
        let reply = bus.request(subject.to_owned(), "".into()).await.unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    };
    let ping = get("$SRV.PING").await;
    assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
    assert_eq!((&ping["name"], &ping["version"]), (&"sentiment".into(), &"1.2.3".into()));
    let info = get("$SRV.INFO.sentiment").await;
    assert_eq!(info["endpoints"][0]["subject"], "portcullis.v1.stage.sentiment.check");
    let id = ping["id"].as_str().unwrap();
    let stats = get(&format!("$SRV.STATS.sentiment.{id}")).await;
    let endpoint = &stats["endpoints"][0];
    assert_eq!((&endpoint["num_requests"], &endpoint["num_errors"]), (&2.into(), &1.into()));
    assert_eq!(endpoint["last_error"], "panicked");
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_late_within_the_budget() {
    let server = NatsServer::start().await;
    let replica = Replica::start(&server, StageName::sentiment(), 2, Work::Waits).await;
    let remote = Remote::new(client(&server).await);
    server.pause();
    let mut question = ask("hello");
    question.budget = Budget::of(Duration::from_millis(100));
    let start = Instant::now();
    assert_eq!(remote.call(&StageName::sentiment(), &question).await, Err(CallError::Late));
    assert!(start.elapsed() < Duration::from_millis(500));
    server.resume();
    assert!(remote.call(&StageName::sentiment(), &ask("hello")).await.is_ok());
    replica.stop().await;
}
