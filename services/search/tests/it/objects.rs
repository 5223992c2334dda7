//! The saved objects in deploy/kibana/: as strictly as can be read without Kibana, and each question that a panel would
//! ask put to a real engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use portcullis_testkit::eventually;
use serde_json::{Map, Value, json};

use crate::documents::{each, mapped};
use crate::engine::engine;
use crate::support::{PATIENCE, Paper, Work, client};

const STREAM: &str = "portcullis-journal";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kibana")
}

/// The objects of a file, without the line at its end that counts them.
fn objects(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = lines.pop().unwrap();
    assert_eq!(end["exportedCount"], lines.len());
    assert_eq!((&end["missingRefCount"], &end["missingReferences"]), (&json!(0), &json!([])));
    lines
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} of {value}"))
}

/// JSON that stands in a string.
fn inner(value: &Value, pointer: &str) -> Value {
    serde_json::from_str(text(value, pointer)).unwrap()
}

/// Every value of a field with this name, however deep.
fn named<'a>(value: &'a Value, name: &str, into: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == name {
                    into.push(value);
                }
                named(value, name, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, name, into)),
        _ => {}
    }
}

/// A question in KQL, of the few forms that are used: as a query of the engine, with its field.
fn kuery(question: &str) -> Option<(String, Value)> {
    if question.is_empty() {
        return None;
    }
    let (field, values) = question.split_once(": ").unwrap();
    assert!(field.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@".contains(&b)), "{question}");
    let query = match values {
        "*" => json!({ "exists": { "field": field } }),
        _ => {
            let values = values.trim_start_matches('(').trim_end_matches(')');
            json!({ "terms": { field: values.split(" or ").collect::<Vec<_>>() } })
        }
    };
    Some((field.to_owned(), query))
}

fn source(object: &Value) -> Value {
    inner(object, "/attributes/kibanaSavedObjectMeta/searchSourceJSON")
}

#[test]
fn the_files_are_as_the_description_says_and_hold_the_same() {
    let done = Command::new("python3").arg(folder().join("generate.py")).arg("--check").output();
    let done = done.expect("Python 3 is needed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let plain = |file| -> Vec<Value> {
        let mut objects = objects(file);
        for object in &mut objects {
            let fields = object.as_object_mut().unwrap();
            for stamp in ["coreMigrationVersion", "typeMigrationVersion", "migrationVersion"] {
                fields.remove(stamp);
            }
            let fields: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
            assert_eq!(fields, BTreeSet::from(["attributes", "id", "references", "type"]));
        }
        objects
    };
    assert_eq!(plain("kibana.ndjson"), plain("opensearch-dashboards.ndjson"));
    for object in objects("opensearch-dashboards.ndjson") {
        let kind = text(&object, "/type");
        assert!(
            object["migrationVersion"][kind].is_string()
                && object.get("typeMigrationVersion").is_none()
        );
    }
}

#[test]
fn every_reference_resolves_and_every_reference_is_used() {
    let objects = objects("kibana.ndjson");
    let ids: BTreeSet<(&str, &str)> =
        objects.iter().map(|object| (text(object, "/type"), text(object, "/id"))).collect();
    assert_eq!(ids.len(), objects.len(), "each id once");
    for object in &objects {
        let mut listed = BTreeSet::new();
        for reference in object["references"].as_array().unwrap() {
            let to = (text(reference, "/type"), text(reference, "/id"));
            assert!(ids.contains(&to), "{to:?}");
            assert!(listed.insert(text(reference, "/name").to_owned()));
        }
        let mut used = BTreeSet::new();
        for pointer in [
            "/attributes/kibanaSavedObjectMeta/searchSourceJSON",
            "/attributes/panelsJSON",
            "/attributes/visState",
        ] {
            let Some(Value::String(inner)) = object.pointer(pointer) else { continue };
            let inner: Value = serde_json::from_str(inner).unwrap();
            for name in ["indexRefName", "panelRefName"] {
                let mut found = Vec::new();
                named(&inner, name, &mut found);
                used.extend(found.iter().map(|name| name.as_str().unwrap().to_owned()));
            }
        }
        assert_eq!(listed, used, "{}", object["id"]);
    }
    // Everything is on the dashboard.
    let dashboard = objects.iter().find(|object| object["type"] == "dashboard").unwrap();
    let shown: BTreeSet<&str> =
        dashboard["references"].as_array().unwrap().iter().map(|to| text(to, "/id")).collect();
    let panels = objects.iter().filter(|o| o["type"] == "visualization" || o["type"] == "search");
    assert_eq!(shown, panels.map(|object| text(object, "/id")).collect());
}

#[test]
fn every_field_is_mapped() {
    let (mapped, mut used) = (mapped(), BTreeSet::new());
    for object in objects("kibana.ndjson") {
        match text(&object, "/type") {
            "index-pattern" => {
                assert_eq!(object["attributes"]["title"], STREAM, "the stream's name by default");
                used.insert(text(&object, "/attributes/timeFieldName").to_owned());
            }
            "search" => {
                let columns = object["attributes"]["columns"].as_array().unwrap();
                used.extend(columns.iter().map(|column| column.as_str().unwrap().to_owned()));
                used.insert(text(&object, "/attributes/sort/0/0").to_owned());
            }
            "visualization" => {
                let state = inner(&object, "/attributes/visState");
                let mut fields = Vec::new();
                named(&state["aggs"], "field", &mut fields);
                used.extend(fields.iter().map(|field| field.as_str().unwrap().to_owned()));
            }
            "dashboard" => {}
            other => panic!("{other}"),
        }
        if object["type"] != "index-pattern" {
            used.extend(kuery(text(&source(&object), "/query/query")).map(|(field, _)| field));
        }
    }
    assert!(used.len() > 15, "{used:?}");
    let missing: Vec<&String> = used.difference(&mapped).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn panels_lie_on_the_grid_beside_each_other() {
    let objects = objects("kibana.ndjson");
    let dashboard = objects.iter().find(|object| object["type"] == "dashboard").unwrap();
    let mut taken = BTreeSet::new();
    for panel in inner(dashboard, "/attributes/panelsJSON").as_array().unwrap() {
        let of = |name: &str| panel["gridData"][name].as_u64().unwrap();
        assert_eq!(panel["gridData"]["i"], panel["panelIndex"]);
        assert!(of("x") + of("w") <= 48);
        for x in of("x")..of("x") + of("w") {
            for y in of("y")..of("y") + of("h") {
                assert!(taken.insert((x, y)), "two panels at {x}, {y}");
            }
        }
    }
}

/// What a panel asks: its aggregations, each bucket in the one before it, with the metrics at the end.
fn question(state: &Value, query: Option<Value>) -> Value {
    let all = state["aggs"].as_array().unwrap();
    let (metrics, buckets): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|one| one["schema"] == "metric");
    assert!(!metrics.is_empty());
    let mut inside = Map::new();
    for metric in metrics {
        let mut asked = metric["params"].clone();
        match text(metric, "/type") {
            "count" => continue,
            kind @ ("avg" | "cardinality" | "percentiles") => {
                let asked = std::mem::take(&mut asked);
                inside.insert(text(metric, "/id").into(), json!({ kind: asked }));
            }
            other => panic!("{other}"),
        }
    }
    for bucket in buckets.iter().rev() {
        let params = &bucket["params"];
        let asked = match text(bucket, "/type") {
            "terms" => json!({ "terms": { "field": params["field"], "size": params["size"] } }),
            "date_histogram" => json!({ "date_histogram": {
                "field": params["field"], "min_doc_count": params["min_doc_count"], "fixed_interval": "1h",
            } }),
            other => panic!("{other}"),
        };
        let mut asked = asked;
        if !inside.is_empty() {
            asked["aggs"] = Value::Object(inside);
        }
        inside = Map::from_iter([(text(bucket, "/id").to_owned(), asked)]);
    }
    json!({ "size": 0, "track_total_hits": true, "aggs": inside, "query": query.unwrap_or(json!({ "match_all": {} })) })
}

#[tokio::test]
async fn every_panel_shows_something_of_real_documents() {
    let (url, stream, paper) = (engine().await.url(), "panels", Paper::default());
    each().iter().for_each(|entry| paper.write(entry));
    let _work = Work::begin(&paper, &url, stream);
    eventually(PATIENCE, async || paper.acked().len() == each().len()).await;
    let client = client(&url);
    client.refresh(stream).await.unwrap();
    let mut shown = BTreeMap::new();
    for object in objects("opensearch-dashboards.ndjson") {
        let id = text(&object, "/id").to_owned();
        let query = || kuery(text(&source(&object), "/query/query")).map(|(_, query)| query);
        let asked = match text(&object, "/type") {
            "visualization" => question(&inner(&object, "/attributes/visState"), query()),
            "search" => json!({ "query": query(), "sort": [{ "@timestamp": "desc" }] }),
            _ => continue,
        };
        let answer =
            client.search(stream, &asked).await.unwrap_or_else(|fault| panic!("{id}: {fault}"));
        let hits = answer["hits"]["total"]["value"].as_u64().unwrap();
        assert!(hits > 0, "{id}: no document fits");
        // each aggregation has found a value
        let (mut buckets, mut values) = (Vec::new(), Vec::new());
        named(&answer, "buckets", &mut buckets);
        named(&answer, "value", &mut values);
        assert!(
            buckets.iter().all(|found| !found.as_array().unwrap().is_empty()),
            "{id}: {answer}"
        );
        assert!(values.iter().all(|found| !found.is_null()), "{id}: {answer}");
        shown.insert(id, hits);
    }
    assert_eq!(shown.len(), 13, "{shown:?}");
}
