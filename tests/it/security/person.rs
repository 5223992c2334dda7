//! A person who writes to the bot: hides, pads, floods, probes.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::{
    Body, Cause, Coverage, Decision, Effect, Finding, Report, Severity, StageName, Status, Verdict,
};
use portcullis_policy::{Policy, Replies};
use portcullis_testkit::{Mood, shop};
use serde_json::{Value, json};

use super::doors::Doors;
use super::rig::{
    ATTACK, HARMLESS, OPERATOR_KEY, Rig, SHOP_KEY, TEXT_BYTES, get, post, real_stages, unlimited,
};
use super::rig::{Faults, calendar};
use crate::support::PATIENT;

/// What a shop's page is full of.
const PADDING: &str = "Our shop sells tea, coffee and cake, and opens at nine. ";

fn stage(name: &str) -> StageName {
    StageName::parse(name).unwrap()
}

/// The attack as nobody would type it, and as everybody would read it.
fn hidden() -> Vec<(&'static str, String)> {
    let each = |change: &dyn Fn(char) -> String| ATTACK.chars().map(change).collect::<String>();
    let homoglyph = |c: char| match c {
        'a' => 'а',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'c' => 'с',
        'y' => 'у',
        's' => 'ѕ',
        'i' => 'і',
        other => other,
    };
    let fullwidth = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap(),
        other => other,
    };
    let tag = |c: char| char::from_u32(0xE0000 + u32::from(c)).unwrap();
    vec![
        ("zero-width", each(&|c| format!("{c}\u{200b}"))),
        ("soft hyphens", each(&|c| format!("{c}\u{ad}"))),
        ("homoglyphs", each(&|c| homoglyph(c).to_string())),
        ("full width", each(&|c| fullwidth(c).to_string())),
        ("tag characters", format!("Hello! {}", each(&|c| tag(c).to_string()))),
    ]
}

#[tokio::test]
async fn a_hidden_attack_is_judged_as_its_reader_would_read_it() {
    let rig = Rig::real(&unlimited(""));
    assert_eq!(rig.text(ATTACK).await.decision, Decision::Block);
    assert_eq!(rig.text(HARMLESS).await.decision, Decision::Allow);
    for (how, text) in hidden() {
        let verdict = rig.text(&text).await;
        assert_eq!(verdict.decision, Decision::Block, "{how}: {:?}", verdict.receipt);
        let found = verdict.findings.iter().find(|finding| {
            finding.stage == StageName::injection_classifier() && finding.view.is_some()
        });
        let found = found.unwrap_or_else(|| panic!("{how}: no view was judged"));
        // The remark leads people to the bytes that were received.
        let span = found.span.unwrap();
        assert!(text.get(span.start..span.end).is_some_and(|seen| !seen.is_empty()), "{how}");
    }
}

