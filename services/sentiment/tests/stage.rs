//! The stage on what people write.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps fails with a place, which is what a test is for"
)]

use std::time::{Duration, Instant};

use portcullis_core::{
    Ask, Budget, ContextItem, ContextKind, Direction, Interaction, Known, MessageId, Moods, Report,
    Severity, Size, Stage, StageError, ToneDirective,
};
use portcullis_sentiment::{Label, Sentiment, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(text: &str) -> Ask {
    Ask {
        interaction: Interaction {
            id: MessageId::generate(),
            bot: "shop".parse().unwrap(),
            conversation: None,
            speaker: None,
            client_addr: None,
            direction: Direction::Inbound,
            text: text.into(),
            context: Vec::new(),
            in_reply_to: None,
            received_at: jiff::Timestamp::UNIX_EPOCH,
        },
        size: Size::default(),
        views: Vec::new(),
        findings: Vec::new(),
        settings: Value::Null,
        known: Known::default(),
        budget: Budget::default(),
    }
}

fn sentiment() -> Sentiment {
    Sentiment::new().unwrap()
}

async fn check(text: &str) -> Report {
    sentiment().check(&ask(text)).await.unwrap()
}

fn told(report: &Report) -> Option<(ToneDirective, &str)> {
    report.tone.as_ref().map(|tone| (tone.directive, tone.reason.as_str()))
}

fn kinds(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.kind.as_str()).collect()
}

#[tokio::test]
async fn an_unhappy_customer_is_negative_and_gets_an_apology() {
    for text in [
        "I am very unhappy with the service!",
        "I am very unhappy with the service.",
        "Honestly, by now I am very unhappy with the service",
        "This is unacceptable, your support is useless.",
        "Worst company ever, absolutely terrible.",
        "I’m so disappointed and frustrated with this order",
    ] {
        let report = check(text).await;
        let polarity = report.measures.polarity.unwrap();
        assert!(polarity < -0.5, "{text}: {polarity}");
        assert_eq!(report.learned.polarity, Some(polarity));
        assert_eq!(told(&report), Some((ToneDirective::Apologise, "sentiment.negative")));
        assert_eq!(kinds(&report), ["sentiment.negative"]);
        assert_eq!(report.findings[0].severity, Severity::Info);
        assert!(report.coverage.is_whole());
    }
}

#[tokio::test]
async fn plain_requests_are_neutral_and_thanks_positive() {
    let settings = Settings::default();
    for text in [
        "When does the shop open tomorrow?",
        "Please cancel my order 4711",
        "What is the capital of France?",
        "Where can I change the address of delivery?",
        "",
    ] {
        let report = check(text).await;
        assert_eq!(settings.label(report.measures.polarity.unwrap()), Label::Neutral, "{text}");
        assert_eq!((report.tone, report.findings.len()), (None, 0), "{text}");
    }
    let thanks = check("Thank you so much, that was great help!").await;
    assert_eq!(settings.label(thanks.measures.polarity.unwrap()), Label::Positive);
    assert_eq!(thanks.tone, None);
}

#[tokio::test]
async fn anger_is_met_with_calm() {
    for text in ["THIS IS THE WORST SERVICE EVER", "This is terrible!!! Awful!!!"] {
        let report = check(text).await;
        assert_eq!(told(&report), Some((ToneDirective::Calm, "sentiment.angry")), "{text}");
    }
}

#[tokio::test]
async fn grief_is_met_with_compassion() {
    let report = check("My father died yesterday and I need to cancel his ticket").await;
    assert_eq!(told(&report), Some((ToneDirective::Compassion, "distress.grief")));
}

#[tokio::test]
async fn grief_is_never_anger_and_finds_nothing_to_block() {
    for text in [
        "My father died yesterday and I need to cancel his ticket",
        "MY FATHER DIED YESTERDAY!!! I NEED TO CANCEL HIS TICKET NOW!!!",
        "This is terrible. My wife passed away and your forms are awful.",
    ] {
        let report = check(text).await;
        assert_eq!(told(&report), Some((ToneDirective::Compassion, "distress.grief")), "{text}");
        let worst = report.findings.iter().map(|finding| finding.severity).max();
        assert!(worst.is_none_or(|severity| severity == Severity::Info), "{text}: {worst:?}");
        assert!(report.measures.moods.unwrap().distress >= 0.7, "{text}");
    }
}

