//! What an answer must be as a whole: in a language, or of a form.

use jsonschema::{PatternOptions, Validator};
use portcullis_core::Severity;

use crate::hit::Hit;
use crate::settings::JsonForm;

/// Letters below which a language cannot be told.
const LETTERS: usize = 40;
/// Bytes of a schema.
const SCHEMA: usize = 64 * 1024;
/// Bytes at the start of a text by which its language is told.
const SAMPLE: usize = 16 * 1024;

/// The only languages that a bot answers in.
pub(crate) struct Languages(Vec<whatlang::Lang>);

impl Languages {
    /// Reads a list of codes. Absent where it is empty.
    ///
    /// # Errors
    /// The field that does not hold.
    pub(crate) fn compile(codes: &[String]) -> Result<Option<Self>, &'static str> {
        let known = codes.iter().map(whatlang::Lang::from_code);
        let known: Option<Vec<_>> = known.collect();
        let known = known.ok_or("settings.guidelines.languages")?;
        Ok((!known.is_empty()).then_some(Self(known)))
    }

    pub(crate) fn judge(&self, text: &str) -> Option<Hit> {
        let sample = text.get(..text.floor_char_boundary(SAMPLE)).unwrap_or(text);
        if sample.chars().filter(|c| c.is_alphabetic()).take(LETTERS).count() < LETTERS {
            return None;
        }
        let told = whatlang::detect(sample)?;
        (told.is_reliable() && !self.0.contains(&told.lang()))
            .then(|| Hit::new("guideline.language", Severity::High, told.confidence()))
    }
}

/// The form of an answer that a program reads.
pub(crate) struct Form(Option<Validator>);

impl Form {
    /// Compiles a schema.
    ///
    /// # Errors
    /// The field that does not hold.
    pub(crate) fn compile(form: &JsonForm) -> Result<Self, &'static str> {
        const FIELD: &str = "settings.guidelines.json.schema";
        if form.schema.is_null() {
            return Ok(Self(None));
        }
        if form.schema.to_string().len() > SCHEMA {
            return Err(FIELD);
        }
        let limits = PatternOptions::regex().size_limit(SCHEMA * 8).dfa_size_limit(SCHEMA * 8);
        let validator = jsonschema::options()
            .with_pattern_options(limits)
            .build(&form.schema)
            .map_err(|_| FIELD)?;
        Ok(Self(Some(validator)))
    }

    pub(crate) fn judge(&self, text: &str) -> Option<Hit> {
        let kind = match serde_json::from_str::<serde_json::Value>(text) {
            Err(_) => "guideline.json.form",
            Ok(value) if self.0.as_ref().is_some_and(|schema| !schema.is_valid(&value)) => {
                "guideline.json.schema"
            }
            Ok(_) => return None,
        };
        Some(Hit::new(kind, Severity::High, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_language_is_told_where_there_is_enough_of_it() {
        let german = Languages::compile(&["deu".into()]).unwrap().unwrap();
        let english = "Thank you for writing to us. Your two lamps were sent in two parcels on Tuesday, and \
            they should be at your door by the end of the week.";
        let answer = "Vielen Dank für Ihre Nachricht. Ihre beiden Lampen wurden am Dienstag in zwei Paketen \
            verschickt und sollten bis zum Ende der Woche bei Ihnen sein.";
        assert_eq!(german.judge(english).unwrap().kind, "guideline.language");
        assert_eq!(german.judge(answer), None);
        assert_eq!(german.judge("OK, thanks."), None);
        assert!(Languages::compile(&["german".into()]).is_err());
    }

    #[test]
    fn a_form_is_json_and_nothing_else() {
        let form = Form::compile(&JsonForm {
            schema: json!({"type": "object", "required": ["city"], "properties": {"city": {"pattern": "^[A-Z]"}}}),
        })
        .unwrap();
        let kind = |text: &str| form.judge(text).map(|hit| hit.kind);
        assert_eq!(kind(r#"{"city": "Ghent"}"#), None);
        assert_eq!(kind(r#"{"city": "ghent"}"#).as_deref(), Some("guideline.json.schema"));
        assert_eq!(kind(r#"Sure! {"city": "Ghent"}"#).as_deref(), Some("guideline.json.form"));
        assert!(Form::compile(&JsonForm { schema: json!({"type": 7}) }).is_err());
        let elsewhere = json!({"$ref": "https://example.com/schema.json"});
        assert!(Form::compile(&JsonForm { schema: elsewhere }).is_err(), "nothing is fetched");
        assert!(Form::compile(&JsonForm { schema: json!({"pattern": "(?=a)b"}) }).is_err());
    }
}
