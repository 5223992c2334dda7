//! The AsyncAPI document of the subjects: generated from the types and from the names of the subjects.

use portcullis_bus_nats::subjects;
use portcullis_config::schema;
use portcullis_core::{Ask, BotId, Entry, HeldCase, Report, ResolutionRecord, StageName, Verdict};
use portcullis_host::audit_key::AuditKey;
use portcullis_ingress::Problem;
use portcullis_ingress::request::CheckRequest;
use serde_json::{Map, Value, json};

use crate::workspace::generated;

const PATH: &str = "docs/asyncapi.json";

/// A subject with a parameter in the place of a name that stands for all.
fn address(subject: &str, name: &str, parameter: &str) -> String {
    subject.replace(name, &format!("{{{parameter}}}"))
}

fn message(title: &str, summary: &str, payload: Value) -> Value {
    json!({
        "name": title,
        "title": title,
        "summary": summary,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": payload,
        },
    })
}

fn parameters(names: &[&str]) -> Value {
    let described = |name: &str| match name {
        "bot" => "a bot: 1 to 63 of a-z, 0-9 and -",
        "stage" => "a stage",
        "kind" => "verdict, resolution, action or summary",
        _ => "the key of a case",
    };
    let all: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"description": described(name)})))
        .collect();
    Value::Object(all)
}

fn channel(address: &str, summary: &str, names: &[&str], messages: &[&str]) -> Value {
    let messages: Map<String, Value> = messages
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/messages/{name}")})))
        .collect();
    json!({"address": address, "summary": summary, "parameters": parameters(names), "messages": messages})
}

fn operation(action: &str, channel: &str, asks: &str, answers: &[&str], summary: &str) -> Value {
    let of = |name: &str| json!({"$ref": format!("#/channels/{channel}/messages/{name}")});
    let mut operation = json!({
        "action": action,
        "channel": {"$ref": format!("#/channels/{channel}")},
        "summary": summary,
        "messages": [of(asks)],
    });
    if !answers.is_empty() {
        let answers: Vec<Value> = answers.iter().map(|name| of(name)).collect();
        operation["reply"] = json!({
            "address": {"location": "$message.header#/reply", "description": "the reply subject of the request"},
            "channel": {"$ref": format!("#/channels/{channel}")},
            "messages": answers,
        });
    }
    operation
}