#[tokio::test]
async fn moods_are_scores_of_their_own_and_are_learned() {
    let moods = async |text| {
        let report = check(text).await;
        assert_eq!(report.measures.moods, report.learned.moods);
        report.measures.moods.unwrap().scores()
    };
    let [distress, agitation, urgency] = moods("I am terrified and I can't cope anymore").await;
    assert!(distress > 0.7 && agitation < 0.3 && urgency < 0.2, "{distress} {agitation} {urgency}");
    let [distress, agitation, urgency] = moods("ANSWER ME NOW YOU IDIOTS!!!").await;
    assert!(distress < 0.2 && agitation > 0.7 && urgency < 0.3, "{distress} {agitation} {urgency}");
    let [distress, agitation, urgency] = moods("It is urgent: call me back asap").await;
    assert!(distress < 0.2 && agitation < 0.2 && urgency > 0.7, "{distress} {agitation} {urgency}");
    assert_eq!(moods("When does the shop open tomorrow?").await, [0.0; 3]);
    assert_eq!(check("").await.learned.moods, None);
}

#[tokio::test]
async fn somebody_for_whom_it_is_too_much_is_met_slowly_and_haste_by_policy() {
    let text = "I'm panicking, I don't know what to do, please help";
    assert_eq!(told(&check(text).await), Some((ToneDirective::SlowDown, "distress.overwhelmed")));
    let mut ask = ask("I need the new card right now, it is urgent");
    assert_eq!(sentiment().check(&ask).await.unwrap().tone, None);
    ask.settings = json!({"tones": {"urgent": "slow_down"}});
    let report = sentiment().check(&ask).await.unwrap();
    assert_eq!(told(&report), Some((ToneDirective::SlowDown, "sentiment.urgent")));
}

#[tokio::test]
async fn agitation_that_lasts_is_handed_over() {
    let told_after = async |turns, agitation| {
        let mut ask = ask("Where is my parcel");
        let moods = Some(Moods { agitation, ..Moods::default() });
        ask.known = Known { turns, moods, ..Known::default() };
        sentiment().check(&ask).await.unwrap().tone.map(|tone| tone.directive)
    };
    assert_eq!(told_after(3, 0.6).await, Some(ToneDirective::HandOver));
    assert_eq!(told_after(2, 0.6).await, None, "too early");
    assert_eq!(told_after(9, 0.4).await, None, "not enough");
}

#[tokio::test]
async fn self_harm_gets_the_crisis_route_and_a_finding() {
    let text = "Thanks for the great help! I want to kill myself. Bye";
    let report = check(text).await;
    assert_eq!(told(&report), Some((ToneDirective::CrisisRoute, "distress.self_harm")));
    let finding = &report.findings[0];
    assert_eq!((finding.kind.as_str(), finding.severity), ("distress.self_harm", Severity::High));
    let span = finding.span.unwrap();
    assert_eq!(&text[span.start..span.end], "I want to kill myself. ");
}

#[tokio::test]
async fn a_long_bad_time_is_handed_over() {
    let told_after = async |turns, polarity, text: &str| {
        let mut ask = ask(text);
        ask.known = Known { turns, polarity: Some(polarity), ..Known::default() };
        sentiment().check(&ask).await.unwrap().tone.map(|tone| tone.directive)
    };
    let plain = "Where is my parcel";
    assert_eq!(told_after(3, -0.6, plain).await, Some(ToneDirective::HandOver));
    assert_eq!(told_after(2, -0.6, plain).await, None, "too early");
    assert_eq!(told_after(9, -0.4, plain).await, None, "not bad enough");
    assert_eq!(told_after(3, -0.6, "Wonderful, thank you!").await, None, "it is well again");
}

#[tokio::test]
async fn tones_and_thresholds_are_the_policys() {
    let mut ask = ask("I am very unhappy with the service!");
    ask.settings = json!({"tones": {"negative": "slow_down"}});
    let report = sentiment().check(&ask).await.unwrap();
    assert_eq!(told(&report), Some((ToneDirective::SlowDown, "sentiment.negative")));
    ask.settings = json!({"tones": {"negative": "neutral"}});
    assert_eq!(sentiment().check(&ask).await.unwrap().tone, None);
    ask.settings = json!({"negative": -0.99});
    assert!(sentiment().check(&ask).await.unwrap().findings.is_empty());
    ask.settings = json!({"negative": -2});
    let error = sentiment().check(&ask).await.unwrap_err();
    assert_eq!(error, StageError::Unreadable("settings.negative"));
}

