//! The limiter inside ingress, its share, and orders that scale limits.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portcullis_bus::{
    CallError, Caller, Kv, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox, Recorder,
};
use portcullis_core::{Ask, BotId, Clock, Decision, Factors, Report, StageName, SystemClock};
use portcullis_ingress::auth::{Access, KeyHash};
use portcullis_ingress::control::{self, Control, Order, Scope};
use portcullis_ingress::policies::{Policies, Strangers};
use portcullis_ingress::request::CheckRequest;
use portcullis_ingress::{Gateway, Parts, Replicas, StandIn, Throttling, json, start};
use portcullis_policy::Policy;
use portcullis_state::{ConversationsOptions, LimitError, MemoryConversations, Presence, Sealer};

fn ask(burst: u32) -> Ask {
    let mut ask = portcullis_testkit::ask("hello");
    ask.settings = serde_json::json!({"rules": [
        {"name": "r", "key": "speaker", "rate": 1, "per": "day", "burst": burst}
    ]});
    ask
}

async fn admitted(stand_in: &StandIn, ask: &Ask) -> usize {
    let mut admitted = 0;
    for _ in 0..100 {
        let report = stand_in.call(&StageName::rate_limit(), ask).await.unwrap();
        assert_eq!(report.mode.as_deref(), Some("local"));
        admitted += usize::from(report.findings.is_empty());
    }
    admitted
}

#[tokio::test]
async fn each_replica_admits_its_share() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for (replicas, share) in [(1, 40), (4, 10), (7, 5), (500, 1)] {
        let stand_in = StandIn::new(clock.clone(), Replicas::assumed(replicas));
        assert_eq!(admitted(&stand_in, &ask(40)).await, share, "{replicas}");
        let report = stand_in.call(&StageName::rate_limit(), &ask(40)).await.unwrap();
        assert_eq!(report.measures.replicas, Some(replicas), "the receipt says of how many");
    }
}

struct Seen(Mutex<Result<u32, LimitError>>);

#[async_trait]
impl Presence for Seen {
    async fn present(&self, _: &str, _: Duration) -> Result<u32, LimitError> {
        *self.0.lock().unwrap()
    }

    async fn leave(&self, _: &str) -> Result<(), LimitError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_was_last_seen_is_kept_while_the_store_is_away() {
    let (replicas, seen) = (Replicas::assumed(2), Seen(Mutex::new(Ok(4))));
    assert_eq!(replicas.seen(), 2, "until somebody counts");
    assert!(replicas.count(&seen, "me").await);
    *seen.0.lock().unwrap() = Err(LimitError::Away);
    assert!(!replicas.count(&seen, "me").await);
    assert_eq!(replicas.seen(), 4);
}

/// Keeps what the stage rate-limit is told of the sender.
#[derive(Default)]
struct Witness(Mutex<Vec<(Option<String>, Factors)>>);

#[async_trait]
impl Caller for Witness {
    async fn call(&self, stage: &StageName, ask: &Ask) -> Result<Report, CallError> {
        let known = &ask.known;
        if *stage == StageName::rate_limit() {
            self.0.lock().unwrap().push((known.api_key.clone(), known.factors));
        } else {
            assert!(
                known.api_key.is_none() && known.factors.is_empty(),
                "{stage} reads no identity"
            );
        }
        Ok(Report::clean("1", ask.total_bytes()))
    }
}

fn gateway(witness: &Arc<Witness>, control: &Control, sealer: &Arc<Sealer>) -> Gateway {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let policies = Policies::new(Strangers::Refused);
    let plan = "[inbound]\ngate = ['rate-limit']\njudge = ['sentiment']\n[outbound]\n";
    policies.set(Policy::parse(&BotId::fallback(), "1", plan).unwrap());
    Gateway::new(Parts {
        pipeline: start::pipeline(witness.clone(), sealer, &clock),
        policies,
        control: control.clone(),
        control_kv: Arc::new(MemoryKv::new(1)),
        conversations: Arc::new(MemoryConversations::new(
            clock.clone(),
            ConversationsOptions::default(),
        )),
        verdicts: Arc::new(MemoryKv::new(1)),
        held: Arc::new(MemoryHeld::new()),
        outbox: Arc::new(MemoryOutbox::new()),
        recorder: Some(Recorder::new(Arc::new(MemoryJournal::new()))),
        sealer: sealer.clone(),
        clock,
    })
}

#[tokio::test]
async fn orders_scale_limits_at_once_and_expire() {
    let (control, sealer) = (Control::new(), Arc::new(Sealer::ephemeral().unwrap()));
    let (witness, kv) = (Arc::new(Witness::default()), MemoryKv::new(1));
    let gateway = gateway(&witness, &control, &sealer);
    let check = async |key: Option<&str>| {
        let body = br#"{"text": "hello", "user": "jane", "client_addr": "192.0.2.1"}"#;
        let mut request: CheckRequest = json(body).unwrap();
        request.api_key = key.map(KeyHash::of);
        let checked = gateway.check(&Access::Open, request, Throttling::AskAgain).await;
        assert_eq!(checked.unwrap().decision, Decision::Allow);
        witness.0.lock().unwrap().pop().unwrap()
    };
    let bot = BotId::fallback;
    let order = async |author: &str, scope: Scope, factor: Option<f64>, expired: bool| {
        let now = SystemClock.now();
        let order = Order {
            action: portcullis_core::Action::Limit,
            factor,
            by: author.into(),
            reason: None,
            expires_at: expired.then_some(now),
        };
        control::write(&kv, author, &scope, &order, &sealer).await.unwrap();
    };
    let until = async |factors: Factors| {
        let begun = Instant::now();
        while check(None).await.1 != factors {
            assert!(begun.elapsed() < Duration::from_secs(1), "in force within a second");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let work = async {
        let (none, first) = (check(None).await, check(Some("k")).await);
        assert_eq!(none, (None, Factors::default()));
        assert!(first.0.is_some() && first == check(Some("k")).await);
        assert_ne!(first.0, check(Some("l")).await.0);
        assert_ne!(first.0, Some(String::from(KeyHash::of("k"))), "keyed");

        let jane = || Scope::Speaker(bot(), "jane".into());
        order("console", jane(), Some(0.5), false).await;
        order("anomaly", jane(), Some(0.25), false).await;
        order("operator", jane(), Some(0.01), true).await;
        until(Factors { speaker: Some(0.25), ..Factors::default() }).await;
        order("console", Scope::Bot(bot()), Some(0.5), false).await;
        order("console", Scope::All, Some(f64::NAN), false).await;
        order("console", Scope::Address(bot(), "192.0.2.1".into()), None, false).await;
        let all = Factors {
            everybody: Some(0.1),
            speaker: Some(0.25),
            conversation: None,
            address: Some(0.1),
        };
        until(all).await;
        control::erase(&kv, "anomaly", &jane(), &sealer).await.unwrap();
        until(Factors { speaker: Some(0.5), ..all }).await;
    };
    let kv: &dyn Kv = &kv;
    tokio::select! {
        followed = control.follow(kv, || {}) => panic!("ended: {followed:?}"),
        () = work => {}
    }
}
