//! What of an entry is in its document: ECS fields of ECS's own words, no text, and nothing that is not mapped.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{Body, Entry, Sealed};
use portcullis_search::document::{document, mappings};
use serde_json::{Value, json};

use crate::support::{forget, spoken, time};

/// What a person wrote; it must be in no document.
pub(crate) const TEXT: &str = "please send my package to Baker Street 221";

/// A verdict with all that one can have.
pub(crate) fn whole() -> Entry {
    serde_json::from_value(json!({
        "id": "verdict/shop/inbound/whole", "bot": "shop", "at": time(10), "kind": "verdict",
        "direction": "inbound", "speaker": "5eed", "network": "ne70", "conversation": "c0de",
        "in_reply_to": "before", "bytes": 42, "digest": "d1",
        "shape": {"chars": 42, "words": 7, "entropy": 4.1, "sketch": "00000000000000ff"},
        "text": TEXT, "personal": {"key": "audit", "data": "c2VhbGVk"},
        "verdict": {
            "id": "whole", "decision": "block", "reasons": ["injection.direct", "gap.sentiment.late"],
            "text": TEXT, "tone": {"directive": "calm", "reason": "mood.angry"}, "reply": TEXT,
            "retry_after_s": 3, "trace_id": "0af7651916cd43dd8448eb211c80319c", "took_us": 1500,
            "findings": [
                {"stage": "injection-classifier", "kind": "injection.direct", "severity": "high", "confidence": 0.99,
                 "place": "text", "span": {"start": 0, "end": 5}, "detail": TEXT},
                // a stage of somebody else that does not keep to the contract
                {"stage": "own-stage", "kind": TEXT, "severity": "low", "confidence": 0.1, "place": "text"},
            ],
            "receipt": [
                {"stage": "control", "status": "ran", "version": "revision 0", "took_us": 0},
                {"stage": "injection-classifier", "status": "ran", "version": "1", "took_us": 40, "score": 0.99,
                 "coverage": {"scanned": 42, "total": 42, "complete": true}},
                {"stage": "sentiment", "status": "gap", "cause": "late", "effect": "pass", "took_us": 900, "polarity": -0.5},
                {"stage": "moderation", "status": "skipped", "why": TEXT, "mode": "local", "took_us": 0},
            ],
            "policy": {"bot": "shop", "version": "7", "digest": "pd"}, "shadow_decision": "hold", "recorded": "journal",
            "stream": {"received": 10, "released": 4, "stopped": "unsafe.violence"},
        },
    }))
    .unwrap()
}

/// One entry of each kind.
pub(crate) fn each() -> Vec<Entry> {
    let read = |value: Value| serde_json::from_value(value).unwrap();
    vec![
        whole(),
        spoken("plain", "jane", 1),
        read(json!({
            "id": "resolution/shop/inbound/whole", "bot": "shop", "at": time(20), "kind": "resolution", "message": "whole",
            "direction": "inbound", "resolution": "edit", "by": "ada", "reason": TEXT, "text": TEXT, "resolved_at": time(20),
        })),
        read(json!({
            "id": "action/shop/1", "bot": "shop", "at": time(30), "kind": "action", "action": "block",
            "scope": "speaker.5eed", "by": "ada", "reason": TEXT, "expires_at": time(900),
        })),
        forget("jane", 40),
        read(json!({
            "id": "summary/shop/1", "bot": "shop", "at": time(50), "kind": "summary", "of": "throttle",
            "speaker": "5eed", "count": 70, "from": time(40), "until": time(50),
        })),
        read(
            json!({ "id": "new/shop/1", "bot": "shop", "at": time(60), "kind": "of-a-later-release", "text": TEXT }),
        ),
    ]
}

fn leaves(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, into);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| leaves(item, path, into));
        }
        // no finding, no gap: no field
        Value::Array(items) if items.is_empty() => {}
        _ => {
            into.insert(path.to_owned());
        }
    }
}

