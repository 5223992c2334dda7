//! A policy's settings, compiled once and kept by their digest.

use std::sync::{Arc, LazyLock};

use moka::sync::Cache;
use portcullis_core::Span;
use portcullis_markup::Code;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::form::{Form, Languages};
use crate::guidelines::Rulebook;
use crate::hit::Hit;
use crate::leak::{self, Known};
use crate::links::Gate;
use crate::patterns::Compiled;
use crate::prompt::{Prompt, Traces};
use crate::settings::Settings;

/// Compiled settings that are kept.
const KEPT: u64 = 256;

static COMPILED: LazyLock<Cache<[u8; 32], Arc<Rules>>> = LazyLock::new(|| Cache::new(KEPT));

/// Why settings cannot be used: which field, as a path such as `settings.links.hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesError(pub &'static str);

/// Settings, ready to be used.
pub struct Rules {
    settings: Settings,
    prompt: Option<Prompt>,
    gate: Gate,
    rulebook: Rulebook,
    languages: Option<Languages>,
    form: Option<Form>,
}

/// What was found at places of a text.
pub(crate) struct Places {
    pub(crate) hits: Vec<Hit>,
    /// Where a run of the system prompt began that still goes on at the end of the text.
    pub(crate) open_prompt: Option<usize>,
    /// Where an address stands that is none if the fence around it has an end.
    pub(crate) open_code: Option<usize>,
}

impl Rules {
    /// Compiles settings.
    ///
    /// # Errors
    /// The field that does not hold.
    pub fn compile(settings: Settings) -> Result<Self, RulesError> {
        Ok(Self {
            prompt: Prompt::compile(&settings.system_prompt).map_err(RulesError)?,
            gate: Gate::compile(&settings.links).map_err(RulesError)?,
            rulebook: Rulebook::compile(&settings.guidelines).map_err(RulesError)?,
            languages: Languages::compile(&settings.guidelines.languages).map_err(RulesError)?,
            form: match &settings.guidelines.json {
                Some(form) => Some(Form::compile(form).map_err(RulesError)?),
                None => None,
            },
            settings,
        })
    }

    /// The rules of a policy's section: compiled at the first time, then kept by the section's digest.
    ///
    /// # Errors
    /// The field that does not hold; `settings` where the section is not of the right form.
    pub fn of(section: &serde_json::Value) -> Result<Arc<Self>, RulesError> {
        let mut digest = Sha256::new();
        serde_json::to_writer(&mut digest, section).map_err(|_| RulesError("settings"))?;
        let digest: [u8; 32] = digest.finalize().into();
        if let Some(known) = COMPILED.get(&digest) {
            return Ok(known);
        }
        let settings = match section {
            serde_json::Value::Null => Settings::default(),
            section => Settings::deserialize(section).map_err(|_| RulesError("settings"))?,
        };
        let compiled = Arc::new(Self::compile(settings)?);
        COMPILED.insert(digest, compiled.clone());
        Ok(compiled)
    }

    /// What was compiled.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What stands at a place of a text: leaks that are not `known`, the system prompt, links, words, patterns.
    /// In order of their places.
    pub fn places(&self, text: &str, known: &Known) -> Vec<Hit> {
        self.read(text, &Code::of(text), known).hits
    }

    /// The same for a reading that is no Markdown: what stands there is not followed, but it can be read.
    pub fn values(&self, text: &str, known: &Known) -> Vec<Hit> {
        let mut hits = Vec::new();
        leak::find(text, &self.settings, known, &mut hits);
        if let Some(prompt) = &self.prompt {
            hits.extend(prompt.find(text).hits);
        }
        self.rulebook.places(text, &mut hits);
        in_order(&mut hits);
        hits
    }

    /// What can be said of a text as a whole: its topics, and, where `is_whole`, the disclaimers that it lacks,
    /// its language and its form.
    pub fn whole(&self, text: &str, is_whole: bool) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.rulebook.across(text, is_whole, &mut hits);
        if is_whole {
            hits.extend(self.languages.as_ref().and_then(|languages| languages.judge(text)));
            hits.extend(self.form.as_ref().and_then(|form| form.judge(text)));
        }
        hits
    }

    pub(crate) fn read(&self, text: &str, code: &Code, known: &Known) -> Places {
        let mut hits = Vec::new();
        leak::find(text, &self.settings, known, &mut hits);
        let Traces { hits: traces, open } =
            self.prompt.as_ref().map(|prompt| prompt.find(text)).unwrap_or_default();
        hits.extend(traces);
        let others = hits.len();
        self.gate.find(text, code, &mut hits);
        let links = hits.iter().skip(others).filter_map(|hit| hit.span.map(|span| span.start));
        let open_code = code.open().and_then(|open| links.filter(|at| *at >= open).min());
        self.rulebook.places(text, &mut hits);
        in_order(&mut hits);
        Places { hits, open_prompt: open, open_code }
    }

    pub(crate) fn patterns(&self) -> &[Compiled] {
        &self.rulebook.patterns
    }
}

