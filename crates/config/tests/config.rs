//! Loading: what overrides what, what the sample holds, and errors that name the place and no value.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure names its place")]

use std::io::Write;
use std::path::Path;

use portcullis_config::{Secret, StageConfig, load_from, sample, schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The marker that no error may show.
const MARKER: &str = "xyzzy-plugh";

/// A stage's own section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Own {
    /// Key for hashes.
    key: Secret,
    /// Word of the day.
    word: Option<String>,
    /// A small number.
    small: u8,
    /// A list.
    list: Vec<String>,
}

type Config = StageConfig<Own>;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(path: Option<&Path>, pairs: &[(&str, &str)]) -> Result<Config, String> {
    load_from(path, environment(pairs)).map_err(|error| error.to_string())
}

#[test]
fn the_sample_parses_back_to_the_default() {
    let text = sample::<Config>().unwrap();
    for expected in ["# Password of the user.\n# password = {", "[stage]", "seats = 256"] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let read = load(Some(file(&text).path()), &[]).unwrap();
    let json = |config: &Config| serde_json::to_value(config).unwrap();
    assert_eq!(json(&read), json(&Config::default()));
}

#[test]
fn every_field_has_a_description() {
    fn walk(schema: &serde_json::Value, at: &str) {
        let Some(fields) = schema.get("properties").and_then(|p| p.as_object()) else { return };
        for (name, field) in fields {
            assert!(field.get("description").is_some(), "{at}.{name}");
            walk(field, &format!("{at}.{name}"));
        }
    }
    let schema = schema::<Config>();
    assert!(schema.pointer("/properties/nats/properties/url").is_some());
    walk(&schema, "");
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let file = file("seats = 3\ngrace_ms = 5\n[nats]\nuser = \"from-file\"\n");
    let config = load(
        Some(file.path()),
        &[
            ("PORTCULLIS__SEATS", "4"),
            ("PORTCULLIS__STAGE__WORD", "12345"),
            ("PORTCULLIS__STAGE__KEY", "007"),
            ("PORTCULLIS__STAGE__LIST", "[a, b]"),
            ("PORTCULLIS_CONFIG", "ignored"),
            ("HOME", "ignored"),
        ],
    )
    .unwrap();
    assert_eq!((config.seats, config.grace_ms), (4, 5));
    assert_eq!(config.nats.user.as_deref(), Some("from-file"));
    assert_eq!(config.nats.connect_timeout_ms, 5_000);
    assert_eq!(config.stage.word.as_deref(), Some("12345"));
    assert_eq!(config.stage.key.expose(), "007");
    assert_eq!(config.stage.list, ["a", "b"]);
}

#[test]
fn a_secret_is_read_from_a_file() {
    let secret = file("s3cret\n");
    let path = secret.path().display().to_string();
    let in_file = file(&format!("[nats]\npassword = {{ file = {path:?} }}"));
    for config in [
        load(Some(in_file.path()), &[]).unwrap(),
        load(None, &[("PORTCULLIS__NATS__PASSWORD_FILE", &path)]).unwrap(),
    ] {
        assert_eq!(config.nats.password.as_ref().unwrap().expose(), "s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
    }
    assert_eq!(
        load(None, &[("PORTCULLIS__NATS__PASSWORD_FILE", "/nowhere")]).unwrap_err(),
        "PORTCULLIS__NATS__PASSWORD_FILE: nats.password: not allowed: expected a file that can be read"
    );
}

#[test]
fn an_error_in_the_file_names_line_column_field_and_no_value() {
    for (text, place, says) in [
        ("seats = \"xyzzy-plugh\"", ":1:1", "seats: wrong type: expected usize, found a string"),
        ("\n[nats]\n  url = 7", ":3:3", "nats.url: wrong type"),
        (
            "[nats]\nurl = \"nats://u:xyzzy-plugh@h\"",
            ":2:1",
            "nats.url: not allowed: expected scheme",
        ),
        ("[nats]\npassword = 17\n", ":2:1", "nats.password: wrong type"),
        ("[stage]\nsmall = 300", ":2:1", "stage.small: not allowed"),
        ("[telemetry]\nformat = \"xyzzy-plugh\"", ":2:1", "expected one of pretty, json"),
        ("[health]\nlisten = \"xyzzy-plugh\"", ":2:1", "health.listen: not allowed"),
        (
            "[stage]\n\nwrd = \"xyzzy-plugh\"",
            ":3:1",
            "stage.wrd: unknown field: expected one of key",
        ),
        ("[stage]\nlist = [\"a\", 7]", ":2:14", "stage.list.1: wrong type"),
        ("seats = 1\nkey = \"xyzzy-plugh", ":2:", "not valid TOML"),
    ] {
        let file = file(text);
        let error = load(Some(file.path()), &[]).unwrap_err();
        let start = format!("{}{place}", file.path().display());
        assert!(error.starts_with(&start), "{error} for {text:?}");
        assert!(error.contains(says), "{error} for {text:?}");
        assert!(!error.contains(MARKER), "{error}");
    }
}

#[test]
fn an_error_in_the_environment_names_the_variable_and_no_value() {
    let file = file("seats = 1\n[nats]\nuser = \"u\"");
    for (name, value, says) in [
        ("PORTCULLIS__SEATS", "xyzzy-plugh", "seats: wrong type"),
        ("PORTCULLIS__NATS__URL", "xyzzy-plugh", "nats.url: not allowed"),
        ("PORTCULLIS__NATS__URI", "xyzzy-plugh", "nats.uri: unknown field"),
        ("PORTCULLIS__NATS", "xyzzy-plugh", "nats: wrong type"),
        ("PORTCULLIS__STAGE__SMALL", "300", "stage.small: not allowed"),
    ] {
        let error = load(Some(file.path()), &[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: {says}")), "{error}");
        assert!(!error.contains(MARKER), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Some(Path::new("/nowhere/portcullis.toml")), &[]).unwrap_err();
    assert_eq!(error, "/nowhere/portcullis.toml: cannot be read: entity not found");
}
