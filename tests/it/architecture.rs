//! The architecture's invariants. The README's map says in words what is held here.

use std::collections::BTreeSet;

use crate::source;
use crate::workspace::{self, Member, files, members, read, root, shown};

/// The stages: pure checks, which can run in any process and over any bus.
const STAGES: [&str; 5] =
    ["rate-limit", "sanitizer", "injection-classifier", "sentiment", "moderation"];

/// Protocols that only doors, readers and adapters may name, and the adapters themselves.
const PROTOCOLS: [&str; 10] = [
    "async_nats",
    "axum",
    "redis",
    "opentelemetry",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "portcullis_bus_nats",
    "portcullis_ledger_postgres",
    "portcullis_state_redis",
    "sqlx",
];

/// Async runtimes, and crates that are no use without one.
const RUNTIMES: [&str; 8] = [
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-global-executor",
    "glommio",
    "monoio",
    "compio",
];

/// Every member that the design knows. Some are beyond its first list:
/// - `crates/bus-rights`: who may do what on NATS. Processes need none of it: it is for the server's configuration and tests.
/// - `crates/decode`: encoded text in a text. Sanitizer makes readings of it, moderation looks for leaks in it.
/// - `crates/detect`: the detectors of secrets and personal data. Sanitizer (masking) and moderation (leaks)
///   must find the same things, and no service may import another.
/// - `crates/decode-parts`, `crates/detect-parts`: what these are made of, so that they stay small.
/// - `crates/door`: what every door has in common: strict requests, problems, keys. Doors are in more than one
///   service.
/// - `crates/host`: a stage as a process on NATS. It is what each stage's `main.rs` shares; in `crates/service`
///   it would force the NATS adapter on every process.
/// - `crates/moderate`: what a bot must not say at a place, and the streams over it: the moderation stage looks at
///   whole answers with it and ingress at streams, before anything is released; no service may import another.
/// - `crates/markup`: how Markdown and browsers read a text, so that `crates/moderate` stays small.
/// - `crates/keep`, `crates/streams`: parts of ingress that stand for themselves, so that it stays small.
/// - `crates/frames`, `crates/ledger`, `crates/merkle`: the record in files, and its tree, checkpoints and proofs. The
///   program for people reads and verifies the record without the service that fills it.
/// - `crates/ledger-postgres`: the record in PostgreSQL, so that the files need no database.
/// - `crates/out`, `crates/record-cli`: the program for people was too large: where it writes, and its commands about the
///   record.
/// - `crates/personal`: what is personal in the record. Ingress seals it, audit keeps it, the program for people reads it.
/// - `crates/report`: the regular audit, so that the program for people stays small.
/// - `crates/search-http`: Elasticsearch and OpenSearch over HTTP, so that the service that fills them holds no protocol.
/// - `services/search`: a process beside audit, so that a search engine that is away never slows the ledger.
/// - `crates/measure`: load and labelled evaluation, so that the program for people stays small.
const DESIGNED: &[&str] = &[
    "crates/bus",
    "crates/bus-nats",
    "crates/bus-rights",
    "crates/client",
    "crates/config",
    "crates/core",
    "crates/decode",
    "crates/decode-parts",
    "crates/detect",
    "crates/detect-parts",
    "crates/door",
    "crates/frames",
    "crates/host",
    "crates/keep",
    "crates/ledger",
    "crates/ledger-postgres",
    "crates/markup",
    "crates/measure",
    "crates/merkle",
    "crates/model",
    "crates/model-bert",
    "crates/moderate",
    "crates/out",
    "crates/personal",
    "crates/pipeline",
    "crates/policy",
    "crates/record-cli",
    "crates/report",
    "crates/search-http",
    "crates/service",
    "crates/state",
    "crates/state-redis",
    "crates/streams",
    "crates/telemetry",
    "crates/testkit",
    "services/anomaly",
    "services/audit",
    "services/console",
    "services/ingress",
    "services/injection-classifier",
    "services/injection-classifier/training",
    "services/moderation",
    "services/portcullis",
    "services/rate-limit",
    "services/sanitizer",
    "services/search",
    "services/sentiment",
    "tests",
];

const CRATE_LINES: usize = 3000;
const FILE_LINES: usize = 400;
const MAIN_LINES: usize = 15;

/// Invariant 1.
#[test]
fn no_stage_library_names_a_protocol() {
    for stage in STAGES {
        let sources = files(&root().join("services").join(stage).join("src"), "rs");
        assert!(!sources.is_empty(), "services/{stage} has sources");
        for file in sources.iter().filter(|file| !file.ends_with("src/main.rs")) {
            let code = source::code(&read(file));
            for protocol in PROTOCOLS {
                assert!(!source::names(&code, protocol), "{} names {protocol}", shown(file));
            }
        }
    }
}

/// What is no service's process and may need several: the one process, the tests of the whole, and a trainer that judges
/// what the sanitizer makes of its texts.
const OF_SEVERAL: &[&str] = &["portcullis", "portcullis-tests", "portcullis-injection-training"];

