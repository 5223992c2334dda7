//! The ledger as a journal: following, acknowledging, reopening.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use portcullis_bus::Journal;

use super::{entry, open};
use crate::LedgerJournal;

#[tokio::test]
async fn a_reader_goes_on_after_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let journal = LedgerJournal::new(Arc::new(open(folder.path()).0));
    let mut deliveries = journal.follow("watch").await.unwrap();
    for number in 0..300 {
        journal.append(&entry(number)).await.unwrap();
        journal.append(&entry(number)).await.unwrap();
    }
    for number in 0..300 {
        let delivery = deliveries.next().await.unwrap().unwrap();
        assert_eq!(delivery.sequence(), number as u64 + 1);
        assert_eq!(delivery.entry().unwrap(), &entry(number));
        if number < 200 {
            delivery.ack().await.unwrap();
        }
    }
    // Nothing more until there is more.
    assert!(tokio::time::timeout(Duration::from_millis(20), deliveries.next()).await.is_err());
    drop((deliveries, journal));

    let journal = LedgerJournal::new(Arc::new(open(folder.path()).0));
    let mut deliveries = journal.follow("watch").await.unwrap();
    assert_eq!(deliveries.next().await.unwrap().unwrap().sequence(), 201);
    let mut other = journal.follow("other").await.unwrap();
    assert_eq!(other.next().await.unwrap().unwrap().sequence(), 1);
}
