//! What one check costs without a network: settings read, keys hashed, limits judged.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin should say why")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use portcullis_core::{Ask, Budget, Interaction, Known, MessageId, Size, Stage, SystemClock};
use portcullis_rate_limit::RateLimit;
use portcullis_state::MemoryLimiter;

fn ask() -> Ask {
    Ask {
        interaction: Interaction {
            id: MessageId::generate(),
            bot: "shop".parse().expect("a lawful name"),
            conversation: None,
            speaker: "jane".parse().ok(),
            client_addr: "192.0.2.7".parse().ok(),
            direction: Default::default(),
            text: "".into(),
            context: Vec::new(),
            in_reply_to: None,
            received_at: jiff::Timestamp::UNIX_EPOCH,
        },
        size: Size { bytes: 200, chars: 200, more: false },
        views: Vec::new(),
        findings: Vec::new(),
        settings: serde_json::Value::Null,
        known: Known::default(),
        budget: Budget::default(),
    }
}

fn bench(criterion: &mut Criterion) {
    let clock = Arc::new(SystemClock);
    let limiter = Arc::new(MemoryLimiter::new(clock, MemoryLimiter::CAPACITY));
    let stage = RateLimit::new(limiter, None);
    let ask = ask();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    criterion.bench_function("rate-limit, default rules, in memory", |bencher| {
        bencher.iter(|| black_box(block_on(stage.check(&ask))));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
