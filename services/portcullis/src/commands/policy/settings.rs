//! The sections of a document that belong to stages, read by the stages' own types.

use portcullis_core::StageName;
use portcullis_policy::{Document, PolicyError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::place::{self, Step};

/// What is wrong with a section: where in it, and what.
struct Wrong {
    path: Vec<Step>,
    /// A key of the table at `path`.
    key: Option<String>,
    message: String,
}

/// Checks the settings of every stage that is known here; others have their own ways.
///
/// # Errors
/// The first that does not hold, with its place.
pub(super) fn check(source: &str, document: &Document) -> Result<(), PolicyError> {
    for (stage, section) in &document.stages {
        if section.settings.is_null() {
            continue;
        }
        if let Err(wrong) = check_one(stage, &section.settings) {
            let name = stage.as_str().to_owned();
            let mut path =
                vec![Step::Key("stages".into()), Step::Key(name), Step::Key("settings".into())];
            path.extend(wrong.path);
            let message = format!("stages.{stage}.settings: {}", wrong.message);
            return Err(place::error(source, &path, wrong.key.as_deref(), message));
        }
    }
    Ok(())
}

fn check_one(stage: &StageName, settings: &Value) -> Result<(), Wrong> {
    match stage.as_str() {
        "rate-limit" => read::<portcullis_rate_limit::Settings>(settings)
            .and_then(|settings| settings.validate().map_err(refused)),
        "sentiment" => read::<portcullis_sentiment::Settings>(settings)
            .and_then(|settings| settings.validate().map_err(refused)),
        "sanitizer" => read::<portcullis_sanitizer::Settings>(settings).map(drop),
        "moderation" => read::<portcullis_moderation::Settings>(settings).and_then(|settings| {
            portcullis_moderate::Rules::compile(settings)
                .map(drop)
                .map_err(|error| refused(error.0))
        }),
        "injection-classifier" => read::<portcullis_injection_classifier::Settings>(settings)
            .and_then(|settings| settings.validate().map_err(refused)),
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(settings: &Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let mut path: Vec<Step> = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Map { key } => Some(Step::Key(key.clone())),
                Segment::Seq { index } => Some(Step::Item(*index)),
                Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let message = error.inner().to_string();
        let unknown = message.starts_with("unknown field");
        let key = unknown.then(|| message.split('`').nth(1).map(str::to_owned)).flatten();
        // The way to a field that is not known may or may not end with it.
        if key.is_some() && path.last() == key.clone().map(Step::Key).as_ref() {
            path.pop();
        }
        let is_known = !error.path().iter().any(|segment| matches!(segment, Segment::Unknown));
        if !is_known && let Some(culprit) = culprit::<T>(settings, &path) {
            path.push(Step::Key(culprit));
        }
        Wrong { path, key, message }
    })
}

/// Which key of the table at `path` does not hold; for tables whose keys are not plain strings, which the
/// way to an error leaves out.
fn culprit<T: DeserializeOwned>(settings: &Value, path: &[Step]) -> Option<String> {
    let pointer: String = path
        .iter()
        .map(|step| match step {
            Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Item(item) => format!("/{item}"),
        })
        .collect();
    let keys = settings.pointer(&pointer)?.as_object()?.keys();
    keys.into_iter()
        .find(|key| {
            let mut alone = settings.clone();
            if let Some(table) = alone.pointer_mut(&pointer).and_then(Value::as_object_mut) {
                table.retain(|name, _| name == *key);
            }
            T::deserialize(&alone).is_err()
        })
        .cloned()
}

/// What a value must be, where that is a range.
fn range(field: &str) -> &'static str {
    match field.rsplit('.').next().unwrap_or_default() {
        "report_above" | "hold_above" | "block_above" => "must be from 0 to 1",
        "positive" | "agitated" | "distressed" | "urgent" => "must be from 0 to 1",
        "negative" => "must be from -1 to 0",
        "trend_turns" | "rate" => "must be at least 1",
        "settle_within_s" | "reserve_for_s" => "must be from 1 to 86400",
        _ => "is not allowed",
    }
}

/// What a stage's own validation names: a path such as `settings.rules.rate`.
fn refused(field: &'static str) -> Wrong {
    let path = field.split('.').skip(1).map(|key| Step::Key(key.into())).collect();
    Wrong { path, key: None, message: format!("{field} {}", range(field)) }
}

#[cfg(test)]
mod tests {
    use portcullis_core::BotId;
    use portcullis_policy::Policy;

    fn place_of(source: &str) -> Option<(usize, usize)> {
        let policy = Policy::parse(&BotId::fallback(), "1", source).unwrap();
        super::check(source, policy.document()).err().map(|error| (error.line, error.column))
    }

    #[test]
    fn what_is_out_of_range_is_told_the_range() {
        for (source, said) in [
            (
                "injection-classifier.settings]\nblock_above = 2.0",
                "block_above must be from 0 to 1",
            ),
            ("sentiment.settings]\nnegative = 0.5", "negative must be from -1 to 0"),
            ("sentiment.settings]\ntrend_turns = 0", "trend_turns must be at least 1"),
        ] {
            let source = format!("[stages.{source}");
            let policy = Policy::parse(&BotId::fallback(), "1", &source).unwrap();
            let error = super::check(&source, policy.document()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn each_stage_reads_its_own_section() {
        for (source, place) in [
            ("[stages.sanitizer.settings.limits]\nlines = 10", None),
            ("[stages.sanitizer.settings.limits]\nlines = -10", Some((2, 9))),
            ("[stages.sanitizer.settings.entities]\nemail = 'hide'", Some((2, 9))),
            ("[stages.moderation.settings]\nentitys = {}", Some((2, 1))),
            ("[stages.moderation.settings.links]\nhosts = ['https://a.org']", Some((2, 9))),
            (
                "[[stages.moderation.settings.guidelines.patterns]]\nname = 'x'\nregex = '('",
                Some((1, 1)),
            ),
            ("[stages.sentiment.settings]\nnegative = 0.5", Some((2, 12))),
            ("[stages.injection-classifier.settings]\nblock_above = 1.5", Some((2, 15))),
            ("[stages.injection-classifier.settings]\nblock_above = 0.5", None),
            (
                "[[stages.rate-limit.settings.rules]]\nname = 'a'\nkey = 'bot'\nrate = 'x'",
                Some((4, 8)),
            ),
            ("[stages.rate-limit.settings]\nshadov = true", Some((2, 1))),
        ] {
            assert_eq!(place_of(source), place, "{source}");
        }
    }
}
