//! Rules 7 and 8: recorded before it is answered; one verdict for one id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use jiff::Timestamp;
use portcullis_bus::{Deliveries, Journal, JournalError, MemoryJournal};
use portcullis_core::{Body, Decision, Entry, ManualClock, Recorded, SystemClock, Verdict};
use portcullis_testkit::{Mood, eventually};
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, STAGES, Small, run, verdict_ids};

/// A journal that can be away, and takes a moment for each entry.
#[derive(Clone)]
struct Moody {
    there: Arc<AtomicBool>,
    journal: MemoryJournal,
    takes: Duration,
}

impl Moody {
    fn new(there: bool, takes: Duration) -> Self {
        let there = Arc::new(AtomicBool::new(there));
        Self { there, journal: MemoryJournal::new(), takes }
    }
}

#[async_trait]
impl Journal for Moody {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        tokio::time::sleep(self.takes).await;
        if !self.there.load(Ordering::SeqCst) {
            return Err(JournalError::Away);
        }
        self.journal.append(entry).await
    }

    async fn follow(&self, reader: &str) -> Result<Deliveries, JournalError> {
        self.journal.follow(reader).await
    }
}

#[tokio::test]
async fn rule_07_the_entry_is_acknowledged_before_the_verdict_is_given() {
    let moody = Moody::new(true, Duration::from_millis(80));
    let (local, _) = Small::fault_stages(8);
    let recorder = Small::recorder(moody.clone());
    let small = Small::with(local, recorder, Arc::new(SystemClock));
    let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
    assert_eq!(verdict.recorded, Recorded::Journal);
    assert_eq!(verdict_ids(&moody.journal.entries()), [verdict.id.to_string()]);
    assert!(verdict.took_us >= 80_000, "it waited for the acknowledgement");
}

#[tokio::test]
async fn rule_07_a_journal_that_is_away_or_slow_is_spooled_and_delivered_later() {
    for (there, takes) in [(false, Duration::ZERO), (true, Duration::from_secs(1))] {
        let folder = tempfile::tempdir().unwrap();
        let moody = Moody::new(there, takes);
        let recorder = Small::recorder(moody.clone()).with_spool(folder.path(), 1 << 20).unwrap();
        let (local, _) = Small::fault_stages(8);
        let small = Small::with(local, recorder, Arc::new(SystemClock)).policy("");
        let mut ids = Vec::new();
        for _ in 0..5 {
            let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
            assert_eq!((verdict.decision, verdict.recorded), (Decision::Allow, Recorded::Spool));
            assert!(verdict.took_us < 1_000_000, "the journal has 50 ms, or is not waited for");
            ids.push(verdict.id.to_string());
        }
        ids.sort();
        // What comes back is a new process, that finds what the old one left.
        let back = Moody { takes: Duration::ZERO, ..moody };
        back.there.store(true, Ordering::SeqCst);
        let recorder = Small::recorder(back.clone()).with_spool(folder.path(), 1 << 20).unwrap();
        tokio::select! {
            () = recorder.deliver() => unreachable!("it never ends by itself"),
            () = eventually(PATIENCE, async || recorder.spooled_bytes() == 0) => {}
        }
        assert_eq!(verdict_ids(&back.journal.entries()), ids);
    }
}

#[tokio::test]
async fn rule_07_where_the_spool_is_full_too_the_policy_decides() {
    for (policy, decision) in [("", Decision::Block), ("on_journal_gap = 'pass'", Decision::Allow)]
    {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Small::recorder(Moody::new(false, Duration::ZERO))
            .with_spool(folder.path(), 10)
            .unwrap();
        let (local, _) = Small::fault_stages(8);
        let small = Small::with(local, recorder, Arc::new(SystemClock)).policy(policy);
        let verdict = small.check(&json!({"text": "hello"})).await.unwrap();
        assert_eq!((verdict.decision, verdict.recorded), (decision, Recorded::Nowhere));
        let blocked = decision == Decision::Block;
        assert_eq!(verdict.reasons.contains(&"gap.journal.away".to_owned()), blocked);
        assert_eq!(verdict.text.is_none(), blocked, "what is blocked is not forwarded");
    }
}

