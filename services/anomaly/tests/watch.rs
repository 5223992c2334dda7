//! The watch over made-up days: what is usual is left alone, what is not is told once, and ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use jiff::{SignedDuration, Timestamp};
use portcullis_anomaly::{
    Alert, Fact, Outcome, Signal, State, Subject, Urgency, Watch, Watching, snapshot,
};
use portcullis_core::{BotId, Sketch, StageName};

/// 2026-01-05 00:00 UTC.
const START: i64 = 1_767_571_200;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (n >> 27)
}

fn fact(second: i64, speaker: &str, number: u64) -> Fact {
    let chance = mix(number);
    Fact {
        id: format!("verdict/default/inbound/{number}"),
        at: at(second),
        bot: BotId::fallback(),
        inbound: true,
        speaker: Some(speaker.to_owned()),
        network: Some("net".into()),
        conversation: Some(format!("{speaker}/{}", second / 3_600)),
        outcome: Outcome::Passed,
        score: Some((chance % 100) as f32 / 2_000.0),
        bytes: 60 + (chance % 80) as u32,
        entropy: Some(4.0 + (chance % 10) as f32 / 50.0),
        sketch: Some(Sketch(chance)),
        gaps: Vec::new(),
    }
}

/// Forty messages a minute of many speakers.
fn usual(watch: &mut Watch, minutes: std::ops::Range<i64>) -> Vec<Alert> {
    let mut told = Vec::new();
    for minute in minutes {
        let count = 40 + (mix(minute as u64) % 9) as i64;
        for n in 0..count {
            let number = (minute * 100 + n) as u64;
            let speaker = format!("s{}", mix(number) % 2_000);
            told.extend(watch.observe(&fact(minute * 60 + n, &speaker, number)));
        }
    }
    told
}

fn learnt() -> Watch {
    let mut watch = Watch::new(Watching::default());
    let told = usual(&mut watch, 0..300);
    assert!(told.iter().all(|alert| alert.severity == Urgency::Info), "{told:?}");
    watch
}

fn has(alert: &Alert, signal: Signal) -> bool {
    alert.signals.iter().any(|reading| reading.signal == signal)
}

#[test]
fn a_flood_of_one_is_told_within_its_first_minute_and_ends() {
    let mut watch = learnt();
    let mut told = Vec::new();
    for n in 0..300 {
        told.extend(watch.observe(&fact(300 * 60 + n / 10, "flooder", 1_000_000 + n as u64)));
    }
    let alert = told
        .iter()
        .find(|alert| alert.subject == Subject::Speaker("flooder".into()))
        .expect("the speaker is told");
    assert!(has(alert, Signal::Volume) && alert.at < at(300 * 60 + 30));
    assert!(!alert.examples.is_empty());
    let again = told.iter().filter(|one| one.id == alert.id).count();
    assert!(again <= 5, "told {again} times");
    let ended = watch.pass(at(300 * 60 + 1_000));
    assert!(ended.iter().any(|one| one.id == alert.id && one.state == State::Resolved));
    assert_eq!(watch.open().filter(|one| one.id == alert.id).count(), 0);
}

#[test]
fn scores_that_climb_slowly_are_probing_and_one_borderline_message_is_not() {
    let mut watch = learnt();
    let mut one = fact(300 * 60, "curious", 1);
    one.score = Some(0.6);
    assert!(watch.observe(&one).is_empty());
    let mut told = Vec::new();
    for n in 0..40 {
        let mut attempt = fact(300 * 60 + n * 60, "prober", 2_000_000 + n as u64);
        attempt.score = Some(0.1 + 0.02 * n as f32);
        told.extend(watch.observe(&attempt));
    }
    let alert = told
        .iter()
        .find(|alert| {
            alert.subject == Subject::Speaker("prober".into()) && has(alert, Signal::Probing)
        })
        .expect("probing is told");
    assert!(alert.at < at(300 * 60 + 38 * 60), "before the last attempts");
}

#[test]
fn alike_texts_of_many_are_a_campaign_only_where_they_are_new_and_suspicious() {
    let mut watch = learnt();
    let mut told = Vec::new();
    for n in 0..20u64 {
        let mut one = fact(300 * 60 + n as i64 * 10, &format!("puppet{n}"), 3_000_000 + n);
        one.sketch = Some(Sketch(0xaaaa_bbbb_cccc_0000 | n));
        one.score = Some(0.5);
        told.extend(watch.observe(&one));
    }
    let campaign = told.iter().find(|alert| matches!(alert.subject, Subject::Campaign(_)));
    let campaign = campaign.expect("the campaign is told");
    assert_eq!(campaign.severity, Urgency::Critical);
    assert_eq!(campaign.signals[0].unit, "speakers of one network");

    let mut watch = learnt();
    for n in 0..20u64 {
        let mut one = fact(300 * 60 + n as i64 * 10, &format!("customer{n}"), 3_000_000 + n);
        one.sketch = Some(Sketch(0xaaaa_bbbb_cccc_0000 | n));
        let told = watch.observe(&one);
        assert!(told.iter().all(|alert| !matches!(alert.subject, Subject::Campaign(_))));
    }
}

#[test]
fn a_stage_that_stops_answering_is_told_by_name() {
    let mut watch = learnt();
    let mut told = Vec::new();
    for minute in 300..303 {
        for n in 0..40 {
            let number = (minute * 100 + n) as u64;
            let mut one = fact(minute * 60 + n, &format!("s{n}"), number);
            if n % 3 == 0 {
                one.gaps = vec![StageName::sentiment()];
            }
            told.extend(watch.observe(&one));
        }
    }
    assert!(told.iter().any(|alert| alert.subject == Subject::Stage("sentiment".into())));
}

#[test]
fn silence_is_told_by_time_alone() {
    let mut watch = learnt();
    let told = watch.pass(at(310 * 60));
    let silence = told.iter().find(|alert| has(alert, Signal::Volume)).expect("silence is told");
    assert!(silence.signals[0].size < 0.0 && silence.subject == Subject::Bot);
}

#[test]
fn what_was_learnt_survives_a_restart_and_a_changed_byte_is_found() {
    let mut watch = learnt();
    let mut bytes = watch.to_bytes().unwrap();
    let mut again = Watch::from_bytes(&bytes, Watching::default()).unwrap();
    assert_eq!(again.speakers(), watch.speakers());
    for n in 0..200 {
        let one = fact(300 * 60 + n / 10, "flooder", 1_000_000 + n as u64);
        assert_eq!(again.observe(&one), watch.observe(&one));
    }
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(matches!(
        Watch::from_bytes(&bytes, Watching::default()),
        Err(snapshot::SnapshotError::Corrupt)
    ));
    assert!(Watch::from_bytes(&bytes[..10], Watching::default()).is_err());
    assert!(Watch::from_bytes(b"", Watching::default()).is_err());
}

#[test]
fn the_oldest_speakers_leave_first_and_time_that_runs_back_is_borne() {
    let watching = Watching { speakers: 100, ..Watching::default() };
    let mut watch = Watch::new(watching);
    for n in 0..1_000u64 {
        watch.observe(&fact(n as i64, &format!("s{n}"), n));
    }
    assert_eq!(watch.speakers(), 100);
    let late = Fact { at: Timestamp::from_second(START - 86_400).unwrap(), ..fact(0, "late", 5) };
    watch.observe(&late);
    let ahead = at(1_000).saturating_add(SignedDuration::from_hours(24 * 365)).unwrap();
    watch.pass(ahead);
}
