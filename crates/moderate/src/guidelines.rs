//! A bot's own guidelines: words, topics, patterns and disclaimers.

use std::collections::BTreeSet;

use portcullis_core::Severity;

use crate::hit::Hit;
use crate::patterns::{self, Compiled};
use crate::settings::Guidelines;
use crate::words::Finder;

/// Lists of each sort.
const LISTS: usize = 128;

/// What a list of words is for.
enum Use {
    Word {
        kind: String,
        severity: Severity,
    },
    Topic {
        kind: String,
        at_least: usize,
        severity: Severity,
    },
    /// Words that ask for the disclaimer with this number, and phrases that satisfy it.
    Asks(usize),
    Satisfies(usize),
}

struct Required {
    kind: String,
    always: bool,
    severity: Severity,
}

/// A section, ready to be used.
pub(crate) struct Rulebook {
    finder: Finder,
    uses: Vec<Use>,
    required: Vec<Required>,
    pub(crate) patterns: Vec<Compiled>,
}

impl Rulebook {
    /// Reads a section.
    ///
    /// # Errors
    /// The field that does not hold.
    pub(crate) fn compile(section: &Guidelines) -> Result<Self, &'static str> {
        let Guidelines { words, topics, patterns, disclaimers, .. } = section;
        let (mut finder, mut uses, mut required) = (Finder::default(), Vec::new(), Vec::new());
        let mut add = |list: &[String], what: Use, field: &'static str| {
            uses.push(what);
            finder.add(list).map(drop).map_err(|()| field)
        };
        let field = "settings.guidelines.words";
        for list in words {
            if !patterns::is_name(&list.name) || list.any.is_empty() || words.len() > LISTS {
                return Err(field);
            }
            let kind = format!("guideline.word.{}", list.name);
            add(&list.any, Use::Word { kind, severity: list.severity }, field)?;
        }
        let field = "settings.guidelines.topics";
        for topic in topics {
            let enough = (1..=topic.words.len()).contains(&topic.at_least);
            if !patterns::is_name(&topic.name) || !enough || topics.len() > LISTS {
                return Err(field);
            }
            let kind = format!("guideline.topic.{}", topic.name);
            let what = Use::Topic { kind, at_least: topic.at_least, severity: topic.severity };
            add(&topic.words, what, field)?;
        }
        let field = "settings.guidelines.disclaimers";
        for (number, disclaimer) in disclaimers.iter().enumerate() {
            if !patterns::is_name(&disclaimer.name)
                || disclaimer.any.is_empty()
                || disclaimers.len() > LISTS
            {
                return Err(field);
            }
            add(&disclaimer.when, Use::Asks(number), field)?;
            add(&disclaimer.any, Use::Satisfies(number), field)?;
            required.push(Required {
                kind: format!("guideline.disclaimer.{}", disclaimer.name),
                always: disclaimer.when.is_empty(),
                severity: disclaimer.severity,
            });
        }
        finder.build().map_err(|()| "settings.guidelines.words")?;
        Ok(Self { finder, uses, required, patterns: patterns::compile(patterns)? })
    }

    /// Words and patterns, where they stand.
    pub(crate) fn places(&self, text: &str, hits: &mut Vec<Hit>) {
        self.finder.find(text, |found| {
            if let Some(Use::Word { kind, severity }) = self.uses.get(found.list) {
                let hit = Hit::new(kind.clone(), *severity, 1.0);
                hits.push(hit.at(found.span.start, found.span.end));
            }
        });
        for pattern in &self.patterns {
            pattern.find(text, hits);
        }
    }

    /// Topics of a text; with the whole of an answer also the disclaimers that it lacks.
    pub(crate) fn across(&self, text: &str, is_whole: bool, hits: &mut Vec<Hit>) {
        if self.uses.is_empty() {
            return;
        }
        let mut seen: BTreeSet<(usize, usize)> = BTreeSet::new();
        self.finder.find(text, |found| {
            seen.insert((found.list, found.word));
        });
        let count = |list: usize| seen.range((list, 0)..=(list, usize::MAX)).count();
        let (mut asked, mut satisfied) = (BTreeSet::new(), BTreeSet::new());
        for (list, what) in self.uses.iter().enumerate() {
            match what {
                Use::Topic { kind, at_least, severity } if count(list) >= *at_least => {
                    hits.push(Hit::new(kind.clone(), *severity, 1.0));
                }
                Use::Asks(number) if count(list) > 0 => drop(asked.insert(*number)),
                Use::Satisfies(number) if count(list) > 0 => drop(satisfied.insert(*number)),
                _ => {}
            }
        }
        if is_whole {
            for (number, required) in self.required.iter().enumerate() {
                let needed = required.always || asked.contains(&number);
                if needed && !satisfied.contains(&number) {
                    hits.push(Hit::new(required.kind.clone(), required.severity, 1.0));
                }
            }
        }
    }
}
