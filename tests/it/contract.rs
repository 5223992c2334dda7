//! The contract on the wire: published schemas, golden files, and reading what another release writes.
//!
//! Golden files of this release are in `contract/golden`; those of the release before it in `contract/golden/last`,
//! which are replaced when a release is made and at no other time. For the first release, which has none
//! before it, they are its own.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Once;

use portcullis_core::{
    Action, Answered, Ask, Body, Cause, ContextKind, Decision, Effect, Entry, HeldCase, Recorded,
    Report, Resolution, ResolutionRecord, Severity, Status, ToneDirective, Verdict, ViewKind,
    schema,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::golden;
use crate::workspace::{files, generated, read, root, update};

const SCHEMAS: &str = "tests/contract/schemas";
const GOLDEN: &str = "tests/contract/golden";
const LAST: &str = "tests/contract/golden/last";

fn pretty(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

fn json_file(folder: &str, name: &str) -> Value {
    serde_json::from_str(&read(format!("{folder}/{name}.json"))).unwrap()
}

/// The names of the files in a folder, without `.json`; not those of folders in it.
fn names(folder: &str) -> Vec<String> {
    let folder = root().join(folder);
    let here = files(&folder, "json").into_iter().filter(|file| file.parent() == Some(&folder));
    here.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    let mut published: Vec<_> = schema::all();
    published.sort_by_key(|(name, _)| *name);
    for (name, schema) in &published {
        generated(&format!("{SCHEMAS}/{name}.json"), &pretty(schema));
    }
    let expected: Vec<_> = published.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(SCHEMAS), expected, "no schema of something that is gone");
}

/// Every golden file: its name, and what it should hold.
fn expected() -> Vec<(String, String)> {
    let mut all = vec![
        ("ask".to_owned(), pretty(&golden::ask())),
        ("report".to_owned(), pretty(&golden::report())),
        ("verdict".to_owned(), pretty(&golden::verdict())),
        ("resolution".to_owned(), pretty(&golden::resolution())),
        ("held-case".to_owned(), pretty(&golden::held_case())),
    ];
    all.extend(golden::entries().iter().map(|(name, entry)| (name.clone(), pretty(entry))));
    all.sort();
    all
}

/// The golden files of this release by name, with `UPDATE=1` after all of them were written.
fn golden_files() -> Vec<(String, Value)> {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        for (name, text) in expected() {
            update(&format!("{GOLDEN}/{name}.json"), &text);
        }
    });
    names(GOLDEN).into_iter().map(|name| (name.clone(), json_file(GOLDEN, &name))).collect()
}

fn golden_file(name: &str) -> Value {
    golden_files().into_iter().find(|(found, _)| found == name).unwrap().1
}

#[test]
fn what_is_written_is_as_the_golden_files_say() {
    let files = golden_files();
    for (name, text) in expected() {
        generated(&format!("{GOLDEN}/{name}.json"), &text);
    }
    let found: Vec<_> = files.into_iter().map(|(name, _)| name).collect();
    let expected: Vec<_> = expected().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, expected, "no golden file that nobody compares");
}

/// This value reads back as itself, and no name stands twice in one object: a reader would take only one of
/// them.
fn reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let written = serde_json::to_string(value).unwrap();
    let parsed: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(parsed.to_string().len(), written.len(), "a name stands twice in {written}");
    assert_eq!(&serde_json::from_str::<T>(&written).unwrap(), value);
}

#[test]
fn what_is_written_reads_back_as_itself() {
    // The budget travels in a header: an ask that was read has another one.
    let ask = golden::ask();
    let read: Ask = serde_json::from_value(golden_file("ask")).unwrap();
    assert_eq!(Ask { budget: ask.budget, ..read }, ask);

    reads_back(&golden::report());
    reads_back(&golden::verdict());
    reads_back(&golden::resolution());
    reads_back(&golden::held_case());
    for (_, entry) in golden::entries() {
        reads_back(&entry);
    }
}

/// A stage or a bot in another language is written from the schemas alone.
#[test]
fn golden_files_are_of_their_published_schemas() {
    let schemas: BTreeMap<_, _> = schema::all().into_iter().collect();
    for (name, golden) in golden_files() {
        let kind = name.split('.').next().unwrap();
        let validator = jsonschema::validator_for(schemas[kind].as_value()).unwrap();
        let wrong: Vec<_> = validator
            .iter_errors(&golden)
            .map(|error| format!("{name}{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));

        // A schema that takes everything would say nothing.
        let mut less = golden.clone();
        let required = schemas[kind].as_value()["required"][0].as_str();
        if let Some(field) = required {
            less.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&less), "{name} without {field}");
        }
    }
}

