//! NATS and Redis killed in mid-traffic, and back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use portcullis_bus_nats::HeaderMap;
use portcullis_core::{Cause, Decision, Recorded, StageName, Status, Verdict};
use portcullis_testkit::eventually;
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, PATIENT, nats_ask, run, verdict_ids};

/// Times in which a blip shows as gaps, and not as a test of half a minute.
const BRISK: &str = "
[limits]
total_ms = 1500
journal_ms = 200
[stages]
rate-limit = { timeout_ms = 400, settings = { rules = [] } }
sanitizer = { timeout_ms = 400 }
injection-classifier = { timeout_ms = 400 }
sentiment = { timeout_ms = 400 }
moderation = { timeout_ms = 400 }
";

/// Whether every check of a verdict ran, the verdict being what the stages say.
fn is_whole(verdict: &Verdict) -> bool {
    verdict.decision == Decision::Allow
        && verdict.receipt.iter().all(|check| check.status == Status::Ran && check.cause.is_none())
}

#[test]
fn nats_killed_in_mid_traffic_loses_no_verdict() {
    run(async {
        let mut city = City::start(CityOptions::all().policy("shop", BRISK)).await;
        let (http, bot) = (city.http(), city.bot("shop").await);
        let stop = AtomicBool::new(false);
        let answered = AtomicUsize::new(0);
        let by_http = join_all((0..3).map(|_| async {
            let mut verdicts = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let message = json!({"bot": "shop", "text": "hello"});
                // Every request is answered, with a verdict.
                verdicts.push(http.check(message).await);
                answered.fetch_add(1, Ordering::SeqCst);
            }
            verdicts
        }));
        let by_nats = join_all((0..2).map(|_| async {
            let (mut verdicts, mut failures) = (Vec::new(), 0);
            while !stop.load(Ordering::SeqCst) {
                let body = br#"{"text": "hello"}"#.to_vec();
                let asked = nats_ask(&bot, "shop", body, HeaderMap::new());
                match tokio::time::timeout(Duration::from_secs(3), asked).await {
                    Ok(Ok(verdict)) => verdicts.push(verdict.unwrap()),
                    // It fails where the bot sees it.
                    Ok(Err(_)) | Err(_) => {
                        failures += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
            (verdicts, failures)
        }));
        let more = async |count: usize| {
            let until = answered.load(Ordering::SeqCst) + count;
            eventually(PATIENCE, async || answered.load(Ordering::SeqCst) >= until).await;
        };
        let weather = async {
            more(30).await;
            city.nats.kill();
            more(6).await;
            city.nats.restart().await;
            let again = http.clone();
            eventually(PATIENCE, async || {
                is_whole(&again.check(json!({"bot": "shop", "text": "afterwards"})).await)
            })
            .await;
            more(30).await;
            stop.store(true, Ordering::SeqCst);
        };
        let (by_http, by_nats, ()) = tokio::join!(by_http, by_nats, weather);
        let (by_nats, failures): (Vec<_>, Vec<_>) = by_nats.into_iter().unzip();
        let verdicts: Vec<Verdict> = by_http.into_iter().chain(by_nats).flatten().collect();

        // While it was away nothing passed: without a sanitizer there is no allow.
        for verdict in &verdicts {
            let sanitizer = verdict.check(&StageName::sanitizer()).unwrap();
            assert!(sanitizer.status == Status::Ran || verdict.decision == Decision::Block);
        }
        assert!(verdicts.iter().any(|verdict| verdict.decision == Decision::Block));
        assert!(verdicts.iter().any(|verdict| verdict.recorded == Recorded::Spool));
        assert!(failures.iter().sum::<usize>() > 0, "bots on the bus saw it too");

        // What was spooled is delivered; every verdict that was given is recorded, once.
        let given: BTreeSet<String> =
            verdicts.iter().map(|verdict| verdict.id.to_string()).collect();
        assert_eq!(given.len(), verdicts.len());
        eventually(PATIENCE, async || {
            let recorded = verdict_ids(&city.journal().await).into_iter().collect();
            given.is_subset(&recorded)
        })
        .await;
        let recorded = verdict_ids(&city.journal().await);
        let distinct: BTreeSet<&String> = recorded.iter().collect();
        assert_eq!(distinct.len(), recorded.len(), "an entry for each verdict, and no second one");
        eventually(PATIENCE, async || city.ledger_ids().len() == recorded.len()).await;
    });
}

#[test]
fn redis_killed_is_limited_locally_and_counted_in_redis_again() {
    run(async {
        let policy = PATIENT.replace(
            "rules = []",
            "rules = [{ name = 'speaker', key = 'speaker', rate = 6000, burst = 1000 }]",
        );
        let mut city = City::start(CityOptions::all().policy("shop", &policy)).await;
        let http = city.http();
        let message =
            json!({"bot": "shop", "text": "hello", "user": "jane", "conversation": "c-1"});
        let gate = |verdict: &Verdict| {
            let check = verdict.check(&StageName::rate_limit()).unwrap();
            (check.status, check.cause, check.mode.clone())
        };
        let in_redis = (Status::Ran, None, None);
        assert_eq!(gate(&http.check(message.clone()).await), in_redis);
        let mut checks = 1;
        city.redis.kill();
        for _ in 0..20 {
            let verdict = http.check(message.clone()).await;
            checks += 1;
            let local = (Status::Ran, Some(Cause::Dependency), Some("local".to_owned()));
            assert_eq!(gate(&verdict), local);
            assert_eq!(verdict.decision, Decision::Allow);
            // What is known of the conversation is missing too, and the receipt says so.
            let memory = verdict.check(&StageName::conversation()).unwrap();
            assert_eq!(memory.status, Status::Gap);
        }
        city.redis.restart().await;
        let end = Instant::now() + PATIENCE;
        loop {
            let verdict = http.check(message.clone()).await;
            checks += 1;
            if gate(&verdict) == in_redis && verdict.check(&StageName::conversation()).is_none() {
                break;
            }
            assert!(Instant::now() < end, "redis is back: {:?}", verdict.receipt);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let ids = verdict_ids(&city.journal().await);
        assert_eq!(ids.len(), checks);
    });
}
