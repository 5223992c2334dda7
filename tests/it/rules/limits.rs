//! Rules 12 and 14: what is too large is said at the door; doors are strict and the wire is lenient.

use portcullis_bus_nats::{HeaderMap, subjects};
use portcullis_core::{Cause, Decision, Severity, StageName, Status};
use portcullis_testkit::answer_garbage;
use serde_json::{Value, json};

use crate::support::{City, CityOptions, bot, nats_ask, run};

const LIMIT: usize = 256 * 1024;

/// A request whose text has so many bytes, each escaped at its worst.
fn escaped(bytes: usize) -> Vec<u8> {
    format!("{{\"bot\":\"shop\",\"text\":\"{}\"}}", "\\u0001".repeat(bytes)).into_bytes()
}

#[test]
fn rule_12_the_limit_holds_with_every_byte_escaped_and_one_more_is_a_413() {
    run(async {
        let city = City::start(CityOptions::all()).await;
        let (http, client) = (city.http(), city.bot("shop").await);
        let by_http = http.post_bytes("/v1/check", escaped(LIMIT), &[]).await.verdict();
        let by_nats = nats_ask(&client, "shop", escaped(LIMIT), HeaderMap::new()).await;
        for verdict in [by_http, by_nats.unwrap().unwrap()] {
            for check in &verdict.receipt {
                // It reached every stage that was asked: nothing in between was too large.
                assert!(
                    !matches!(check.cause, Some(Cause::Unreadable | Cause::Late | Cause::Absent)),
                    "{check:?}"
                );
            }
            let sanitizer = verdict.check(&StageName::sanitizer()).unwrap();
            assert_eq!(sanitizer.coverage.unwrap().total, LIMIT);
        }
        let by_http = http.post_bytes("/v1/check", escaped(LIMIT + 1), &[]).await;
        assert_eq!((by_http.status, &by_http.body["field"]), (413, &json!("text")));
        let by_nats = nats_ask(&client, "shop", escaped(LIMIT + 1), HeaderMap::new()).await;
        let refused = by_nats.unwrap().unwrap_err();
        assert_eq!((refused.status, &refused.body["field"]), (413, &json!("text")));
        assert_eq!(refused.body["detail"], by_http.body["detail"]);
        // Past every form that a text within the limit can have.
        let body = http.post_bytes("/v1/check", vec![b' '; 2 * 1024 * 1024], &[]).await;
        assert_eq!(body.status, 413);
        let body = nats_ask(&client, "shop", vec![b' '; 9 * 1024 * 1024], HeaderMap::new()).await;
        assert!(body.is_err(), "the client itself knows the server's limit");
        assert_eq!(city.journal().await.len(), 2, "what was refused at the door is no verdict");
    });
}

#[test]
fn rule_14_doors_refuse_what_they_do_not_know() {
    run(async {
        let city = City::start(CityOptions::only(&["ingress"])).await;
        let (http, client) = (city.http(), city.bot("shop").await);
        for (body, field) in [
            (r#"{"bot": "shop", "text": "a", "colour": "red"}"#, "the body"),
            (r#"{"bot": "shop", "text": "a", "text": "b"}"#, "text"),
            (r#"{"bot": "shop", "text": "a", "context": [{"text": "b", "x": 1}]}"#, "context[0]"),
            (r#"{"bot": "shop", "text": "a", "direction": "sideways"}"#, "direction"),
            (r#"{"bot": "shop", "text": "a", "received_at": "2026-01-01T00:00:00Z"}"#, "the body"),
        ] {
            let answer = http.post_bytes("/v1/check", body.into(), &[]).await;
            assert_eq!((answer.status, &answer.body["field"]), (400, &json!(field)), "{body}");
            let refused = nats_ask(&client, "shop", body.into(), HeaderMap::new()).await;
            let refused = refused.unwrap().unwrap_err();
            assert_eq!((refused.status, &refused.body["field"]), (400, &json!(field)), "{body}");
        }
        let batch = json!({"items": [{"bot": "shop", "text": "a"}], "mode": "fast"});
        assert_eq!(http.post("/v1/check/batch", &batch, &[]).await.status, 400);
        let order = json!({"command": "stop", "by": "me", "now": true});
        assert_eq!(http.post("/v1/admin", &order, &[]).await.status, 400);
        assert_eq!(city.count("JOURNAL").await, 0);
    });
}

#[test]
fn rule_14_the_wire_reads_past_what_it_does_not_know_and_takes_unknown_words_as_the_harshest() {
    run(async {
        let services = ["ingress", "rate-limit", "sanitizer", "injection-classifier"];
        let city = City::start(CityOptions::only(&services)).await;
        let answering = async |report: Value| {
            let stage = StageName::sentiment();
            let user = city.user("sentiment").await;
            let body = serde_json::to_vec(&report).unwrap();
            let responder = answer_garbage(
                user,
                subjects::stage_check(&stage),
                "sentiment".into(),
                body.into(),
            )
            .await;
            let verdict = city.http().check(json!({"bot": bot("shop"), "text": "hello"})).await;
            drop(responder);
            verdict
        };
        let from_the_future = json!({
            "version": "9", "coverage": {"scanned": 5, "total": 5, "complete": true, "depth": 3},
            "measures": {"polarity": 0.5, "arousal": 0.1}, "new": [1, 2],
            "tone": {"directive": "whisper", "reason": "new"},
        });
        let verdict = answering(from_the_future.clone()).await;
        let check = verdict.check(&StageName::sentiment()).unwrap();
        assert_eq!((check.status, check.measures.polarity), (Status::Ran, Some(0.5)));
        assert_eq!(verdict.decision, Decision::Allow);

        let mut harsh = from_the_future;
        harsh["findings"] = json!([{
            "stage": "sentiment", "kind": "injection.new", "severity": "apocalyptic", "confidence": 1.0,
        }]);
        let verdict = answering(harsh).await;
        assert_eq!(verdict.decision, Decision::Block, "an unknown severity is the harshest");
        let new = verdict.findings.iter().find(|finding| finding.kind == "injection.new");
        assert_eq!(new.unwrap().severity, Severity::Unknown);
    });
}
