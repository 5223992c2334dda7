//! Tests of the stage: whole asks in, whole reports out.

use std::time::Instant;

use futures::executor::block_on;
use portcullis_core::{
    BotId, Budget, ContextItem, ContextKind, Interaction, MessageId, Run, View, ViewKind,
};
use portcullis_detect::{Entity, value_digest};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn answer(text: &str) -> Ask {
    Ask {
        interaction: Interaction {
            id: MessageId::parse("a1").unwrap(),
            bot: BotId::fallback(),
            conversation: None,
            speaker: None,
            client_addr: None,
            direction: Direction::Outbound,
            text: text.into(),
            context: Vec::new(),
            in_reply_to: None,
            received_at: jiff::Timestamp::UNIX_EPOCH,
        },
        size: Default::default(),
        views: Vec::new(),
        findings: Vec::new(),
        settings: serde_json::Value::Null,
        known: Default::default(),
        budget: Budget::default(),
    }
}

fn check(ask: &Ask) -> Report {
    block_on(moderate(ask, &Rules::of(&ask.settings).unwrap())).unwrap()
}

fn kinds(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.kind.as_str()).collect()
}

#[test]
fn leaks_are_found_and_masked() {
    let report = check(&answer("It is AKIAIOSFODNN7EXAMPLE; ask bob@example.org."));
    assert_eq!(kinds(&report), ["leak.secret.aws_key", "leak.pii.email"]);
    assert_eq!(report.findings[0].severity, Severity::Critical);
    assert_eq!(report.findings[1].severity, Severity::High);
    assert_eq!(
        report.edits,
        [(6, 26, "AWS_KEY"), (32, 47, "EMAIL")].map(|(start, end, label)| Edit {
            place: Place::Text,
            span: Span { start, end },
            with: Masking::Redact(Some(label.into())),
        })
    );
    assert!(report.coverage.is_whole());
}

#[test]
fn an_echo_is_no_leak() {
    let mut ask =
        answer("Your card 4111-1111-1111-1111 and Jane@Example.org; also bob@example.org");
    ask.known.salt = "s".into();
    ask.known.values = vec![
        value_digest("s", Entity::Card, "4111 1111 1111 1111"),
        value_digest("s", Entity::Email, "jane@example.org"),
    ];
    let report = check(&ask);
    assert_eq!(kinds(&report), ["leak.pii.email"]);
    assert_eq!(report.edits.len(), 1);
    ask.known.salt = "other conversation".into();
    assert_eq!(check(&ask).findings.len(), 3);
}

#[test]
fn what_the_bot_was_given_to_read_is_no_leak() {
    let mut ask = answer("The sender is bob@example.org.");
    ask.interaction
        .context
        .push(ContextItem { kind: ContextKind::Email, text: "From: Bob <bob@example.org>".into() });
    let report = check(&ask);
    assert_eq!((kinds(&report), report.edits.len()), (vec![], 0));
    assert!(report.coverage.is_whole());
}

#[test]
fn a_value_that_only_a_view_shows_leaks_too() {
    let mut ask = answer("4111\u{200B}111111111111 and AKIAIOSFODNN7EXAMPLE");
    ask.views.push(View {
        kind: ViewKind::Canonical,
        source: Place::Text,
        text: "4111111111111111 and AKIAIOSFODNN7EXAMPLE".into(),
        map: vec![
            Run { view: 0, source: 0, view_len: 4, source_len: 4 },
            Run { view: 4, source: 7, view_len: 37, source_len: 37 },
        ],
    });
    let report = check(&ask);
    assert_eq!(kinds(&report), ["leak.pii.card", "leak.secret.aws_key"]);
    assert_eq!(report.edits[0].span, Span { start: 0, end: 19 });
    assert_eq!(
        report.findings[0].view, None,
        "the rules read past invisible characters themselves"
    );
    assert_eq!(report.coverage, Coverage::whole(44 + 41));
}

#[test]
fn a_view_that_shows_more_of_a_value_widens_its_mask() {
    // the first letter is Cyrillic: the received text shows an address that begins behind it
    let text = "\u{458}.bob@example.org wrote";
    let mut ask = answer(text);
    let before = check(&ask);
    assert_eq!(kinds(&before), ["leak.pii.email"]);
    assert!(before.edits[0].span.start > 0, "{:?}", before.edits);
    ask.views.push(View {
        kind: ViewKind::Canonical,
        source: Place::Text,
        text: "j.bob@example.org wrote".into(),
        map: vec![
            Run { view: 0, source: 0, view_len: 1, source_len: 2 },
            Run { view: 1, source: 2, view_len: 22, source_len: 22 },
        ],
    });
    let report = check(&ask);
    assert_eq!((kinds(&report), report.findings[0].view), (vec!["leak.pii.email"], None));
    assert_eq!(report.edits.len(), 1);
    assert_eq!(report.edits[0].span, Span { start: 0, end: "\u{458}.bob@example.org".len() });
}

