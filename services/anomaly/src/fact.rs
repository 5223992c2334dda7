//! What the watch takes from an entry of the record: numbers and keyed names, never words.

use jiff::Timestamp;
use portcullis_core::{
    Body, BotId, Decision, Direction, Entry, Sketch, StageName, Status, VerdictRecord,
};

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was forwarded, as it came or masked.
    Passed,
    /// Too much at once.
    Throttled,
    /// A human had to look.
    Held,
    /// It was not forwarded.
    Blocked,
}

/// One verdict, as the watch sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The entry's id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The bot.
    pub bot: BotId,
    /// Towards the bot, or from it.
    pub inbound: bool,
    /// Keyed hash of the speaker.
    pub speaker: Option<String>,
    /// Keyed hash of the speaker's network.
    pub network: Option<String>,
    /// Keyed hash of the conversation.
    pub conversation: Option<String>,
    /// How it ended; in shadow mode, how it would have.
    pub outcome: Outcome,
    /// The classifier's probability of an attack.
    pub score: Option<f32>,
    /// Bytes of text and context.
    pub bytes: u32,
    /// Bits a byte.
    pub entropy: Option<f32>,
    /// What alike texts share; absent for texts of a few words, which are alike by themselves.
    pub sketch: Option<Sketch>,
    /// Stages whose answer is missing.
    pub gaps: Vec<StageName>,
}

/// Fewer words than this make no sketch worth comparing.
const SKETCH_WORDS: u32 = 6;

impl Fact {
    /// The fact of a verdict's entry; none for other entries.
    pub fn of(entry: &Entry) -> Option<Self> {
        let Body::Verdict(record) = &entry.body else { return None };
        let VerdictRecord {
            direction, speaker, network, conversation, bytes, shape, verdict, ..
        } = &**record;
        let missing = verdict.receipt.iter().filter(|check| check.status == Status::Gap);
        Some(Self {
            id: entry.id.clone(),
            at: entry.at,
            bot: entry.bot.clone(),
            inbound: *direction != Direction::Outbound,
            speaker: speaker.clone(),
            network: network.clone(),
            conversation: conversation.clone(),
            outcome: match verdict.shadow_decision.unwrap_or(verdict.decision) {
                Decision::Allow | Decision::Rewrite => Outcome::Passed,
                Decision::Throttle => Outcome::Throttled,
                Decision::Hold => Outcome::Held,
                Decision::Block | Decision::Unknown => Outcome::Blocked,
            },
            score: verdict
                .check(&StageName::injection_classifier())
                .and_then(|check| check.measures.score)
                .map(|score| score as f32),
            bytes: u32::try_from(*bytes).unwrap_or(u32::MAX),
            entropy: shape.map(|shape| shape.entropy),
            sketch: shape.filter(|shape| shape.words >= SKETCH_WORDS).map(|shape| shape.sketch),
            gaps: missing.map(|check| check.stage.clone()).collect(),
        })
    }

    /// Whether something kept it from going on unseen.
    pub fn stopped(&self) -> bool {
        matches!(self.outcome, Outcome::Blocked | Outcome::Held)
    }
}
