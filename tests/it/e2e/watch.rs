//! The watch over the record on the real bus: a flood of one speaker is told, slowed down by an order where the
//! settings say so, and recorded; nobody else feels it.

use portcullis_anomaly::{Alert, Signal, State, Subject};
use portcullis_bus::Kv;
use portcullis_bus_nats::{NatsKv, subjects};
use portcullis_core::{Action, Body, Decision, Entry, Order, StageName, Verdict};
use portcullis_testkit::eventually;
use serde_json::{Value, json};

use crate::support::{City, CityOptions, PATIENCE, metric, run};

/// More than the watch takes for usual of one speaker, 30 a minute, and far less than the limit.
const FLOOD: usize = 80;

fn message(user: &str) -> Value {
    json!({"bot": "shop", "text": "Hello, where is my order?", "user": user})
}

/// Roomy by itself, so that only an order makes it narrow, and without the judges: they are slow in unoptimised
/// programs, and say nothing here.
const POLICY: &str = "
[limits]
total_ms = 30000
journal_ms = 10000
[inbound]
gate = ['rate-limit']
clean = ['sanitizer']
judge = []
[stages.rate-limit]
timeout_ms = 5000
settings = { rules = [{ name = 'person', key = 'speaker', rate = 1000, per = 'day', burst = 1000 }] }
[stages.sanitizer]
timeout_ms = 10000
";

fn options() -> CityOptions {
    CityOptions::only(&["ingress", "rate-limit", "sanitizer", "anomaly"]).policy("shop", POLICY)
}

fn remaining(verdict: &Verdict) -> u64 {
    let check = verdict.check(&StageName::rate_limit()).expect("limits were asked");
    check.measures.remaining.expect("there is a limit")
}

async fn alerts(city: &City) -> Vec<(String, Alert)> {
    let kept = city.messages(subjects::ALERT).await;
    kept.into_iter().map(|(on, body)| (on, serde_json::from_slice(&body).unwrap())).collect()
}

async fn counted(city: &City, what: &str) -> f64 {
    metric(&city.metrics("anomaly-0").await, &format!("portcullis_anomaly_{what}"), &[])
}

async fn flood(city: &City, user: &str) {
    for _ in 0..FLOOD {
        let verdict = city.http().check(message(user)).await;
        assert!(matches!(verdict.decision, Decision::Allow | Decision::Throttle));
    }
}

#[test]
fn a_flood_of_one_speaker_is_told_and_slowed_down() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("anomaly.toml");
        let acting = "[acting.speaker.volume]\naction = 'limit'\nfactor = 0.01\nfor_s = 600\n";
        std::fs::write(&config, acting).unwrap();
        let config = config.display().to_string();
        let mut city = City::start(options().env("anomaly", "PORTCULLIS_CONFIG", config)).await;
        flood(&city, "jane").await;
        eventually(PATIENCE, async || !alerts(&city).await.is_empty()).await;

        let (subject, alert) = alerts(&city).await.remove(0);
        assert_eq!(subject, format!("portcullis.v1.alert.{}", alert.severity.as_str()));
        assert_eq!((alert.state, alert.signals[0].signal), (State::Firing, Signal::Volume));
        assert_eq!((alert.recommended, alert.bot.as_str()), (Action::Limit, "shop"));
        let Subject::Speaker(hash) = &alert.subject else { panic!("{:?}", alert.subject) };
        assert!(!hash.contains("jane"));
        let acted = alert.acted.expect("the settings say what to do");
        assert_eq!(acted.action, Action::Limit);

        // The order stands in the bucket under the watch's own name …
        let control = NatsKv::open(city.user("operator").await, subjects::CONTROL_BUCKET).await;
        let key = format!("anomaly.speaker.{hash}");
        let kept = control.unwrap().get(&key).await.unwrap().expect("the order stands");
        let order: Order = serde_json::from_slice(&kept.value).unwrap();
        assert_eq!((order.action, order.factor), (Action::Limit, Some(0.01)));
        assert_eq!((order.by.as_str(), order.expires_at), ("anomaly", Some(acted.expires_at)));
        // … in the record …
        let entries = city.messages(subjects::JOURNAL).await;
        let actions: Vec<Entry> = entries
            .iter()
            .filter(|(subject, _)| subject == "portcullis.v1.journal.action.shop")
            .map(|(_, body)| serde_json::from_slice(body).unwrap())
            .collect();
        assert!(
            actions.iter().any(|entry| matches!(&entry.body, Body::Action(record)
                if record.by == "anomaly" && record.scope == format!("speaker:{hash}"))),
            "{actions:?}"
        );
        // … and in force: whoever floods has used up a hundredth of the limit, and nobody else anything.
        eventually(PATIENCE, async || {
            city.http().check(message("jane")).await.decision == Decision::Throttle
        })
        .await;
        assert!(remaining(&city.http().check(message("john")).await) > 900);

        // A restart forgets nothing: the snapshot is written at the end, and the same alert is not told anew.
        let entries = city.count(subjects::JOURNAL).await as f64;
        eventually(PATIENCE, async || counted(&city, "entries_total").await >= entries).await;
        let told = alerts(&city).await.len();
        let watch = city.service("anomaly-0");
        assert!(watch.stop().await.success());
        watch.start();
        watch.ready().await;
        assert!(watch.log().contains("snapshot read"), "{}", watch.log());
        for _ in 0..3 {
            city.http().check(message("john")).await;
        }
        eventually(PATIENCE, async || counted(&city, "entries_total").await >= 3.0).await;
        eventually(PATIENCE, async || counted(&city, "open_alerts").await >= 1.0).await;
        assert_eq!((counted(&city, "open_alerts").await, alerts(&city).await.len()), (1.0, told));
    });
}

#[test]
fn without_settings_a_flood_is_told_and_nothing_is_ordered() {
    run(async {
        let city = City::start(options()).await;
        flood(&city, "jane").await;
        eventually(PATIENCE, async || !alerts(&city).await.is_empty()).await;
        let (_, alert) = alerts(&city).await.remove(0);
        assert_eq!((alert.recommended, alert.acted), (Action::Limit, None));
        assert_eq!(city.count("KV_portcullis_control").await, 0);
        assert!(remaining(&city.http().check(message("jane")).await) > 800);
    });
}
