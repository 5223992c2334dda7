//! What a stream costs: `cargo bench -p portcullis-moderate`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_moderate::{Act, Bounds, Known, Overflow, Rules, Stream};

const SENTENCE: &str = "Thank you for writing to us. Your two lamps were sent in two parcels. \
    The second one left our store on Tuesday. It should be at your door \
    by Friday; if it is not, please write to us again, and we will send a new one at once.\n";

fn bounds() -> Bounds {
    Bounds { bytes: 4096, time: Duration::from_secs(2), overflow: Overflow::Pause }
}

fn streams(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    let text = SENTENCE.repeat(20);
    group.throughput(Throughput::Bytes(text.len() as u64));
    let Ok(rules) = Rules::of(&serde_json::Value::Null) else { return };
    group.bench_function("english-4k-by-4-bytes", |b| {
        b.iter(|| {
            let mut stream =
                Stream::new(rules.clone(), Known::default(), bounds(), Box::new(|_| Act::Go));
            let mut out = 0;
            for piece in text.as_bytes().chunks(4) {
                let piece = std::str::from_utf8(piece).unwrap_or_default();
                out += stream.feed(black_box(piece), Duration::ZERO).text.len();
            }
            out + stream.finish().text.len()
        });
    });
    let hostile = "a1".repeat(2000);
    group.throughput(Throughput::Bytes(hostile.len() as u64));
    group.bench_function("one-long-token-4k", |b| {
        b.iter(|| {
            let mut stream =
                Stream::new(rules.clone(), Known::default(), bounds(), Box::new(|_| Act::Go));
            stream.feed(black_box(&hostile), Duration::ZERO).text.len()
        });
    });
    group.finish();
}

criterion_group!(benches, streams);
criterion_main!(benches);
