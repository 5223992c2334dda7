//! How a person feels, and the tone that the bot should take. Never a refusal.

mod distress;
pub mod learning;
mod lexicon;
pub mod model;
mod moods;
mod phrases;
mod pieces;
mod read;
mod reading;
mod score;
mod settings;
mod walk;

use async_trait::async_trait;
use portcullis_core::{
    Ask, Budget, Coverage, Direction, Finding, Known, Moods, Place, Report, Severity, Stage,
    StageError, StageName, Tone, ToneDirective,
};

use distress::Phrases;
use model::{Model, ModelError};
use reading::Reading;
pub use settings::{Label, Settings, Tones};

/// A phrase of self-harm is taken seriously and is not certain.
const PHRASE_CONFIDENCE: f64 = 0.8;

/// The stage `sentiment`. It reads the person's own words alone, not context and not views.
pub struct Sentiment {
    phrases: Phrases,
    model: Model,
    version: String,
}

impl Sentiment {
    /// The stage, with its words and its model.
    ///
    /// # Errors
    /// [`ModelError`] where the model built into the program is damaged.
    pub fn new() -> Result<Self, ModelError> {
        Ok(Self::with_model(Model::built_in()?))
    }

    /// The stage with another model.
    pub fn with_model(model: Model) -> Self {
        let version = format!(
            "{}+vader-2014+{}+phrases-3",
            env!("CARGO_PKG_VERSION"),
            model.manifest().model
        );
        Self { phrases: Phrases::new(), model, version }
    }

    /// Polarity of a text in [-1, 1]. Of a text of several passages, those that are clearly one or the
    /// other count alone, so that plain ones do not water them down.
    pub fn polarity(&self, text: &str) -> f64 {
        self.read(text, &Budget::default()).polarity
    }

    /// Polarity, and distress, agitation and urgency, of a text.
    pub fn feel(&self, text: &str) -> (f64, Moods) {
        let reading = self.read(text, &Budget::default());
        (reading.polarity, reading.moods)
    }

    fn read(&self, text: &str, budget: &Budget) -> Reading {
        reading::read(text, &self.model, &self.phrases, budget)
    }
}

/// The gravest tone that applies.
fn tone(settings: &Settings, reading: &Reading, known: &Known) -> Option<Tone> {
    let label = settings.label(reading.polarity);
    let (negative, moods) = (label == Label::Negative, reading.moods);
    let agitated = moods.agitation >= settings.agitated;
    // Grief is not anger, however it is said: nobody in grief is told to calm down.
    let grieves = reading.grief;
    let distressed = moods.distress >= settings.distressed && !grieves;
    let past = known.moods.unwrap_or_default();
    let sour = known.polarity.is_some_and(|polarity| settings.label(polarity) == Label::Negative)
        || past.agitation >= settings.agitated
        || past.distress >= settings.distressed;
    let trend = known.turns >= settings.trend_turns && sour && label != Label::Positive;
    let tones = &settings.tones;
    [
        (negative && !agitated && !grieves, tones.negative, "sentiment.negative"),
        (negative && agitated && !grieves, tones.angry, "sentiment.angry"),
        (moods.urgency >= settings.urgent, tones.urgent, "sentiment.urgent"),
        (distressed, tones.overwhelmed, "distress.overwhelmed"),
        (trend, tones.trend, "sentiment.trend"),
        (grieves, tones.grief, "distress.grief"),
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
                version: self.version.clone(),
                ..Report::default()
            });
        }
        let reading = self.read(text, &ask.budget);
        if reading.scanned == 0 && !text.is_empty() {
            return Err(StageError::Late);
        }
        let mut report = Report::clean(self.version.clone(), total);
        if reading.scanned < total {
            report.coverage = Coverage::part(reading.scanned, total);
        }
        report.tone = tone(&settings, &reading, &ask.known);
        report.measures.polarity = Some(reading.polarity);
        report.measures.moods = Some(reading.moods);
        if !text.is_empty() {
            report.learned.polarity = Some(reading.polarity);
            report.learned.moods = Some(reading.moods);
        }
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
