//! Appends a second, batch by batch, and search in a ledger of 200,000 entries, or of as many as
//! `PORTCULLIS_BENCH_ENTRIES` says.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails with a place")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use portcullis_core::{BotId, Entry};
use portcullis_ledger::{Ledger, LedgerOptions, LedgerReader, Query, Record, Signing, Verify};
use portcullis_merkle::Signer;

const BATCH: i64 = 1024;

fn entries() -> i64 {
    std::env::var("PORTCULLIS_BENCH_ENTRIES").map_or(200_000, |number| number.parse().unwrap())
}

fn record(number: i64) -> Record {
    let at = Timestamp::from_second(1_700_000_000 + number * 4).unwrap();
    let raw = format!(
        r#"{{"id":"verdict/bot-{bot}/inbound/{number:012}","bot":"bot-{bot}","at":"{at}","kind":"verdict","direction":"inbound","speaker":"speaker-{speaker}","bytes":200,"digest":"0123456789abcdef","text":"{text} {number}","verdict":{{"id":"{number:012}","decision":"{decision}","text":null,"tone":null,"reply":null,"retry_after_s":null,"findings":[],"receipt":[{{"stage":"sanitizer","version":"1","status":"ran","coverage":{{"scanned":200,"total":200,"complete":true}},"took_us":20}}],"policy":{{"bot":"bot-{bot}","version":"1","digest":"d"}},"shadow_decision":null,"recorded":"journal","trace_id":null,"took_us":900}}}}"#,
        bot = number % 7,
        speaker = number % 10_007,
        text = "where is my order and when does it arrive ".repeat(5),
        decision = if number % 50 == 0 { "block" } else { "allow" },
    );
    let entry: Entry = serde_json::from_str(&raw).unwrap();
    Record::received(&entry, raw.as_bytes(), number as u64 + 1).unwrap()
}

fn ledger(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::parse(&Signer::generate("bench/audit").unwrap()).unwrap();
    let options = || LedgerOptions {
        signing: Some(Signing::new(signer.clone())),
        ..LedgerOptions::default()
    };
    let ledger = Arc::new(Ledger::open(folder.path(), options()).unwrap().0);
    let mut next = 0;
    let mut group = c.benchmark_group("append");
    group.sample_size(20).throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("batch of 1024, synced", |b| {
        b.iter_batched(
            || {
                let batch = (next..next + BATCH).map(record).collect::<Vec<_>>();
                next += BATCH;
                batch
            },
            |batch| runtime.block_on(ledger.append_all(batch)).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), options()).unwrap().0;
    let entries = entries();
    for first in (0..entries).step_by(BATCH as usize) {
        let batch = (first..(first + BATCH).min(entries)).map(record).collect();
        runtime.block_on(ledger.append_all(batch)).unwrap();
    }
    let day = |from: i64| {
        let at = |n| Timestamp::from_second(1_700_000_000 + n).ok();
        Query { from: at(from), until: at(from + 86_400), ..Query::default() }
    };
    let mut group = c.benchmark_group(format!("search {entries}"));
    group.sample_size(10);
    for (name, query) in [
        ("a day, all rows", day(400_000)),
        (
            "a day, one bot, blocked",
            Query {
                bot: BotId::parse("bot-3").ok(),
                decision: Some(portcullis_core::Decision::Block),
                ..day(400_000)
            },
        ),
        ("all, one speaker", Query { speaker: Some("speaker-77".into()), ..Query::default() }),
        ("all, one message", Query { id: Some("000000077777".into()), ..Query::default() }),
        ("all, text without a hit", Query { text: Some("invoice".into()), ..Query::default() }),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| black_box(ledger.search(query.clone()).filter(|row| row.is_ok()).count()));
        });
    }
    group.finish();

    drop(ledger);
    let mut group = c.benchmark_group(format!("verify {entries}"));
    group.sample_size(10).throughput(Throughput::Elements(entries as u64));
    for threads in [1, 2] {
        let verify = Verify { threads, ..Verify::default() };
        group.bench_function(format!("{threads} threads"), |b| {
            b.iter(|| LedgerReader::verify(folder.path(), &verify).unwrap().entries);
        });
    }
    group.finish();
}

criterion_group!(benches, ledger);
criterion_main!(benches);
