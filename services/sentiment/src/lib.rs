//! How a person feels, and the tone that the bot should take. Never a refusal.

mod distress;
mod lexicon;
mod pieces;
mod score;
mod settings;

use async_trait::async_trait;
use portcullis_core::{
    Ask, Budget, Coverage, Direction, Finding, Known, Place, Report, Severity, Span, Stage,
    StageError, StageName, Tone, ToneDirective,
};

use distress::{Distress, Phrases};
use pieces::Pieces;
use score::Scorer;
pub use settings::{Label, Settings, Tones};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+vader-2014+phrases-1");

/// Sentences between two looks at the budget.
const BETWEEN_LOOKS: usize = 32;
/// Shouted words, and exclamation marks in one sentence, that make a negative message an angry one.
const ANGRY: usize = 3;
/// A phrase of self-harm is taken seriously and is not certain.
const PHRASE_CONFIDENCE: f64 = 0.8;

/// The stage `sentiment`. It reads the person's own words alone, not context and not views.
pub struct Sentiment {
    phrases: Phrases,
}

impl Default for Sentiment {
    fn default() -> Self {
        Self::new()
    }
}

/// What one look through a text found.
#[derive(Default)]
struct Reading {
    polarity: f64,
    shouted: usize,
    exclamations: usize,
    grief: bool,
    /// The first sentence that tells of it.
    self_harm: Option<Span>,
    scanned: usize,
}

impl Reading {
    fn is_angry(&self) -> bool {
        self.shouted >= ANGRY || self.exclamations >= ANGRY
    }
}

impl Sentiment {
    /// The stage, with its words.
    pub fn new() -> Self {
        Self { phrases: Phrases::new() }
    }

    /// Polarity of a text in [-1, 1]: the mean over its sentences, each weighing as much as it is far
    /// from neutral, so that plain sentences do not water down a clear one.
    pub fn polarity(&self, text: &str) -> f64 {
        self.read(text, &Budget::default()).polarity
    }

    fn read(&self, text: &str, budget: &Budget) -> Reading {
        let (mut scorer, mut room) = (Scorer::default(), String::new());
        let mut reading = Reading::default();
        let (mut sum, mut weight) = (0.0, 0.0);
        for (index, (at, piece)) in Pieces::of(text).enumerate() {
            if index % BETWEEN_LOOKS == 0 && budget.is_spent() {
                break;
            }
            let mood = scorer.score(piece);
            sum += mood.polarity * mood.polarity.abs();
            weight += mood.polarity.abs();
            reading.shouted += mood.shouted;
            reading.exclamations = reading.exclamations.max(mood.exclamations);
            match self.phrases.look(piece, &mut room) {
                Some(Distress::SelfHarm) => {
                    reading.self_harm.get_or_insert(Span { start: at, end: at + piece.len() });
                }
                Some(Distress::Grief) => reading.grief = true,
                None => {}
            }
            reading.scanned = at + piece.len();
        }
        if weight > 0.0 {
            // Four digits, as VADER prints it.
            reading.polarity = (sum / weight * 1e4).round() / 1e4;
        }
        reading
    }
}

/// The gravest tone that applies.
fn tone(settings: &Settings, reading: &Reading, known: &Known) -> Option<Tone> {
    let label = settings.label(reading.polarity);
    let negative = label == Label::Negative;
    let trend = known.turns >= settings.trend_turns
        && known.polarity.is_some_and(|polarity| settings.label(polarity) == Label::Negative)
        && label != Label::Positive;
    let tones = &settings.tones;
    [
        (negative && !reading.is_angry(), tones.negative, "sentiment.negative"),
        (negative && reading.is_angry(), tones.angry, "sentiment.angry"),
        (trend, tones.trend, "sentiment.trend"),
        (reading.grief, tones.grief, "distress.grief"),
        (reading.self_harm.is_some(), tones.self_harm, "distress.self_harm"),
    ]
    .into_iter()
    .filter(|(applies, directive, _)| *applies && *directive != ToneDirective::Neutral)
    .max_by_key(|(_, directive, _)| *directive)
    .map(|(_, directive, reason)| Tone { directive, reason: reason.into() })
}

#[async_trait]
impl Stage for Sentiment {
    fn name(&self) -> StageName {
        StageName::sentiment()
    }

    /// Scores a person's message. An answer of the bot is nobody's mood: it gets no finding, no tone
    /// and no polarity.
    ///
    /// # Errors
    /// `Unreadable` where the settings do not hold; `Late` where the budget was spent before anything
    /// was read. With a part read the report says so in its coverage.
    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        let settings: Settings = ask.settings()?;
        settings.validate().map_err(StageError::Unreadable)?;
        let (text, total) = (ask.interaction.text.expose(), ask.total_bytes());
        if ask.interaction.direction == Direction::Outbound {
            return Ok(Report {
                coverage: Coverage::part(0, total),
                version: VERSION.into(),
                ..Report::default()
            });
        }
        let reading = self.read(text, &ask.budget);
        if reading.scanned == 0 && !text.is_empty() {
            return Err(StageError::Late);
        }
        let mut report = Report::clean(VERSION, total);
        if reading.scanned < total {
            report.coverage = Coverage::part(reading.scanned, total);
        }
        report.tone = tone(&settings, &reading, &ask.known);
        report.measures.polarity = Some(reading.polarity);
        report.learned.polarity = (!text.is_empty()).then_some(reading.polarity);
        if settings.label(reading.polarity) == Label::Negative {
            let confidence = reading.polarity.abs();
            report.findings.push(Finding::new(
                self.name(),
                "sentiment.negative",
                Severity::Info,
                confidence,
            ));
        }
        if reading.self_harm.is_some() {
            report.findings.push(
                Finding::new(self.name(), "distress.self_harm", Severity::High, PHRASE_CONFIDENCE)
                    .at(Place::Text, reading.self_harm),
            );
        }
        Ok(report)
    }

    /// Reads the words, and judges an upset and a plain message rightly.
    async fn warm_up(&self) -> Result<(), StageError> {
        let settings = Settings::default();
        let upset = settings.label(self.polarity("I am very unhappy with the service!"));
        let plain = settings.label(self.polarity("When does the shop open tomorrow?"));
        if (upset, plain) == (Label::Negative, Label::Neutral) {
            Ok(())
        } else {
            Err(StageError::Dependency("lexicon"))
        }
    }
}
