//! The TOML file as a source of values, with the place of each.

use std::ops::Range;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};
use toml::de::{DeTable, DeValue};

use crate::{ConfigError, Origin};

/// Name of this source in figment's metadata.
pub(crate) const SOURCE: &str = "file";

/// A file that was read.
pub(crate) struct File {
    path: PathBuf,
    text: String,
    values: Dict,
}

impl File {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.into(), kind: error.kind() })?;
        let not_toml = |span: Option<Range<usize>>| {
            let position = span.map(|span| position(&text, span.start));
            ConfigError::NotToml { origin: Origin::File { path: path.into(), position } }
        };
        let table: toml::Table = toml::from_str(&text).map_err(|error| not_toml(error.span()))?;
        let Ok(Value::Dict(_, values)) = Value::serialize(&table) else {
            return Err(not_toml(None));
        };
        Ok(Self { path: path.into(), text, values })
    }

    /// Where the field at `path` stands; of a field that is not there, the nearest one above it.
    pub(crate) fn origin(&self, path: &[String]) -> Origin {
        let position = self.span(path).map(|span| position(&self.text, span.start));
        Origin::File { path: self.path.clone(), position }
    }

    fn span(&self, path: &[String]) -> Option<Range<usize>> {
        let table = DeTable::parse(&self.text).ok()?;
        let (first, rest) = path.split_first()?;
        let (key, mut value) = table.get_ref().get_key_value(first.as_str())?;
        let mut span = key.span();
        for step in rest {
            let next = match value.get_ref() {
                DeValue::Table(table) => {
                    table.get_key_value(step.as_str()).map(|(key, value)| (key.span(), value))
                }
                DeValue::Array(array) => step
                    .parse()
                    .ok()
                    .and_then(|index: usize| array.get(index))
                    .map(|value| (value.span(), value)),
                _ => None,
            };
            let Some(next) = next else { break };
            (span, value) = next;
        }
        Some(span)
    }
}

/// Line and column of a byte, from 1; columns count characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

impl Provider for File {
    fn metadata(&self) -> Metadata {
        Metadata::named(SOURCE)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
