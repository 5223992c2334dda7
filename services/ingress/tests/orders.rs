//! Orders of operators against the memory of verdicts: a human can always stop it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

use std::sync::Arc;
use std::time::Duration;

use portcullis_bus::{Kv, Local, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox, Recorder};
use portcullis_core::{BotId, Clock, Decision, SystemClock};
use portcullis_ingress::admin::Command;
use portcullis_ingress::auth::Access;
use portcullis_ingress::control::Control;
use portcullis_ingress::policies::{Policies, Strangers};
use portcullis_ingress::{Gateway, Parts, Throttling, json, start};
use portcullis_policy::Policy;
use portcullis_state::{ConversationsOptions, MemoryConversations, Sealer};

/// A gateway whose plan has no stages, so that only orders decide.
fn gateway(control: &Control, control_kv: &Arc<dyn Kv>, journal: &MemoryJournal) -> Gateway {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sealer = Arc::new(Sealer::ephemeral().unwrap());
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
        recorder: Some(Recorder::new(Arc::new(journal.clone()))),
        sealer,
        clock,
    })
}

async fn check(gateway: &Gateway) -> Decision {
    let request = json(br#"{"id": "a1", "text": "hello"}"#).unwrap();
    gateway.check(&Access::Open, request, Throttling::AskAgain).await.unwrap().decision
}

async fn order(gateway: &Gateway, word: &str) {
    let command = format!(r#"{{"command": "{word}", "by": "ops"}}"#);
    let command: Command = json(command.as_bytes()).unwrap();
    gateway.command(command).await.unwrap();
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
