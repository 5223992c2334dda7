//! What an answer costs in moderation: `cargo bench -p portcullis-moderation`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use portcullis_core::{Ask, BotId, Budget, Direction, Interaction, MessageId, Stage};
use portcullis_moderation::Moderation;

const SENTENCE: &str = "Thank you for writing to us. Your two lamps were sent in two parcels. \
    The second one left our store on Tuesday. It should be at your door \
    by Friday; if it is not, please write to us again, and we will send a new one at once.";

fn ask(text: String) -> Ask {
    Ask {
        interaction: Interaction {
            id: MessageId::generate(),
            bot: BotId::fallback(),
            conversation: None,
            speaker: None,
            client_addr: None,
            direction: Direction::Outbound,
            text: text.into(),
            context: Vec::new(),
            in_reply_to: None,
            received_at: jiff::Timestamp::UNIX_EPOCH,
        },
        size: Default::default(),
        views: Vec::new(),
        findings: Vec::new(),
        settings: serde_json::Value::Null,
        known: Default::default(),
        budget: Budget::default(),
    }
}

fn of_length(piece: &str, bytes: usize) -> String {
    let mut text: String = piece.chars().cycle().take(bytes).collect();
    while text.len() > bytes {
        text.pop();
    }
    text
}

fn moderate(c: &mut Criterion) {
    let mut group = c.benchmark_group("moderate");
    for (name, bytes, encoder) in [
        ("english-200", 200, true),
        ("english-1k", 1024, true),
        ("english-200-linear", 200, false),
        ("english-1k-linear", 1024, false),
        ("english-256k-linear", 256 * 1024, false),
    ] {
        group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
        let mut ask = ask(of_length(SENTENCE, bytes));
        ask.settings = serde_json::json!({ "unsafe_content": { "encoder": encoder } });
        group.bench_function(name, |b| b.iter(|| block_on(Moderation.check(black_box(&ask)))));
    }
    group.finish();
}

criterion_group!(benches, moderate);
criterion_main!(benches);