/// Invariant 2. In tests too: what needs two services is a test of the whole.
#[test]
fn no_service_imports_another() {
    let members = members();
    let services: BTreeSet<&str> =
        members.iter().filter(|m| m.is_service()).map(|m| m.name.as_str()).collect();
    for member in &members {
        if OF_SEVERAL.contains(&member.name.as_str()) {
            continue;
        }
        for dependency in &member.dependencies {
            let is_service = services.contains(dependency.name.as_str());
            assert!(!is_service, "{} imports {}", member.path(), dependency.name);
        }
    }
}

/// The test kit is for tests alone: nothing of it may reach a process.
#[test]
fn the_test_kit_is_a_dev_dependency_only() {
    for member in members() {
        for dependency in &member.dependencies {
            if dependency.name == "portcullis-testkit" {
                let kind = dependency.kind.as_deref();
                assert_eq!(kind, Some("dev"), "{} needs the test kit", member.path());
            }
        }
    }
}

/// Invariant 3, and that core imports nothing of ours.
#[test]
fn core_has_no_async_runtime_and_nothing_of_ours() {
    let tree = workspace::cargo(&[
        "tree",
        "--offline",
        "--package",
        "portcullis-core",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let needed: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(needed.contains(&"serde"), "the tree was read: {tree}");
    for runtime in RUNTIMES {
        assert!(!needed.contains(&runtime), "core needs {runtime}");
    }
    let ours: Vec<_> = needed.iter().filter(|name| name.starts_with("portcullis-")).collect();
    assert_eq!(ours, [&"portcullis-core"]);
}

/// Invariant 4.
#[test]
fn the_readme_maps_exactly_the_members() {
    let members: BTreeSet<String> =
        members().iter().map(Member::path).chain(workspace::excluded()).collect();
    let readme = read("README.md");
    let mapped: Vec<String> = readme.lines().filter_map(mapped_path).collect();
    let once: BTreeSet<String> = mapped.iter().cloned().collect();
    assert_eq!(once, members, "left: the README's map; right: the workspace");
    assert_eq!(mapped.len(), once.len(), "the map names a member twice: {mapped:?}");
}

/// The path of a member at the head of a list item or of a table's row.
fn mapped_path(line: &str) -> Option<String> {
    let item = line.trim_start();
    let item = ["- ", "* ", "| "].iter().find_map(|mark| item.strip_prefix(mark))?;
    let (path, _) = item.trim_start().strip_prefix('`')?.split_once('`')?;
    let path = path.trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    let is_member =
        matches!(parts[..], ["crates" | "services", _] | ["services", _, "training"] | ["tests"]);
    is_member.then(|| path.to_owned())
}

#[test]
fn a_map_line_begins_with_a_path() {
    assert_eq!(mapped_path("- `crates/core`: words").as_deref(), Some("crates/core"));
    assert_eq!(mapped_path("| `services/audit/` | x |").as_deref(), Some("services/audit"));
    assert_eq!(mapped_path("* `tests` the tests").as_deref(), Some("tests"));
    for other in ["`crates/core` is", "- see `crates/core`", "- `crates/core/src`", "- `deploy`"] {
        assert_eq!(mapped_path(other), None, "{other}");
    }
}

#[test]
fn every_member_is_of_the_design() {
    for path in members().iter().map(Member::path).chain(workspace::excluded()) {
        assert!(DESIGNED.contains(&path.as_str()), "{path} is not in the design");
    }
}

/// Invariant 5, for whole crates.
#[test]
fn crates_stay_small() {
    for member in members() {
        let sources = files(&root().join(member.path()).join("src"), "rs");
        let lines: usize = sources
            .iter()
            .filter(|file| !is_of_tests(&shown(file)))
            .map(|file| source::lines_without_tests(&read(file)))
            .sum();
        assert!(lines <= CRATE_LINES, "{} has {lines} lines: split it", member.path());
    }
}

/// A file of unit tests: `tests.rs`, `…_tests.rs`, or one in a folder `tests`.
fn is_of_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/src/tests/")
}

/// Invariant 5, for files: with their tests, and wherever they are.
#[test]
fn files_stay_small_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for file in members().iter().flat_map(|m| files(&root().join(m.path()), "rs")) {
        let text = read(&file);
        let lines = text.lines().count();
        if lines > FILE_LINES {
            wrong.push(format!("{} has {lines} lines: split it", shown(&file)));
        }
        // An empty line of this form says nothing.
        let first = text.lines().next().unwrap_or_default();
        if first.strip_prefix("//! ").is_none_or(|what| what.trim().is_empty()) {
            wrong.push(format!("{} does not say on its first line what it is for", shown(&file)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mains_are_thin() {
    for member in members().iter().filter(|member| member.is_service()) {
        let main = root().join(member.path()).join("src/main.rs");
        if main.is_file() {
            let lines = source::code_lines(&read(&main));
            assert!(lines <= MAIN_LINES, "{} has {lines} lines of code", shown(&main));
        }
    }
}