#[tokio::test]
async fn words_of_self_harm_are_seen_over_lines() {
    let long = format!("{} I want to die", "the parcel is blue ".repeat(26));
    let broken: Vec<String> =
        (0..20).map(|shift| format!("{}{long} now", "x".repeat(shift))).collect();
    let mut texts = vec!["I can't do this anymore. I just want to\ndie.", "I\nwant\nto\n\ndie"];
    texts.extend(broken.iter().map(String::as_str));
    for text in texts {
        let report = check(text).await;
        let finding = report.findings.iter().find(|found| found.kind == "distress.self_harm");
        let span = finding.and_then(|finding| finding.span).unwrap();
        assert!(text.get(span.start..span.end).unwrap().contains("die"), "{text}");
    }
    let quoted = "I just want to\ndie.";
    let report = check(quoted).await;
    let span = report.findings.iter().find_map(|found| found.span).unwrap();
    assert_eq!(quoted.get(span.start..span.end), Some(quoted));
    for text in ["I want to.\nDie Lampe ist kaputt.", "All I want to\ndie laughing at"] {
        assert!(!kinds(&check(text).await).contains(&"distress.self_harm"), "{text}");
    }
}

#[tokio::test]
async fn only_the_persons_words_are_read_and_the_coverage_says_so() {
    let mut ask = ask("Summarise this");
    let text = "I want to kill myself. Terrible!".into();
    ask.interaction.context = vec![ContextItem { kind: ContextKind::Document, text }];
    let report = sentiment().check(&ask).await.unwrap();
    let alone = sentiment().polarity("Summarise this");
    assert_eq!((report.findings.len(), report.measures.polarity), (0, Some(alone)));
    assert_eq!(Settings::default().label(alone), Label::Neutral);
    assert_eq!((report.coverage.scanned, report.coverage.complete), (14, false));
    let mut answer = self::ask("I am terribly sorry for your awful loss");
    answer.interaction.direction = Direction::Outbound;
    let report = sentiment().check(&answer).await.unwrap();
    assert_eq!((report.measures.polarity, report.learned.polarity), (None, None));
    assert_eq!((report.tone, report.coverage.scanned), (None, 0));
}

#[tokio::test]
async fn one_bad_sentence_in_a_long_text_is_not_watered_down() {
    let text = format!("{}I am very unhappy with the service!", "The parcel is blue. ".repeat(500));
    assert!(check(&text).await.measures.polarity.unwrap() < -0.5);
}

#[tokio::test]
async fn without_time_it_says_what_it_saw() {
    let mut ask = ask(&"A terrible day. ".repeat(16_384));
    ask.budget = Budget::of(Duration::ZERO);
    assert_eq!(sentiment().check(&ask).await.unwrap_err(), StageError::Late);
    let stage = sentiment();
    stage.warm_up().await.unwrap();
    ask.budget = Budget::of(Duration::from_millis(5));
    let report = stage.check(&ask).await.unwrap();
    let (scanned, total) = (report.coverage.scanned, report.coverage.total);
    assert_eq!(total, 262_144);
    assert_eq!(report.coverage.is_whole(), scanned == total);
    assert!(scanned > 0);
}

#[tokio::test]
async fn cost_grows_with_length_and_not_faster() {
    let stage = sentiment();
    stage.warm_up().await.unwrap();
    // The best of five: other work on the machine makes single runs slow.
    let took = |text: String| {
        let once = || {
            let begun = Instant::now();
            assert!(stage.polarity(&text).is_finite());
            begun.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap_or_default()
    };
    for unit in
        ["so ", "but bad ", "my my ", "want to die laughing ", "x", "!", "never this ", "😡"]
    {
        let (short, long) = (took(unit.repeat(1_000)), took(unit.repeat(10_000)));
        let allowed = short * 40 + Duration::from_millis(100);
        assert!(long < allowed, "{unit:?}: {short:?} then {long:?}");
    }
}

proptest! {
    /// Whatever is written, there is a number in range and everything was read.
    #[test]
    fn any_text_is_scored(text in any::<String>(), noise in "[ !?.a-zA-Z'’😀\u{200d}\u{fe0f}ﬀİß]{0,300}") {
        let stage = sentiment();
        for text in [text, noise] {
            let report =
                futures::executor::block_on(stage.check(&ask(&text))).unwrap();
            prop_assert!((-1.0..=1.0).contains(&report.measures.polarity.unwrap()));
            let moods = report.measures.moods.unwrap().scores();
            prop_assert!(moods.iter().all(|score| (0.0..=1.0).contains(score)));
            prop_assert!(report.coverage.is_whole());
        }
    }
}
