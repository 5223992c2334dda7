//! Moderation of a bot's answers: secrets and personal data that this conversation did not bring in.
//!
//! It uses the same detectors as the sanitizer, on the text as received and on every view of it, so
//! that a value hidden by invisible characters leaks no better than a plain one.

mod config;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use async_trait::async_trait;
use portcullis_core::{
    Ask, Coverage, Direction, Edit, Finding, Masking, Place, Report, Severity, Span, Stage,
    StageError, StageName,
};
use portcullis_detect::{Detector, Entity, Match, RULES, resolve, value_digest};

pub use config::Settings;

/// The stage. It has no state: one value serves any number of asks at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moderation;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("moderation {} rules {RULES}", env!("CARGO_PKG_VERSION")));

/// Most leaks of one answer that are reported and masked one by one. An answer with more is not
/// whole (`leak.limit`, coverage not complete), so that the policy decides on all of it.
const LEAKS: usize = 1024;

#[async_trait]
impl Stage for Moderation {
    fn name(&self) -> StageName {
        StageName::moderation()
    }

    /// Looks at an answer of the bot. What a person writes leaks nothing: an inbound ask gives a
    /// report without findings.
    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        let settings = ask.settings::<Settings>()?;
        match ask.interaction.direction {
            Direction::Inbound => Ok(Report::clean(VERSION.as_str(), ask.total_bytes())),
            Direction::Outbound => moderate(ask, &settings),
        }
    }

    /// Builds the detectors and judges an answer that leaks, and a harmless one.
    async fn warm_up(&self) -> Result<(), StageError> {
        let detector = Detector::shared();
        let is_right = detector.detect("The key is AKIAIOSFODNN7EXAMPLE.").len() == 1
            && detector.detect("Your order is on its way.").is_empty();
        is_right.then_some(()).ok_or(StageError::Dependency("detectors"))
    }
}

/// What was looked at so far, and what it gave.
struct Search<'a> {
    ask: &'a Ask,
    settings: &'a Settings,
    known: BTreeSet<String>,
    scanned: usize,
    /// Leaks at their places in the received text.
    leaks: Vec<Match>,
    /// For each leak the view in which it was seen first.
    seen: BTreeMap<(Span, Entity), Option<usize>>,
}

/// Looks at the answer and at every view of it, until the budget is spent.
///
/// # Errors
/// [`StageError::Late`] where the budget was spent before anything was looked at.
fn moderate(ask: &Ask, settings: &Settings) -> Result<Report, StageError> {
    let mut search = Search {
        ask,
        settings,
        known: ask.known.values.iter().cloned().collect(),
        scanned: 0,
        leaks: Vec::new(),
        seen: BTreeMap::new(),
    };
    search.run();
    let (scanned, total) = (search.scanned, ask.total_bytes());
    if scanned == 0 && total > 0 {
        return Err(StageError::Late);
    }
    let (mut report, is_cut) = search.into_report();
    report.coverage = Coverage { scanned, total, complete: scanned >= total && !is_cut };
    report.version.clone_from(&VERSION);
    Ok(report)
}

impl Search<'_> {
    fn run(&mut self) {
        // what the bot was given to read is no secret of its own: it is learned before it is judged
        for item in &self.ask.interaction.context {
            if self.ask.budget.is_spent() {
                return;
            }
            let text = item.text.expose();
            for hit in Detector::shared().detect(text) {
                self.known.extend(self.digest(text, hit));
            }
            self.scanned += text.len();
        }
        if self.ask.budget.is_spent() {
            return;
        }
        let text = self.ask.interaction.text.expose();
        self.judge(text, None, Some);
        self.scanned += text.len();
        for (index, view) in self.ask.views.iter().enumerate() {
            if self.ask.budget.is_spent() {
                return;
            }
            if view.source == Place::Text {
                self.judge(view.text.expose(), Some(index), |span| view.to_source(span));
            }
            self.scanned += view.source_bytes();
        }
    }

    /// Adds what leaks in one reading of the answer.
    fn judge(&mut self, text: &str, view: Option<usize>, to_source: impl Fn(Span) -> Option<Span>) {
        for hit in Detector::shared().detect(text) {
            let is_echo = self.digest(text, hit).is_some_and(|digest| self.known.contains(&digest));
            if is_echo || !self.settings.counts(hit.entity) {
                continue;
            }
            if let Some(span) = to_source(hit.span) {
                self.seen.entry((span, hit.entity)).or_insert(view);
                self.leaks.push(Match { span, ..hit });
            }
        }
    }

    fn digest(&self, text: &str, hit: Match) -> Option<String> {
        let value = text.get(hit.span.start..hit.span.end)?;
        Some(value_digest(&self.ask.known.salt, hit.entity, value))
    }

    /// The report without coverage and version, and whether there were too many leaks.
    fn into_report(self) -> (Report, bool) {
        let mut report = Report::default();
        let leaks = resolve(self.leaks);
        for hit in leaks.iter().take(LEAKS) {
            let view = self.seen.get(&(hit.span, hit.entity)).copied().flatten();
            report.findings.push(
                finding(
                    format!("leak.{}", hit.entity.kind()),
                    severity(hit.entity),
                    hit.confidence,
                )
                .at(Place::Text, Some(hit.span))
                .in_view(view),
            );
            report.edits.push(Edit {
                place: Place::Text,
                span: hit.span,
                with: Masking::Redact(Some(hit.entity.label().to_owned())),
            });
        }
        let more = leaks.len().saturating_sub(LEAKS);
        if more > 0 {
            let rest = finding("leak.limit".to_owned(), Severity::Critical, 1.0);
            report.findings.push(rest.with_detail(format!("{more} more values")));
        }
        (report, more > 0)
    }
}

fn finding(kind: String, severity: Severity, confidence: f64) -> Finding {
    Finding::new(StageName::moderation(), kind, severity, confidence)
}

fn severity(entity: Entity) -> Severity {
    if entity.is_secret() { Severity::Critical } else { Severity::High }
}

#[cfg(test)]
mod tests;
