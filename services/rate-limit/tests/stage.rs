//! The stage over a limiter in memory, and over limiters that fail.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portcullis_core::{
    Ask, BotId, Budget, Interaction, Known, ManualClock, MessageId, Report, Severity, Size, Stage,
    StageError,
};
use portcullis_rate_limit::RateLimit;
use portcullis_state::{
    LimitCheck, LimitError, LimitOutcome, Limiter, MemoryLimiter, Settlement, judge,
};
use serde_json::{Value, json};

fn ask(settings: Value) -> Ask {
    Ask {
        interaction: Interaction {
            id: MessageId::generate(),
            bot: "shop".parse().unwrap(),
            conversation: None,
            speaker: None,
            client_addr: None,
            direction: Default::default(),
            text: "hello".into(),
            context: Vec::new(),
            in_reply_to: None,
            received_at: jiff::Timestamp::UNIX_EPOCH,
        },
        size: Size { bytes: 5, chars: 5, more: false },
        views: Vec::new(),
        findings: Vec::new(),
        settings,
        known: Known::default(),
        budget: Budget::default(),
    }
}

fn speaker(name: &str, settings: Value) -> Ask {
    let mut ask = ask(settings);
    ask.interaction.speaker = Some(name.parse().unwrap());
    ask
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH))
}

fn stage(clock: &Arc<ManualClock>) -> RateLimit {
    RateLimit::new(Arc::new(MemoryLimiter::new(clock.clone(), 1_000)), Some("local"))
}

fn exceeded(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.kind == "rate.exceeded")
}

fn rules(key: &str, unit: &str, burst: u32) -> Value {
    json!({"rules": [{"name": "r", "key": key, "rate": 6, "per": "minute", "burst": burst, "unit": unit}]})
}

#[tokio::test]
async fn a_speaker_over_the_limit_is_told_when_to_come_back() {
    let clock = clock();
    let stage = stage(&clock);
    let ask = speaker("jane", rules("speaker", "messages", 2));
    let first = stage.check(&ask).await.unwrap();
    assert_eq!((first.measures.remaining, first.mode.as_deref()), (Some(1), Some("local")));
    assert!(first.coverage.is_whole() && first.findings.is_empty());
    assert!(!exceeded(&stage.check(&ask).await.unwrap()));
    let third = stage.check(&ask).await.unwrap();
    let finding = &third.findings[0];
    assert_eq!((finding.kind.as_str(), finding.severity), ("rate.exceeded", Severity::Medium));
    assert_eq!(finding.detail.as_deref(), Some("rule r"));
    assert_eq!((third.measures.remaining, third.measures.retry_after_s), (Some(0), Some(10)));
    let other = speaker("john", rules("speaker", "messages", 2));
    assert!(!exceeded(&stage.check(&other).await.unwrap()));
    clock.advance(Duration::from_secs(10));
    assert!(!exceeded(&stage.check(&ask).await.unwrap()));
}

#[tokio::test]
async fn a_message_without_a_name_meets_the_rules_of_bot_alone() {
    let stage = stage(&clock());
    for _ in 0..200 {
        let report = stage.check(&ask(Value::Null)).await.unwrap();
        assert_eq!((report.findings.len(), report.measures.remaining), (0, None));
    }
    assert!(!exceeded(&stage.check(&ask(rules("bot", "messages", 1))).await.unwrap()));
    assert!(exceeded(&stage.check(&ask(rules("bot", "messages", 1))).await.unwrap()));
}

#[tokio::test]
async fn the_default_lets_a_person_write_and_stops_a_flood() {
    let stage = stage(&clock());
    let ask = speaker("jane", Value::Null);
    for _ in 0..20 {
        assert!(!exceeded(&stage.check(&ask).await.unwrap()));
    }
    assert!(exceeded(&stage.check(&ask).await.unwrap()));
}

#[tokio::test]
async fn one_household_is_one_address() {
    let stage = stage(&clock());
    let from = |address: &str| {
        let mut ask = ask(rules("address", "messages", 1));
        ask.interaction.client_addr = address.parse().ok();
        ask
    };
    assert!(!exceeded(&stage.check(&from("2001:db8:1:1::1")).await.unwrap()));
    assert!(exceeded(&stage.check(&from("2001:db8:1:1:ffff::2")).await.unwrap()));
    assert!(!exceeded(&stage.check(&from("2001:db8:1:2::1")).await.unwrap()));
    assert!(!exceeded(&stage.check(&from("192.0.2.1")).await.unwrap()));
    assert!(exceeded(&stage.check(&from("::ffff:192.0.2.1")).await.unwrap()));
}

