//! Reads JSON strictly: unknown and repeated keys are refused, and what is wrong is said by field path and
//! category.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use crate::problem::Problem;

/// Reads a whole body as `T`.
///
/// # Errors
/// A problem that names the field (or line and column, where it is not JSON at all) and quotes nothing.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Problem::malformed(format!("the body is not UTF-8: the first wrong byte is number {at}"))
    })?;
    if text.trim().is_empty() {
        return Err(Problem::malformed("the body is empty; a JSON object is expected"));
    }
    // A type with named fields would also be read from an array, by position.
    if !text.trim_start().starts_with('{') {
        return Err(Problem::malformed("the body is not a JSON object"));
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        // The path of an unknown field ends with its name, which is not ours to repeat.
        let unknown = error.inner().to_string().starts_with("unknown field");
        let segments: Vec<&Segment> = error.path().iter().collect();
        let ours = segments.split_last().map(|(_, before)| before).filter(|_| unknown);
        problem(&written(ours.unwrap_or(&segments)), error.inner())
    })?;
    parser.end().map_err(|error| problem("", &error))?;
    Ok(value)
}

/// A path as people write it.
fn written(segments: &[&Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        match segment {
            Segment::Seq { index } => path.push_str(&format!("[{index}]")),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Segment::Unknown => {}
        }
    }
    path
}

fn problem(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    if matches!(error.classify(), Category::Data) {
        return field_problem(path, &message);
    }
    let what = if message.starts_with("EOF") {
        "the JSON ends too early"
    } else if message.contains("hex escape") || message.contains("unicode") {
        "an escape is not valid Unicode"
    } else if message.starts_with("trailing characters") {
        "something follows after the JSON value"
    } else if message.starts_with("recursion limit") {
        "the JSON is nested too deeply"
    } else {
        "the body is not valid JSON"
    };
    Problem::malformed(format!("{what} ({place})"))
}

/// The categories of serde's data errors. Its own words may quote what was sent, so only the category is
/// taken from them, and a name only where it is one of ours.
fn field_problem(path: &str, message: &str) -> Problem {
    let (what, name) = if message.starts_with("missing field") {
        ("is missing", own_name(message))
    } else if message.starts_with("duplicate field") {
        ("is there twice", own_name(message))
    } else if message.starts_with("unknown field") {
        ("has a field that is not known; see /openapi.json for those that are", None)
    } else if message.starts_with("unknown variant") {
        ("is not one of the allowed words", None)
    } else if message.starts_with("invalid type") {
        ("is not of the right type", None)
    } else if let Some((_, rule)) = message.split_once(" must be ") {
        // Our own rules of names say nothing of the value.
        let rule = rule.split(" at line ").next().unwrap_or(rule).to_owned();
        let field = field_path(path, None);
        return Problem::invalid(format!("{field} must be {rule}")).field(field);
    } else {
        ("is not of the right form", None)
    };
    let field = field_path(path, name);
    Problem::invalid(format!("{field} {what}")).field(field)
}

/// The name between backticks: in errors about missing and repeated fields it is a name from our types.
fn own_name(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// A path as people write it. Parts of it are names of our fields or indexes: unknown names never get
/// into a path, because the types have no maps.
fn field_path(path: &str, name: Option<&str>) -> String {
    // The path of a repeated field ends with the field itself.
    let repeats = |name: &str| path == name || path.ends_with(&format!(".{name}"));
    match name {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) if !repeats(name) => format!("{path}.{name}"),
        _ if path.is_empty() => "the body".to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::CheckRequest;

    #[test]
    fn each_fault_is_named_by_field_and_category_and_quotes_nothing() {
        for (body, status, field, word) in [
            (&b"{"[..], 400, None, "ends too early (line 1, column 1)"),
            (b"", 400, None, "empty"),
            (b"[1,", 400, None, "not a JSON object"),
            (
                b"{\"text\": \"MARKER\xff\"}",
                400,
                None,
                "not UTF-8: the first wrong byte is number 16",
            ),
            (br#"{"text": "\ud800MARKER"}"#, 400, None, "not valid Unicode"),
            (br#"{"text": "a"} MARKER"#, 400, None, "follows after"),
            (br#"{"text": MARKER}"#, 400, None, "not valid JSON (line 1, column 10)"),
            (br#"{"text": "a", "text": "MARKER"}"#, 400, Some("text"), "text is there twice"),
            (br#"{"text": "a", "MARKER": 1}"#, 400, Some("the body"), "not known"),
            (
                br#"{"context": [{"text": "a", "MARKER.b": 1}]}"#,
                400,
                Some("context[0]"),
                "not known",
            ),
            (br#"{"text": 7}"#, 400, Some("text"), "right type"),
            (br#"{"text": "a", "bot": "MARKER.x"}"#, 400, Some("bot"), "bot must be 1 to 63"),
            (br#"{"text": "a", "id": ""}"#, 400, Some("id"), "id must be 1 to 128"),
            (br#"{"text": "a", "direction": "MARKER"}"#, 400, Some("direction"), "allowed words"),
            (br#"{"context": [{"kind": "email"}]}"#, 400, Some("context[0].text"), "missing"),
            (
                br#"{"context": [{"text": "a", "text": "b"}]}"#,
                400,
                Some("context[0].text"),
                "twice",
            ),
            (br#"{"text": "a", "client_addr": "MARKER"}"#, 400, Some("client_addr"), "form"),
        ] {
            let problem = json::<CheckRequest>(body).unwrap_err();
            assert_eq!(problem.status, status, "{problem:?}");
            assert_eq!(problem.field.as_deref(), field, "{problem:?}");
            assert!(problem.detail.contains(word), "{problem:?}");
            assert!(!problem.detail.contains("MARKER"), "{problem:?}");
        }
    }
}
