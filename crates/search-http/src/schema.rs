//! What a data stream needs before the first document: component templates, an index template, the stream itself.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Fault};

/// A data stream as it should be.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The data stream. The templates are named after it.
    pub stream: String,
    /// Its mappings: ours, and put again where the engine's differ.
    pub mappings: Value,
    /// Its settings as they are put once; an operator may change them there ever after.
    pub settings: Value,
}

/// What was done to make it so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Installed {
    /// The mappings were not there, or others.
    pub mappings: bool,
    /// The settings were not there.
    pub settings: bool,
    /// The index template was not there, or another.
    pub template: bool,
    /// The data stream was not there.
    pub stream: bool,
    /// The stream's present index could not take new mappings, so that a new one was begun.
    pub rolled_over: bool,
}

impl Schema {
    /// The component template of the mappings.
    pub fn mappings_name(&self) -> String {
        format!("{}-mappings", self.stream)
    }

    /// The component template of the settings.
    pub fn settings_name(&self) -> String {
        format!("{}-settings", self.stream)
    }

    fn template(&self) -> Value {
        json!({
            "index_patterns": [self.stream],
            "composed_of": [self.mappings_name(), self.settings_name()],
            // above the templates that come with the engines
            "priority": 500,
            "data_stream": {},
        })
    }
}

impl Client {
    /// Compares what the engine has with what it should have, puts what differs, and compares again what it says then.
    ///
    /// # Errors
    /// [`Fault`], also where the engine took something and has something else.
    pub async fn install(&self, schema: &Schema) -> Result<Installed, Fault> {
        let mut done = Installed::default();
        let stream = &schema.stream;
        let name = schema.mappings_name();
        let alike = |found: Option<Value>| found.is_some_and(|it| holds(&it, &schema.mappings));
        if !alike(self.component(&name, "mappings").await?) {
            let body = json!({ "template": { "mappings": schema.mappings } });
            self.put(&format!("/_component_template/{name}"), &body).await?;
            if !alike(self.component(&name, "mappings").await?) {
                return Err(Fault::Away("the engine has other mappings than it took"));
            }
            done.mappings = true;
        }
        let name = schema.settings_name();
        if self.component(&name, "settings").await?.is_none() {
            let body = json!({ "template": { "settings": schema.settings } });
            self.put(&format!("/_component_template/{name}"), &body).await?;
            done.settings = true;
        }
        let (wanted, path) = (schema.template(), format!("/_index_template/{stream}"));
        let alike = |found: Option<Value>| found.is_some_and(|it| holds(&it, &wanted));
        if !alike(self.index_template(&path).await?) {
            self.put(&path, &wanted).await?;
            if !alike(self.index_template(&path).await?) {
                return Err(Fault::Away("the engine has another template than it took"));
            }
            done.template = true;
        }
        let path = format!("/_data_stream/{stream}");
        if self.found(&path).await?.is_none() {
            match self.json(Method::PUT, &path, None, self.timeout).await {
                // another instance was first
                Err(Fault::Refused(why)) if why.kind == "resource_already_exists_exception" => {}
                made => {
                    made?;
                    done.stream = true;
                }
            }
        } else if done.mappings {
            done.rolled_over = self.widen(schema).await?;
        }
        Ok(done)
    }

    /// Gives the stream's present index the new mappings; where it cannot take them, a new one begins. Whether so.
    async fn widen(&self, schema: &Schema) -> Result<bool, Fault> {
        let path = format!("/{}/_mapping?write_index_only=true", schema.stream);
        match self.put(&path, &schema.mappings).await {
            Err(Fault::Refused(why)) if why.status == 400 => {
                let path = format!("/{}/_rollover", schema.stream);
                self.json(Method::POST, &path, None, self.timeout).await?;
                Ok(true)
            }
            put => put.map(|()| false),
        }
    }

    async fn put(&self, path: &str, body: &Value) -> Result<(), Fault> {
        self.json(Method::PUT, path, Some(body), self.timeout).await.map(drop)
    }

    /// What is at a path; `None` where nothing is.
    async fn found(&self, path: &str) -> Result<Option<Value>, Fault> {
        match self.json(Method::GET, path, None, self.timeout).await {
            Err(fault) if fault.status() == Some(404) => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn component(&self, name: &str, part: &str) -> Result<Option<Value>, Fault> {
        let found = self.found(&format!("/_component_template/{name}")).await?;
        let at = format!("/component_templates/0/component_template/template/{part}");
        Ok(found.map(|found| found.pointer(&at).cloned().unwrap_or(Value::Null)))
    }

    async fn index_template(&self, path: &str) -> Result<Option<Value>, Fault> {
        let found = self.found(path).await?;
        Ok(found.and_then(|found| found.pointer("/index_templates/0/index_template").cloned()))
    }
}

/// Whether all that is wanted is found. Engines add fields of their own, and may write `false` for `"false"`.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(field, wanted)| found.get(field).is_some_and(|found| holds(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| holds(f, w))
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        (found, wanted) => plain(found) == plain(wanted),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_adds_is_no_difference_and_what_it_lacks_is() {
        let wanted = json!({ "dynamic": "false", "a": { "type": "long" }, "of": ["x", "y"] });
        let same = json!({ "dynamic": false, "a": { "type": "long", "more": 1 }, "of": ["x", "y"], "b": {} });
        assert!(holds(&same, &wanted));
        for other in [
            json!({ "dynamic": "true", "a": { "type": "long" }, "of": ["x", "y"] }),
            json!({ "dynamic": "false", "a": { "type": "keyword" }, "of": ["x", "y"] }),
            json!({ "dynamic": "false", "a": { "type": "long" }, "of": ["x", "y", "z"] }),
            json!({ "dynamic": "false", "of": ["x", "y"] }),
            json!({ "dynamic": {}, "a": { "type": "long" }, "of": ["x", "y"] }),
            Value::Null,
        ] {
            assert!(!holds(&other, &wanted), "{other}");
        }
    }
}
