//! What the record says afterwards: costs by outcome, tokens of the answer, the penalty box.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use std::sync::Arc;
use std::time::Duration;

use portcullis_bus::{Journal, MemoryJournal};
use portcullis_core::{
    Ask, Body, Check, Decision, Direction, Entry, ManualClock, Measures, MessageId, Report, Size,
    Stage, StageName, Status,
};
use portcullis_rate_limit::{RateLimit, Settler};
use portcullis_service::CancellationToken;
use portcullis_state::{Limiter, MemoryLimiter};
use portcullis_testkit::{eventually, verdict_entry};
use serde_json::{Value, json};

struct Rig {
    clock: Arc<ManualClock>,
    stage: RateLimit,
    settler: Settler,
    limiter: Arc<dyn Limiter>,
    settings: Value,
}

impl Rig {
    fn new(rule: Value) -> Self {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let limiter: Arc<dyn Limiter> = Arc::new(MemoryLimiter::new(clock.clone(), 1_000));
        Self {
            stage: RateLimit::new(limiter.clone(), None),
            settler: Settler::new(Arc::new(MemoryJournal::new()), limiter.clone()),
            clock,
            limiter,
            settings: json!({"rules": [rule], "reserve_for_s": 60, "settle_within_s": 600}),
        }
    }

    fn ask(&self, id: &str, bytes: usize) -> Ask {
        let mut ask = portcullis_testkit::ask("");
        ask.interaction.id = MessageId::parse(id).unwrap();
        ask.size = Size { bytes, chars: bytes, more: false };
        ask.settings = self.settings.clone();
        ask
    }

    async fn message(&self, id: &str, bytes: usize) -> Report {
        self.stage.check(&self.ask(id, bytes)).await.unwrap()
    }

    /// What is left, as a message without cost would see it.
    async fn left(&self) -> u64 {
        let mut rule = self.settings["rules"][0].clone();
        rule["cost"] = json!({"allow": 0});
        let free = json!({"rules": [rule], "shadow": true});
        let mut ask = self.ask("look", 0);
        ask.settings = free;
        let charged = self.stage.check(&ask).await.unwrap();
        let left = charged.measures.remaining.unwrap();
        // The look itself is taken back.
        let refunded = entry("look", Decision::Block, &["gap.sanitizer.absent"]);
        self.settler.settle(&refunded).await.unwrap();
        left
    }
}

fn entry(id: &str, decision: Decision, reasons: &[&str]) -> Entry {
    let mut entry = verdict_entry(id);
    let Body::Verdict(record) = &mut entry.body else { panic!("a verdict") };
    record.verdict.decision = decision;
    record.verdict.reasons = reasons.iter().map(|&reason| reason.into()).collect();
    record.verdict.receipt.push(Check {
        stage: StageName::rate_limit(),
        version: None,
        status: Status::Ran,
        why: None,
        cause: None,
        effect: None,
        mode: None,
        coverage: None,
        took_us: 1,
        measures: Measures::default(),
    });
    entry
}

fn answer(id: &str, to: &str, bytes: usize) -> Entry {
    let mut entry = verdict_entry(id);
    entry.id = format!("verdict/shop/outbound/{id}");
    let Body::Verdict(record) = &mut entry.body else { panic!("a verdict") };
    record.direction = Direction::Outbound;
    record.in_reply_to = Some(MessageId::parse(to).unwrap());
    record.bytes = bytes;
    entry
}

fn messages(cost: Value) -> Value {
    json!({"name": "r", "key": "speaker", "rate": 1, "per": "day", "burst": 100, "cost": cost})
}

fn remaining(report: &Report) -> u64 {
    report.measures.remaining.unwrap()
}

#[tokio::test]
async fn an_attack_costs_more_once() {
    let rig = Rig::new(messages(json!({"block": 10, "hold": 5})));
    assert_eq!(remaining(&rig.message("m-1", 4).await), 99);
    let attack = entry("m-1", Decision::Block, &["injection.direct"]);
    assert!(rig.settler.settle(&attack).await.unwrap());
    assert!(!rig.settler.settle(&attack).await.unwrap(), "the same entry again");
    assert_eq!(remaining(&rig.message("m-2", 4).await), 89);
    let harmless = entry("m-2", Decision::Allow, &[]);
    assert!(!rig.settler.settle(&harmless).await.unwrap());
    assert_eq!(remaining(&rig.message("m-3", 4).await), 88);
    // Nobody reviews: it is blocked, and doubtful all the same.
    let doubtful = entry("m-3", Decision::Block, &["injection.direct", "no_reviewer"]);
    assert!(rig.settler.settle(&doubtful).await.unwrap());
    assert_eq!(remaining(&rig.message("m-4", 4).await), 83);
    for reason in ["control.stop", "gap.sanitizer.late"] {
        let stopped = entry("m-4", Decision::Block, &[reason]);
        assert!(!rig.settler.settle(&stopped).await.unwrap(), "not its sender's doing: {reason}");
    }
    let unknown = entry("m-9", Decision::Block, &["injection.direct"]);
    assert!(!rig.settler.settle(&unknown).await.unwrap(), "it was charged nowhere");
    rig.clock.advance(Duration::from_secs(600));
    let late = entry("m-4", Decision::Block, &["injection.direct"]);
    assert!(!rig.settler.settle(&late).await.unwrap(), "too late");
}

