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
        if self.component(&name, "mappings").await?.as_ref() != Some(&schema.mappings) {
            let body = json!({ "template": { "mappings": schema.mappings } });
            self.put(&format!("/_component_template/{name}"), &body).await?;
            if self.component(&name, "mappings").await?.as_ref() != Some(&schema.mappings) {
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
        if !self.index_template(&path).await?.is_some_and(|found| alike(&found, &wanted)) {
            self.put(&path, &wanted).await?;
            if !self.index_template(&path).await?.is_some_and(|found| alike(&found, &wanted)) {
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

/// Whether a template says what is wanted; engines add fields of their own.
fn alike(found: &Value, wanted: &Value) -> bool {
    ["index_patterns", "composed_of", "priority"]
        .iter()
        .all(|field| found.get(field) == wanted.get(field))
        && found.get("data_stream").is_some()
}
