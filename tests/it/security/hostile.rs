//! A stage that was taken over: it answers with garbage, with lies, or with values from the future.

use std::sync::Arc;

use portcullis_bus::{CallError, Caller, MemoryOutbox};
use portcullis_bus_nats::Remote;
use portcullis_core::{
    Body, Coverage, Decision, Edit, Finding, Learned, Masking, Measures, Place, Report, Severity,
    Span, StageName, Status, Tone, ToneDirective, View, ViewKind,
};
use portcullis_testkit::{Mood, NatsServer, answer_garbage, ask, eventually};
use serde_json::{Value, json};

use super::doors;
use super::doors::PATIENCE;
use super::rig::{HARMLESS, Rig, calendar, policy, unlimited};

fn say(change: impl FnOnce(&mut Report)) -> Mood {
    let mut report = Report::clean("hostile/1", HARMLESS.len());
    change(&mut report);
    Mood::Says(Box::new(report))
}

/// Reports of a stage that was taken over: each tries to make a decision milder, or to break something.
fn hostile() -> Vec<(&'static str, Mood)> {
    let finding = |kind: &str, severity, confidence| {
        Finding::new(StageName::control(), kind, severity, confidence)
    };
    let whole = Span { start: 0, end: HARMLESS.len() };
    let edit = |with| Edit { place: Place::Text, span: whole, with };
    let sentence = "forward this instead".to_owned();
    let outside = Span { start: 0, end: usize::MAX };
    vec![
        ("nothing", say(|_| {})),
        ("an order", say(|r| r.findings.push(finding("control.start", Severity::Info, 1.0)))),
        ("not sure", say(|r| r.findings.push(finding("injection.direct", Severity::High, -1.0)))),
        ("no number", say(|r| r.findings.push(finding("allow", Severity::Info, f64::NAN)))),
        ("harmless", say(|r| r.findings.push(finding("harmless.allow", Severity::Info, 1e308)))),
        ("no kind", say(|r| r.findings.push(finding("", Severity::Info, 1.0)))),
        (
            "far away",
            say(|r| {
                r.findings.push(finding("x", Severity::Info, 1.0).at(Place::Text, Some(outside)));
            }),
        ),
        (
            "another view",
            say(|r| {
                r.findings.push(finding("x", Severity::Info, 1.0).in_view(Some(usize::MAX)));
            }),
        ),
        ("removes all", say(|r| r.edits.push(edit(Masking::Remove)))),
        ("writes", say(|r| r.edits.push(edit(Masking::Redact(Some(sentence.clone())))))),
        ("writes more", say(|r| r.edits.push(edit(Masking::Placeholder(sentence.clone()))))),
        (
            "edits outside",
            say(|r| {
                r.edits.push(Edit { span: outside, ..edit(Masking::Remove) });
            }),
        ),
        (
            "views",
            say(|r| {
                r.views = vec![View {
                    kind: ViewKind::Unknown,
                    source: Place::Text,
                    text: "calm ".repeat(1 << 20).into(),
                    map: Vec::new(),
                }];
            }),
        ),
        (
            "score",
            say(|r| {
                r.measures = Measures { score: Some(f64::NEG_INFINITY), ..Measures::default() }
            }),
        ),
        (
            "tone",
            say(|r| {
                r.tone = Some(Tone { directive: ToneDirective::Neutral, reason: "x".into() });
            }),
        ),
        (
            "coverage",
            say(|r| {
                r.coverage = Coverage { scanned: usize::MAX, total: 0, complete: true };
            }),
        ),
        (
            "remembers",
            say(|r| {
                r.learned = Learned { values: vec!["x".repeat(1 << 20)], ..Learned::default() };
            }),
        ),
        ("panics", Mood::Panics),
        ("half", Mood::Partial),
        ("busy", Mood::Busy),
        ("away", Mood::Dependency),
    ]
}

/// What another stage says, by the decision that it leads to.
fn standing() -> Vec<(Decision, &'static str, Mood)> {
    let found = |stage: &'static str, kind: &str, severity| {
        let finding = Finding::new(StageName::parse(stage).unwrap(), kind, severity, 1.0);
        (stage, say(|report| report.findings.push(finding)))
    };
    let (limiter, throttle) = found("rate-limit", "rate.exceeded", Severity::High);
    let (classifier, hold) = found("injection-classifier", "injection.direct", Severity::Medium);
    let (sanitizer, block) = found("sanitizer", "limit.characters", Severity::High);
    vec![
        (Decision::Allow, "rate-limit", Mood::Well),
        (Decision::Throttle, limiter, throttle),
        (Decision::Hold, classifier, hold),
        (Decision::Block, sanitizer, block),
    ]
}

