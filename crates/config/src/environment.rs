//! The environment as a source of values: `PORTCULLIS__SECTION__KEY`.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use crate::load::PREFIX;
use crate::schema;

/// Name of this source in figment's metadata.
pub(crate) const SOURCE: &str = "environment";

/// What between sections and keys stands in a variable's name.
const SEPARATOR: &str = "__";

/// The variables that concern a configuration, and which field each one sets.
pub(crate) struct Environment {
    values: Dict,
    names: BTreeMap<Vec<String>, String>,
}

impl Environment {
    /// Takes those of `variables` whose name begins with the prefix. The schema says which of them are
    /// text, and which name a file that holds a secret.
    pub(crate) fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        schema: &serde_json::Value,
    ) -> Self {
        let mut this = Self { values: Dict::new(), names: BTreeMap::new() };
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix(PREFIX).and_then(|r| r.strip_prefix(SEPARATOR))
            else {
                continue;
            };
            let mut path: Vec<String> =
                rest.split(SEPARATOR).map(str::to_ascii_lowercase).collect();
            let value = match secret_file(&path, schema) {
                Some(secret) => {
                    path = secret;
                    Value::from(Dict::from([("file".to_owned(), Value::from(value))]))
                }
                None if schema::field(schema, &path).is_some_and(schema::takes_text) => {
                    Value::from(value)
                }
                // Infallible: what is nothing else is a string.
                None => value.parse().unwrap_or_else(|never| match never {}),
            };
            insert(&mut this.values, &path, value);
            this.names.insert(path, name);
        }
        this
    }

    /// Whether a variable set the field at `path`, or a whole section that it is in.
    pub(crate) fn sets(&self, path: &[String]) -> bool {
        self.names.keys().any(|set| path.starts_with(set))
    }

    /// The variable that set the field at `path`, or the nearest one above or below it.
    pub(crate) fn variable(&self, path: &[String]) -> Option<&str> {
        let related = |set: &[String]| set.starts_with(path) || path.starts_with(set);
        self.names
            .get(path)
            .or_else(|| self.names.iter().find(|(set, _)| related(set)).map(|(_, name)| name))
            .map(String::as_str)
    }
}

/// The path of the secret whose file is meant by `…_file`, if that is what `path` means.
fn secret_file(path: &[String], schema: &serde_json::Value) -> Option<Vec<String>> {
    let (last, above) = path.split_last()?;
    let mut secret = above.to_vec();
    secret.push(last.strip_suffix("_file")?.to_owned());
    let own = schema::field(schema, path).is_some();
    (!own && schema::field(schema, &secret).is_some_and(schema::is_secret)).then_some(secret)
}

fn insert(dict: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            dict.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let below = dict.entry(first.clone()).or_insert_with(|| Value::from(Dict::new()));
            if !matches!(below, Value::Dict(..)) {
                *below = Value::from(Dict::new());
            }
            if let Value::Dict(_, below) = below {
                insert(below, rest, value);
            }
        }
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(SOURCE)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
