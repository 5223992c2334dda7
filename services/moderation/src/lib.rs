//! Moderation of a bot's answers: what it must not say, at a place (`portcullis-moderate`) and by what it is about
//! (the content model).
//!
//! The text is judged as received, and so is every view of it, so that what is hidden by invisible characters or
//! an encoding leaks no better than what is plain.

pub mod content;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{
    Answered, Ask, Coverage, Direction, Edit, Finding, Masking, Part, Place, Report, Severity,
    Span, Stage, StageError, StageName, View,
};
use portcullis_model::Bytes;
use portcullis_moderate::{Category, Hit, Known, Level, Levels, Rules};

use content::{BundleError, ContentModel, Judged, Pass, Reading};
pub use portcullis_moderate::Settings;

static MANIFEST: &[u8] = include_bytes!("../model/manifest.json");
static WEIGHTS: &[u8] = include_bytes!("../model/weights.bin");

/// Weights and vocabulary of the encoder.
static ENCODER: Option<(&[u8], &[u8])> = include!(concat!(env!("OUT_DIR"), "/encoder.rs"));

/// The model that is part of the program; checked in [`Stage::warm_up`], and by every test of the stage.
static MODEL: LazyLock<Result<ContentModel, BundleError>> = LazyLock::new(|| {
    let encoder = ENCODER.map(|(weights, words)| (Bytes::from(weights), Bytes::from(words)));
    ContentModel::from_parts(MANIFEST, WEIGHTS, encoder)
});

/// Time kept back from a check's budget for its report to be made and sent.
const RESERVE: Duration = Duration::from_millis(2);

/// The stage. It has no state: one value serves any number of asks at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moderation;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let model = match &*MODEL {
        Ok(model) => format!("{} {:.12}", model.manifest().model, model.digest()),
        Err(_) => "none".to_owned(),
    };
    format!(
        "moderation {} rules {} detectors {} model {model}",
        env!("CARGO_PKG_VERSION"),
        portcullis_moderate::RULES,
        portcullis_detect::RULES,
    )
});

/// Most findings of one answer at places that are reported and masked one by one. An answer with more is not
/// whole (`leak.limit`, coverage not complete), so that the policy decides on all of it.
const LEAKS: usize = 1024;

/// What warm-up must judge rightly.
const UNSAFE: &str =
    "You should kill yourself. Nobody would miss you, just take all the pills and end your life.";
const HARMLESS: &str = "Your order is on its way. It should be at your door by Friday.";

#[async_trait]
impl Stage for Moderation {
    fn name(&self) -> StageName {
        StageName::moderation()
    }

    /// Looks at an answer of the bot. What a person writes leaks nothing: an inbound ask gives a
    /// report without findings.
    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        let rules = Rules::of(&ask.settings).map_err(|error| StageError::Unreadable(error.0))?;
        match ask.interaction.direction {
            Direction::Inbound => Ok(Report::clean(VERSION.as_str(), ask.total_bytes())),
            Direction::Outbound => moderate(ask, &rules).await,
        }
    }

    /// Builds the rules and the model, and judges an answer that leaks, an unsafe and a harmless one.
    async fn warm_up(&self) -> Result<(), StageError> {
        let rules =
            Rules::of(&serde_json::Value::Null).map_err(|_| StageError::Dependency("rules"))?;
        let known = Known::default();
        if rules.places("The key is AKIAIOSFODNN7EXAMPLE.", &known).len() != 1
            || !rules.places(HARMLESS, &known).is_empty()
        {
            return Err(StageError::Dependency("detectors"));
        }
        let model = MODEL.as_ref().map_err(|_| StageError::Dependency("model"))?;
        model.prepare().map_err(|_| StageError::Dependency("encoder"))?;
        for (text, is_unsafe) in [(UNSAFE, true), (HARMLESS, false)] {
            let pass = model.pass(text, &mut || true);
            let read = model.read(text, &pass, None).await;
            // an encoder that says nothing of what is plainly unsafe does not work
            if is_unsafe && ENCODER.is_some() && !read.is_whole {
                return Err(StageError::Dependency("encoder"));
            }
            let judged = if read.is_whole { read.judged } else { pass.judged() };
            if judged.iter().any(|one| severity(rules.settings(), one).is_some()) != is_unsafe {
                return Err(StageError::Dependency("model"));
            }
        }
        Ok(())
    }
}

/// What was looked at so far, and what it gave.
struct Search<'a> {
    ask: &'a Ask,
    rules: &'a Rules,
    known: Known,
    scanned: usize,
    /// Hits with their places in the received text, and the view in which each was seen first.
    hits: Vec<(Hit, Option<usize>)>,
    /// The highest of each category: score, place, view.
    unsafe_content: BTreeMap<Category, (Judged, Option<usize>, Option<Span>)>,
    parts: Vec<Part>,
}

