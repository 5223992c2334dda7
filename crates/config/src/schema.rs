//! The JSON Schema of a configuration, and the questions that the loader and the sample ask of it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The JSON Schema (draft 2020-12) of a configuration, made from its types, without references.
pub fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// The schema of the field at `path`, if there is one.
pub(crate) fn field<'a>(schema: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(schema, |at, key| {
        let here = |at: &'a Value| at.get("properties")?.get(key);
        here(at).or_else(|| choices(at).find_map(here))
    })
}

/// Whether a field takes a string, so that what the environment holds is not read as a number.
pub(crate) fn takes_text(schema: &Value) -> bool {
    let is_string = |word: &Value| word == "string";
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(is_string),
        Some(word) => is_string(word),
        None => choices(schema).any(takes_text),
    }
}

/// Whether a field is a [`crate::Secret`], or an optional one.
pub(crate) fn is_secret(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true)) || choices(schema).any(is_secret)
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}