fn in_order(hits: &mut [Hit]) {
    let place = |hit: &Hit| hit.span.map_or((0, 0), |Span { start, end }| (start, end));
    hits.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.kind.cmp(&b.kind)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn kinds(section: serde_json::Value, text: &str) -> Vec<String> {
        let rules = Rules::of(&section).unwrap();
        let mut hits = rules.places(text, &Known::default());
        hits.extend(rules.whole(text, true));
        hits.into_iter().map(|hit| hit.kind).collect()
    }

    #[test]
    fn guidelines_are_a_bots_own() {
        let section = json!({"guidelines": {
            "words": [{"name": "rivals", "any": ["Acme", "bolt & sons"]}],
            "topics": [{"name": "medicine", "words": ["dose", "prescription", "side effects"]}],
            "patterns": [{"name": "ticket", "regex": "T-[0-9]{6}", "mask": true}],
            "disclaimers": [{"name": "finance", "when": ["shares"], "any": ["no financial advice"]}],
        }});
        for (text, expected) in [
            ("Try ACME or Bolt & Sons.", &["guideline.word.rivals", "guideline.word.rivals"][..]),
            ("The dose is on the box.", &[]),
            ("The dose and side  effects are on the box.", &["guideline.topic.medicine"]),
            ("It is T-123456.", &["guideline.pattern.ticket"]),
            ("Buy shares.", &["guideline.disclaimer.finance"]),
            ("Buy shares; this is no financial advice.", &[]),
        ] {
            assert_eq!(kinds(section.clone(), text), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_hold_is_named() {
        for (section, field) in [
            (json!({"wrds": []}), "settings"),
            (json!({"links": {"hosts": ["https://a.org"]}}), "settings.links.hosts"),
            (
                json!({"guidelines": {"patterns": [{"name": "x", "regex": "("}]}}),
                "settings.guidelines.patterns",
            ),
            (
                json!({"guidelines": {"topics": [{"name": "x", "words": ["a"]}]}}),
                "settings.guidelines.topics",
            ),
            (
                json!({"guidelines": {"words": [{"name": "X", "any": ["a"]}]}}),
                "settings.guidelines.words",
            ),
        ] {
            assert_eq!(Rules::of(&section).err(), Some(RulesError(field)), "{section}");
        }
    }

    #[test]
    fn settings_are_compiled_once() {
        let section = json!({"links": {"hosts": ["once.example.com"]}});
        assert!(Arc::ptr_eq(&Rules::of(&section).unwrap(), &Rules::of(&section).unwrap()));
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => any::<String>(),
            1 => prop::sample::select(vec![
                "![", "](", "//", "https://", "@", "<img src=", "<script", ">", "`", "```\n", "javascript:",
                "data:", "www.", "%41", "QUtJQUlPU0ZPRE5ON0VYQU1QTEU=", "Ａ", "\u{200b}", "é", "acme", "  ",
                "a.b/c?d=e+f+g+h+i+j", "\n", "[x]: ", "url(", "[::1]", "-----BEGIN ",
            ]).prop_map(str::to_owned),
        ]
    }

    proptest! {
        /// Whatever the text, what is found stands on the boundaries of its characters, in order.
        #[test]
        fn any_text_gives_hits_on_boundaries(pieces in prop::collection::vec(piece(), 0..16)) {
            let section = json!({
                "system_prompt": {"canaries": ["kx7q93mmzz41"]},
                "links": {"hosts": ["example.com"]},
                "guidelines": {
                    "words": [{"name": "rivals", "any": ["acme", "é"]}],
                    "patterns": [{"name": "x", "regex": "(?i)[a-z]+@|\\s{2}"}],
                    "languages": ["eng"],
                    "json": {},
                },
            });
            let rules = Rules::of(&section).unwrap();
            let text = pieces.concat();
            let mut last = 0;
            let mut hits = rules.places(&text, &Known::default());
            for span in hits.iter().filter_map(|hit| hit.span) {
                prop_assert!(span.start >= last && !span.is_empty());
                prop_assert!(text.get(span.start..span.end).is_some());
                last = span.start;
            }
            hits.extend(rules.values(&text, &Known::default()));
            hits.extend(rules.whole(&text, true));
            prop_assert!(hits.iter().all(|hit| (0.0..=1.0).contains(&hit.confidence)));
        }
    }
}
