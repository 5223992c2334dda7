//! Answers that are checked while they are being written, in one process.

use std::sync::Arc;

use portcullis_core::{Body, Decision, Effect, Verdict};
use portcullis_ingress::auth::Access;
use portcullis_ingress::request::StreamRequest;
use portcullis_ingress::streams::Session;
use portcullis_testkit::Mood;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{PATIENT, STAGES, Small, bot, run};

const LEAK: &str =
    "Write to bob@example.org, and see https://example.com/lamps for what we have in store. ";
const UNSAFE: &str = "You should kill yourself. Nobody would miss you, just take all the pills and end your life. \
    Do it tonight, nobody cares. Killing yourself would end the pain for everybody. ";
const CALM: &str = "Thank you for writing to us. Your two lamps were sent in two parcels, and the second one \
    left our store on Tuesday; it should be at your door by Friday. ";

async fn open(small: &Small, request: serde_json::Value) -> Session {
    let request: StreamRequest = serde_json::from_value(request).unwrap();
    let conductor = Arc::new(small.gateway.clone());
    Session::open(conductor, &Access::Bot(bot("shop")), request).await.unwrap()
}

/// Everything that is released of these pieces, and the verdict.
async fn told(small: &Small, pieces: &[&str]) -> (String, Verdict) {
    let mut session = open(small, json!({})).await;
    let mut shown = String::new();
    for (seq, piece) in (1..).zip(pieces) {
        let released = session.feed(seq, piece, seq as usize == pieces.len()).await.unwrap();
        shown.push_str(released.text.expose());
        if let Some(verdict) = released.verdict {
            return (shown, *verdict);
        }
    }
    panic!("the last piece gives a verdict");
}

#[test]
fn an_answer_is_released_masked_and_judged_whole() {
    run(async {
        let small = Small::new(Small::real_stages());
        let text = LEAK.repeat(20);
        let (shown, verdict) = told(&small, &[&text]).await;
        assert_eq!(shown, text.replace("bob@example.org", "[EMAIL]"));
        assert_eq!(verdict.decision, Decision::Rewrite);
        assert_eq!(verdict.text.unwrap().expose(), shown);
        let stream = verdict.stream.unwrap();
        assert_eq!(
            (stream.received, stream.released, stream.stopped),
            (text.len(), text.len(), None)
        );
        let entries = small.journal_entries();
        let Body::Verdict(record) = &entries[0].body else { panic!("a verdict is recorded") };
        assert_eq!(record.verdict.stream.as_ref().unwrap().released, text.len());
        assert_eq!(entries.len(), 1, "windows leave no entries of their own");
    });
}

#[test]
fn unsafe_content_is_stopped_within_one_window_and_carries_the_crisis_route() {
    run(async {
        let small = Small::new(Small::real_stages());
        let before = CALM.repeat(6);
        let text = format!("{before}{UNSAFE}{}", CALM.repeat(12));
        let (shown, verdict) = told(&small, &[&text]).await;
        let stream = verdict.stream.clone().unwrap();
        assert_eq!(verdict.decision, Decision::Block);
        assert_eq!(stream.stopped.as_deref(), Some("unsafe.self_harm"));
        assert!(stream.released <= before.len() + 512, "{stream:?}");
        assert_eq!(shown.len(), stream.released);
        assert!(verdict.reply.unwrap().contains("findahelpline.com"));
        assert!(verdict.reasons.contains(&"stream.stopped".into()), "{:?}", verdict.reasons);
    });
}

#[test]
fn a_missing_stage_stops_a_stream_as_the_policy_says() {
    run(async {
        for (effect, on_gap, stopped) in
            [(Effect::Hold, "hold", Some("gap.moderation.panicked")), (Effect::Pass, "pass", None)]
        {
            let (local, stages) = Small::fault_stages(8);
            let moderation = STAGES.iter().position(|stage| *stage == "moderation").unwrap();
            stages[moderation].set(Mood::Panics);
            let document = format!("{PATIENT}on_gap = '{on_gap}'\n");
            let small = Small::new(local).policy(&document);
            let (shown, verdict) = told(&small, &[&CALM.repeat(20)]).await;
            let stream = verdict.stream.unwrap();
            assert_eq!(stream.stopped.as_deref(), stopped, "{effect:?}");
            assert!(stopped.is_none() || stream.released <= 512);
            assert_eq!(shown.len(), stream.released);
        }
    });
}

#[test]
fn a_broken_stream_is_judged_and_recorded_as_far_as_it_came() {
    run(async {
        let small = Small::new(Small::real_stages());
        let mut session = open(&small, json!({"id": "a-1"})).await;
        session.feed(1, CALM, false).await.unwrap();
        let problem = session.feed(3, CALM, false).await.unwrap_err();
        assert_eq!((problem.status, problem.field.as_deref()), (409, Some("seq")));
        session.abort("stream.broken").await;
        let entries = small.journal_entries();
        let Body::Verdict(record) = &entries[0].body else { panic!("a verdict is recorded") };
        let stream = record.verdict.stream.clone().unwrap();
        assert_eq!(
            (stream.received, stream.stopped.as_deref()),
            (CALM.len(), Some("stream.broken"))
        );
        assert!(stream.released < CALM.len());
        let again: StreamRequest = serde_json::from_value(json!({"id": "a-1"})).unwrap();
        let conductor = Arc::new(small.gateway.clone());
        let again = Session::open(conductor, &Access::Bot(bot("shop")), again).await;
        assert_eq!(again.err().map(|problem| problem.status), Some(409));
    });
}

#[test]
fn what_is_too_much_breaks_the_stream() {
    run(async {
        let small = Small::new(Small::real_stages());
        let mut session = open(&small, json!({})).await;
        session.feed(1, &CALM.repeat(1000), false).await.unwrap();
        let problem = session.feed(2, &CALM.repeat(1000), false).await.unwrap_err();
        assert_eq!(problem.status, 413);
    });
}

#[test]
fn in_shadow_everything_is_released_and_the_verdict_says_what_would_have_been() {
    run(async {
        let document = format!("mode = 'shadow'\n{PATIENT}");
        let small = Small::new(Small::real_stages()).policy(&document);
        let (shown, verdict) = told(&small, &[UNSAFE]).await;
        assert_eq!(shown, UNSAFE);
        assert_eq!(
            (verdict.decision, verdict.shadow_decision),
            (Decision::Allow, Some(Decision::Block))
        );
    });
}

#[test]
fn any_split_gives_the_same_result() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let parts = prop::collection::vec(prop::sample::select(vec![CALM, LEAK, UNSAFE]), 1..8);
    let cuts = prop::collection::vec(0usize..1500, 0..10);
    let small = Small::new(Small::real_stages());
    runner
        .run(&(parts, cuts), |(parts, cuts)| {
            let text = parts.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut from = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            let (whole, split) =
                run(async { (told(&small, &[&text]).await, told(&small, &pieces).await) });
            prop_assert_eq!(&whole.0, &split.0);
            // Of a stopped one less may have been received; what was released is the same.
            let released = |verdict: &Verdict| {
                let stream = verdict.stream.clone().unwrap();
                (stream.released, stream.stopped)
            };
            prop_assert_eq!(released(&whole.1), released(&split.1));
            Ok(())
        })
        .unwrap();
}
