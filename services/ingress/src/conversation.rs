//! Who sends, and what is known of the conversation before a message and after it.

use std::time::Duration;

use portcullis_core::{
    Cause, ConversationId, Direction, Interaction, Known, SpeakerId, StageName, Status,
};
use portcullis_keep::control::context;
use portcullis_pipeline::{Identity, Outcome};
use portcullis_state::ConversationUpdate;

use crate::gateway::{Gateway, Parts};

/// Time for storing what a message taught, after its verdict was decided.
const STATE_BUDGET: Duration = Duration::from_millis(25);

impl Gateway {
    /// Keyed hashes in the place of names.
    pub(crate) fn identity(&self, interaction: &Interaction) -> Identity {
        let Parts { sealer, control, clock, .. } = &*self.parts;
        let hash =
            |what: &str, name: &str| sealer.keyed_hash(&context(what, &interaction.bot), name);
        Identity {
            speaker: interaction
                .speaker
                .as_ref()
                .and_then(|name| SpeakerId::parse(&hash("speaker", name.as_str())).ok()),
            conversation: interaction
                .conversation
                .as_ref()
                .and_then(|name| ConversationId::parse(&hash("conversation", name.as_str())).ok()),
            api_key: None,
            factors: control.factors(interaction, sealer, clock.now()),
        }
    }

    pub(crate) async fn known(
        &self,
        interaction: &Interaction,
        who: &Identity,
    ) -> Result<Known, Cause> {
        let Some(key) = &who.conversation else { return Ok(Known::default()) };
        let loaded = self.parts.conversations.begin(&interaction.bot, key.as_str()).await;
        loaded.map(Known::from).map_err(|_| Cause::Dependency)
    }

    /// Stores what a message taught. What was not let in teaches no values.
    pub(crate) async fn learn(&self, interaction: &Interaction, who: &Identity, outcome: &Outcome) {
        let Some(key) = &who.conversation else { return };
        let store = outcome.verdict.check(&StageName::conversation());
        if store.is_some_and(|check| check.status == Status::Gap) {
            // It was away a moment ago: nobody waits for it twice.
            metrics::counter!("portcullis_conversation_updates_lost_total").increment(1);
            return;
        }
        let mut learned = outcome.learned.clone();
        if !outcome.verdict.decision.forwards() {
            learned.values.clear();
        }
        let update = match interaction.direction {
            Direction::Inbound => ConversationUpdate::message(learned),
            Direction::Outbound => ConversationUpdate::answer(learned),
        };
        let updated = self.parts.conversations.update(&interaction.bot, key.as_str(), &update);
        if !matches!(tokio::time::timeout(STATE_BUDGET, updated).await, Ok(Ok(_))) {
            metrics::counter!("portcullis_conversation_updates_lost_total").increment(1);
        }
    }
}