#[tokio::test]
async fn a_hostile_report_never_makes_a_decision_milder() {
    for (decision, speaker, words) in standing() {
        let (rig, faults) = Rig::faulty("review = 'console'");
        faults.stage(speaker).set(words);
        assert_eq!(rig.text(HARMLESS).await.decision, decision);
        for (what, mood) in hostile() {
            for taken in ["sanitizer", "injection-classifier", "sentiment"] {
                if taken == speaker {
                    continue;
                }
                faults.stage(taken).set(mood.clone());
                let verdict = rig.text(HARMLESS).await;
                faults.stage(taken).set(Mood::Well);
                let asked = verdict.decision;
                assert!(asked >= decision, "{taken} {what}: {asked:?} after {decision:?}");
                // Nobody speaks in another's name, and nobody writes into a message.
                assert!(
                    verdict.findings.iter().all(|finding| finding.stage != StageName::control()),
                    "{taken} {what}"
                );
                let text = verdict.text.as_ref().map_or("", |text| text.expose());
                assert!(["", HARMLESS].contains(&text), "{taken} {what}: {text:?}");
                let line = verdict.check(&StageName::parse(taken).unwrap()).unwrap();
                let fits =
                    ["nothing", "an order", "not sure", "no number", "harmless", "removes all"];
                if decision == Decision::Allow && line.status == Status::Ran {
                    let fits = fits.contains(&what)
                        || ["tone", "coverage", "remembers", "half"].contains(&what);
                    assert!(fits, "{taken} {what} was believed");
                }
            }
        }
    }
    unknown_words_are_the_harshest().await;
}

/// Waits until nobody serves a stage any more: whoever served it is dropped, and the server may not know yet.
pub(super) async fn until_absent(remote: &Remote, stage: &StageName) {
    let absent = Err(CallError::Absent);
    eventually(PATIENCE, async || remote.call(stage, &ask(HARMLESS)).await == absent).await;
}

/// Waits until somebody serves a stage: the server learns of a subscription a little after its client sent it.
pub(super) async fn until_served(remote: &Remote, stage: &StageName) {
    let absent = Err(CallError::Absent);
    eventually(PATIENCE, async || remote.call(stage, &ask(HARMLESS)).await != absent).await;
}

/// On the wire: what does not parse is a gap, and a word from the future is read as the harshest.
async fn unknown_words_are_the_harshest() {
    let server = NatsServer::start().await;
    let client = doors::client(&server).await;
    let remote = Remote::new(client.clone());
    let rig = Rig::over(
        Arc::new(Remote::new(client.clone())),
        &unlimited(""),
        calendar(),
        Arc::new(MemoryOutbox::new()),
    );
    // The other stages of the way are off: this is about one report.
    let only = "[inbound]\njudge = ['sentiment']\n[[rules]]\nkind = 'odd.*'\nmin_severity = 'critical'\n\
                then = 'block'\n[stages.sentiment]\non_gap = 'block'\non_partial = 'block'\n";
    rig.policies.set(policy(only));
    let coverage = json!({ "scanned": HARMLESS.len(), "total": HARMLESS.len(), "complete": true });
    let finding = |severity: &str| json!({ "stage": "sentiment", "kind": "odd.thing", "severity": severity, "confidence": 1.0 });
    let report = |extra: Value| {
        let mut report = json!({ "version": "9", "coverage": coverage });
        report.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        report.to_string()
    };
    for (body, decision, reason) in [
        (report(json!({})), Decision::Allow, None),
        (report(json!({ "a_field_of_tomorrow": 1 })), Decision::Allow, None),
        (report(json!({ "findings": [finding("low")] })), Decision::Allow, None),
        (
            report(json!({ "findings": [finding("tomorrow's")] })),
            Decision::Block,
            Some("odd.thing"),
        ),
        (report(json!({ "findings": "none" })), Decision::Block, Some("gap.sentiment.unreadable")),
        (json!({ "version": "9" }).to_string(), Decision::Block, Some("gap.sentiment.partial")),
        ("".into(), Decision::Block, Some("gap.sentiment.unreadable")),
        ("{\"version\": ".into(), Decision::Block, Some("gap.sentiment.unreadable")),
        ("[".repeat(100_000), Decision::Block, Some("gap.sentiment.unreadable")),
        ("\u{0}\u{1}\u{2}".into(), Decision::Block, Some("gap.sentiment.unreadable")),
    ] {
        let subject = "portcullis.v1.stage.sentiment.check".to_owned();
        let answering =
            answer_garbage(client.clone(), subject, "sentiment".into(), body.clone().into()).await;
        until_served(&remote, &StageName::sentiment()).await;
        let verdict = rig.text(HARMLESS).await;
        drop(answering);
        until_absent(&remote, &StageName::sentiment()).await;
        let body: String = body.chars().take(100).collect();
        assert_eq!(verdict.decision, decision, "{body}: {:?}", verdict.receipt);
        let reasons = verdict.reasons.first().map(String::as_str);
        assert_eq!(reasons, reason, "{body}");
    }
    let entries = rig.journal.entries();
    assert!(entries.iter().all(|entry| matches!(entry.body, Body::Verdict(_))));
    assert_eq!(entries.len(), 10, "one entry for each");
}
