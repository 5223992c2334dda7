//! From a journal into the ledger: redelivery, gaps, disorder, poison, crashes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use portcullis_bus::{Deliveries, Delivery, Journal, JournalError};
use portcullis_core::Entry;
use tokio_util::sync::CancellationToken;

use super::{entry, eventually, open};
use portcullis_ledger::{Content, Gap, Ledger, Query, Store, Verify};

use crate::{Auditor, AuditorOptions, Dead};

/// A journal that delivers a list in its order, and again on each follow what is not acknowledged.
#[derive(Clone, Default)]
struct Script {
    list: Arc<Vec<(u64, Option<Entry>)>>,
    acked: Arc<Mutex<BTreeSet<u64>>>,
    /// Acknowledgements fail: the crash between storing and acknowledging.
    deaf: Arc<Mutex<bool>>,
    /// After how long what is not acknowledged is delivered again, and then again.
    again: Option<Duration>,
}

impl Script {
    fn unacked(&self) -> Vec<(u64, Option<Entry>)> {
        let acked = self.acked.lock().unwrap();
        self.list.iter().filter(|(number, _)| !acked.contains(number)).cloned().collect()
    }
}

struct Scripted(Script, u64, Option<Entry>, Vec<u8>);

#[async_trait]
impl Journal for Script {
    async fn append(&self, _: &Entry) -> Result<(), JournalError> {
        Err(JournalError::Refused)
    }

    async fn follow(&self, _: &str) -> Result<Deliveries, JournalError> {
        let again = futures::stream::unfold(self.clone(), |script| async move {
            match script.again {
                Some(each) => tokio::time::sleep(each).await,
                None => std::future::pending().await,
            }
            Some((futures::stream::iter(script.unacked()), script))
        });
        let script = self.clone();
        let list = futures::stream::iter(self.unacked()).chain(again.flatten());
        let deliveries = list.map(move |(sequence, entry)| {
            let raw = entry.as_ref().map_or(b"?".to_vec(), |e| serde_json::to_vec(e).unwrap());
            Ok(Box::new(Scripted(script.clone(), sequence, entry, raw)) as Box<dyn Delivery>)
        });
        Ok(Box::pin(deliveries))
    }
}

#[async_trait]
impl Delivery for Scripted {
    fn sequence(&self) -> u64 {
        self.1
    }
    fn entry(&self) -> Result<&Entry, &str> {
        self.2.as_ref().ok_or("not an entry")
    }
    fn raw(&self) -> &[u8] {
        &self.3
    }
    async fn ack(self: Box<Self>) -> Result<(), JournalError> {
        if *self.0.deaf.lock().unwrap() {
            return Err(JournalError::Away);
        }
        self.0.acked.lock().unwrap().insert(self.1);
        Ok(())
    }
    async fn retry(self: Box<Self>) -> Result<(), JournalError> {
        Ok(())
    }
}

#[derive(Default)]
struct Letters(Mutex<Vec<(u64, Vec<u8>)>>);

#[async_trait]
impl Dead for Letters {
    async fn keep(&self, unread: &dyn Delivery, _: &str) -> Result<(), JournalError> {
        self.0.lock().unwrap().push((unread.sequence(), unread.raw().to_vec()));
        Ok(())
    }
}

fn script(sequences: &[i64]) -> Script {
    let list = sequences.iter().map(|s| (*s as u64, Some(entry(*s)))).collect();
    Script { list: Arc::new(list), ..Script::default() }
}

const OPTIONS: AuditorOptions = AuditorOptions {
    gather: Duration::ZERO,
    batch: 16,
    patience: Duration::from_millis(50),
    back_off: Duration::from_millis(5),
};