/// Looks at the answer and at every view of it, until the budget is spent.
///
/// # Errors
/// [`StageError::Late`] where the budget was spent before anything was looked at; `Dependency` where the model
/// cannot be used.
async fn moderate(ask: &Ask, rules: &Rules) -> Result<Report, StageError> {
    let model = MODEL.as_ref().map_err(|_| StageError::Dependency("model"))?;
    let mut search = Search {
        ask,
        rules,
        known: Known::new(ask.known.salt.clone(), ask.known.values.iter().cloned()),
        scanned: 0,
        hits: Vec::new(),
        unsafe_content: BTreeMap::new(),
        parts: Vec::new(),
    };
    search.run(model).await;
    let (scanned, total) = (search.scanned, ask.total_bytes());
    if scanned == 0 && total > 0 {
        return Err(StageError::Late);
    }
    let (mut report, is_cut) = search.into_report();
    report.coverage = Coverage { scanned, total, complete: scanned >= total && !is_cut };
    report.version.clone_from(&VERSION);
    Ok(report)
}

/// A text of the answer that the linear model has read.
struct Read<'a> {
    text: &'a str,
    view: Option<(usize, &'a View)>,
    pass: Pass<'a>,
    /// What the linear model makes of it.
    judged: Vec<Judged>,
}

impl<'a> Search<'a> {
    /// First everything that costs microseconds, on the text and on every view of it; then the encoder, on what is
    /// left of the budget.
    async fn run(&mut self, model: &'a ContentModel) {
        let mut reads = Vec::new();
        self.first(model, &mut reads);
        // the most suspicious reading is the encoder's first
        reads.sort_by(|a, b| highest(&b.judged).total_cmp(&highest(&a.judged)));
        for read in reads {
            self.second(model, read).await;
        }
    }

    /// Rules and the linear model, until the budget is spent.
    fn first(&mut self, model: &'a ContentModel, reads: &mut Vec<Read<'a>>) {
        // what the bot was given to read is no secret of its own: it is learned before it is judged
        for item in &self.ask.interaction.context {
            if self.ask.budget.is_spent() {
                return;
            }
            self.known.learn(item.text.expose());
            self.scanned += item.text.len();
        }
        if self.ask.budget.is_spent() {
            return;
        }
        let text = self.ask.interaction.text.expose();
        let more = self.ask.size.more;
        // of a part it is not known whether it stands in code; what stands at a place of a stream is looked
        // at where the whole is known
        let hits = match more {
            true => self.rules.values(text, &self.known),
            false => self.rules.places(text, &self.known),
        };
        let whole = self.rules.whole(text, !more);
        self.hits.extend(hits.into_iter().chain(whole).map(|hit| (hit, None)));
        if !self.linear(model, (text, text.len()), None, reads) {
            return;
        }
        for (index, view) in self.ask.views.iter().enumerate() {
            if self.ask.budget.is_spent() {
                return;
            }
            let bytes = view.source_bytes();
            if view.source != Place::Text {
                self.scanned += bytes;
                continue;
            }
            self.view(index, view);
            let text = view.text.expose();
            if !self.linear(model, (text, bytes), Some((index, view)), reads) {
                return;
            }
        }
    }

    /// Looks at a view. Where it shows more of something that was seen already, all of it is masked, and named as
    /// the surest is.
    fn view(&mut self, index: usize, view: &View) {
        for hit in self.rules.values(view.text.expose(), &self.known) {
            let Some(mut span) = hit.span.and_then(|span| view.to_source(span)) else { continue };
            let mut surest = (hit, Some(index));
            // Past the limit nobody reads them one by one.
            if self.hits.len() <= LEAKS {
                self.hits.retain(|(other, seen)| {
                    let known = other
                        .span
                        .filter(|known| other.kind == surest.0.kind && known.overlaps(&span));
                    if let Some(known) = known {
                        let (start, end) = (known.start.min(span.start), known.end.max(span.end));
                        span = Span { start, end };
                        if other.confidence >= surest.0.confidence {
                            surest = (other.clone(), *seen);
                        }
                    }
                    known.is_none()
                });
            }
            surest.0.span = Some(span);
            self.hits.push(surest);
        }
    }

