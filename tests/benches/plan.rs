//! What the plan costs in one process: processor time of the whole way of a 200-character message, with and
//! without the classifier, through the pipeline alone and through the gateway.
#![expect(clippy::expect_used, reason = "a benchmark that cannot start has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_bus::{Local, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox, Recorder};
use portcullis_core::{BotId, Clock, SystemClock};
use portcullis_ingress::auth::Access;
use portcullis_ingress::control::Control;
use portcullis_ingress::policies::{Policies, Strangers};
use portcullis_ingress::request::CheckRequest;
use portcullis_ingress::{Gateway, Parts, Throttling, json, start};
use portcullis_injection_classifier::InjectionClassifier;
use portcullis_moderation::Moderation;
use portcullis_policy::Policy;
use portcullis_rate_limit::RateLimit;
use portcullis_sanitizer::Sanitizer;
use portcullis_sentiment::Sentiment;
use portcullis_state::{ConversationsOptions, MemoryConversations, MemoryLimiter, Sealer};

const MESSAGE: &str = "Hello, I ordered a pair of blue running shoes last Tuesday and they have not \
                       arrived yet. Could you please tell me where my parcel is and when I can expect it? \
                       I would like to wear them on Sunday. Thanks!";

/// The whole gateway in this process.
fn gateway(policy: &str, recorder: Option<Recorder>) -> Gateway {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sealer = Arc::new(Sealer::ephemeral().expect("a sealer"));
    let limiter = Arc::new(MemoryLimiter::new(clock.clone(), MemoryLimiter::CAPACITY));
    let stages = Local::new()
        .with(Arc::new(RateLimit::new(limiter, None)), 64)
        .with(Arc::new(Sanitizer), 64)
        .with(Arc::new(InjectionClassifier::new().expect("a model")), 64)
        .with(Arc::new(Sentiment::new().expect("a model")), 64)
        .with(Arc::new(Moderation), 64);
    let policies = Policies::new(Strangers::Refused);
    policies.set(Policy::parse(&BotId::fallback(), "1", policy).expect("a policy"));
    Gateway::new(Parts {
        pipeline: start::pipeline(Arc::new(stages), &sealer, &clock),
        policies,
        control: Control::new(),
        control_kv: Arc::new(MemoryKv::new(1)),
        conversations: Arc::new(MemoryConversations::new(
            clock.clone(),
            ConversationsOptions::default(),
        )),
        verdicts: Arc::new(MemoryKv::new(1)),
        held: Arc::new(MemoryHeld::new()),
        outbox: Arc::new(MemoryOutbox::new()),
        recorder,
        sealer,
        clock,
    })
}

/// Everybody may write as often as they like: a benchmark is a flood.
const UNLIMITED: &str = "[stages.rate-limit.settings]\nrules = [{ name = 'all', key = 'bot', rate = 1000000, per = 'second' }]\n";
const NO_CLASSIFIER: &str = "[stages.injection-classifier]\nenabled = false\n";

fn plan(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("inbound, 200 characters");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    let memory = || Some(Recorder::new(Arc::new(MemoryJournal::new())));
    let cases = [
        (
            "without the classifier, no record",
            gateway(&format!("{UNLIMITED}{NO_CLASSIFIER}"), None),
        ),
        ("whole, no record", gateway(UNLIMITED, None)),
        ("whole, record in memory", gateway(UNLIMITED, memory())),
    ];
    let body = format!(
        "{{\"text\": {}, \"speaker\": \"jane\", \"conversation\": \"c1\"}}",
        serde_json::to_string(MESSAGE).expect("JSON")
    );
    for (name, gateway) in cases {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let request: CheckRequest = json(body.as_bytes()).expect("a request");
                let checked = gateway.check(&Access::Open, request, Throttling::AskAgain);
                black_box(runtime.block_on(checked).expect("a verdict"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