fn document() -> Value {
    const ANY: &str = "any-name";
    let bot = BotId::parse(ANY).unwrap();
    let stage = StageName::parse(ANY).unwrap();
    let of_bot = |subject: String| address(&subject, ANY, "bot");
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Portcullis on NATS",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0"},
            "description": "What is asked and answered on which subject. Written from the types of this release. \
                Requests carry the header traceparent (W3C) where there is a trace; asks of stages also \
                Portcullis-Budget-Ms, the time for the answer. A door that has no verdict answers with a problem \
                and the header Portcullis-Status; a stage that has no report with the header Portcullis-Error and \
                no body.",
        },
        "servers": {"nats": {"host": "127.0.0.1:4222", "protocol": "nats"}},
        "defaultContentType": "application/json",
        "channels": {
            "check": channel(&of_bot(subjects::ingress(&bot)), "a message or an answer to check", &["bot"], &["CheckRequest", "Verdict", "Problem"]),
            "submit": channel(&of_bot(subjects::submit(&bot)), "the durable way: JetStream stream SUBMIT", &["bot"], &["CheckRequest"]),
            "verdict": channel(&of_bot(subjects::verdict(&bot)), "verdicts of submitted messages: JetStream stream VERDICT", &["bot"], &["Verdict"]),
            "resolution": channel(&of_bot(subjects::resolution(&bot)), "how held messages ended: JetStream stream VERDICT", &["bot"], &["Resolution"]),
            "stage": channel(&address(&subjects::stage_check(&stage), ANY, "stage"), "a stage is asked; its queue group is its name", &["stage"], &["Ask", "Report"]),
            "journal": channel("portcullis.v1.journal.{kind}.{bot}", "what happened: JetStream stream JOURNAL", &["kind", "bot"], &["Entry"]),
            "held": channel(&address(&of_bot(subjects::held(&bot, "the-key")), "the-key", "key"), "sealed cases that wait for a person: JetStream stream HELD", &["bot", "key"], &["HeldCase"]),
            "auditKey": channel(subjects::AUDIT_KEY, "the public key that what is personal in the record is sealed to", &[], &["AuditKeyRequest", "AuditKey"]),
        },
        "operations": {
            "askForAVerdict": operation("receive", "check", "CheckRequest", &["Verdict", "Problem"], "ingress answers with a verdict or a problem"),
            "submitAMessage": operation("receive", "submit", "CheckRequest", &[], "ingress takes it when it can, and stores the verdict"),
            "readVerdicts": operation("send", "verdict", "Verdict", &[], "ingress stores verdicts for the bot"),
            "readResolutions": operation("send", "resolution", "Resolution", &[], "ingress stores resolutions for the bot"),
            "askAStage": operation("send", "stage", "Ask", &["Report"], "ingress asks; a stage in any language answers"),
            "record": operation("send", "journal", "Entry", &[], "ingress records before it answers"),
            "hold": operation("send", "held", "HeldCase", &[], "ingress stores a case for a reviewer"),
            "tellTheAuditKey": operation("receive", "auditKey", "AuditKeyRequest", &["AuditKey"], "audit answers; ingress asks where its configuration names no key"),
        },
        "components": {"messages": {
            "CheckRequest": message("CheckRequest", "a message to a bot, or an answer of one", schema::<CheckRequest>()),
            "Verdict": message("Verdict", "the one answer", schema::<Verdict>()),
            "Problem": message("Problem", "why there is no verdict (RFC 9457)", schema::<Problem>()),
            "Resolution": message("Resolution", "how a held message ended", schema::<ResolutionRecord>()),
            "Ask": message("Ask", "what a stage is given", schema::<Ask>()),
            "Report": message("Report", "what a stage found", schema::<Report>()),
            "Entry": message("Entry", "one entry of the record", schema::<Entry>()),
            "HeldCase": message("HeldCase", "a sealed case", schema::<HeldCase>()),
            "AuditKeyRequest": json!({"name": "AuditKeyRequest", "title": "AuditKeyRequest", "summary": "a request without a body"}),
            "AuditKey": message("AuditKey", "audit's public key", schema::<AuditKey>()),
        }},
    })
}

#[test]
fn the_document_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&document()).unwrap();
    generated(PATH, &format!("{text}\n"));
}

/// Each reference leads somewhere, and each parameter of an address is described.
#[test]
fn the_document_holds_together() {
    let document = document();
    let mut references = 0;
    let mut walk = vec![&document];
    while let Some(value) = walk.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    references += 1;
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                walk.extend(map.values());
            }
            Value::Array(items) => walk.extend(items),
            _ => {}
        }
    }
    assert!(references > 20, "{references}");
    for (name, channel) in document["channels"].as_object().unwrap() {
        let address = channel["address"].as_str().unwrap();
        let inside: Vec<&str> =
            address.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        let described: Vec<&String> = channel["parameters"].as_object().unwrap().keys().collect();
        assert_eq!(inside.len(), described.len(), "{name}: {address}");
        assert!(inside.iter().all(|name| described.iter().any(|known| known == name)), "{name}");
    }
}

/// What goes over the wire is what the document says.
#[test]
fn messages_are_as_the_document_says() {
    let document = document();
    let fits = |name: &str, value: Value| {
        let schema = &document["components"]["messages"][name]["payload"]["schema"];
        let validator = jsonschema::validator_for(schema).unwrap();
        assert!(validator.is_valid(&value), "{name}: {value}");
        assert!(!validator.is_valid(&json!([])), "{name} takes anything");
    };
    let value = |of: serde_json::Result<Value>| of.unwrap();
    fits("Verdict", value(serde_json::to_value(crate::golden::verdict())));
    fits("Report", value(serde_json::to_value(crate::golden::report())));
    fits("Ask", value(serde_json::to_value(crate::golden::ask())));
    fits("Resolution", value(serde_json::to_value(crate::golden::resolution())));
    fits("HeldCase", value(serde_json::to_value(crate::golden::held_case())));
    for (_, entry) in crate::golden::entries() {
        fits("Entry", value(serde_json::to_value(entry)));
    }
    fits("CheckRequest", json!({"text": "hello", "bot": "shop"}));
    fits("AuditKey", json!({"audit_key": "00"}));
}
