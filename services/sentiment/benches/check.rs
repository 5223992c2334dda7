//! What one check costs, for a message of 200 characters and for the longest text.
#![expect(clippy::expect_used, reason = "a benchmark that cannot start says so")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_sentiment::Sentiment;

const MESSAGE: &str = "Hello, I ordered a blue lamp two weeks ago and it has still not arrived. \
    I am very unhappy with the service! Could you please tell me where it is, or give me my money \
    back? My order is number 4711.";

fn bench(criterion: &mut Criterion) {
    let stage = Sentiment::new().expect("a model");
    let of_length = |chars| MESSAGE.chars().cycle().take(chars).collect::<String>();
    let (short, long) = (of_length(200), of_length(256 * 1024));
    let mut group = criterion.benchmark_group("sentiment");
    for (name, text) in [("200 characters", &short), ("256 KiB", &long)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(stage.polarity(black_box(text))));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
