//! Where something stands in a document, as line and column.

use portcullis_policy::PolicyError;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of a key.
    Key(String),
    /// An item of a list.
    Item(usize),
}

/// An error at the value at the end of `path`, or of as much of it as there is. With `key`, at that key
/// of the table there.
pub(super) fn error(
    source: &str,
    path: &[Step],
    key: Option<&str>,
    message: String,
) -> PolicyError {
    let byte = find(source, path, key).unwrap_or_default();
    let before = source.get(..byte).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    PolicyError {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        message,
    }
}

fn find(source: &str, path: &[Step], key: Option<&str>) -> Option<usize> {
    let document = DeTable::parse(source).ok()?;
    let mut table = Some(document.get_ref());
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    let mut at = None;
    for step in path {
        let next = match (step, table, value) {
            (Step::Key(key), Some(table), _) => table.get(key.as_str()),
            (Step::Item(item), _, Some(value)) => value.get_ref().get(*item),
            _ => None,
        };
        let Some(next) = next else { break };
        at = Some(next.span().start);
        table = next.get_ref().as_table();
        value = Some(next);
    }
    let named = key.zip(table).and_then(|(key, table)| {
        table.keys().find(|name| name.get_ref() == key).map(|name| name.span().start)
    });
    named.or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &str) -> Vec<Step> {
        path.split('.')
            .map(|word| word.parse().map_or_else(|_| Step::Key(word.into()), Step::Item))
            .collect()
    }

    #[test]
    fn values_and_keys_are_found_in_every_form_of_a_table() {
        let source = "[stages.a]\nsettings = { x = 1, list = [1, 'ü', 3] }\n\
                      [stages.b.settings]\ny = 2\n[[stages.c.settings.rules]]\nz = 3\n";
        let at = |path: &str, key| {
            let error = error(source, &keys(path), key, String::new());
            (error.line, error.column)
        };
        assert_eq!(at("stages.a.settings.x", None), (2, 18));
        assert_eq!(at("stages.a.settings.list.2", None), (2, 37));
        assert_eq!(at("stages.a.settings", Some("x")), (2, 14));
        assert_eq!(at("stages.b.settings.y", None), (4, 5));
        assert_eq!(at("stages.b.settings", Some("y")), (4, 1));
        assert_eq!(at("stages.c.settings.rules.0.z", None), (6, 5));
        // What is not there leads to as much of the way as there is.
        assert_eq!(at("stages.a.settings.absent.deeper", None), (2, 12));
        assert_eq!(at("absent", None), (1, 1));
    }
}
