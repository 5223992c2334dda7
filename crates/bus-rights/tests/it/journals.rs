//! A record in several streams: a bot's entries are in one of them, and each user has its rights in all.

use std::collections::BTreeMap;

use futures::StreamExt;
use portcullis_bus::{Deliveries, Journal};
use portcullis_bus_nats::{Journals, NatsJournal};
use portcullis_core::{BotId, Entry};
use portcullis_testkit::entry;

use crate::PATIENCE;
use crate::rights::{guarded_with, user};

/// `CRC-32 % 3` of their names is 0, 1 and 2.
const BOTS: [&str; 3] = ["shop", "default", "b"];

fn entry_of(bot: &str, id: &str) -> Entry {
    let mut entry = entry(&format!("{bot}-{id}"));
    entry.bot = BotId::parse(bot).unwrap();
    entry
}

/// The journal, position and bot of each of so many deliveries, which are acknowledged.
async fn read(deliveries: &mut Deliveries, number: usize) -> Vec<(u16, u64, String)> {
    let mut read = Vec::new();
    for _ in 0..number {
        let next = tokio::time::timeout(PATIENCE, deliveries.next()).await.unwrap();
        let delivery = next.unwrap().unwrap();
        let bot = delivery.entry().unwrap().bot.to_string();
        read.push((delivery.journal(), delivery.sequence(), bot));
        delivery.ack().await.unwrap();
    }
    read.sort();
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bots_entries_are_in_one_journal_and_every_reader_gets_all_of_them() {
    let server = guarded_with(Journals::new(3).unwrap()).await;
    let written = NatsJournal::new(user(&server, "ingress").await, PATIENCE);
    for id in ["1", "2", "2"] {
        for bot in BOTS {
            written.append(&entry_of(bot, id)).await.unwrap();
        }
    }
    let expected: Vec<(u16, u64, String)> = (0..3)
        .flat_map(|at| [1, 2].map(|sequence| (at, sequence, BOTS[usize::from(at)].to_owned())))
        .collect();
    for reader in ["anomaly", "search", "rate-limit"] {
        let journal = NatsJournal::new(user(&server, reader).await, PATIENCE);
        let mut all = journal.follow(reader).await.unwrap();
        assert_eq!(read(&mut all, 6).await, expected, "{reader}");
    }
    let journal = NatsJournal::new(user(&server, "audit").await, PATIENCE);
    let mut by_journal = BTreeMap::new();
    for at in 0..3_u16 {
        let mut one = journal.clone().only(at).follow("audit").await.unwrap();
        by_journal.insert(at, read(&mut one, 2).await);
    }
    assert_eq!(by_journal.into_values().flatten().collect::<Vec<_>>(), expected);
    assert!(journal.only(3).follow("audit").await.is_err(), "there is no fourth");
}
