//! What one check costs: a message of 200 characters, and a text of about 32,000 tokens.
#![expect(clippy::expect_used, reason = "a benchmark without a model measures nothing")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_injection_classifier::InjectionClassifier;

fn bench(c: &mut Criterion) {
    let classifier = InjectionClassifier::new().expect("the embedded bundle is whole");
    let sentence = "Hello, could you tell me where my order is? I ordered two lamps last week. ";
    let message: String = sentence.chars().cycle().take(200).collect();
    let document: String = sentence.chars().cycle().take(32_000 * 4).collect();
    for (name, text) in [("200 characters", message), ("32k tokens", document)] {
        let mut group = c.benchmark_group("judge");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| classifier.judge(std::hint::black_box(&text), &mut || true));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
