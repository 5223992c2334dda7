//! People in need are answered, never refused: the default policy, the real stages.

use portcullis_core::{Decision, ToneDirective};
use serde_json::json;

use crate::support::{PATIENT, Small};

#[tokio::test]
async fn grief_asks_for_compassion_and_is_let_through() {
    let small = Small::new(Small::real_stages()).policy(PATIENT);
    let text = "My father died yesterday and I need to cancel his ticket";
    let verdict = small.check(&json!({"text": text})).await.unwrap();
    assert_eq!(verdict.decision, Decision::Allow);
    let tone = verdict.tone.unwrap();
    assert_eq!(
        (tone.directive, tone.reason.as_str()),
        (ToneDirective::Compassion, "distress.grief")
    );
    assert_eq!(verdict.reply, None);
}

#[tokio::test]
async fn moods_become_a_trend_over_the_conversation() {
    let small = Small::new(Small::real_stages()).policy(PATIENT);
    let say = async |text: &str| {
        let body = json!({"text": text, "conversation": "c-1"});
        small.check(&body).await.unwrap().tone.map(|tone| tone.directive)
    };
    for _ in 0..3 {
        assert_eq!(say("THIS IS TERRIBLE!!! WORST SERVICE EVER").await, Some(ToneDirective::Calm));
    }
    assert_eq!(say("Where is my parcel").await, Some(ToneDirective::HandOver));
}
