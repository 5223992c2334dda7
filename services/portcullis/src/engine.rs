//! The whole path in this process, for commands that check without a server: every stage here, state in
//! memory, no record, no limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use portcullis_bus::{Capacity, Held, HeldError, HeldItem, MemoryKv, MemoryOutbox};
use portcullis_core::{BotId, Clock, StageName, SystemClock, Verdict};
use portcullis_ingress::auth::Access;
use portcullis_ingress::control::Control;
use portcullis_ingress::policies::{Policies, Strangers};
use portcullis_ingress::request::CheckRequest;
use portcullis_ingress::{Gateway, Parts, Problem, Throttling, start};
use portcullis_policy::{Detail, Document, Policy};
use portcullis_state::{ConversationsOptions, MemoryConversations, MemoryVault, Sealer};

use crate::commands::policy;
use crate::up::stages;

/// Time for every answer: nobody waits at the other end, and a gap would only say that the machine was
/// busy.
const UNHURRIED: Duration = Duration::from_secs(30);

/// No verdict is remembered: each text is judged anew.
const NOTHING: Capacity = Capacity { bytes: 0, life: Duration::ZERO };

/// Which policy judges.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct PolicyArg {
    /// A policy for every bot, or a folder of them, one <bot>.toml a bot. Absent: the built-in one.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) policy: Option<PathBuf>,
}

/// The whole path. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine {
    gateway: Gateway,
}

impl Engine {
    /// Puts it together. `bot` is the one that a single document is for.
    ///
    /// # Errors
    /// Where a policy cannot be read or does not hold.
    pub(crate) fn new(policy: &PolicyArg, bot: Option<&BotId>) -> anyhow::Result<Self> {
        Self::changed(policy, bot, |_| {})
    }

    /// As [`Engine::new`], with verdicts that tell everything whatever the policies say.
    ///
    /// # Errors
    /// Where a policy cannot be read or does not hold.
    pub(crate) fn telling_all(policy: &PolicyArg) -> anyhow::Result<Self> {
        Self::changed(policy, None, |document| document.detail = Detail::Full)
    }

    fn changed(
        policy: &PolicyArg,
        bot: Option<&BotId>,
        change: impl Fn(&mut Document),
    ) -> anyhow::Result<Self> {
        let policies = policies(policy.policy.as_deref(), bot, |policy| {
            policy
                .with(|document| {
                    let limits = document.stages.entry(StageName::rate_limit()).or_default();
                    limits.enabled = Some(false);
                    change(document);
                })
                .unhurried(UNHURRIED)
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sealer = Arc::new(Sealer::ephemeral()?);
        let stages = Arc::new(stages::local(stages::limiter(None, &clock), &clock)?);
        let options = ConversationsOptions::default();
        let vault = Arc::new(MemoryVault::new(clock.clone(), options.capacity));
        Ok(Self {
            gateway: Gateway::new(Parts {
                pipeline: start::pipeline(stages, &sealer, &clock),
                policies,
                control: Control::new(),
                control_kv: Arc::new(MemoryKv::new(1)),
                conversations: Arc::new(MemoryConversations::new(clock.clone(), options)),
                verdicts: Arc::new(MemoryKv::new(1).with_capacity(NOTHING)),
                held: Arc::new(Nobody),
                outbox: Arc::new(MemoryOutbox::new()),
                recorder: None,
                sealer,
                clock,
            })
            .with_vault(vault),
        })
    }

    /// Checks one message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) async fn check(&self, request: CheckRequest) -> Result<Verdict, Problem> {
        self.gateway.check(&Access::Open, request, Throttling::Final).await
    }
}

/// Where held messages go: nobody here will look at them, and many must take no memory.
struct Nobody;

#[async_trait]
impl Held for Nobody {
    async fn put(&self, _: HeldItem) -> Result<(), HeldError> {
        Ok(())
    }

    async fn get(&self, _: &BotId, _: &str) -> Result<Option<HeldItem>, HeldError> {
        Ok(None)
    }

    async fn list(&self, _: Option<&BotId>) -> Result<Vec<HeldItem>, HeldError> {
        Ok(Vec::new())
    }

    async fn remove(&self, _: &BotId, _: &str) -> Result<(), HeldError> {
        Ok(())
    }
}

fn policies(
    path: Option<&Path>,
    bot: Option<&BotId>,
    change: impl Fn(Policy) -> Policy,
) -> anyhow::Result<Policies> {
    let policies = Policies::new(Strangers::BuiltIn);
    let Some(path) = path else { return Ok(policies.with_default(change)) };
    if !path.is_dir() {
        let bot = bot.cloned().unwrap_or_else(BotId::fallback);
        let policy = policy::read(path, &bot)?;
        return Ok(policies.with_default(|_| change(policy)));
    }
    let policies = policies.with_default(&change);
    for (bot, file) in policy::folder(path)? {
        policies.set(change(policy::read(&file, &bot)?));
    }
    Ok(policies)
}
