//! What operators order is in force at every ingress within a second.

use std::time::{Duration, Instant};

use portcullis_bus_nats::subjects;
use portcullis_core::{Body, Decision, Verdict};
use serde_json::{Value, json};

use crate::support::{City, CityOptions, run};

/// The promise, for optimised programs on a free machine too.
const SECOND: Duration = Duration::from_secs(1);

/// Orders over NATS, as `portcullis admin` does.
async fn order(city: &City, order: Value) -> Value {
    let operator = city.user("operator").await;
    let subject = subjects::admin(order["command"].as_str().unwrap());
    let body = serde_json::to_vec(&order).unwrap();
    let done = operator.request(subject, body.into()).await.unwrap();
    assert!(done.headers.is_none(), "{}", String::from_utf8_lossy(&done.payload));
    serde_json::from_slice(&done.payload).unwrap()
}

/// Orders, and asks both ingresses until the verdict is as expected; fails after a second.
async fn in_force(city: &City, command: Value, message: Value, expected: Decision) -> Vec<Verdict> {
    let done = order(city, command.clone()).await;
    assert!(done["ordered"].is_object(), "{done}");
    let end = Instant::now() + SECOND;
    let mut verdicts = Vec::new();
    for name in ["ingress-0", "ingress-1"] {
        let http = city.http_of(name);
        loop {
            let verdict = http.check(message.clone()).await;
            if verdict.decision == expected {
                verdicts.push(verdict);
                break;
            }
            assert!(Instant::now() < end, "{command} is not in force at {name}");
        }
    }
    verdicts
}

#[test]
fn orders_are_in_force_at_every_ingress_within_a_second() {
    run(async {
        let city = City::start(CityOptions::all().replicas("ingress", 2)).await;
        let (block, allow) = (Decision::Block, Decision::Allow);
        let message = json!({"bot": "shop", "text": "hello", "user": "jane", "conversation": "c"});
        let answer = json!({"bot": "shop", "text": "hello", "direction": "outbound"});
        let other = json!({"bot": "default", "text": "hello"});
        let now = async |body: &Value| city.http().check(body.clone()).await.decision;

        let stopped = in_force(
            &city,
            json!({"command": "stop", "by": "ops", "bot": "shop"}),
            message.clone(),
            block,
        )
        .await;
        assert!(stopped[0].reasons.contains(&"control.stop".to_owned()));
        assert_eq!(now(&answer).await, block);
        assert_eq!(now(&other).await, allow, "another bot goes on");
        in_force(
            &city,
            json!({"command": "start", "by": "ops", "bot": "shop"}),
            message.clone(),
            allow,
        )
        .await;

        in_force(&city, json!({"command": "stop", "by": "ops"}), other.clone(), block).await;
        in_force(&city, json!({"command": "start", "by": "ops"}), other.clone(), allow).await;

        let mute = json!({"command": "mute", "by": "ops", "bot": "shop", "reason": "it rambles"});
        in_force(&city, mute, answer.clone(), block).await;
        assert_eq!(now(&message).await, allow, "people may still write");
        in_force(&city, json!({"command": "start", "by": "ops", "bot": "shop"}), answer, allow)
            .await;

        for (field, value) in [("user", "jane"), ("conversation", "c")] {
            let who = |command: &str| json!({"command": command, "by": "ops", "bot": "shop", field: value});
            in_force(&city, who("block"), message.clone(), block).await;
            let joe = json!({"bot": "shop", "text": "hello", "user": "joe", "conversation": "d"});
            assert_eq!(now(&joe).await, allow, "somebody else is not blocked");
            in_force(&city, who("unblock"), message.clone(), allow).await;
        }
        let for_a_second =
            json!({"command": "block", "by": "ops", "bot": "shop", "user": "jane", "for_s": 1});
        in_force(&city, for_a_second, message.clone(), block).await;
        tokio::time::sleep(SECOND).await;
        assert_eq!(now(&message).await, allow, "orders expire by themselves");

        let entries = city.journal().await;
        let actions: Vec<&str> = entries
            .iter()
            .filter_map(|entry| match &entry.body {
                Body::Action(record) => Some(record.action.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(
            actions,
            [
                "stop", "start", "stop", "start", "mute", "start", "block", "unblock", "block",
                "unblock", "block"
            ],
            "every change is an entry"
        );
        let raw = serde_json::to_string(&entries).unwrap();
        assert!(!raw.contains("jane"), "people are in the record as keyed hashes");
    });
}