#[tokio::test]
async fn what_was_let_through_can_cost_nothing() {
    let rig = Rig::new(messages(json!({"allow": 0})));
    assert_eq!(remaining(&rig.message("m-1", 4).await), 99);
    assert!(rig.settler.settle(&entry("m-1", Decision::Allow, &[])).await.unwrap());
    assert_eq!(remaining(&rig.message("m-2", 4).await), 99);
}

#[tokio::test]
async fn tokens_of_the_answer_are_reserved_settled_and_given_back() {
    let rule = json!({"name": "r", "key": "speaker", "rate": 1, "per": "day", "burst": 1000,
        "unit": "tokens", "reserve": 500});
    let rig = Rig::new(rule);
    assert_eq!(remaining(&rig.message("m-1", 40).await), 490, "10 of the message, 500 reserved");
    assert!(
        rig.message("m-2", 40).await.findings[0].kind == "rate.exceeded",
        "no room for an answer"
    );
    assert!(rig.settler.settle(&answer("a-1", "m-1", 400)).await.unwrap());
    assert_eq!(remaining(&rig.message("m-2", 40).await), 380, "100 of the answer are kept");
    assert!(!rig.settler.settle(&answer("a-1", "m-1", 400)).await.unwrap());
    // A second answer to the same message has nothing reserved.
    assert!(rig.settler.settle(&answer("a-2", "m-1", 80)).await.unwrap());
    // The answer to the second never comes: after a minute its reservation is gone.
    assert!(rig.message("m-3", 40).await.findings[0].kind == "rate.exceeded");
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(remaining(&rig.message("m-3", 40).await), 350, "10 + 100 + 20 + 10 + 10 + 500");
    // It comes after all: it is charged, and nothing is given back twice.
    assert!(rig.settler.settle(&answer("a-3", "m-2", 40)).await.unwrap());
    // A blocked message gets no answer.
    let blocked = entry("m-3", Decision::Block, &["injection.direct"]);
    assert!(rig.settler.settle(&blocked).await.unwrap());
    assert_eq!(remaining(&rig.message("m-4", 40).await), 330);
}

#[tokio::test]
async fn repeated_blocks_shrink_the_limit_and_are_forgiven() {
    let rule = json!({"name": "r", "key": "speaker", "rate": 80, "per": "minute", "burst": 80,
        "penalty": {"after": 2, "forgive_s": 60, "at_most": 8}});
    let rig = Rig::new(rule);
    let mut attacks = 0..;
    let mut attack = async || {
        let id = format!("m-{}", attacks.next().unwrap());
        rig.message(&id, 4).await;
        rig.settler.settle(&entry(&id, Decision::Block, &["injection.direct"])).await.unwrap();
        rig.clock.advance(Duration::from_millis(750 * 16));
    };
    attack().await;
    assert_eq!(remaining(&rig.message("m", 4).await), 79, "one block is no habit");
    attack().await;
    assert_eq!(remaining(&rig.message("m", 4).await), 39, "halved");
    attack().await;
    assert_eq!(remaining(&rig.message("m", 4).await), 19, "halved again");
    for _ in 0..20 {
        attack().await;
    }
    assert_eq!(remaining(&rig.message("m", 4).await), 9, "no less than an eighth");
    rig.clock.advance(Duration::from_secs(60 * 12));
    assert_eq!(remaining(&rig.message("m", 4).await), 79, "forgiven");
}

#[tokio::test]
async fn a_settler_follows_the_record() {
    let rig = Rig::new(messages(json!({"block": 10})));
    let journal = MemoryJournal::new();
    let settler = Settler::new(Arc::new(journal.clone()), rig.limiter.clone());
    let shutdown = CancellationToken::new();
    let running = settler.run(shutdown.clone());
    let work = async {
        for number in 0..5 {
            let id = format!("m-{number}");
            rig.message(&id, 4).await;
            journal.append(&entry(&id, Decision::Block, &["injection.direct"])).await.unwrap();
        }
        eventually(Duration::from_secs(10), async || rig.left().await == 49).await;
        shutdown.cancel();
    };
    tokio::join!(running, work);
}
