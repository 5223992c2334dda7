//! Orders of operators against the memory of verdicts: a human can always stop it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_bus::{
    Deliveries, Journal, JournalError, Kv, Local, MemoryHeld, MemoryJournal, MemoryKv,
    MemoryOutbox, Recorder,
};
use portcullis_core::{Body, BotId, Clock, Decision, Direction, Entry, Recorded, SystemClock};
use portcullis_ingress::admin::Command;
use portcullis_ingress::auth::Access;
use portcullis_ingress::control::{Control, Scope};
use portcullis_ingress::policies::{Policies, Strangers};
use portcullis_ingress::{Gateway, Parts, Problem, Throttling, json, start};
use portcullis_policy::Policy;
use portcullis_state::{ConversationsOptions, MemoryConversations, Sealer};
use secrecy::SecretString;
use serde_json::Value;

/// A gateway whose plan has no stages, so that only orders decide.
fn gateway(control: &Control, control_kv: &Arc<dyn Kv>, journal: &MemoryJournal) -> Gateway {
    sealing(control, control_kv, journal, Sealer::ephemeral().unwrap())
}

fn sealing(
    control: &Control,
    control_kv: &Arc<dyn Kv>,
    journal: &MemoryJournal,
    sealer: Sealer,
) -> Gateway {
    recording(control, control_kv, Arc::new(journal.clone()), sealer)
}

fn recording(
    control: &Control,
    control_kv: &Arc<dyn Kv>,
    journal: Arc<dyn Journal>,
    sealer: Sealer,
) -> Gateway {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sealer = Arc::new(sealer);
    let policies = Policies::new(Strangers::Refused);
    let nothing = "[inbound]\n[outbound]\n";
    policies.set(Policy::parse(&BotId::fallback(), "1", nothing).unwrap());
    Gateway::new(Parts {
        pipeline: start::pipeline(Arc::new(Local::new()), &sealer, &clock),
        policies,
        control: control.clone(),
        control_kv: control_kv.clone(),
        conversations: Arc::new(MemoryConversations::new(
            clock.clone(),
            ConversationsOptions::default(),
        )),
        verdicts: Arc::new(MemoryKv::new(1)),
        held: Arc::new(MemoryHeld::new()),
        outbox: Arc::new(MemoryOutbox::new()),
        recorder: Some(Recorder::new(journal)),
        sealer,
        clock,
    })
}