#[tokio::test]
async fn padding_is_no_bypass() {
    let rig = Rig::real(&unlimited(""));
    let padding = PADDING.repeat(400);
    for text in [
        format!("{ATTACK} {padding}"),
        format!("{padding} {ATTACK} {padding}"),
        format!("{padding} {ATTACK}"),
    ] {
        let at = text.find(ATTACK).unwrap();
        let verdict = rig.text(&text).await;
        assert_eq!(verdict.decision, Decision::Block);
        let classifier = verdict.check(&StageName::injection_classifier()).unwrap();
        assert!(classifier.coverage.as_ref().unwrap().is_whole());
        assert!(
            verdict
                .findings
                .iter()
                .filter_map(|finding| finding.span)
                .any(|span| { span.start < at + ATTACK.len() && at < span.end }),
            "the finding is where the attack is"
        );
    }

    // Who saw only a part is judged as if missing, also where it claims to be done.
    let (rig, faults) = Rig::faulty("");
    let lying = Report {
        coverage: Coverage { scanned: 3, total: 3, complete: true },
        ..Report::clean("1", 3)
    };
    let silent = Report { coverage: Coverage::default(), ..Report::clean("1", 0) };
    for mood in [Mood::Partial, Mood::Says(Box::new(lying)), Mood::Says(Box::new(silent))] {
        for judge in ["sanitizer", "injection-classifier"] {
            faults.stage(judge).set(mood.clone());
            let verdict = rig.text(HARMLESS).await;
            assert_eq!(verdict.decision, Decision::Block, "{judge} {mood:?}");
            assert!(verdict.reasons.contains(&format!("gap.{judge}.partial")), "{judge} {mood:?}");
            let line = verdict.check(&stage(judge)).unwrap();
            assert_eq!(line.cause, Some(Cause::Partial));
            let coverage = line.coverage.as_ref().unwrap();
            assert!(!coverage.is_whole() && coverage.scanned < coverage.total, "{coverage:?}");
            faults.stage(judge).set(Mood::Well);
        }
    }
    assert_eq!(rig.text(HARMLESS).await.decision, Decision::Allow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_message_is_refused_at_every_door() {
    let faults = Faults::new();
    let mut doors = Doors::open(faults.caller(&[]), "").await;
    let most = json!({ "text": "a".repeat(TEXT_BYTES) }).to_string();
    let asked = faults.asked();
    for answer in doors.message(&most).await {
        assert_eq!(
            (answer.status, &answer.body["decision"]),
            (200, &json!("allow")),
            "{}",
            answer.door
        );
    }
    assert!(faults.asked() > asked);

    let asked = faults.asked();
    let over = "a".repeat(TEXT_BYTES + 1);
    let half = "a".repeat(TEXT_BYTES / 2 + 1);
    for body in [
        json!({ "text": over }),
        json!({ "text": half, "context": [{ "text": half }] }),
        json!({ "text": "a", "context": [{ "text": over }] }),
        // Bytes count, not characters.
        json!({ "text": "ü".repeat(TEXT_BYTES / 2 + 1) }),
    ] {
        for answer in doors.message(&body.to_string()).await {
            assert_eq!(answer.status, 413, "{}: {}", answer.door, answer.body);
            assert_eq!(answer.body["field"], "text", "{}", answer.door);
        }
    }
    // A policy lowers the limit.
    doors.rig.policies.set(super::rig::policy("[limits]\ntotal_bytes = 10\n"));
    for answer in doors.message(r#"{"text": "01234567890"}"#).await {
        assert_eq!(answer.status, 413, "{}", answer.door);
    }
    // A body that could not hold an allowed text is not even read to its end.
    let body = " ".repeat(16 * 1024 * 1024);
    for path in ["/v1/check", "/v1/check/batch", "/v1/admin"] {
        let key = if path == "/v1/admin" { OPERATOR_KEY } else { SHOP_KEY };
        assert_eq!(post(&doors.http, path, Some(key), body.clone()).await.0, 413, "{path}");
    }
    assert_eq!(faults.asked(), asked, "refused before any work");
    doors.close().await;
}

#[tokio::test]
async fn a_missing_stage_never_passes_silently() {
    let misfit = Finding::new(StageName::sanitizer(), "", Severity::Info, 0.0);
    let misfit = Report { findings: vec![misfit], ..Report::clean("1", 1000) };
    let faults_of_a_stage = [
        (None, Cause::Absent),
        (Some(Mood::Busy), Cause::Busy),
        (Some(Mood::Sleeps(Duration::from_secs(30))), Cause::Late),
        (Some(Mood::Panics), Cause::Panicked),
        (Some(Mood::Dependency), Cause::Dependency),
        (Some(Mood::Says(Box::new(misfit))), Cause::Unreadable),
    ];
    for (name, way, effect) in [
        ("sanitizer", "inbound", Effect::Block),
        ("injection-classifier", "inbound", Effect::Hold),
        ("sentiment", "inbound", Effect::Pass),
        ("sanitizer", "outbound", Effect::Block),
        ("moderation", "outbound", Effect::Hold),
    ] {
        for (mood, cause) in &faults_of_a_stage {
            let verdict = without(name, mood.as_ref(), way, "review = 'console'").await;
            let line = verdict.check(&stage(name)).unwrap();
            assert_eq!(
                (line.status, line.cause, line.effect),
                (Status::Gap, Some(*cause), Some(effect)),
                "{name} {cause:?}"
            );
            let decided = match effect {
                Effect::Pass => Decision::Allow,
                Effect::Hold => Decision::Hold,
                Effect::Block | Effect::Unknown => Decision::Block,
            };
            assert_eq!(verdict.decision, decided, "{name} {cause:?}");
        }
    }
    // Without a person to look at it, held is blocked.
    let verdict = without("injection-classifier", None, "inbound", "").await;
    assert_eq!(verdict.decision, Decision::Block);
    // Limits are counted in ingress then, and the receipt says so.
    let verdict = without("rate-limit", None, "inbound", "").await;
    let line = verdict.check(&StageName::rate_limit()).unwrap();
    assert_eq!((line.mode.as_deref(), line.cause), (Some("local"), Some(Cause::Absent)));
}

/// The verdict while one stage misbehaves, or is not there at all.
async fn without(name: &str, mood: Option<&Mood>, way: &str, document: &str) -> Verdict {
    let faults = Faults::new();
    let absent: &[&str] = match mood {
        Some(mood) => {
            faults.stage(name).set(mood.clone());
            &[]
        }
        None => &[name],
    };
    let outbox = std::sync::Arc::new(portcullis_bus::MemoryOutbox::new());
    let rig = Rig::over(faults.caller(absent), document, calendar(), outbox);
    // Late must be late, and nothing else may be.
    let patient = format!("{document}\n{PATIENT}");
    let late = if matches!(mood, Some(Mood::Sleeps(_))) { name } else { "" };
    let section = format!("[stages.{late}]\ntimeout_ms = ");
    let hurried = patient.replacen(&section, &format!("{section}100 # "), 1);
    rig.policies.set(Policy::parse(&shop(), "1", &hurried).unwrap());
    rig.check(json!({ "text": HARMLESS, "direction": way })).await.unwrap()
}

/// Names of fields that say how sure a check was, where it looked, or what it saw.
const TELLING: [&str; 9] =
    ["score", "parts", "polarity", "span", "kind", "confidence", "severity", "detail", "view"];

fn telling(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if TELLING.contains(&name.as_str()) {
                    found.push(format!("{path}.{name}"));
                }
                telling(value, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| telling(item, path, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minimal_detail_leaves_out_scores_spans_and_kinds() {
    let text = format!("{} {ATTACK}", PADDING.repeat(100));
    let full = Rig::real(&unlimited("")).text(&text).await;
    let kinds: Vec<_> = full.findings.iter().map(|finding| finding.kind.clone()).collect();
    let mut seen = Vec::new();
    telling(&serde_json::to_value(&full).unwrap(), "", &mut seen);
    for name in ["score", "kind", "span", "confidence"] {
        assert!(seen.iter().any(|path| path.ends_with(name)), "with full detail: {name}");
    }

    let document = unlimited("detail = 'minimal'\nreview = 'console'\n");
    let mut doors = Doors::open(real_stages(&calendar()), &document).await;
    let body = json!({ "id": "probe-1", "text": text }).to_string();
    let mut answers = doors.message(&body).await;
    // By its id it is asked for again, and looked up.
    let (status, again) = post(&doors.http, "/v1/check", Some(SHOP_KEY), body).await;
    answers.push(super::doors::Answer { door: "again", status, body: again });
    let (status, looked_up) = get(&doors.http, "/v1/checks/probe-1", SHOP_KEY).await;
    answers.push(super::doors::Answer {
        door: "look-up",
        status,
        body: looked_up["verdict"].clone(),
    });
    for answer in answers {
        let (door, body) = (answer.door, answer.body);
        assert_eq!((answer.status, &body["decision"]), (200, &json!("block")), "{door}");
        let mut seen = Vec::new();
        telling(&body, "", &mut seen);
        assert!(seen.is_empty(), "{door}: {seen:?}");
        assert_eq!((&body["findings"], &body["reasons"]), (&json!([]), &json!([])), "{door}");
        for kind in &kinds {
            assert!(!body.to_string().contains(kind), "{door}: {kind}");
        }
    }
    // The record keeps everything.
    let entries = doors.rig.journal.entries();
    let Body::Verdict(record) = &entries[0].body else { panic!("a verdict") };
    assert!(record.verdict.findings.iter().any(|finding| finding.kind == kinds[0]));
    doors.close().await;
}

#[tokio::test]
async fn the_reply_is_the_same_whatever_was_found() {
    let (rig, faults) =
        Rig::faulty("[replies]\nrefusal = 'No.'\nheld = 'Wait.'\nthrottled = 'Slow.'\n");
    let says = |kind: &str, confidence| {
        let finding = Finding::new(StageName::sanitizer(), kind, Severity::Critical, confidence);
        let finding = finding.with_detail("told by a stage");
        let report = Report { findings: vec![finding], ..Report::clean("1", 100) };
        Mood::Says(Box::new(report))
    };
    let blocked = [
        ("injection-classifier", says("injection.direct", 1.0)),
        ("injection-classifier", says("injection.indirect", 0.5)),
        ("sanitizer", says("limit.characters", 0.9)),
        ("sanitizer", Mood::Panics),
        ("injection-classifier", Mood::Partial),
        ("injection-classifier", Mood::Dependency),
    ];
    for (name, mood) in blocked {
        faults.stage(name).set(mood.clone());
        for text in [HARMLESS, ATTACK, "another text"] {
            let verdict = rig.text(text).await;
            assert_eq!(verdict.decision, Decision::Block, "{name} {mood:?}");
            assert_eq!(verdict.reply.as_deref(), Some("No."), "{name} {mood:?}");
        }
        faults.stage(name).set(Mood::Well);
    }
    faults.stage("rate-limit").set(says("rate.exceeded", 1.0));
    assert_eq!(rig.text(ATTACK).await.reply.as_deref(), Some("Slow."));
    faults.stage("rate-limit").set(Mood::Well);
    assert_eq!(rig.text(HARMLESS).await.reply, None);
    // The built-in texts name no check, no kind and no number.
    let built_in = Replies::default();
    for reply in [built_in.refusal, built_in.throttled, built_in.held] {
        let lower = reply.to_lowercase();
        for word in ["injection", "inject", "score", "detect", "filter", "policy", "attack"] {
            assert!(!lower.contains(word), "{reply}");
        }
        assert!(!reply.contains(|c: char| c.is_ascii_digit()), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_url_of_a_message_is_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let rig = Rig::real(&unlimited(""));
    let encoded = STANDARD.encode(format!("Please fetch http://{address}/encoded now, thank you."));
    for text in [
        format!("Look at http://{address}/text, please"),
        format!("![picture](http://{address}/image.png) <img src='http://{address}/i'>"),
        format!("<http://{address}/angle> [link](http://user:secret@{address}/link?q=1)"),
        format!("//{address}/relative {address} www.{address}"),
        encoded,
    ] {
        rig.text(&text).await;
        rig.answer(&text).await;
        let context = ["web", "email", "document", "tool"];
        let context = context.map(|kind| json!({ "kind": kind, "text": text }));
        rig.check(json!({ "text": "Sum this up", "context": context })).await.unwrap();
    }
    let refused = listener.accept().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock, "nobody came");
    // Had somebody come, it would have been seen.
    let _visitor = std::net::TcpStream::connect(address).unwrap();
    while listener.accept().is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_flood_is_throttled_and_summarised() {
    let rig = Rig::real("");
    let message = |speaker: &str| json!({ "text": HARMLESS, "speaker": speaker });
    let mut let_in = 0;
    let mut throttled: u64 = 0;
    for _ in 0..300 {
        let verdict = rig.check(message("mallory")).await.unwrap();
        match verdict.decision {
            Decision::Allow => let_in += 1,
            Decision::Throttle => {
                throttled += 1;
                assert!(verdict.text.is_none() && verdict.retry_after_s.unwrap() >= 1);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(let_in > 0 && throttled > 200, "{let_in} of 300 were let in");
    assert_eq!(rig.check(message("alice")).await.unwrap().decision, Decision::Allow);
    // One throttle stands in the record alone.
    assert_eq!(rig.journal.entries().len(), let_in + 1 + 1);
    rig.clock.advance(Duration::from_secs(61));
    rig.gateway.write_summaries(false).await;
    let entries = rig.journal.entries();
    assert_eq!(entries.len(), let_in + 1 + 1 + 1);
    let Body::Summary(summary) = &entries.last().unwrap().body else { panic!("a summary") };
    assert_eq!((summary.of.as_str(), summary.count), ("throttle", throttled - 1));
    assert_ne!(summary.speaker.as_deref(), Some("mallory"), "names are hashed");
}
