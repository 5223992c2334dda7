//! A policy that was read, checked and stamped.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_core::{BotId, Decision, Direction, PolicyStamp, Severity, StageName};
use sha2::{Digest, Sha256};

use crate::document::{Document, OnGap, Review, Rule};
use crate::error::PolicyError;
use crate::plan::Plan;

/// A bot's policy: immutable, so that a message pins one and keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    document: Document,
    stamp: PolicyStamp,
    inbound: Plan,
    outbound: Plan,
    rules: Vec<Rule>,
}

impl Policy {
    /// Reads a document in TOML. `revision` stands in for a version where the document has none.
    ///
    /// # Errors
    /// Where something is wrong: the line, the column and what it is. Nothing is taken in part.
    pub fn parse(bot: &BotId, revision: &str, source: &str) -> Result<Self, PolicyError> {
        let document: Document =
            toml::from_str(source).map_err(|error| PolicyError::from((source, error)))?;
        check(&document, source)?;
        Ok(Self::stamped(bot, revision, document, source.as_bytes()))
    }

    /// The policy of a bot for which nobody wrote one.
    pub fn built_in(bot: &BotId) -> Self {
        Self::stamped(bot, "built-in", Document::default(), b"")
    }

    /// The same policy with another document; for commands that change a default or two.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&mut Document)) -> Self {
        let mut document = self.document;
        change(&mut document);
        let source = serde_json::to_vec(&document).unwrap_or_default();
        Self::stamped(&self.stamp.bot, &self.stamp.version, document, &source)
    }

    /// The same policy in no hurry: see [`Plan::unhurried`].
    #[must_use]
    pub fn unhurried(mut self, time: Duration) -> Self {
        self.inbound = self.inbound.unhurried(time);
        self.outbound = self.outbound.unhurried(time);
        self
    }

    fn stamped(bot: &BotId, revision: &str, document: Document, source: &[u8]) -> Self {
        let version = if document.version.is_empty() {
            revision.to_owned()
        } else {
            document.version.clone()
        };
        let digest = Sha256::digest(source).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            stamp: PolicyStamp { bot: bot.clone(), version, digest },
            inbound: Plan::of(&document, Direction::Inbound),
            outbound: Plan::of(&document, Direction::Outbound),
            rules: rules(&document),
            document,
        }
    }

    /// What was written.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Bot, version and digest, as they stand in each verdict.
    pub fn stamp(&self) -> &PolicyStamp {
        &self.stamp
    }

    /// The plan of a direction.
    pub fn plan(&self, direction: Direction) -> &Plan {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether somebody looks at held messages.
    pub fn has_reviewer(&self) -> bool {
        self.document.review == Review::Console
    }
}

/// In force whatever the document says.
fn standing_rules() -> Vec<Rule> {
    let rule = |kind: &str, then| Rule {
        kind: kind.into(),
        min_severity: Severity::Info,
        min_confidence: 0.0,
        direction: None,
        then,
    };
    vec![
        rule("control.stop", Decision::Block),
        rule("control.mute", Decision::Block),
        rule("control.block", Decision::Block),
        rule("control.unknown", Decision::Block),
        rule("control.hold", Decision::Hold),
        // A stream that was stopped stays stopped, whatever its whole looks like.
        rule("stream.stopped", Decision::Block),
        rule("rate.exceeded", Decision::Throttle),
    ]
}

/// In force where the document has no rules of its own.
fn default_rules(review: Review) -> Vec<Rule> {
    let rule = |kind: &str, min_severity, then| Rule {
        kind: kind.into(),
        min_severity,
        min_confidence: 0.0,
        direction: None,
        then,
    };
    let mut rules = vec![
        rule("injection.*", Severity::High, Decision::Block),
        rule("limit.*", Severity::High, Decision::Block),
        rule("leak.prompt.*", Severity::High, Decision::Block),
        rule("unsafe.*", Severity::High, Decision::Block),
        rule("guideline.*", Severity::High, Decision::Block),
    ];
    // Doubtful cases are for people; where there are none, blocking them would only be false alarms.
    if review == Review::Console {
        rules.push(rule("injection.*", Severity::Medium, Decision::Hold));
        rules.push(rule("unsafe.*", Severity::Medium, Decision::Hold));
    }
    rules
}

fn rules(document: &Document) -> Vec<Rule> {
    let mut rules = standing_rules();
    match &document.rules {
        Some(own) => rules.extend(own.iter().cloned()),
        None => rules.extend(default_rules(document.review)),
    }
    rules
}

