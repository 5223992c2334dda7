//! What a check costs on one core: the encoder's windows, texts in windows, 32,000 tokens, and a mix of traffic
//! through the whole cascade; and how two pinned workers scale.
//!
//! `PORTCULLIS_BUNDLE`: folder of a bundle to measure instead of the one in the program. `PORTCULLIS_TRAFFIC`: a file
//! of JSON lines with `text` and `label`, whose benign rows are the mix, instead of the few messages below.
#![expect(clippy::expect_used, reason = "a benchmark without a model measures nothing")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use portcullis_injection_classifier::embedded;
use portcullis_model::{
    Cascade, CascadeBundle, Channel, Encoder, Limits, Piece, PoolOptions, Rten,
};

/// A mix of what people write to a bot; every sixth is long.
const MIX: &[&str] = &[
    "Hello, where is my order?",
    "I was charged twice this month, can you refund one of the payments please?",
    "How do I change the delivery address of order 4471?",
    "thanks, that worked!",
    "My card was declined although there is money on the account. What should I do now?",
    "Set an alarm for half past six tomorrow morning and remind me to call the dentist.",
    "Write a Python function that reads a CSV file and prints the mean of each column.",
    "Can you summarise the main points of our last conversation in three bullets?",
    "What documents do I need to open a business account?",
    "ok",
    "The app shows a white screen after the update. I already restarted the phone and installed it again, but \
     nothing changes. It is a Pixel 7 with Android 15, and the version of the app is 8.2.1. Before the update \
     everything was fine. Is there a way to get the old version back, or do I have to wait for a fix?",
    "Please explain the difference between a debit and a credit card to a child.",
];

fn bundle() -> CascadeBundle {
    match std::env::var_os("PORTCULLIS_BUNDLE") {
        Some(folder) => CascadeBundle::from_folder(Path::new(&folder)).expect("a bundle"),
        None => embedded().expect("the embedded bundle is whole"),
    }
}

fn traffic() -> Vec<String> {
    let Some(file) = std::env::var_os("PORTCULLIS_TRAFFIC") else {
        return MIX.iter().map(|text| (*text).to_owned()).collect();
    };
    let lines = std::fs::read_to_string(file).expect("a file of traffic");
    let row = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let benign = lines
        .lines()
        .map(row)
        .filter(|row| row.get("label").and_then(serde_json::Value::as_str) == Some("benign"));
    let text = |row: serde_json::Value| row.get("text")?.as_str().map(str::to_owned);
    // every twentieth, in an order that mixes the sources
    let mut texts: Vec<String> = benign.filter_map(text).step_by(20).collect();
    texts.sort_by_key(|text| portcullis_model::hex_sha256(text.as_bytes()));
    texts
}

/// Varied words, as many tokens long as asked, or a little more.
fn words(tokens: usize) -> String {
    let mix = MIX.join(" ");
    let mut text = String::new();
    for (n, word) in mix.split(' ').cycle().take(tokens).enumerate() {
        text.push_str(word);
        // numbers keep the text from being the same in every window
        text.push_str(if n % 7 == 0 { " 42, " } else { " " });
    }
    text
}

fn window(tokens: usize) -> Vec<u32> {
    let tokens = u32::try_from(tokens).unwrap_or(64);
    (0..tokens).map(|n| 1_000 + n * 37 % 5_000).collect()
}

fn encoder(c: &mut Criterion) {
    let bundle = bundle();
    if bundle.manifest().encoder.is_none() {
        return;
    }
    let encoder = bundle.encoder(&Rten).expect("an encoder");
    let mut session = encoder.session().expect("a session");
    let mut group = c.benchmark_group("encoder");
    for (windows, tokens) in [(1, 16), (1, 64), (1, 128), (8, 64), (4, 128)] {
        let ids = window(tokens);
        let batch: Vec<&[u32]> = (0..windows).map(|_| ids.as_slice()).collect();
        group.throughput(Throughput::Elements(windows as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{windows} x {tokens}")), |b| {
            b.iter(|| session.logits(std::hint::black_box(&batch)).expect("logits"));
        });
    }
    group.finish();
}

fn one_core(bundle: CascadeBundle) -> Cascade {
    let options = PoolOptions { threads: 1, wait: Duration::ZERO, ..PoolOptions::default() };
    let cascade = Cascade::load(bundle, Arc::new(Rten), options).expect("a bundle");
    cascade.prepare().expect("an encoder");
    cascade
}

fn judge(cascade: &Cascade, text: &str) -> usize {
    let pieces = [Piece { channel: Channel::User, text }];
    block_on(cascade.judge(&pieces, &Limits::default())).iter().map(|j| j.encoded).sum()
}

fn whole(c: &mut Criterion) {
    let cascade = one_core(bundle());
    let mut group = c.benchmark_group("judge");
    for tokens in [64, 512, 8_000, 32_000] {
        let text = words(tokens * 2 / 3);
        group.throughput(Throughput::Bytes(text.len() as u64));
        if tokens > 1_000 {
            group.sample_size(10);
        }
        group.bench_function(BenchmarkId::from_parameter(format!("{tokens} tokens")), |b| {
            b.iter(|| judge(&cascade, std::hint::black_box(&text)));
        });
    }
    group.finish();
    let traffic = traffic();
    let encoded = traffic.iter().filter(|text| judge(&cascade, text) > 0).count();
    let mut group = c.benchmark_group("traffic");
    group.throughput(Throughput::Elements(traffic.len() as u64));
    group.sample_size(10);
    let name = format!("{} messages, {encoded} of them to the encoder", traffic.len());
    group.bench_function(name, |b| {
        b.iter(|| traffic.iter().map(|text| judge(&cascade, text)).sum::<usize>());
    });
    group.finish();
}

/// Windows of 64 tokens that `workers` pinned threads compute in all.
fn windows_in(encoder: &Arc<dyn Encoder>, workers: usize, time: Duration) -> usize {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let done = AtomicUsize::new(0);
    let ids = window(64);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (done, ids, core) = (&done, &ids, cores.get(worker).copied());
            let session = encoder.session();
            scope.spawn(move || {
                core.map(core_affinity::set_for_current);
                let mut session = session.expect("a session");
                let begun = Instant::now();
                while begun.elapsed() < time {
                    session.logits(&[ids]).expect("logits");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner()
}

fn workers(c: &mut Criterion) {
    let bundle = bundle();
    if bundle.manifest().encoder.is_none() {
        return;
    }
    let encoder = bundle.encoder(&Rten).expect("an encoder");
    let mut group = c.benchmark_group("workers");
    group.sample_size(10);
    for workers in [1, 2] {
        group.bench_function(BenchmarkId::from_parameter(workers), |b| {
            b.iter_custom(|windows| {
                let time = Duration::from_secs(1);
                let done = windows_in(&encoder, workers, time);
                let each = time.as_secs_f64() / done.max(1) as f64;
                Duration::from_secs_f64(each * windows as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encoder, whole, workers);
criterion_main!(benches);
