//! A sample file with every field, its description and its default.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::schema;

/// A TOML file that holds every field of a configuration with its default. Fields that have none are
/// comments. Reading it gives the default.
pub fn sample<T: JsonSchema + Serialize + Default>() -> Result<String, serde_json::Error> {
    let mut out = String::new();
    if let Value::Object(defaults) = serde_json::to_value(T::default())? {
        table(&mut out, &mut Vec::new(), &defaults, &schema::schema::<T>());
    }
    Ok(out)
}

/// Writes one table: plain values first, then the tables in it.
fn table(out: &mut String, path: &mut Vec<String>, values: &Map<String, Value>, schema: &Value) {
    let described = |key: &str| schema::field(schema, &[key.to_owned()]);
    let is_section =
        |key: &str| described(key).is_some_and(|schema| schema.get("properties").is_some());
    for (key, value) in values {
        match value {
            Value::Object(_) if is_section(key) => {}
            _ => {
                comment(out, described(key));
                entry(out, key, value, described(key));
            }
        }
    }
    for (key, value) in values {
        if let (Value::Object(inner), true) = (value, is_section(key)) {
            path.push(key.clone());
            if !out.is_empty() {
                out.push('\n');
            }
            comment(out, described(key));
            out.push_str(&format!("[{}]\n", path.join(".")));
            table(out, path, inner, described(key).unwrap_or(&Value::Null));
            path.pop();
        }
    }
}

/// The longest line of a comment, in characters.
const WIDTH: usize = 96;

fn comment(out: &mut String, schema: Option<&Value>) {
    let description = schema.and_then(|schema| schema.get("description")?.as_str());
    let mut line = String::new();
    for word in description.unwrap_or_default().split_whitespace() {
        if !line.is_empty() && line.len() + word.len() >= WIDTH {
            out.push_str(&format!("#{line}\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    if !line.is_empty() {
        out.push_str(&format!("#{line}\n"));
    }
}

fn entry(out: &mut String, key: &str, value: &Value, schema: Option<&Value>) {
    match inline(value) {
        Some(value) => out.push_str(&format!("{key} = {value}\n")),
        None => {
            let example = match schema {
                Some(schema) if schema::is_secret(schema) => "{ file = \"/path\" }",
                Some(schema) if schema::takes_text(schema) => "\"\"",
                _ => "",
            };
            out.push_str(format!("# {key} = {example}").trim_end());
            out.push('\n');
        }
    }
}

/// A value on one line; `None` for one that TOML has no word for.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Object(table) => {
            let fields: Vec<String> = table
                .iter()
                .filter_map(|(key, value)| {
                    let key = toml::Value::String(key.clone());
                    Some(format!("{key} = {}", inline(value)?))
                })
                .collect();
            Some(if fields.is_empty() {
                "{}".into()
            } else {
                format!("{{ {} }}", fields.join(", "))
            })
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(inline).collect();
            Some(format!("[{}]", items.join(", ")))
        }
        _ => toml::Value::try_from(value).ok().map(|value| value.to_string()),
    }
}