#[test]
fn a_pattern_is_masked_wherever_it_matches() {
    let mut ask = answer(&"T-1 ".repeat(1000));
    ask.settings = json!({
        "unsafe_content": {"enabled": false},
        "guidelines": {"patterns": [{"name": "t", "regex": "T-[0-9]", "mask": true, "severity": "low"}]},
    });
    let report = check(&ask);
    assert_eq!((report.edits.len(), report.coverage.complete), (1000, true));
    ask.interaction.text = "T-1 ".repeat(2000).as_str().into();
    let report = check(&ask);
    assert_eq!((report.edits.len(), report.coverage.complete), (LEAKS, false));
    assert_eq!(kinds(&report).last(), Some(&"leak.limit"));
}

#[test]
fn settings_say_what_counts() {
    let mut ask = answer("Write to shop@example.org, key AKIAIOSFODNN7EXAMPLE");
    ask.settings = json!({"entities": {"email": false}});
    assert_eq!(kinds(&check(&ask)), ["leak.secret.aws_key"]);
}

#[test]
fn harmless_answers_pass() {
    for text in [
        "",
        "Your order 20241123-001 is on its way; it should be there on 2026-11-25.",
        "Please reset your password: open Settings, then Security.",
        "می‌توانید سفارش خود را ببینید 👨‍👩‍👧‍👦 — आपका ऑर्डर रास्ते में है",
    ] {
        let report = check(&answer(text));
        assert_eq!(kinds(&report), Vec::<&str>::new(), "{text}");
        assert_eq!(report.coverage, Coverage::whole(text.len()), "{text}");
    }
}

#[test]
fn more_leaks_than_can_be_named_are_said() {
    let mut ask = answer(&"a@b.cc ".repeat(2000));
    ask.settings = json!({"unsafe_content": {"enabled": false}});
    let report = check(&ask);
    assert_eq!(report.findings.len(), LEAKS + 1);
    assert_eq!(report.findings[LEAKS].kind, "leak.limit");
    assert!(!report.coverage.complete);
}

#[test]
fn a_value_that_only_a_decoding_shows_leaks_too() {
    let mut ask = answer("see QUtJQUlPU0ZPRE5ON0VYQU1QTEU= there");
    ask.views.push(View {
        kind: ViewKind::Decoded,
        source: Place::Text,
        text: "AKIAIOSFODNN7EXAMPLE".into(),
        map: vec![Run { view: 0, source: 4, view_len: 20, source_len: 28 }],
    });
    let report = check(&ask);
    assert_eq!(kinds(&report), ["leak.secret.aws_key"]);
    assert_eq!(report.findings[0].view, Some(0));
    assert_eq!(report.edits[0].span, Span { start: 4, end: 32 });
}

#[test]
fn unsafe_content_is_found_and_help_is_not() {
    let severe = |text: &str, settings: serde_json::Value| {
        let mut ask = answer(text);
        ask.settings = settings;
        kinds(&check(&ask)).iter().any(|kind| kind.starts_with("unsafe."))
    };
    let none = serde_json::Value::Null;
    assert!(severe(UNSAFE, none.clone()));
    for text in [
        HARMLESS,
        "If you are thinking about suicide, please call a crisis line now. You are not alone.",
        "I'm sorry, but I can't help with that.",
        "To kill the process, run kill -9 with its number, then remove the lock file.",
        "You can change the delivery address in your account until the parcel has left our store.",
    ] {
        assert!(!severe(text, none.clone()), "{text}");
    }
    assert!(!severe(UNSAFE, json!({"unsafe_content": {"enabled": false}})));
    let off: serde_json::Map<String, serde_json::Value> =
        Category::ALL.iter().map(|c| (c.name().to_owned(), json!(false))).collect();
    assert!(!severe(UNSAFE, json!({"unsafe_content": {"categories": off}})));
    assert!(severe(
        HARMLESS,
        json!({"unsafe_content": {"categories": {"hate": {"hold_above": 0.0}}}})
    ));
}

#[test]
fn what_only_a_whole_can_lack_is_not_asked_of_a_part() {
    let mut ask = answer("Buy shares now.");
    ask.settings = json!({"guidelines": {
        "disclaimers": [{"name": "finance", "when": ["shares"], "any": ["no advice"]}],
        "json": {},
    }});
    assert_eq!(kinds(&check(&ask)), ["guideline.disclaimer.finance", "guideline.json.form"]);
    ask.size.more = true;
    assert_eq!(kinds(&check(&ask)), Vec::<&str>::new());
}

