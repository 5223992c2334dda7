//! Rules 1 to 4: what an ask carries, and what a stage answers that cannot answer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use portcullis_bus::{CallError, Caller, Seats};
use portcullis_bus_nats::{
    BUDGET_HEADER, ConnectOptions, HeaderMap, Remote, StageDoor, Work, connect, subjects,
};
use portcullis_core::{Budget, Cause, Report, Stage, StageName, Status};
use portcullis_injection_classifier::InjectionClassifier;
use portcullis_testkit::{FaultStage, Mood, NatsServer, ask};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::support::{City, CityOptions, Small, run};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn rule_01_budget_and_traceparent_travel_relative() {
    run(async {
        let policy = "[limits]\ntotal_ms = 5000\n[stages.sentiment]\ntimeout_ms = 700\n\
                      timeout_ms_per_kib = 100\n";
        let options = CityOptions::only(&["ingress"]).policy("shop", policy);
        let city = City::start(options).await;
        let asked = record_headers(&city, &StageName::sentiment()).await;
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let headers = [("traceparent", parent.as_str())];
        let short = json!({"bot": "shop", "text": "hello"});
        let verdict = city.http().post("/v1/check", &short, &headers).await.verdict();
        assert_eq!(verdict.trace_id.as_deref(), Some(TRACE));
        let long = json!({"bot": "shop", "text": "hello ".repeat(1000)});
        city.http().post("/v1/check", &long, &headers).await.verdict();

        let asked = asked.seen.lock().unwrap().clone();
        assert_eq!(asked.len(), 2);
        let budget = |headers: &HeaderMap| -> u64 {
            headers.get(BUDGET_HEADER).unwrap().as_str().parse().unwrap()
        };
        // A duration, not a time of day: it is no more than the stage's own time, which grows with length.
        assert!((1..=700).contains(&budget(&asked[0])), "{}", budget(&asked[0]));
        assert!((701..=1200).contains(&budget(&asked[1])), "{}", budget(&asked[1]));
        for headers in &asked {
            let parts: Vec<&str> =
                headers.get("traceparent").unwrap().as_str().split('-').collect();
            assert_eq!(parts[1], TRACE);
            assert_ne!(parts[2], "00f067aa0ba902b7", "the span that asks is one of ingress");
        }
    });
}

/// Headers of every ask, and the responder that keeps them.
struct Recorded {
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    _task: AbortOnDropHandle<()>,
}

/// Serves a stage that finds nothing, and keeps the headers of its asks.
async fn record_headers(city: &City, stage: &StageName) -> Recorded {
    let user = city.user(stage.as_str()).await;
    let mut asks = user.subscribe(subjects::stage_check(stage)).await.unwrap();
    user.flush().await.unwrap();
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let keep = seen.clone();
    #[expect(clippy::disallowed_methods, reason = "the handle ends the task on drop")]
    let task = tokio::spawn(async move {
        while let Some(ask) = asks.next().await {
            keep.lock().unwrap().push(ask.headers.unwrap_or_default());
            let report = serde_json::to_vec(&Report::clean("1", 1 << 20)).unwrap();
            user.publish(ask.reply.unwrap(), report.into()).await.unwrap();
        }
    });
    Recorded { seen, _task: AbortOnDropHandle::new(task) }
}

#[test]
fn rule_02_a_full_stage_says_busy_at_once_and_every_request_is_answered() {
    run(async {
        let server = NatsServer::start().await;
        let options = ConnectOptions::new(server.url(), "test").fail_fast();
        let stage = FaultStage::new(StageName::sentiment());
        // A thread is kept busy, as by work on the CPU.
        stage.set(Mood::Spins(Duration::from_secs(1)));
        let seats = Seats::new(Arc::new(stage.clone()), 1);
        let user = connect(&options).await.unwrap();
        let door = StageDoor::open(user, seats, Work::Computes, "1.0.0").await.unwrap();
        let shutdown = CancellationToken::new();
        let asking = async {
            let remote = Remote::new(connect(&options).await.unwrap());
            let name = StageName::sentiment();
            let answers = join_all((0..50).map(|_| async {
                let (began, mut ask) = (Instant::now(), ask("hello"));
                ask.budget = Budget::of(Duration::from_secs(10));
                (remote.call(&name, &ask).await, began.elapsed())
            }))
            .await;
            shutdown.cancel();
            answers
        };
        let (answers, served) = tokio::join!(asking, door.serve(shutdown.clone()));
        served.unwrap();
        let (seated, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(answer, _)| answer.is_ok());
        assert_eq!((seated.len(), refused.len()), (1, 49));
        for (answer, took) in refused {
            assert_eq!(answer, Err(CallError::Busy));
            assert!(took < Duration::from_millis(700), "busy after {took:?}");
        }
        assert_eq!(stage.asked(), 1);
    });
}

#[tokio::test]
async fn rule_02_work_on_the_cpu_looks_at_its_budget() {
    let classifier = InjectionClassifier::new().unwrap();
    let mut ask = ask(&"a long document about nothing in particular. ".repeat(100_000));
    ask.budget = Budget::of(Duration::from_millis(5));
    let began = Instant::now();
    let covered = match classifier.check(&ask).await {
        Ok(report) => report.coverage.is_whole(),
        Err(_) => false,
    };
    assert!(!covered, "4.6 MB in 5 ms");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn rule_03_a_panic_is_answered_as_panicked_and_the_stage_goes_on() {
    // The hook that prints the place and never the payload is tested in crates/telemetry.
    run(async {
        let city = City::start(CityOptions::only(&["ingress"])).await;
        let stage = FaultStage::new(StageName::sentiment());
        let served = city.serve(&stage, 4).await;
        let ingress = Remote::new(city.user("ingress").await);
        stage.set(Mood::Panics);
        for _ in 0..10 {
            let answer = ingress.call(&StageName::sentiment(), &ask("hello")).await;
            assert_eq!(answer, Err(CallError::Panicked));
        }
        stage.set(Mood::Well);
        assert!(ingress.call(&StageName::sentiment(), &ask("hello")).await.is_ok());
        served.stop().await;
    });
    // A process that aborts at a panic could not answer.
    let workspace = include_str!("../../../Cargo.toml");
    assert!(!workspace.contains("panic = \"abort\""));
}

#[tokio::test]
async fn rule_04_one_more_try_only_where_busy_or_absent() {
    for (mood, cause, tries) in [
        (Mood::Busy, Cause::Busy, 2),
        (Mood::Panics, Cause::Panicked, 1),
        (Mood::Dependency, Cause::Dependency, 1),
        (Mood::Sleeps(Duration::from_secs(2)), Cause::Late, 1),
    ] {
        let (local, stages) = Small::fault_stages(8);
        let small = Small::new(local).policy("[stages.sentiment]\ntimeout_ms = 100\n");
        let sentiment = &stages[3];
        sentiment.set(mood.clone());
        let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
        let check = verdict.check(&StageName::sentiment()).unwrap();
        assert_eq!((check.status, check.cause), (Status::Gap, Some(cause)), "{mood:?}");
        assert_eq!(sentiment.asked(), tries, "{mood:?}");
    }
}

#[tokio::test]
async fn rule_04_no_second_try_past_the_budget() {
    let (local, stages) = Small::fault_stages(8);
    let small = Small::new(local).policy("[stages.sentiment]\ntimeout_ms = 8\n");
    stages[3].set(Mood::Busy);
    let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
    assert_eq!(verdict.check(&StageName::sentiment()).unwrap().cause, Some(Cause::Busy));
    assert_eq!(stages[3].asked(), 1, "8 ms are too short for a pause and another try");
}
