//! What of an entry is searched for: ECS fields where ECS has one, `portcullis.*` where it has none.
//!
//! Never a text: neither the message's, nor what is sealed of it, nor what a person wrote as a reason. A speaker,
//! a conversation and a network are the keyed hashes of the record.

use std::collections::BTreeMap;

use portcullis_core::{
    ActionRecord, Body, Check, Decision, Entry, ResolutionRecord, Status, SummaryRecord,
    VerdictRecord,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The release of ECS whose fields these are.
const ECS: &str = "8.17.0";
/// The word of an order to forget a person.
pub(crate) const ERASE: &str = "erase";
/// Before the person's keyed hash in an order's scope.
pub(crate) const SPEAKER: &str = "speaker.";

/// The mappings of the data stream.
pub fn mappings() -> Value {
    // A unit test reads it: it is this file's neighbour, and not from outside.
    serde_json::from_str(include_str!("mappings.json")).unwrap_or_default()
}

/// The document of an entry that stands at `sequence` in the journal, with the operator's own labels.
pub fn document(entry: &Entry, sequence: u64, labels: &BTreeMap<String, String>) -> Value {
    let mut event = json!({
        "id": entry.id,
        "kind": "event",
        "category": ["intrusion_detection"],
        "type": ["info"],
        "module": "portcullis",
        "dataset": "portcullis.journal",
        "outcome": "success",
        "sequence": sequence,
    });
    let mut own = json!({ "bot": entry.bot, "kind": entry.body.kind() });
    let mut document = json!({
        "@timestamp": entry.at,
        "ecs": { "version": ECS },
        "observer": { "product": "portcullis", "version": env!("CARGO_PKG_VERSION") },
    });
    match &entry.body {
        Body::Verdict(record) => verdict(record, &mut document, &mut event, &mut own),
        Body::Resolution(record) => resolution(record, &mut event, &mut own),
        Body::Action(record) => action(record, &mut event, &mut own),
        Body::Summary(record) => summary(record, &mut document, &mut event, &mut own),
        Body::Unknown => {}
    }
    set(&mut document, "event", event);
    set(&mut document, "portcullis", own);
    if !labels.is_empty() {
        set(&mut document, "labels", json!(labels));
    }
    document
}

fn verdict(record: &VerdictRecord, document: &mut Value, event: &mut Value, own: &mut Value) {
    let verdict = &record.verdict;
    let gaps: Vec<&Check> =
        verdict.receipt.iter().filter(|check| check.status == Status::Gap).collect();
    let refused = !verdict.decision.forwards();
    let alarming = matches!(verdict.decision, Decision::Hold | Decision::Block | Decision::Unknown);
    set(event, "kind", json!(if alarming { "alert" } else { "event" }));
    set(event, "type", json!([if refused { "denied" } else { "allowed" }]));
    set(event, "action", json!(verdict.decision.as_str()));
    // A check that did not happen is what fails; a message that is blocked is a success of the guard.
    set(event, "outcome", json!(if gaps.is_empty() { "success" } else { "failure" }));
    set(event, "duration", json!(verdict.took_us.saturating_mul(1000)));
    if let Some(speaker) = &record.speaker {
        set(document, "user", json!({ "hash": speaker }));
    }
    if let Some(trace) = &verdict.trace_id {
        set(document, "trace", json!({ "id": trace }));
    }
    let scores = verdict.receipt.iter().filter_map(|check| check.measures.score);
    let fields = json!({
        "direction": record.direction,
        "network": record.network,
        "conversation": record.conversation,
        "in_reply_to": record.in_reply_to,
        "bytes": record.bytes,
        "digest": record.digest,
        "message": verdict.id,
        "decision": verdict.decision.as_str(),
        "shadow_decision": verdict.shadow_decision.map(Decision::as_str),
        "reasons": verdict.reasons.iter().map(|reason| plain(reason)).collect::<Vec<_>>(),
        "score": scores.reduce(f64::max),
        "polarity": verdict.receipt.iter().find_map(|check| check.measures.polarity),
        "tone": verdict.tone.as_ref().map(|tone| word(&tone.directive)),
        "took_us": verdict.took_us,
        "recorded": verdict.recorded.as_str(),
        "policy": { "version": plain(&verdict.policy.version), "digest": verdict.policy.digest },
        "gaps": gaps.iter().map(|check| gap(check)).collect::<Vec<_>>(),
        "checks": verdict.receipt.iter().map(checked).collect::<Vec<_>>(),
        "findings": verdict.findings.iter().map(|found| json!({
            "stage": found.stage,
            "kind": plain(&found.kind),
            "severity": word(&found.severity),
            "confidence": found.confidence,
        })).collect::<Vec<_>>(),
        "shape": record.shape.map(|shape| json!({
            "chars": shape.chars,
            "words": shape.words,
            "entropy": shape.entropy,
        })),
        "stream": verdict.stream.as_ref().map(|stream| json!({
            "received": stream.received,
            "released": stream.released,
            "stopped": stream.stopped.as_deref().map(plain),
        })),
    });
    merge(own, fields);
}

fn checked(check: &Check) -> Value {
    without_nulls(json!({
        "stage": check.stage,
        "status": word(&check.status),
        "version": check.version.as_deref().map(plain),
        "mode": check.mode.as_deref().map(plain),
        "why": check.why.as_deref().map(plain),
        "cause": check.cause.map(|cause| cause.as_str()),
        "effect": check.effect.map(|effect| word(&effect)),
        "complete": check.coverage.map(|coverage| coverage.is_whole()),
        "took_us": check.took_us,
    }))
}

fn gap(check: &Check) -> Value {
    without_nulls(json!({
        "stage": check.stage,
        "cause": check.cause.map(|cause| cause.as_str()),
        "effect": check.effect.map(|effect| word(&effect)),
    }))
}

fn resolution(record: &ResolutionRecord, event: &mut Value, own: &mut Value) {
    set(event, "action", json!(record.resolution.as_str()));
    merge(
        own,
        json!({
            "direction": record.direction,
            "message": record.message,
            "resolution": record.resolution.as_str(),
            "by": record.by,
        }),
    );
}

fn action(record: &ActionRecord, event: &mut Value, own: &mut Value) {
    set(event, "action", json!(plain(&record.action)));
    set(event, "category", json!(["configuration"]));
    let kind = if record.action == ERASE { "deletion" } else { "change" };
    set(event, "type", json!([kind]));
    merge(
        own,
        json!({
            "scope": plain(&record.scope),
            "by": record.by,
            "expires_at": record.expires_at,
        }),
    );
}

fn summary(record: &SummaryRecord, document: &mut Value, event: &mut Value, own: &mut Value) {
    set(event, "kind", json!("metric"));
    set(event, "action", json!("summary"));
    set(event, "start", json!(record.from));
    set(event, "end", json!(record.until));
    if let Some(speaker) = &record.speaker {
        set(document, "user", json!({ "hash": speaker }));
    }
    merge(own, json!({ "summary_of": plain(&record.of), "count": record.count }));
}

/// A word of ours. A stage of somebody else could write anything there: what has another form is not passed on.
fn plain(text: &str) -> &str {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/+*- ".contains(&byte);
    let short = (1..=96).contains(&text.len()) && text.split(' ').count() <= 3;
    if short && text.bytes().all(fits) { text } else { "unreadable" }
}

/// The word of an enum as it is on the wire.
fn word(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

fn merge(object: &mut Value, fields: Value) {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), without_nulls(fields)) {
        object.extend(fields);
    }
}

fn without_nulls(fields: Value) -> Value {
    match fields {
        Value::Object(fields) => {
            let full = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                full.map(|(field, value)| (field, without_nulls(value))).collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}
