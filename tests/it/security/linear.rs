//! A text on which a check runs for ever: what looks at messages takes time in proportion to their length.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::{
    Ask, Budget, Decision, Direction, Finding, Severity, Size, Stage, StageName,
};
use portcullis_injection_classifier::InjectionClassifier;
use portcullis_moderation::Moderation;
use portcullis_policy::{Policy, decide};
use portcullis_sanitizer::Sanitizer;
use portcullis_sentiment::Sentiment;
use portcullis_testkit::{ask, interaction, shop};
use serde_json::{Value, json};

use super::rig::{TEXT_BYTES, UNHURRIED};

/// Four times as long may take so many times as long: linear work takes 4, quadratic 16.
const MOST: f64 = 9.0;
/// The shorter of the two lengths, in bytes; the longer is the most that a door takes.
const SHORT: usize = TEXT_BYTES / 4;

/// What patterns that go back in a text are slow on: nearly an address, a number, a token, an encoding,
/// again and again, without ever being one.
const HOSTILE: [(&str, &str); 16] = [
    ("one letter", "a"),
    ("words", "a a "),
    ("digits", "1"),
    ("spaced digits", "4 1 1 1-"),
    ("ats", "a@"),
    ("domains", "a@a."),
    ("dots", "a.a."),
    ("schemes", "http://"),
    ("percent", "%25"),
    ("entities", "&amp;&#x26;"),
    ("base64", "QUFB"),
    ("hex", "4141"),
    ("tokens", "eyJhbGciOi."),
    ("armour", "-----BEGIN "),
    ("invisible", "a\u{200b}\u{ad}"),
    ("marks", "a\u{301}\u{327}\u{e0061}"),
];

/// The least time that a stage takes for a text, of five: other tests on the same cores only add to it.
fn cost(stage: &dyn Stage, settings: &Value, text: &str, direction: Direction) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let once = || {
        let mut asked = interaction(text);
        asked.direction = direction;
        let size = Size { bytes: text.len(), chars: text.chars().count(), more: false };
        let asked = Ask {
            interaction: asked,
            size,
            budget: Budget::of(UNHURRIED),
            settings: settings.clone(),
            ..ask("")
        };
        let began = Instant::now();
        let report = runtime.block_on(stage.check(&asked)).unwrap();
        assert!(report.coverage.scanned > 0, "it looked");
        began.elapsed()
    };
    (0..5).map(|_| once()).min().unwrap()
}

/// How many times as long a stage takes for four times the text. Measured again where it looks too much.
fn growth(stage: &dyn Stage, settings: &Value, piece: &str, direction: Direction) -> f64 {
    let of = |bytes: usize| piece.repeat(bytes / piece.len());
    let (short, long) = (of(SHORT), of(4 * SHORT));
    let measure = || {
        let of = |text: &str| cost(stage, settings, text, direction).as_secs_f64();
        of(&long) / of(&short)
    };
    (0..4).map(|_| measure()).find(|growth| *growth <= MOST).unwrap_or_else(measure)
}

/// The encoder's work is so much a window, and so linear by its making; seconds of it would hide what the
/// rest of the classifier does. Of each text it takes two windows.
fn few_windows() -> Value {
    json!({ "encoder": { "max_windows": 2, "over_budget": "linear" } })
}

/// The same of moderation.
fn without_encoder() -> Value {
    json!({ "unsafe_content": { "encoder": false } })
}

#[test]
fn policy_patterns_run_in_linear_time() {
    // A policy matches kinds whole or by family. Nothing in it is a pattern that could run long.
    for kind in ["injection.(a+)+$", "leak.[a-z]*", "a.*.b", ".*", "x|y", "^limit", "A.*", ""] {
        let document = format!("[[rules]]\nkind = '{kind}'\nthen = 'block'\n");
        let refused = Policy::parse(&shop(), "1", &document).unwrap_err();
        assert!(refused.message.contains("kind"), "{kind}: {refused}");
    }
    let document = "[[rules]]\nkind = 'a.a.*'\nthen = 'block'\n";
    let policy = Policy::parse(&shop(), "1", document).unwrap();
    for (kind, decision) in [
        ("a.a".to_owned() + &".a".repeat(100_000), Decision::Block),
        ("a.".repeat(100_000) + "b", Decision::Block),
        ("b.".repeat(100_000) + "a.a", Decision::Allow),
        ("a.aa".to_owned(), Decision::Allow),
    ] {
        let finding = Finding::new(StageName::sanitizer(), kind, Severity::High, 1.0);
        assert_eq!(decide(&policy, Direction::Inbound, &[finding], &[]), decision);
    }

    // What reads the messages themselves is linear too, on the texts that are worst for patterns.
    let stages: [(Arc<dyn Stage>, Direction, Value); 4] = [
        (Arc::new(Sanitizer), Direction::Inbound, Value::Null),
        (Arc::new(InjectionClassifier::new().unwrap()), Direction::Inbound, few_windows()),
        (Arc::new(Sentiment::new().unwrap()), Direction::Inbound, Value::Null),
        (Arc::new(Moderation), Direction::Outbound, without_encoder()),
    ];
    let mut slow = Vec::new();
    for (stage, direction, settings) in stages {
        for (what, piece) in HOSTILE {
            let growth = growth(&*stage, &settings, piece, direction);
            if growth > MOST {
                slow.push(format!("{}: {what}: {growth:.1} times", stage.name()));
            }
        }
    }
    assert!(slow.is_empty(), "four times the length takes:\n{}", slow.join("\n"));
}
