//! What one check costs: a message of 200 characters, and a text of about 32,000 tokens.
#![expect(clippy::expect_used, reason = "a benchmark without a model measures nothing")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use portcullis_injection_classifier::InjectionClassifier;
use portcullis_model::{Channel, Limits, Piece};

fn bench(c: &mut Criterion) {
    let model = InjectionClassifier::new().expect("the embedded bundle is whole").model();
    let sentence = "Hello, could you tell me where my order is? I ordered two lamps last week. ";
    let message: String = sentence.chars().cycle().take(200).collect();
    let document: String = sentence.chars().cycle().take(32_000 * 4).collect();
    for (name, text) in [("200 characters", message), ("32k tokens", document)] {
        let mut group = c.benchmark_group("judge");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            let pieces = [Piece { channel: Channel::User, text: &text }];
            b.iter(|| block_on(model.judge(std::hint::black_box(&pieces), &Limits::default())));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
