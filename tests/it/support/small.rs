//! A gateway inside the test: every port in memory, stages as the test likes.

use std::sync::Arc;

use portcullis_bus::{
    Caller, Journal, Local, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox, Recorder,
};
use portcullis_core::{Clock, Entry, StageName, SystemClock, Verdict};
use portcullis_ingress::auth::Access;
use portcullis_ingress::control::Control;
use portcullis_ingress::policies::{Policies, Strangers};
use portcullis_ingress::start::pipeline;
use portcullis_ingress::{Gateway, Parts, Problem, Sealing, Throttling, json};
use portcullis_injection_classifier::InjectionClassifier;
use portcullis_moderation::Moderation;
use portcullis_policy::Policy;
use portcullis_rate_limit::RateLimit;
use portcullis_sanitizer::Sanitizer;
use portcullis_sentiment::Sentiment;
use portcullis_state::{ConversationsOptions, MemoryConversations, MemoryLimiter, Sealer, Vault};
use portcullis_testkit::FaultStage;
use serde_json::Value;

use super::options::{MASTER_SECRET, PATIENT, STAGES, bot};

/// A gateway and what it wrote. The bot is `shop`.
pub(crate) struct Small {
    pub(crate) gateway: Gateway,
    journal: MemoryJournal,
    policies: Policies,
}

impl Small {
    /// A gateway that asks `caller` and records in memory, by the machine's clock.
    pub(crate) fn new(caller: impl Caller) -> Self {
        let journal = MemoryJournal::new();
        let recorder = Recorder::new(Arc::new(journal.clone()));
        Self { journal, ..Self::with(caller, recorder, Arc::new(SystemClock)) }
    }

    /// A gateway that records where the test wants.
    pub(crate) fn with(caller: impl Caller, recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        let sealer = Arc::new(Sealer::new(&MASTER_SECRET.to_owned().into()).unwrap());
        let caller: Arc<dyn Caller> = Arc::new(caller);

        let policies = Policies::new(Strangers::Refused);
        let gateway = Gateway::new(Parts {
            pipeline: pipeline(caller, &sealer, &clock),
            policies: policies.clone(),
            control: Control::new(),
            control_kv: Arc::new(MemoryKv::new(1)),
            conversations: Arc::new(MemoryConversations::new(
                clock.clone(),
                ConversationsOptions::default(),
            )),
            verdicts: Arc::new(MemoryKv::new(1)),
            held: Arc::new(MemoryHeld::new()),
            outbox: Arc::new(MemoryOutbox::new()),
            recorder: Some(recorder),
            sealer,
            clock,
        })
        .sealing(Sealing::in_the_clear());
        let journal = MemoryJournal::new();
        Self { gateway, journal, policies }.policy(PATIENT)
    }

    /// A recorder over a journal.
    pub(crate) fn recorder(journal: impl Journal) -> Recorder {
        Recorder::new(Arc::new(journal))
    }

    /// Keeps masked values in this vault.
    #[must_use]
    pub(crate) fn vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { gateway: self.gateway.with_vault(vault), ..self }
    }

    /// Puts a policy of `shop` in force.
    #[must_use]
    pub(crate) fn policy(self, document: &str) -> Self {
        self.policies.set(Policy::parse(&bot("shop"), "1", document).unwrap());
        self
    }

    /// Asks for a verdict, as a door does: from bytes.
    pub(crate) async fn check(&self, body: &Value) -> Result<Verdict, Problem> {
        self.check_bytes(&serde_json::to_vec(body).unwrap()).await
    }

    /// Asks with bytes as they are.
    pub(crate) async fn check_bytes(&self, body: &[u8]) -> Result<Verdict, Problem> {
        let access = Access::Bot(bot("shop"));
        self.gateway.check(&access, json(body)?, Throttling::AskAgain).await
    }

    /// What a gateway of [`Small::new`] has recorded, in order.
    pub(crate) fn journal_entries(&self) -> Vec<Entry> {
        self.journal.entries()
    }

    /// The real stages, in this process.
    pub(crate) fn real_stages() -> Local {
        const SEATS: usize = 64;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let limiter = Arc::new(MemoryLimiter::new(clock, MemoryLimiter::CAPACITY));
        Local::new()
            .with(Arc::new(RateLimit::new(limiter, None)), SEATS)
            .with(Arc::new(Sanitizer), SEATS)
            .with(Arc::new(InjectionClassifier::new().unwrap()), SEATS)
            .with(Arc::new(Sentiment::new().unwrap()), SEATS)
            .with(Arc::new(Moderation), SEATS)
    }

    /// Stages that are well, in this process, and can be told to misbehave: in the order of [`STAGES`].
    pub(crate) fn fault_stages(seats: usize) -> (Local, Vec<FaultStage>) {
        let stages: Vec<FaultStage> =
            STAGES.iter().map(|name| FaultStage::new(StageName::parse(name).unwrap())).collect();
        let local = stages
            .iter()
            .fold(Local::new(), |local, stage| local.with(Arc::new(stage.clone()), seats));
        (local, stages)
    }
}
