//! What a session needs of the gateway behind it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use portcullis_core::{Finding, Interaction, Known, Streamed, Verdict};
use portcullis_door::Problem;
use portcullis_door::auth::Access;
use portcullis_door::request::StreamRequest;
use portcullis_pipeline::Identity;
use portcullis_pipeline::placeholders::Values;
use portcullis_policy::Policy;

/// An answer that may be streamed.
pub struct Opening {
    /// The answer without its text.
    pub interaction: Interaction,
    /// Keyed hashes in the place of names.
    pub identity: Identity,
    /// The pinned policy.
    pub policy: Arc<Policy>,
    /// Whether the id came with the request and may come again.
    pub repeatable: bool,
    /// What is known of the conversation.
    pub known: Known,
    /// The most bytes that the answer may have.
    pub limit: usize,
}

/// How the stream of an answer ended.
pub struct Ended {
    /// Bytes that the bot wrote, bytes that were released, and why it was stopped.
    pub streamed: Streamed,
    /// What stops it for good, whatever its whole looks like.
    pub stopped: Vec<Finding>,
}

/// The gateway behind a session.
#[async_trait]
pub trait Conductor: Send + Sync + 'static {
    /// Authorises and validates an opening, and pins the bot's policy.
    ///
    /// # Errors
    /// A problem where it cannot be admitted, or its id has a verdict already.
    async fn open(&self, access: &Access, request: StreamRequest) -> Result<Opening, Problem>;

    /// The order that stops this answer now, such as `control.mute`.
    fn ordered(&self, opening: &Opening) -> Option<String>;

    /// What the stages and the policy say of a part of the answer. It is not recorded.
    async fn window(&self, opening: &Opening, part: &Interaction) -> Verdict;

    /// The values that placeholders of this conversation stand for; none where the vault is away, which the
    /// final verdict's receipt says.
    async fn values(&self, opening: &Opening) -> Values;

    /// The verdict on the whole, recorded.
    ///
    /// # Errors
    /// A problem where its id was used for something else.
    async fn conclude(
        &self,
        opening: &Opening,
        whole: Interaction,
        ended: Ended,
    ) -> Result<Verdict, Problem>;

    /// Now.
    fn now(&self) -> Instant;
}

/// Says in a verdict on a stream how much of it is released: all of it where it may go on, else what was
/// released before.
pub fn settle(verdict: &mut Verdict, streamed: Option<&Streamed>) {
    verdict.stream =
        streamed.map(|streamed| match (&streamed.stopped, verdict.decision.forwards()) {
            (None, true) => Streamed { released: streamed.received, ..streamed.clone() },
            (None, false) => {
                Streamed { stopped: verdict.reasons.first().cloned(), ..streamed.clone() }
            }
            (Some(_), _) => streamed.clone(),
        });
}