#[tokio::test]
async fn characters_are_counted_as_received() {
    let stage = stage(&clock());
    let mut ask = speaker("jane", rules("speaker", "chars", 100));
    ask.size = Size { bytes: 400, chars: 100, more: false };
    assert_eq!(stage.check(&ask).await.unwrap().measures.remaining, Some(0));
    ask.size.chars = 101;
    let report = stage.check(&ask).await.unwrap();
    assert_eq!(report.findings[0].detail.as_deref(), Some("rule r: larger than its limit"));
    assert_eq!(report.measures.retry_after_s, None);
}

#[tokio::test]
async fn shadow_reports_and_does_not_throttle() {
    let stage = stage(&clock());
    let mut settings = rules("bot", "messages", 1);
    settings["shadow"] = true.into();
    stage.check(&ask(settings.clone())).await.unwrap();
    let report = stage.check(&ask(settings)).await.unwrap();
    assert_eq!(report.findings[0].kind, "rate.would_exceed");
    assert_eq!(report.findings[0].severity, Severity::Info);
}

#[tokio::test]
async fn settings_that_do_not_hold_are_named() {
    let stage = stage(&clock());
    let zero = json!({"rules": [{"name": "r", "key": "bot", "rate": 0}]});
    let error = StageError::Unreadable("settings.rules.rate");
    assert_eq!(stage.check(&ask(zero)).await.unwrap_err(), error);
    let unknown = json!({"rulez": []});
    let error = StageError::Unreadable("settings");
    assert_eq!(stage.check(&ask(unknown)).await.unwrap_err(), error);
}

/// Keeps the keys that it is shown.
#[derive(Default)]
struct Witness(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl Limiter for Witness {
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        self.0.lock().unwrap().extend(check.rules.iter().map(|rule| rule.key.clone()));
        Ok(judge(&[], &[]))
    }

    async fn ticket(&self, _: &BotId, _: &str) -> Result<Option<String>, LimitError> {
        Ok(None)
    }

    async fn settle(&self, _: &Settlement) -> Result<bool, LimitError> {
        Ok(false)
    }
}

#[tokio::test]
async fn the_store_never_sees_who_it_is() {
    let witness = Arc::new(Witness::default());
    let stage = RateLimit::new(witness.clone(), None);
    let mut ask = speaker("jane@example.org", Value::Null);
    ask.interaction.client_addr = "192.0.2.1".parse().ok();
    stage.check(&ask).await.unwrap();
    let keys = witness.0.lock().unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit())));
}

const WELL: u8 = 0;
const AWAY: u8 = 1;
const SILENT: u8 = 2;

#[derive(Default)]
struct Faulty {
    state: AtomicU8,
    asked: AtomicUsize,
}

#[async_trait]
impl Limiter for Faulty {
    async fn check(&self, _: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.state.load(Ordering::Relaxed) {
            WELL => Ok(judge(&[], &[])),
            AWAY => Err(LimitError::Away),
            _ => std::future::pending().await,
        }
    }

    async fn ticket(&self, _: &BotId, _: &str) -> Result<Option<String>, LimitError> {
        Ok(None)
    }

    async fn settle(&self, _: &Settlement) -> Result<bool, LimitError> {
        Ok(false)
    }
}

#[tokio::test]
async fn a_dead_limiter_is_asked_once_a_second_and_taken_back_when_it_answers() {
    let (clock, faulty) = (clock(), Arc::new(Faulty::default()));
    let stage = RateLimit::new(faulty.clone(), None).with_clock(clock.clone());
    let ask = speaker("jane", Value::Null);
    faulty.state.store(AWAY, Ordering::Relaxed);
    for _ in 0..100 {
        let error = stage.check(&ask).await.unwrap_err();
        assert_eq!(error, StageError::Dependency("redis"));
    }
    assert_eq!(faulty.asked.load(Ordering::Relaxed), 3);
    clock.advance(Duration::from_secs(1));
    for _ in 0..100 {
        assert!(stage.check(&ask).await.is_err());
    }
    assert_eq!(faulty.asked.load(Ordering::Relaxed), 4, "one probe");
    faulty.state.store(WELL, Ordering::Relaxed);
    assert!(stage.check(&ask).await.is_err(), "not before the next probe");
    clock.advance(Duration::from_secs(1));
    for _ in 0..10 {
        assert!(stage.check(&ask).await.is_ok());
    }
}

#[tokio::test]
async fn nobody_waits_long_for_a_silent_limiter() {
    let faulty = Arc::new(Faulty::default());
    faulty.state.store(SILENT, Ordering::Relaxed);
    let stage = RateLimit::new(faulty.clone(), None).with_clock(clock());
    let mut ask = speaker("jane", Value::Null);
    ask.budget = Budget::of(Duration::from_millis(1));
    for _ in 0..5 {
        assert_eq!(stage.check(&ask).await.unwrap_err(), StageError::Late);
    }
    ask.budget = Budget::default();
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(stage.check(&ask).await.unwrap_err(), StageError::Dependency("redis"));
    }
    assert_eq!(faulty.asked.load(Ordering::Relaxed), 8, "five with no time, three to find out");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}
