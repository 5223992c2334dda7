//! The author of a document that a bot reads: orders in it, and JSON that two parsers read differently.

use portcullis_core::{Decision, Place, StageName};
use serde_json::{Value, json};

use super::doors::{Answer, Doors};
use super::rig::{ATTACK, Faults, HARMLESS, Rig, unlimited};

#[tokio::test]
async fn an_attack_in_a_document_is_judged() {
    let rig = Rig::real(&unlimited(""));
    for kind in ["document", "email", "tool", "web"] {
        let with = |text: &str| {
            let harmless = json!({ "text": "We open at nine and close at six." });
            json!({ "text": HARMLESS, "context": [harmless, { "kind": kind, "text": text }] })
        };
        assert_eq!(rig.check(with(HARMLESS)).await.unwrap().decision, Decision::Allow);
        let verdict = rig.check(with(&format!("Minutes of May.\n{ATTACK}\n"))).await.unwrap();
        assert_eq!(verdict.decision, Decision::Block, "{kind}");
        let found = verdict.findings.iter().find(|finding| finding.kind == "injection.indirect");
        assert_eq!(found.unwrap().place, Place::Context(1), "{kind}");
        assert!(verdict.findings.iter().all(|finding| finding.place != Place::Text), "{kind}");
        // The person's words and each document have an answer of their own.
        let parts = &verdict.check(&StageName::injection_classifier()).unwrap().measures.parts;
        for place in [Place::Text, Place::Context(0), Place::Context(1)] {
            assert!(parts.iter().any(|part| part.place == place), "{kind}: {place}");
        }
    }
    // Nor does it help to hide the orders from those who look at the document.
    let hidden: String = ATTACK.chars().map(|c| format!("{c}\u{200b}")).collect();
    let context = json!([{ "kind": "web", "text": hidden }]);
    let verdict = rig.check(json!({ "text": HARMLESS, "context": context })).await.unwrap();
    assert_eq!(verdict.decision, Decision::Block);
    // A document alone is enough to be asked about.
    let verdict = rig.check(json!({ "context": [{ "text": ATTACK }] })).await.unwrap();
    assert_eq!(verdict.decision, Decision::Block);
}

/// What no answer may repeat.
const MARKER: &str = "zq7marker";

fn refused(answers: &[Answer], body: &str) {
    for Answer { door, status, body: problem } in answers {
        assert_eq!(*status, 400, "{door}: {body}: {problem}");
        let kind = problem["type"].as_str().unwrap();
        assert!(kind.starts_with("urn:portcullis:problem:"), "{door}: {body}: {problem}");
        assert!(!problem.to_string().contains(MARKER), "{door}: {body}: {problem}");
    }
}

fn names(answers: &[Answer], word: &str) {
    for Answer { door, body, .. } in answers {
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{door}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_json_keys_are_refused_at_every_door() {
    let faults = Faults::new();
    let mut doors = Doors::open(faults.caller(&[]), "").await;
    for body in [
        r#"{"text": "hello", "text": "zq7marker"}"#,
        r#"{"text": "zq7marker", "\u0074ext": "hello"}"#,
        r#"{"text": "hello", "text": "hello"}"#,
        r#"{"text": "hello", "id": "1", "id": "zq7marker"}"#,
        r#"{"text": "hello", "speaker": "zq7marker", "user": "b"}"#,
        r#"{"text": "hello", "bot": "shop", "bot": "zq7marker"}"#,
        r#"{"text": "hello", "direction": "inbound", "direction": "outbound"}"#,
        r#"{"text": "hello", "context": [{"text": "zq7marker"}], "context": []}"#,
        r#"{"text": "hello", "context": [{"text": "hello", "text": "zq7marker"}]}"#,
        r#"{"text": "hello", "context": [{"text": "zq7marker", "kind": "web", "kind": "email"}]}"#,
    ] {
        let answers = doors.message(body).await;
        assert_eq!(answers.len(), 4);
        refused(&answers, body);
        names(&answers, "is there twice");
    }
    let (status, problem) = super::rig::post(
        &doors.http,
        "/v1/check/batch",
        Some(super::rig::SHOP_KEY),
        r#"{"items": [{"text": "hello"}], "items": [{"text": "zq7marker"}]}"#,
    )
    .await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("items")));
    for body in [
        r#"{"command": "stop", "by": "op", "by": "zq7marker"}"#,
        r#"{"command": "stop", "by": "zq7marker", "command": "start"}"#,
        r#"{"command": "stop", "by": "zq7marker", "bot": "shop", "bot": "bank"}"#,
        r#"{"command": "block", "by": "op", "speaker": "zq7marker", "user": "b"}"#,
        r#"{"command": "edit", "by": "op", "id": "1", "text": "a", "text": "zq7marker"}"#,
    ] {
        let answers = doors.command(body).await;
        assert_eq!(answers.len(), 2);
        refused(&answers, body);
    }
    assert_eq!(faults.asked(), 0, "refused before any work");
    assert!(doors.rig.journal.entries().is_empty(), "and before any order");
    doors.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_are_refused_at_every_door() {
    let faults = Faults::new();
    let mut doors = Doors::open(faults.caller(&[]), "").await;
    for body in [
        r#"{"text": "hello", "zq7marker": 1}"#,
        r#"{"text": "hello", "Text": "zq7marker"}"#,
        r#"{"text": "hello", "system": "zq7marker"}"#,
        r#"{"text": "hello", "context": [{"text": "hello", "title": "zq7marker"}]}"#,
        r#"{"text": "hello", "context": [{"text": "hello", "kind": "zq7marker"}]}"#,
        r#"{"text": "hello", "direction": "zq7marker"}"#,
        r#"{"text": "hello", "received_at": "zq7marker"}"#,
    ] {
        let answers = doors.message(body).await;
        assert_eq!(answers.len(), 4);
        refused(&answers, body);
    }
    for body in [
        r#"{"command": "stop", "by": "op", "zq7marker": true}"#,
        r#"{"command": "zq7marker", "by": "op"}"#,
        r#"{"command": "held", "zq7marker": true}"#,
        r#"{"command": "release", "by": "op", "id": "1", "text": "zq7marker"}"#,
        r#"{"command": "block", "by": "op", "speaker": "a", "name": "zq7marker"}"#,
        r#"{"command": "edit", "by": "op", "id": "1", "text": "a", "forward": "zq7marker"}"#,
    ] {
        let answers = doors.command(body).await;
        assert_eq!(answers.len(), 2);
        refused(&answers, body);
    }
    assert_eq!(faults.asked(), 0, "refused before any work");
    assert!(doors.rig.journal.entries().is_empty(), "and before any order");
    // What is known is taken, so that it is the field that was refused.
    for answer in doors.message(r#"{"text": "hello"}"#).await {
        assert_eq!(answer.status, 200, "{}: {}", answer.door, answer.body);
    }
    for answer in doors.command(r#"{"command": "held"}"#).await {
        assert_eq!((answer.status, &answer.body), (200, &json!({ "held": Value::Array(vec![]) })));
    }
    doors.close().await;
}