#[tokio::test]
async fn the_stage_answers_as_agreed() {
    let mut ask = answer("AKIAIOSFODNN7EXAMPLE");
    assert_eq!(Moderation.check(&ask).await.unwrap().findings.len(), 1);
    ask.settings = json!({"words": []});
    assert_eq!(Moderation.check(&ask).await, Err(StageError::Unreadable("settings")));
    ask.settings = serde_json::Value::Null;
    ask.budget = Budget::until(Instant::now());
    assert_eq!(Moderation.check(&ask).await, Err(StageError::Late));
    ask.interaction.direction = Direction::Inbound;
    assert_eq!(Moderation.check(&ask).await, Ok(Report::clean(VERSION.as_str(), 20)));
    assert_eq!(Moderation.warm_up().await, Ok(()));
    assert_eq!(Moderation.name().as_str(), "moderation");
}

proptest! {
    #[test]
    fn any_answer_gives_edits_in_order_on_boundaries(parts in prop::collection::vec(
        prop_oneof![
            any::<String>(),
            Just("jane@example.org".to_owned()),
            Just("4111 1111 1111 1111".to_owned()),
            Just("password=hunter2".to_owned()),
            Just("![x](https://evil.net/?q=a+b+c+d+e+f)".to_owned()),
            Just("<script>".to_owned()),
        ], 0..10))
    {
        let text = parts.concat();
        let report = check(&answer(&text));
        let mut last = 0;
        for edit in &report.edits {
            prop_assert!(edit.span.start >= last);
            prop_assert!(text.get(edit.span.start..edit.span.end).is_some());
            last = edit.span.end;
        }
        prop_assert!(report.edits.len() <= report.findings.len());
    }
}

/// Of a crime, in words of which none is bad by itself.
const PLAIN: &str = "Happy to help! Ring her early in the morning and say that you are calling from the bank. Keep her on \
    the line so that she cannot ask her son, and have her read out the code that she gets, digit by digit.";

#[test]
fn an_answer_that_only_its_meaning_gives_away_is_read_by_the_encoder() {
    let mut ask = answer(PLAIN);
    let report = check(&ask);
    assert!(kinds(&report).contains(&"unsafe.illegal"), "{:?}", kinds(&report));
    assert_eq!(report.measures.parts[0].by, Some(Answered::Encoder));
    ask.settings = json!({"unsafe_content": {"encoder": false}});
    let report = check(&ask);
    assert_eq!(kinds(&report), Vec::<&str>::new());
    assert_eq!(report.measures.parts[0].by, Some(Answered::Linear));
}

#[test]
fn what_the_encoder_has_no_time_for_has_the_linear_answer() {
    let model = MODEL.as_ref().unwrap();
    let pass = model.pass(UNSAFE, &mut || true);
    let late = block_on(model.read(UNSAFE, &pass, Some(Instant::now())));
    assert_eq!((late.judged, late.is_whole), (Vec::new(), false));
    // one that the linear model is sure of, in a view that comes after more than there is time for
    let mut ask = answer(&PLAIN.repeat(400));
    ask.views.push(View {
        kind: ViewKind::Decoded,
        source: Place::Text,
        text: UNSAFE.into(),
        map: vec![Run { view: 0, source: 0, view_len: UNSAFE.len(), source_len: 40 }],
    });
    ask.budget = Budget::until(Instant::now() + Duration::from_secs(2));
    let report = check(&ask);
    assert!(report.coverage.is_whole(), "{:?}", report.coverage);
    assert!(kinds(&report).contains(&"unsafe.self_harm"), "{:?}", kinds(&report));
}

#[test]
fn a_long_text_is_read_in_stretches_whose_places_are_right() {
    let text = format!(
        "{}{PLAIN} {}",
        "Ihr Päckchen ist unterwegs. ".repeat(200),
        "Danke schön! ".repeat(300)
    );
    let model = MODEL.as_ref().unwrap();
    let pass = model.pass(&text, &mut || true);
    let seen = block_on(model.seen(&text, &pass, 0.0, None)).unwrap();
    assert!(seen.len() > 20 && seen.iter().all(|window| window.encoder.is_some()));
    assert!(seen.iter().all(|window| text.get(window.bytes.clone()).is_some()));
    assert_eq!((seen[0].bytes.start, seen.last().unwrap().bytes.end), (0, text.len()));
    let starts = seen.windows(2).all(|pair| pair[1].bytes.start <= pair[0].bytes.end);
    assert!(starts, "no byte is left out");
}

#[test]
fn a_bundle_with_another_part_is_refused() {
    let (weights, words) = ENCODER.unwrap();
    let parts =
        |weights: &[u8], words: &[u8]| Some((weights.to_vec().into(), words.to_vec().into()));
    let read = |encoder| ContentModel::from_parts(MANIFEST, WEIGHTS, encoder).err();
    assert_eq!(read(parts(weights, words)), None);
    assert_eq!(read(parts(&weights[1..], words)), Some(BundleError("encoder.onnx")));
    assert_eq!(read(parts(weights, &words[1..])), Some(BundleError("vocab.txt")));
    assert_eq!(read(None), Some(BundleError("encoder")));
    let fewer = ContentModel::from_parts(MANIFEST, &WEIGHTS[1..], parts(weights, words));
    assert_eq!(fewer.err(), Some(BundleError("weights.bin")));
}