#[tokio::test]
async fn rule_07_without_the_stage_that_masks_an_entry_holds_no_text() {
    let (local, stages) = Small::fault_stages(8);
    let small = Small::new(local);
    let text = |index: usize| {
        let Body::Verdict(record) = &small.journal_entries()[index].body else { panic!() };
        (
            record.text.as_ref().map(|text| text.expose().to_owned()),
            record.bytes,
            record.digest.len(),
        )
    };
    small.check(&json!({"text": "hello"})).await.unwrap();
    let (kept, bytes, digest) = text(0);
    assert_eq!((kept.as_deref(), bytes), (Some("hello"), 5));
    assert!(digest >= 32);
    for (index, mood) in [Mood::Panics, Mood::Partial].into_iter().enumerate() {
        stages[1].set(mood);
        small.check(&json!({"text": "hello"})).await.unwrap();
        let (kept, bytes, digest) = text(index + 1);
        assert_eq!((kept, bytes), (None, 5));
        assert!(digest >= 32);
    }
    // An answer is masked by moderation: that the sanitizer saw it is not enough.
    let answer = json!({"text": "hello", "direction": "outbound"});
    stages[1].set(Mood::Well);
    small.check(&answer).await.unwrap();
    assert_eq!(text(3).0.as_deref(), Some("hello"));
    let moderation = STAGES.iter().position(|name| *name == "moderation").unwrap();
    stages[moderation].set(Mood::Partial);
    small.check(&answer).await.unwrap();
    assert_eq!(text(4).0, None);
}

#[tokio::test]
async fn rule_07_a_flood_is_one_entry_and_one_summary() {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::at(start));
    let journal = MemoryJournal::new();
    // The stand-in inside ingress limits, by the same clock.
    let small =
        Small::with(portcullis_bus::Local::new(), Small::recorder(journal.clone()), clock.clone());
    let policy = "[stages.sanitizer]\non_gap = 'pass'\n[stages.injection-classifier]\non_gap = 'pass'\n\
                  [stages.rate-limit]\nsettings = { rules = [{ name = 'all', key = 'speaker', rate = 10 }] }\n";
    let small = small.policy(policy);
    for _ in 0..500 {
        small.check(&json!({"text": "flood", "user": "mallory"})).await.unwrap();
    }
    let kinds = || -> Vec<&'static str> {
        journal.entries().iter().map(|entry| entry.body.kind()).collect()
    };
    assert_eq!(kinds(), ["verdict"; 11], "ten that were let in, and the first throttle");
    small.gateway.write_summaries(false).await;
    assert_eq!(kinds().len(), 11, "the window is not over");
    clock.advance(Duration::from_secs(61));
    small.gateway.write_summaries(false).await;
    small.gateway.write_summaries(false).await;
    assert_eq!(kinds().len(), 12);
    let Body::Summary(summary) = &journal.entries()[11].body else { panic!("a summary") };
    assert_eq!((summary.of.as_str(), summary.count), ("throttle", 489));
}

#[tokio::test]
async fn rule_08_the_same_id_gets_the_same_verdict_and_one_entry() {
    let (local, stages) = Small::fault_stages(8);
    let small = Small::new(local);
    let message = json!({"id": "order:7", "text": "hello", "user": "jane"});
    let first = small.check(&message).await.unwrap();
    for _ in 0..5 {
        let again = small.check(&message).await.unwrap();
        assert_eq!(again, Verdict { took_us: again.took_us, ..first.clone() });
    }
    assert_eq!(stages[0].asked(), 1, "a repetition is not charged");
    assert_eq!(verdict_ids(&small.journal_entries()), ["order:7"]);
    for other in [
        json!({"id": "order:7", "text": "hello!", "user": "jane"}),
        json!({"id": "order:7", "text": "hello", "user": "joe"}),
        json!({"id": "order:7", "text": "hello", "user": "jane", "context": [{"text": "x"}]}),
    ] {
        let problem = small.check(&other).await.unwrap_err();
        assert_eq!((problem.status, problem.field.as_deref()), (422, Some("id")));
    }
    // The identity is (bot, direction, id).
    let answer = json!({"id": "order:7", "text": "hello!", "direction": "outbound"});
    small.check(&answer).await.unwrap();
    assert_eq!(small.journal_entries().len(), 2);
}

#[test]
fn rule_08_two_replicas_that_are_asked_at_once_give_one_verdict() {
    run(async {
        let city = City::start(CityOptions::all().replicas("ingress", 2)).await;
        let doors = [city.http_of("ingress-0"), city.http_of("ingress-1")];
        for round in 0..10 {
            let message = json!({"bot": "shop", "id": format!("round-{round}"), "text": "hello", "user": "jane"});
            let asked = doors.iter().cycle().take(8).map(|door| door.check(message.clone()));
            let mut verdicts = join_all(asked).await;
            let first = verdicts.remove(0);
            for other in verdicts {
                // The time is that of this answer; everything else is the one verdict.
                assert_eq!(other, Verdict { took_us: other.took_us, ..first.clone() });
            }
        }
        let ids = verdict_ids(&city.journal().await);
        let expected: Vec<String> = (0..10).map(|round| format!("round-{round}")).collect();
        assert_eq!(ids, expected, "one entry for each id");
    });
}
