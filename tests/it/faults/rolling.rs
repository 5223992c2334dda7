//! A rolling restart under load: no request fails, and no check is missing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::join_all;
use portcullis_core::{Decision, Status, Verdict};
use portcullis_testkit::eventually;
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, nats_check, run, verdict_ids};

/// Asks by HTTP and NATS while `services` are stopped and started, one after the other, twice.
async fn roll(mut city: City, services: &[&str]) -> Vec<Verdict> {
    let (http, bot) = (city.http(), city.bot("shop").await);
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let message = json!({"bot": "shop", "text": "What time do you open?"});
    let ask = async |by_nats: bool| {
        let mut verdicts = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            verdicts.push(if by_nats {
                nats_check(&bot, "shop", &message).await
            } else {
                http.check(message.clone()).await
            });
            answered.fetch_add(1, Ordering::SeqCst);
        }
        verdicts
    };
    let rolling = async {
        for name in services.iter().chain(services) {
            let before = answered.load(Ordering::SeqCst);
            assert!(city.service(name).stop().await.success(), "{name}");
            city.service(name).start();
            city.service(name).ready().await;
            eventually(PATIENCE, async || answered.load(Ordering::SeqCst) >= before + 10).await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    let asking = join_all([false, false, false, true, true].map(&ask));
    let (verdicts, ()) = tokio::join!(asking, rolling);
    let verdicts: Vec<Verdict> = verdicts.into_iter().flatten().collect();
    let mut given: Vec<String> = verdicts.iter().map(|verdict| verdict.id.to_string()).collect();
    given.sort();
    assert_eq!(verdict_ids(&city.journal().await), given, "an entry for each verdict");
    verdicts
}

#[test]
fn a_rolling_restart_of_a_stage_fails_no_request_and_leaves_no_gap() {
    run(async {
        let city = City::start(CityOptions::all().replicas("injection-classifier", 2)).await;
        let names = ["injection-classifier-0", "injection-classifier-1"];
        for verdict in roll(city, &names).await {
            assert_eq!(verdict.decision, Decision::Allow);
            assert!(verdict.receipt.iter().all(|check| check.status == Status::Ran), "{verdict:?}");
        }
    });
}

#[test]
fn a_rolling_restart_of_the_gate_and_the_sanitizer_fails_no_request() {
    run(async {
        let options = CityOptions::all().replicas("sanitizer", 2).replicas("rate-limit", 2);
        let city = City::start(options).await;
        let names = ["sanitizer-0", "rate-limit-0", "sanitizer-1", "rate-limit-1"];
        for verdict in roll(city, &names).await {
            assert_eq!(verdict.decision, Decision::Allow);
            assert!(verdict.receipt.iter().all(|check| check.status == Status::Ran), "{verdict:?}");
        }
    });
}
