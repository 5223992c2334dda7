//! The gateway as what streams need behind them.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use portcullis_core::{Direction, Interaction, Verdict};
use portcullis_door::Problem;
use portcullis_door::auth::Access;
use portcullis_door::request::StreamRequest;
use portcullis_pipeline::Given;
use portcullis_pipeline::placeholders::Values;
use portcullis_streams::{Conductor, Ended, Opening};

use crate::gateway::{Admitted, Gateway, Throttling};

/// Time for loading what is known of the conversation.
const KNOWN: Duration = Duration::from_millis(25);

#[async_trait]
impl Conductor for Gateway {
    async fn open(&self, access: &Access, request: StreamRequest) -> Result<Opening, Problem> {
        let bot = access.bot(request.bot.as_ref())?;
        let policy = self.parts.policies.pin(&bot)?;
        let repeatable = request.id.is_some();
        let limit = policy.document().limits.total_bytes.min(self.text_bytes);
        let interaction = request.into_interaction(bot, self.parts.clock.now(), limit)?;
        if repeatable {
            let recall = self.once.recall(&interaction.bot, Direction::Outbound, &interaction.id);
            if let Ok(Some(_)) = recall.await {
                let detail = "an answer with this id has its verdict already";
                return Err(Problem::conflict(detail).field("id"));
            }
        }
        let identity = self.identity(&interaction);
        let known = tokio::time::timeout(KNOWN, self.known(&interaction, &identity)).await;
        // Where it is away the receipt says so at the end; until then nothing counts as brought in.
        let known = known.ok().and_then(Result::ok).unwrap_or_default();
        let limit = limit.saturating_sub(interaction.total_bytes());
        Ok(Opening { interaction, identity, policy, repeatable, known, limit })
    }

    fn ordered(&self, opening: &Opening) -> Option<String> {
        let parts = &self.parts;
        if !self.is_stopped(&opening.interaction, &opening.policy) {
            return None;
        }
        let found = parts.control.findings(&opening.interaction, &parts.sealer, parts.clock.now());
        Some(found.first().map_or_else(|| "control.stop".to_owned(), |order| order.kind.clone()))
    }

    async fn window(&self, opening: &Opening, part: &Interaction) -> Verdict {
        let known = opening.known.clone();
        let given = Given {
            policy: &opening.policy,
            control: Vec::new(),
            control_version: self.parts.control.version(),
            identity: &opening.identity,
            memory: Box::pin(async { Ok(known) }),
            // A part is judged as it was written.
            vault: None,
            more: true,
            since: self.parts.clock.instant(),
            trace_id: None,
        };
        self.parts.pipeline.run(part, given).await.verdict
    }

    async fn values(&self, opening: &Opening) -> Values {
        let conversation = opening.identity.conversation.as_ref();
        self.values_of(&opening.interaction.bot, conversation, &opening.policy).await
    }

    async fn conclude(
        &self,
        opening: &Opening,
        whole: Interaction,
        ended: Ended,
    ) -> Result<Verdict, Problem> {
        let admitted = Admitted {
            interaction: whole,
            policy: opening.policy.clone(),
            repeatable: opening.repeatable,
            api_key: None,
            ended: Some(ended),
        };
        self.judge(admitted, Throttling::Final).await
    }

    fn now(&self) -> Instant {
        self.parts.clock.instant()
    }
}
