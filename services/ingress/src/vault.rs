//! The vault of one conversation: what the pipeline asks of it, over the keeper of this process.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use portcullis_core::{BotId, Cause, ConversationId};
use portcullis_pipeline::Vaulting;
use portcullis_pipeline::placeholders::Values;
use portcullis_policy::Policy;
use portcullis_state::{Keeper, Vault};

use crate::gateway::Gateway;

/// The most time that the vault gets, of a stream or of a release.
const PATIENCE: Duration = Duration::from_millis(25);

/// The vault of one conversation. `conversation` is the keyed hash of its name, as everywhere past the door.
pub(crate) struct ConversationVault {
    pub(crate) keeper: Option<Keeper>,
    pub(crate) bot: BotId,
    pub(crate) conversation: ConversationId,
    /// How long values are kept.
    pub(crate) ttl: Duration,
}

impl Gateway {
    /// Keeps values that are masked by placeholders in `vault`, sealed, and gives them back. Without one they
    /// are masked for good, and receipts say that the vault is away.
    #[must_use]
    pub fn with_vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.keeper = Some(Keeper::new(vault, self.parts.sealer.clone()));
        self
    }

    /// The vault of a conversation.
    pub(crate) fn vault(
        &self,
        bot: &BotId,
        conversation: Option<&ConversationId>,
        policy: &Policy,
    ) -> Option<ConversationVault> {
        Some(ConversationVault {
            keeper: self.keeper.clone(),
            bot: bot.clone(),
            conversation: conversation?.clone(),
            ttl: Duration::from_secs(policy.document().placeholders.keep_s),
        })
    }

    /// The values of a conversation, named by its keyed hash, for a text that has placeholders. None where the
    /// vault is away or slow, or there is no conversation: then placeholders stay as they are.
    pub(crate) async fn values_of(
        &self,
        bot: &BotId,
        conversation: Option<&ConversationId>,
        policy: &Policy,
    ) -> Values {
        let Some(vault) = self.vault(bot, conversation, policy) else { return Values::new() };
        match tokio::time::timeout(PATIENCE, vault.open()).await {
            Ok(Ok(values)) => values,
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(bot = %bot, "the vault is away: placeholders stay as they are");
                metrics::counter!("portcullis_vault_away_total").increment(1);
                Values::new()
            }
        }
    }
}

impl Vaulting for ConversationVault {
    fn entrust<'a>(
        &'a self,
        values: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<Option<u32>>, Cause>> {
        Box::pin(async move {
            let keeper = self.keeper.as_ref().ok_or(Cause::Dependency)?;
            let values: Vec<(&str, &str)> =
                values.iter().map(|(entity, value)| (entity.as_str(), value.as_str())).collect();
            let conversation = self.conversation.as_str();
            let numbers = keeper.entrust(&self.bot, conversation, &values, self.ttl).await;
            numbers.map_err(|_| Cause::Dependency)
        })
    }

    fn open(&self) -> BoxFuture<'_, Result<Values, Cause>> {
        Box::pin(async move {
            let keeper = self.keeper.as_ref().ok_or(Cause::Dependency)?;
            let opened = keeper.open(&self.bot, self.conversation.as_str()).await;
            let opened = opened.map_err(|_| Cause::Dependency)?;
            if opened.broken > 0 {
                tracing::warn!(bot = %self.bot, values = opened.broken, "values in the vault cannot be opened");
                let broken = u64::try_from(opened.broken).unwrap_or(u64::MAX);
                metrics::counter!("portcullis_vault_unopened_total").increment(broken);
            }
            Ok(opened.values)
        })
    }
}