/// Reads a value of the wire as the type that its file's name says, and writes it again.
fn reread(name: &str, value: Value) -> Result<Value, serde_json::Error> {
    fn through<T: Serialize + DeserializeOwned>(value: Value) -> Result<Value, serde_json::Error> {
        serde_json::to_value(serde_json::from_value::<T>(value)?)
    }
    match name.split('.').next().unwrap_or_default() {
        "ask" => through::<Ask>(value),
        "report" => through::<Report>(value),
        "verdict" => through::<Verdict>(value),
        "entry" => through::<Entry>(value),
        "resolution" => through::<ResolutionRecord>(value),
        "held-case" => through::<HeldCase>(value),
        other => panic!("{other} is nothing on the wire"),
    }
}

/// Whether everything that `old` says is in `new` too.
fn keeps(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            old.iter().all(|(key, value)| new.get(key).is_some_and(|kept| keeps(value, kept)))
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| keeps(old, new))
        }
        _ => old == new,
    }
}

#[test]
fn what_the_last_release_wrote_is_read_and_nothing_of_it_is_lost() {
    let last = names(LAST);
    for kind in ["ask", "report", "verdict", "entry.verdict", "resolution", "held-case"] {
        assert!(last.iter().any(|name| name == kind), "{LAST} has no {kind}");
    }
    for name in last {
        let old = json_file(LAST, &name);
        let new = reread(&name, old.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(keeps(&old, &new), "{name}: something of the last release's is lost");
    }
}

/// Puts a field that no release knows into every object that has a form of its own.
fn with_news(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields.iter_mut() {
                // A policy's section is the stage's own affair, and a masking is a word with its entity.
                if key != "settings" && key != "with" {
                    with_news(inner);
                }
            }
            fields.insert("news".into(), json!({ "from": ["a", "later", "release"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(with_news),
        _ => {}
    }
}

/// The other way round: the release before this one reads what this one writes because both ignore what they
/// do not know.
#[test]
fn fields_of_a_later_release_are_ignored_everywhere() {
    for (name, known) in golden_files() {
        let mut later = known.clone();
        with_news(&mut later);
        assert_ne!(later, known);
        assert_eq!(reread(&name, later).unwrap(), known, "{name}");
    }
}

/// A word that no release knows, as this enum reads it.
fn unknown<T: DeserializeOwned>() -> T {
    serde_json::from_value(json!("a-word-of-a-later-release")).unwrap()
}

#[test]
fn a_word_of_a_later_release_is_read_as_the_harshest() {
    assert!(unknown::<Severity>() > Severity::Critical);
    assert!(unknown::<Decision>() > Decision::Block);
    assert!(unknown::<Effect>() > Effect::Block);
    assert!(unknown::<Action>() > Action::Stop);
    assert!(unknown::<ToneDirective>() > ToneDirective::CrisisRoute);
    assert!(!unknown::<Decision>().forwards());
    // These have no order: not knowing is a word of its own, and never one of the good ones.
    assert_eq!(unknown::<Cause>(), Cause::Unknown);
    assert_eq!(unknown::<Status>(), Status::Unknown);
    assert_eq!(unknown::<Answered>(), Answered::Unknown);
    assert_eq!(unknown::<Recorded>(), Recorded::Unknown);
    assert_eq!(unknown::<Resolution>(), Resolution::Unknown);
    assert_eq!(unknown::<ViewKind>(), ViewKind::Unknown);
    assert_eq!(unknown::<ContextKind>(), ContextKind::Unknown);
}

#[test]
fn an_entry_of_a_later_kind_is_read_as_unknown_and_keeps_its_identity() {
    let mut entry = golden_file("entry.action");
    entry["kind"] = json!("prophecy");
    let entry: Entry = serde_json::from_value(entry).unwrap();
    assert_eq!(entry.body, Body::Unknown);
    assert_eq!(entry.id, "action/shop/inbound/m-1");
}

/// A report that says nothing of its coverage, or a verdict without its receipt, claims nothing.
#[test]
fn what_is_not_said_is_not_assumed() {
    let report: Report = serde_json::from_value(json!({ "version": "1" })).unwrap();
    assert!(!report.coverage.is_whole(), "a report without coverage is partial");
    let mut verdict = golden_file("verdict");
    verdict.as_object_mut().unwrap().remove("receipt");
    assert!(serde_json::from_value::<Verdict>(verdict).is_err());
}
