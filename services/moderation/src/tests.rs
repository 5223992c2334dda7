//! Tests of the stage: whole asks in, whole reports out.

use std::time::Instant;

use portcullis_core::{
    BotId, Budget, ContextItem, ContextKind, Interaction, MessageId, Run, View, ViewKind,
};
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
    moderate(ask, &ask.settings::<Settings>().unwrap()).unwrap()
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
    assert_eq!(check(&ask), Report::clean(VERSION.as_str(), ask.total_bytes()));
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
    assert_eq!((report.findings[0].view, report.findings[1].view), (Some(0), None));
    assert_eq!(report.coverage, Coverage::whole(44 + 41));
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
        assert_eq!(check(&answer(text)), Report::clean(VERSION.as_str(), text.len()), "{text}");
    }
}

#[test]
fn more_leaks_than_can_be_named_are_said() {
    let report = check(&answer(&"a@b.cc ".repeat(2000)));
    assert_eq!(report.findings.len(), LEAKS + 1);
    assert_eq!(report.findings[LEAKS].kind, "leak.limit");
    assert!(!report.coverage.complete);
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
        prop_assert_eq!(report.edits.len(), report.findings.len());
    }
}