fn check(document: &Document, source: &str) -> Result<(), PolicyError> {
    let wrong = |key: &str, message: String| Err(PolicyError::at_key(source, key, message));
    let limits = &document.limits;
    if limits.total_bytes == 0 {
        return wrong("total_bytes", "limits.total_bytes must be at least 1".into());
    }
    if limits.total_ms == 0 || limits.total_ms > 60_000 {
        return wrong("total_ms", "limits.total_ms must be 1 to 60000".into());
    }
    if limits.journal_ms == 0 || limits.journal_ms > 60_000 {
        return wrong("journal_ms", "limits.journal_ms must be 1 to 60000".into());
    }
    if document.hold_s == 0 || document.hold_s > 86_400 {
        return wrong("hold_s", "hold_s must be 1 to 86400 (a day)".into());
    }
    if let Some((field, bounds)) = document.streams.wrong() {
        return wrong(field, format!("streams.{field} must be {bounds}"));
    }
    let placeholders = &document.placeholders;
    if placeholders.keep_s == 0 || placeholders.keep_s > 604_800 {
        return wrong("keep_s", "placeholders.keep_s must be 1 to 604800 (7 days)".into());
    }
    if placeholders.on_gap == OnGap::Local {
        return wrong("on_gap", "placeholders.on_gap must be pass, hold or block".into());
    }
    for (name, way) in [("inbound", &document.inbound), ("outbound", &document.outbound)] {
        let mut seen = BTreeSet::new();
        for stage in way.stages() {
            if !seen.insert(stage) {
                return wrong(stage.as_str(), format!("{name} names the stage {stage} twice"));
            }
            if *stage == StageName::control() {
                return wrong("control", format!("{name}: control is enforced before every plan"));
            }
        }
    }
    for (stage, section) in &document.stages {
        let planned = document.inbound.stages().chain(document.outbound.stages());
        if !planned.into_iter().any(|other| other == stage) {
            return wrong(
                stage.as_str(),
                format!("stages.{stage} is in neither inbound nor outbound"),
            );
        }
        if section.timeout_ms == Some(0) {
            return wrong("timeout_ms", format!("stages.{stage}.timeout_ms must be at least 1"));
        }
        if !(section.settings.is_null() || section.settings.is_object()) {
            return wrong("settings", format!("stages.{stage}.settings must be a table"));
        }
    }
    for (index, rule) in document.rules.iter().flatten().enumerate() {
        if !(0.0..=1.0).contains(&rule.min_confidence) {
            return wrong(
                "min_confidence",
                format!("rules[{index}].min_confidence must be 0 to 1"),
            );
        }
        if rule.min_severity == Severity::Unknown {
            return wrong("min_severity", format!("rules[{index}].min_severity is not a severity"));
        }
        if matches!(rule.then, Decision::Rewrite | Decision::Unknown) {
            return wrong(
                "then",
                format!("rules[{index}].then must be allow, throttle, hold or block"),
            );
        }
        let stem = rule.kind.strip_suffix(".*").unwrap_or(&rule.kind);
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
        if rule.kind != "*" && (stem.is_empty() || !stem.chars().all(word)) {
            return wrong(
                "kind",
                format!(
                    "rules[{index}].kind must be a finding kind, a family such as leak.*, or *"
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Result<Policy, PolicyError> {
        Policy::parse(&BotId::parse("shop").unwrap(), "7", source)
    }

    #[test]
    fn an_empty_document_is_the_built_in_policy() {
        let policy = parse("").unwrap();
        assert_eq!(policy.document(), &Document::default());
        assert_eq!(policy.stamp().version, "7");
        assert_eq!(policy.plan(Direction::Inbound).calls().count(), 4);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (source, line, column, word) in [
            ("mode = 'shadow'\nrevieww = 'none'", 2, 1, "unknown field"),
            ("[limits]\ntotal_ms = 'x'", 2, 12, "invalid type"),
            ("[limits]\ntotal_ms = 0", 2, 1, "1 to 60000"),
            ("[streams]\nhold_bytes = 5000", 2, 1, "64 to 4096"),
            ("[stages.sanitiser]\nenabled = false", 1, 9, "neither inbound nor outbound"),
            ("[[rules]]\nkind = 'leak.*'\nthen = 'rewrite'", 3, 1, "must be allow"),
            ("[[rules]]\nkind = 'leak.*'\nthen = 'blok'", 3, 1, "must be allow"),
            ("[inbound]\njudge = ['sentiment', 'sentiment']", 2, 11, "twice"),
            ("[inbound", 1, 9, ""),
        ] {
            let error = parse(source).unwrap_err();
            assert!(error.message.contains(word), "{source}: {error}");
            assert_eq!((error.line, error.column), (line, column), "{source}: {error}");
        }
    }

    #[test]
    fn the_sections_of_a_stage_reach_its_call() {
        let policy = parse(
            "[stages.sanitizer]\ntimeout_ms = 80\ntimeout_ms_per_kib = 2\non_gap = 'hold'\n\
             [stages.sanitizer.settings]\nx = 1\n",
        )
        .unwrap();
        let call = policy.plan(Direction::Inbound).calls().nth(1).unwrap().clone();
        assert_eq!(call.timeout_for(10 * 1024), Duration::from_millis(100));
        assert_eq!(call.on_gap, crate::OnGap::Hold);
        assert_eq!(*call.settings, serde_json::json!({"x": 1}));
    }
}