/// Runs an auditor until `done`.
async fn audit(
    ledger: &Arc<Ledger>,
    script: &Script,
    letters: &Arc<Letters>,
    done: impl FnMut() -> bool,
) {
    let dead: Arc<dyn Dead> = Arc::<Letters>::clone(letters);
    let auditor =
        Auditor::new(Arc::new(script.clone()), Arc::clone(ledger) as Arc<dyn Store>, dead, OPTIONS);
    let shutdown = CancellationToken::new();
    let stop = async {
        eventually(done).await;
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(auditor.run(shutdown.clone()), stop);
    ended.unwrap();
}

fn journal_order(ledger: &Ledger) -> Vec<u64> {
    let entries = Query { kind: Some("action".into()), ..Query::default() };
    ledger.search(entries).map(|row| row.unwrap().journal_seq.unwrap()).collect()
}

#[tokio::test]
async fn what_comes_again_after_a_crash_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(&(1..=200).collect::<Vec<_>>());
    let letters = Arc::new(Letters::default());
    *script.deaf.lock().unwrap() = true;
    let ledger = Arc::new(open(folder.path()).0);
    audit(&ledger, &script, &letters, || ledger.last_seq() >= 16).await;
    assert!(script.acked.lock().unwrap().is_empty());
    drop(ledger);

    *script.deaf.lock().unwrap() = false;
    let ledger = Arc::new(open(folder.path()).0);
    audit(&ledger, &script, &letters, || script.acked.lock().unwrap().len() == 200).await;
    assert_eq!(journal_order(&ledger), (1..=200).collect::<Vec<_>>());
    assert_eq!(ledger.last_seq(), 200);
    ledger.verify(&Verify::default()).unwrap();
}

#[tokio::test]
async fn disorder_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(&[3, 1, 2, 3, 6, 5, 4, 2]);
    let ledger = Arc::new(open(folder.path()).0);
    let letters = Arc::new(Letters::default());
    audit(&ledger, &script, &letters, || script.acked.lock().unwrap().len() == 6).await;
    assert_eq!(journal_order(&ledger), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_gap_is_an_entry_of_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(&[1, 2, 5, 6]);
    let ledger = Arc::new(open(folder.path()).0);
    let letters = Arc::new(Letters::default());
    audit(&ledger, &script, &letters, || script.acked.lock().unwrap().len() == 4).await;
    let rows: Vec<_> = ledger.search(Query::default()).map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 5);
    let gap = Gap { after: 2, next: 5 };
    assert_eq!((gap.missing(), &rows[2].content), (2, &Content::Gap(gap)));
    assert_eq!(ledger.last_journal_seq(), 6);
}

/// A journal delivers again, before anybody's patience ends, what was not acknowledged. A record that is new begins
/// with such a hole, where the journal is read by a consumer that is not.
#[tokio::test]
async fn a_gap_is_seen_while_what_follows_it_is_delivered_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script { again: Some(Duration::from_millis(10)), ..script(&[11, 12, 15]) };
    let ledger = Arc::new(open(folder.path()).0);
    let letters = Arc::new(Letters::default());
    audit(&ledger, &script, &letters, || script.acked.lock().unwrap().len() == 3).await;
    let gaps: Vec<_> = ledger
        .search(Query::default())
        .filter_map(|row| match row.unwrap().content {
            Content::Gap(gap) => Some(gap),
            _ => None,
        })
        .collect();
    assert_eq!(gaps, [Gap { after: 0, next: 11 }, Gap { after: 12, next: 15 }]);
}

#[tokio::test]
async fn poison_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let list = vec![(1, Some(entry(1))), (2, None), (3, Some(entry(3)))];
    let script = Script { list: Arc::new(list), ..Script::default() };
    let ledger = Arc::new(open(folder.path()).0);
    let letters = Arc::new(Letters::default());
    audit(&ledger, &script, &letters, || script.acked.lock().unwrap().len() == 3).await;
    assert_eq!(*letters.0.lock().unwrap(), [(2, b"?".to_vec())]);
    let kinds: Vec<_> =
        ledger.search(Query::default()).map(|row| row.unwrap().content.kind()).collect();
    assert_eq!(kinds, ["action", "dead", "action"]);
}

/// After its window of deduplication a journal keeps the same entry twice, under two sequence numbers.
#[tokio::test]
async fn an_entry_that_the_journal_holds_twice_is_stored_once_and_leaves_no_hole() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(folder.path()).0);
    let letters = Arc::new(Letters::default());
    let twice = |numbers: &[(u64, i64)]| Script {
        list: Arc::new(numbers.iter().map(|(at, number)| (*at, Some(entry(*number)))).collect()),
        ..Script::default()
    };
    // The repetition is the last of its batch; what follows comes in another.
    for (script, last) in
        [(twice(&[(1, 1), (2, 2), (3, 1)]), 3), (twice(&[(4, 2)]), 4), (twice(&[(5, 3)]), 5)]
    {
        audit(&ledger, &script, &letters, || ledger.last_journal_seq() == last).await;
    }
    assert_eq!(journal_order(&ledger), [1, 2, 5]);
    assert_eq!(ledger.last_seq(), 3, "no remark of a gap");
}
