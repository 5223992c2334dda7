//! How many entries a second the watch takes, on one core.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};
use portcullis_anomaly::{Fact, Outcome, Watch, Watching};
use portcullis_core::{BotId, Sketch};

fn facts(count: u64) -> Vec<Fact> {
    let mut at = Timestamp::from_second(1_767_571_200).unwrap_or(Timestamp::UNIX_EPOCH);
    (0..count)
        .map(|n| {
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            at = at.saturating_add(SignedDuration::from_millis(20)).unwrap_or(at);
            Fact {
                id: format!("verdict/default/inbound/{n}"),
                at,
                bot: BotId::fallback(),
                inbound: true,
                speaker: Some(format!("{:x}", mixed >> 40)),
                network: Some(format!("{:x}", mixed >> 54)),
                conversation: Some(format!("{:x}", mixed >> 42)),
                outcome: if n % 200 == 0 { Outcome::Blocked } else { Outcome::Passed },
                score: Some((mixed >> 50) as f32 / 16_384.0 * 0.2),
                bytes: 200,
                entropy: Some(4.2),
                sketch: Some(Sketch(mixed)),
                gaps: Vec::new(),
            }
        })
        .collect()
}

fn watch(criterion: &mut Criterion) {
    let facts = facts(50_000);
    let mut group = criterion.benchmark_group("watch");
    group.throughput(Throughput::Elements(facts.len() as u64)).sample_size(10);
    group.bench_function("observe", |bencher| {
        bencher.iter(|| {
            let mut watch = Watch::new(Watching::default());
            facts.iter().map(|fact| watch.observe(fact).len()).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, watch);
criterion_main!(benches);
