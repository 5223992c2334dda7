//! A journal keeps each id once, in order, and forgets nothing that a reader has not acknowledged.

use portcullis_bus::Journal;

use super::next;
use crate::{entry, verdict_entry};

/// The suite. `reader` is a reader that the journal knows, and that has read nothing yet; the
/// journal is empty.
pub async fn journal(journal: &dyn Journal, reader: &str) {
    let entries = [verdict_entry("one"), entry("two"), entry("three")];
    for each in &entries {
        journal.append(each).await.unwrap();
    }
    journal.append(&entries[0]).await.unwrap();

    let mut deliveries = journal.follow(reader).await.unwrap();
    let mut before = 0;
    for expected in &entries {
        let delivery = next(&mut deliveries).await.unwrap();
        assert_eq!(delivery.entry(), Ok(expected), "in order, and each id once");
        assert!(delivery.sequence() > before, "positions rise");
        before = delivery.sequence();
        let raw: portcullis_core::Entry = serde_json::from_slice(delivery.raw()).unwrap();
        assert_eq!(&raw, expected);
        if expected.id == entries[2].id {
            delivery.retry().await.unwrap();
        } else {
            delivery.ack().await.unwrap();
        }
    }
    drop(deliveries);

    let mut again = journal.follow(reader).await.unwrap();
    let delivery = next(&mut again).await.unwrap();
    assert_eq!(delivery.entry(), Ok(&entries[2]), "only what was not acknowledged comes again");
    assert_eq!(delivery.sequence(), before, "at its old position");
    delivery.ack().await.unwrap();

    let late = entry("four");
    journal.append(&late).await.unwrap();
    let delivery = next(&mut again).await.unwrap();
    assert_eq!(delivery.entry(), Ok(&late), "a reader that waits is told");
    delivery.ack().await.unwrap();
}