/// Every field of the mappings that holds a value.
pub(crate) fn mapped() -> BTreeSet<String> {
    fn walk(mapping: &Value, path: &str, into: &mut BTreeSet<String>) {
        match mapping.get("properties").and_then(Value::as_object) {
            Some(fields) => {
                for (name, mapping) in fields {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(mapping, &path, into);
                }
            }
            None => {
                into.insert(path.to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&mappings(), "", &mut found);
    assert!(found.len() > 50, "the mappings were read: {found:?}");
    found
}

#[test]
fn no_document_holds_a_text() {
    for entry in each() {
        let text = document(&entry, 1, &BTreeMap::new()).to_string();
        for word in ["Baker", "package", "e-mail", "c2VhbGVk"] {
            assert!(!text.contains(word), "{}: {word}", entry.id);
        }
    }
    let mut entry = spoken("sealed", "jane", 1);
    if let Body::Verdict(record) = &mut entry.body {
        record.personal = Some(Sealed { key: "audit".into(), data: "c2VhbGVk".into() });
    }
    assert!(!document(&entry, 1, &BTreeMap::new()).to_string().contains("c2VhbGVk"));
}

#[test]
fn every_field_of_every_document_is_mapped_and_every_mapping_is_used() {
    let mut found = BTreeSet::new();
    for entry in each() {
        leaves(&document(&entry, 1, &BTreeMap::new()), "", &mut found);
    }
    let mut mapped = mapped();
    assert!(mapped.remove("labels"));
    assert_eq!(found, mapped, "left: in documents; right: in the mappings");
}

/// <https://www.elastic.co/guide/en/ecs/8.17/ecs-allowed-values.html>
#[test]
fn categories_are_words_of_ecs() {
    for entry in each() {
        let event = document(&entry, 1, &BTreeMap::new())["event"].clone();
        let among = |value: &Value, words: &[&str]| words.contains(&value.as_str().unwrap());
        assert!(among(&event["kind"], &["alert", "event", "metric"]), "{event}");
        assert!(among(&event["category"][0], &["intrusion_detection", "configuration"]), "{event}");
        let types: &[&str] = match event["category"][0].as_str().unwrap() {
            "configuration" => &["access", "change", "creation", "deletion", "info"],
            _ => &["allowed", "denied", "info"],
        };
        assert!(among(&event["type"][0], types), "{event}");
        assert!(among(&event["outcome"], &["success", "failure", "unknown"]), "{event}");
    }
}

#[test]
fn a_verdicts_document() {
    let labels = BTreeMap::from([("site".to_owned(), "berlin".to_owned())]);
    let found = document(&whole(), 9, &labels);
    assert_eq!(found["event"]["id"], "verdict/shop/inbound/whole");
    assert_eq!(found["event"]["kind"], "alert");
    assert_eq!(found["event"]["type"], json!(["denied"]));
    assert_eq!(found["event"]["outcome"], "failure", "a check is missing");
    assert_eq!(found["event"]["duration"], 1_500_000);
    assert_eq!(found["event"]["sequence"], 9);
    assert_eq!(found["user"]["hash"], "5eed");
    assert_eq!(found["trace"]["id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(found["labels"]["site"], "berlin");
    let own = &found["portcullis"];
    assert_eq!(own["decision"], "block");
    assert_eq!(own["shadow_decision"], "hold");
    assert_eq!(own["score"], 0.99);
    assert_eq!(own["gaps"], json!([{"stage": "sentiment", "cause": "late", "effect": "pass"}]));
    assert_eq!(own["findings"][1]["kind"], "unreadable");
    assert_eq!(own["checks"][0]["version"], "revision 0");
    assert_eq!(own["stream"]["stopped"], "unsafe.violence");
    let plain = document(&spoken("plain", "jane", 1), 1, &BTreeMap::new());
    assert_eq!(plain["event"]["kind"], "event");
    assert_eq!(plain["event"]["outcome"], "success");
    assert!(plain["portcullis"].get("shadow_decision").is_none());
    assert!(plain.get("labels").is_none());
}
