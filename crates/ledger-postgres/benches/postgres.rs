//! How fast entries of about 1 KB go into PostgreSQL, which runs on the same machine and syncs each batch.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark fails with a place")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use portcullis_core::{ActionRecord, Body, BotId, Entry};
use portcullis_ledger::{Query, Record, Signing, Store};
use portcullis_ledger_postgres::{Address, PostgresReader, Standby, WriterOptions};
use portcullis_merkle::Signer;
use portcullis_testkit::{PostgresOptions, PostgresServer};

fn record(number: u64) -> Record {
    let entry = Entry {
        id: format!("action/shop/{number:012}"),
        bot: BotId::parse("shop").expect("a bot"),
        at: Timestamp::from_millisecond(1_700_000_000_000 + number as i64).expect("a time"),
        body: Body::Action(ActionRecord {
            action: "stop".into(),
            scope: "bot".into(),
            factor: None,
            by: "bench".into(),
            reason: Some(format!("{number:0>850}")),
            expires_at: None,
        }),
    };
    let raw = serde_json::to_vec(&entry).expect("JSON");
    Record::received(&entry, &raw, number).expect("a record")
}

fn postgres(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options = PostgresOptions {
        fsync: true,
        settings: vec!["shared_buffers=256MB".into(), "max_wal_size=4GB".into()],
        ..PostgresOptions::default()
    };
    let server = runtime.block_on(PostgresServer::start_with(options));
    let address = Address::parse(&server.url()).expect("an address");
    let key = Signer::generate("bench").expect("a key");
    let signing = Signing::new(Signer::parse(&key).expect("a key"));
    let options = WriterOptions { signing: Some(signing), ..WriterOptions::default() };
    let ledger = runtime.block_on(async {
        let mut standby = Standby::prepare(address.clone(), options).await.expect("tables");
        standby.take().await.expect("the lease").expect("the lease")
    });
    let mut next = 1;
    let mut group = criterion.benchmark_group("postgres");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for batch in [256_u64, 1024, 4096] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("append/{batch}"), |bencher| {
            bencher.iter_batched(
                || {
                    next += batch;
                    (next - batch..next).map(record).collect::<Vec<_>>()
                },
                |records| runtime.block_on(ledger.append_all(records)).expect("stored"),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    let reader = runtime.block_on(async { PostgresReader::new(&address, 2) });
    group.throughput(Throughput::Elements(ledger.last_seq()));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| runtime.block_on(reader.verify(&Default::default())).expect("sound"));
    });
    // As many entries as a day of the files' benchmark has, in the middle of the record.
    let middle = ledger.last_seq() as i64 / 2;
    let time = |number: i64| Timestamp::from_millisecond(1_700_000_000_000 + number).ok();
    let day = Query { from: time(middle), until: time(middle + 21_600), ..Query::default() };
    group.throughput(Throughput::Elements(21_600));
    group.bench_function("search/21600 entries by time", |bencher| {
        bencher.iter(|| {
            let rows = runtime.block_on(reader.search(day.clone()).all()).expect("found");
            assert_eq!(rows.len(), 21_600);
        });
    });
    group.finish();
}

criterion_group!(benches, postgres);
criterion_main!(benches);
