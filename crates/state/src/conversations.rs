//! The port that remembers a conversation, and what is remembered of it.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{BotId, Known, Learned, Moods};

use crate::hex;

/// Share of the newest message in the mean polarity and in the mean moods (an exponential moving average): after three
/// messages two thirds of the mean are theirs.
pub const POLARITY_WEIGHT: f64 = 0.3;

/// The longest digest of a value that is kept, in bytes; a longer one is not a digest.
pub const VALUE_BYTES: usize = 128;

/// What is remembered of one conversation. No text and no value in the clear.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConversationState {
    /// Random, made once: digests of values cannot be compared between conversations.
    pub salt: String,
    /// Salted digests of values that people brought in, oldest first, the newest kept.
    pub values: Vec<String>,
    /// Mean polarity of the person, in [-1, 1], newer messages weighing more.
    pub polarity: Option<f64>,
    /// Mean distress, agitation and urgency of the person, newer messages weighing more.
    pub moods: Option<Moods>,
    /// Messages of the person so far.
    pub turns: u32,
}

impl From<ConversationState> for Known {
    fn from(state: ConversationState) -> Self {
        Self {
            salt: state.salt,
            values: state.values,
            polarity: state.polarity,
            moods: state.moods,
            turns: state.turns,
            ..Self::default()
        }
    }
}

impl ConversationState {
    /// A conversation in which nothing has been said.
    pub fn begin() -> Self {
        Self { salt: fresh_salt(), ..Self::default() }
    }

    /// Takes in what a message taught; keeps the newest `keep` values.
    pub fn learn(&mut self, update: &ConversationUpdate, keep: usize) {
        for value in update.digests() {
            self.values.retain(|known| known != value);
            self.values.push(value.to_owned());
        }
        let surplus = self.values.len().saturating_sub(keep);
        self.values.drain(..surplus);
        let mean = |old: f64, new: f64| old + POLARITY_WEIGHT * (new - old);
        if let Some(new) = update.clean_polarity() {
            self.polarity = Some(self.polarity.map_or(new, |old| mean(old, new)));
        }
        if let Some(new) = update.clean_moods() {
            let old = self.moods.unwrap_or(new).scores();
            let [a, b, c] = new.scores();
            let [x, y, z] = old;
            self.moods = Some(Moods::of([mean(x, a), mean(y, b), mean(z, c)]));
        }
        self.turns = self.turns.saturating_add(update.turns);
    }
}

/// What one message or answer adds to its conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConversationUpdate {
    /// What the stages learned.
    pub learned: Learned,
    /// Messages of the person that this stands for: 1 for a message, 0 for an answer.
    pub turns: u32,
}

impl ConversationUpdate {
    /// From a person's message.
    pub fn message(learned: Learned) -> Self {
        Self { learned, turns: 1 }
    }

    /// From an answer of the bot.
    pub fn answer(learned: Learned) -> Self {
        Self { learned, turns: 0 }
    }

    /// The digests worth keeping: not empty and not longer than [`VALUE_BYTES`].
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let fits = |value: &&String| (1..=VALUE_BYTES).contains(&value.len());
        self.learned.values.iter().filter(fits).map(String::as_str)
    }

    /// The polarity, in [-1, 1], where there is one and it is a number.
    pub fn clean_polarity(&self) -> Option<f64> {
        self.learned.polarity.filter(|polarity| polarity.is_finite()).map(|p| p.clamp(-1.0, 1.0))
    }

    /// The moods, each in [0, 1], where there are some and they are numbers.
    pub fn clean_moods(&self) -> Option<Moods> {
        let scores = self.learned.moods?.scores();
        let are_numbers = scores.iter().all(|score| score.is_finite());
        are_numbers.then(|| Moods::of(scores.map(|score| score.clamp(0.0, 1.0))))
    }
}

/// How long and how much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversationsOptions {
    /// A conversation is forgotten this long after its last change.
    pub ttl: Duration,
    /// Digests of values kept for each conversation.
    pub values: usize,
    /// Conversations kept by the form in memory.
    pub capacity: usize,
}

impl Default for ConversationsOptions {
    /// A day, 256 values, 50,000 conversations.
    fn default() -> Self {
        Self { ttl: Duration::from_hours(24), values: 256, capacity: 50_000 }
    }
}

/// Why a conversation could not be read or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The store is away or did not answer in time: go on without what was known.
    #[error("conversation store away")]
    Away,
}

/// Remembers conversations. `key` is made by the caller, hashed, and stored as it is.
#[async_trait]
pub trait Conversations: Send + Sync + 'static {
    /// What is remembered, if anything is.
    ///
    /// # Errors
    /// [`StateError::Away`].
    async fn load(&self, bot: &BotId, key: &str) -> Result<Option<ConversationState>, StateError>;

    /// What is remembered; a conversation that is not known begins now and gets its salt. All who
    /// begin the same conversation at once get the same salt.
    ///
    /// # Errors
    /// [`StateError::Away`].
    async fn begin(&self, bot: &BotId, key: &str) -> Result<ConversationState, StateError>;

    /// Takes in what a message taught, at once and whole, and returns what is remembered now. A
    /// conversation that is not known begins.
    ///
    /// # Errors
    /// [`StateError::Away`]; whether the update was taken in is then unknown.
    async fn update(
        &self,
        bot: &BotId,
        key: &str,
        update: &ConversationUpdate,
    ) -> Result<ConversationState, StateError>;
}

/// A new salt: 128 random bits in hex.
pub fn fresh_salt() -> String {
    hex::encode(&rand::random::<[u8; 16]>())
}