async fn check(gateway: &Gateway) -> Decision {
    let request = json(br#"{"id": "a1", "text": "hello"}"#).unwrap();
    gateway.check(&Access::Open, request, Throttling::AskAgain).await.unwrap().decision
}

async fn command(gateway: &Gateway, command: &str) -> Result<Value, Problem> {
    let command: Command = json(command.as_bytes()).unwrap();
    gateway.command(command).await.map(|done| serde_json::to_value(done).unwrap())
}

async fn order(gateway: &Gateway, word: &str) -> Value {
    command(gateway, &format!(r#"{{"command": "{word}", "by": "ops"}}"#)).await.unwrap()
}

async fn until(gateway: &Gateway, decision: Decision) {
    for _ in 0..100 {
        if check(gateway).await == decision {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {decision:?}");
}

#[tokio::test]
async fn a_remembered_verdict_lets_nothing_through_while_everything_is_stopped() {
    let (control, journal) = (Control::new(), MemoryJournal::new());
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new(1));
    let gateway = gateway(&control, &kv, &journal);
    let work = async {
        assert_eq!(check(&gateway).await, Decision::Allow);
        order(&gateway, "stop").await;
        until(&gateway, Decision::Block).await;
        order(&gateway, "start").await;
        until(&gateway, Decision::Allow).await;
    };
    tokio::select! {
        followed = control.follow(&*kv, || {}) => panic!("ended: {followed:?}"),
        () = work => {}
    }
    let ids: Vec<_> = journal.entries().into_iter().map(|entry| entry.id).collect();
    let first = "verdict/default/inbound/a1";
    assert_eq!(ids.iter().filter(|id| *id == first).count(), 1, "{ids:?}");
    let stopped = format!("{first}/control-");
    assert!(ids.iter().any(|id| id.starts_with(&stopped)), "{ids:?}");
}

#[tokio::test]
async fn a_mute_does_not_lift_a_stop_and_a_start_lifts_what_the_watch_ordered() {
    let (control, journal) = (Control::new(), MemoryJournal::new());
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new(1));
    let gateway = gateway(&control, &kv, &journal);
    let work = async {
        order(&gateway, "stop").await;
        order(&gateway, "mute").await;
        until(&gateway, Decision::Block).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(check(&gateway).await, Decision::Block, "stopped still");
        let watched = r#"{"action": "block", "by": "anomaly"}"#;
        kv.put("anomaly.bot.default", watched.into()).await.unwrap();
        let started = order(&gateway, "start").await;
        assert_eq!(started["ordered"].get("still"), None, "nothing is wider than all: {started}");
        // Of one bot, with the words for what else stands.
        order(&gateway, "stop").await;
        let shop = Scope::Bot(BotId::fallback());
        let still = "stop for all by ops (operator)";
        eventually(async || control.wider(&shop, SystemClock.now()) == [still]).await;
        let start = r#"{"command": "start", "bot": "default", "by": "ops"}"#;
        let started = command(&gateway, start).await.unwrap();
        assert_eq!(started["ordered"]["still"], serde_json::json!([still]));
        assert_eq!(kv.get("anomaly.bot.default").await, Ok(None));
        order(&gateway, "start").await;
        until(&gateway, Decision::Allow).await;
    };
    tokio::select! {
        followed = control.follow(&*kv, || {}) => panic!("ended: {followed:?}"),
        () = work => {}
    }
}

#[tokio::test]
async fn who_is_erased_is_erased_under_every_secret_and_of_a_bot_that_is_there() {
    let (control, journal) = (Control::new(), MemoryJournal::new());
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new(1));
    let [old, new] = ["0123456789abcdef", "fedcba9876543210"].map(SecretString::from);
    let scopes = [&new, &old].map(|secret| {
        let sealer = Sealer::new(secret).unwrap();
        format!("speaker.{}", sealer.keyed_hash("speaker/default", "ann"))
    });
    let sealer = Sealer::new(&new).unwrap().with_previous(&old).unwrap();
    let gateway = sealing(&control, &kv, &journal, sealer);
    let erase = r#"{"command": "erase", "speaker": "ann", "by": "ops"}"#;
    command(&gateway, erase).await.unwrap();
    let erased: BTreeSet<_> = journal
        .entries()
        .into_iter()
        .filter_map(|entry| match entry.body {
            Body::Action(record) if record.action == "erase" => Some(record.scope),
            _ => None,
        })
        .collect();
    assert_eq!(erased, BTreeSet::from(scopes));
    let misspelt = r#"{"command": "erase", "bot": "shpo", "speaker": "ann", "by": "ops"}"#;
    assert_eq!(command(&gateway, misspelt).await.unwrap_err().status, 404);
}

/// A journal that is away when it is told to be.
#[derive(Clone, Default)]
struct Fickle {
    kept: MemoryJournal,
    is_away: Arc<AtomicBool>,
}

#[async_trait]
impl Journal for Fickle {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(JournalError::Away);
        }
        self.kept.append(entry).await
    }

    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
        self.kept.follow(reader).await
    }
}

#[tokio::test]
async fn memory_lets_nothing_through_that_is_not_recorded_and_a_queue_waits_for_the_record() {
    let (control, journal) = (Control::new(), Fickle::default());
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new(1));
    let gateway = recording(&control, &kv, Arc::new(journal.clone()), Sealer::ephemeral().unwrap());
    let ask = async |id: &str, throttling| {
        let request = json(format!(r#"{{"id": "{id}", "text": "hello"}}"#).as_bytes()).unwrap();
        gateway.check(&Access::Open, request, throttling).await
    };
    let away = |is_away| journal.is_away.store(is_away, Ordering::SeqCst);
    assert_eq!(ask("a1", Throttling::AskAgain).await.unwrap().decision, Decision::Allow);
    away(true);
    let again = ask("a1", Throttling::AskAgain).await.unwrap();
    assert_eq!((again.decision, again.recorded), (Decision::Block, Recorded::Nowhere));
    // The queue's message keeps waiting, and then gets what was decided.
    assert_eq!(ask("q1", Throttling::Final).await.unwrap_err().status, 503);
    assert_eq!(ask("q1", Throttling::Final).await.unwrap_err().status, 503);
    away(false);
    // The recorder looks again after a second.
    eventually(async || ask("q1", Throttling::Final).await.is_ok()).await;
    let late = ask("q1", Throttling::Final).await.unwrap();
    assert_eq!((late.decision, late.recorded), (Decision::Allow, Recorded::Journal));
    let known = gateway.look_up(&BotId::fallback(), None, &late.id).await.unwrap();
    assert_eq!(known.verdict.recorded, Recorded::Journal);
    let outbound = gateway.look_up(&BotId::fallback(), Some(Direction::Outbound), &late.id).await;
    assert_eq!(outbound.unwrap_err().status, 404);
}

async fn eventually(is: impl AsyncFn() -> bool) {
    for _ in 0..300 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never");
}