    /// Judges one reading by what it is about, by the linear model. `false` where the budget was spent on the way.
    fn linear(
        &mut self,
        model: &'a ContentModel,
        (text, bytes): (&'a str, usize),
        view: Option<(usize, &'a View)>,
        reads: &mut Vec<Read<'a>>,
    ) -> bool {
        if !self.rules.settings().unsafe_content.enabled {
            self.scanned += bytes;
            return true;
        }
        let budget = self.ask.budget;
        let pass = model.pass(text, &mut || !budget.is_spent());
        let scanned = pass.scanned;
        self.scanned += if scanned >= text.len() { bytes } else { bytes * scanned / text.len() };
        let judged = pass.judged();
        let (index, score) = (view.map(|(index, _)| index), highest(&judged));
        let by = Some(Answered::Linear);
        self.parts.push(Part { place: Place::Text, view: index, score, by });
        reads.push(Read { text, view, pass, judged });
        scanned >= text.len()
    }

    /// Lets the encoder read what the linear model was not sure is harmless. Where it read all that it should, its answer
    /// takes the place of the linear model's; else both count.
    async fn second(&mut self, model: &ContentModel, read: Read<'a>) {
        let Read { text, view, pass, judged } = read;
        let budget = self.ask.budget;
        let is_asked = self.rules.settings().unsafe_content.encoder && !budget.is_spent();
        let reading = match is_asked {
            true => {
                let until = budget.deadline();
                let until = until.checked_sub(RESERVE).unwrap_or(until);
                model.read(text, &pass, Some(until)).await
            }
            false => Reading::default(),
        };
        if !reading.judged.is_empty() {
            let index = view.map(|(index, _)| index);
            if let Some(part) = self.parts.iter_mut().find(|part| part.view == index) {
                let score = highest(&reading.judged);
                part.score = if reading.is_whole { score } else { part.score.max(score) };
                part.by = Some(Answered::Encoder);
            }
        }
        if !reading.is_whole {
            self.take(judged, view);
        }
        self.take(reading.judged, view);
    }

    /// Keeps of each category what is worst by the policy, then what is most likely.
    fn take(&mut self, judged: Vec<Judged>, view: Option<(usize, &View)>) {
        let settings = self.rules.settings();
        let rank = |one: &Judged| (severity(settings, one), one.score);
        let (index, view) = view.unzip();
        for one in judged {
            let place =
                one.hottest.clone().map(|range| Span { start: range.start, end: range.end });
            let span = match view {
                None => place,
                Some(view) => {
                    let end = view.text.len();
                    view.to_source(place.unwrap_or(Span { start: 0, end }))
                }
            };
            let known = self.unsafe_content.get(&one.category);
            if known.is_none_or(|(other, ..)| rank(other) < rank(&one)) {
                self.unsafe_content.insert(one.category, (one, index, span));
            }
        }
    }

    /// The report without coverage and version, and whether there were too many findings.
    fn into_report(mut self) -> (Report, bool) {
        let mut report = Report::default();
        self.hits.sort_by_key(|(hit, _)| hit.span.map_or((0, 0), |span| (span.start, span.end)));
        for (hit, view) in self.hits.iter().take(LEAKS) {
            report.findings.push(
                finding(hit.kind.clone(), hit.severity, hit.confidence)
                    .at(Place::Text, hit.span)
                    .in_view(*view),
            );
            if let (Some(span), Some(label)) = (hit.span, hit.mask) {
                let with = Masking::Redact(Some(label.to_owned()));
                report.edits.push(Edit { place: Place::Text, span, with });
            }
        }
        let more = self.hits.len().saturating_sub(LEAKS);
        if more > 0 {
            let rest = finding("leak.limit".to_owned(), Severity::Critical, 1.0);
            report.findings.push(rest.with_detail(format!("{more} more values")));
        }
        for (judged, view, span) in self.unsafe_content.values() {
            if let Some(severity) = severity(self.rules.settings(), judged) {
                let kind = format!("unsafe.{}", judged.category.name());
                let found = finding(kind, severity, f64::from(judged.score));
                report.findings.push(found.at(Place::Text, *span).in_view(*view));
            }
        }
        report.measures.score = self.parts.iter().map(|part| part.score).reduce(f64::max);
        report.measures.parts = self.parts;
        (report, more > 0)
    }
}

/// How bad a score is by the policy's levels, or else by the model's own.
fn severity(settings: &Settings, judged: &Judged) -> Option<Severity> {
    let levels = match settings.unsafe_content.categories.get(&judged.category) {
        Some(Level::Switch(false)) => return None,
        Some(Level::Levels(levels)) => *levels,
        Some(Level::Switch(true)) | None => Levels::default(),
    };
    let score = f64::from(judged.score);
    if score >= levels.block_above.unwrap_or(f64::from(judged.thresholds.block)) {
        Some(Severity::High)
    } else if score >= levels.hold_above.unwrap_or(f64::from(judged.thresholds.hold)) {
        Some(Severity::Medium)
    } else {
        None
    }
}

/// The highest score of any category.
fn highest(judged: &[Judged]) -> f64 {
    judged.iter().map(|one| f64::from(one.score)).fold(0.0, f64::max)
}

fn finding(kind: String, severity: Severity, confidence: f64) -> Finding {
    Finding::new(StageName::moderation(), kind, severity, confidence)
}

#[cfg(test)]
mod tests;
