//! One value of everything on the wire with every field set, so that the golden files show every name.

use jiff::Timestamp;
use portcullis_core::{
    ActionRecord, Answered, Ask, Body, Cause, Check, ContextItem, ContextKind, Coverage, Decision,
    Direction, Edit, Effect, Entry, Factors, Finding, HeldCase, Interaction, Known, Learned, Limit,
    Masking, Measures, Moods, Part, Place, PolicyStamp, Recorded, Report, Resolution,
    ResolutionRecord, Run, Severity, Shadow, Shape, Size, Sketch, Span, StageName, Status,
    Streamed, SummaryRecord, Tone, ToneDirective, Verdict, VerdictRecord, View, ViewKind,
};
use portcullis_testkit::{ask as simple_ask, shop};
use serde_json::json;

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn finding() -> Finding {
    Finding {
        stage: StageName::injection_classifier(),
        kind: "injection.override".into(),
        severity: Severity::High,
        confidence: 0.97,
        place: Place::Context(1),
        span: Some(Span { start: 4, end: 17 }),
        view: Some(0),
        detail: Some("asks to forget the instructions".into()),
    }
}

fn view() -> View {
    View {
        kind: ViewKind::Canonical,
        source: Place::Text,
        text: "canonical".into(),
        map: vec![Run { view: 0, source: 0, view_len: 9, source_len: 12 }],
    }
}

fn measures() -> Measures {
    Measures {
        score: Some(0.97),
        parts: vec![Part {
            place: Place::Text,
            view: Some(0),
            score: 0.97,
            by: Some(Answered::Encoder),
        }],
        shadow: Some(Shadow { version: "stage 1.2.3, model 5".into(), score: 0.5 }),
        polarity: Some(-0.75),
        moods: Some(moods()),
        remaining: Some(9),
        retry_after_s: Some(3),
        limits: vec![Limit {
            name: "speaker".into(),
            quota: 20,
            window_s: 20,
            unit: "requests".into(),
            remaining: 9,
            reset_s: 11,
        }],
        replicas: Some(3),
    }
}

fn moods() -> Moods {
    Moods { distress: 0.25, agitation: 0.5, urgency: 0.75 }
}

fn tone() -> Tone {
    Tone { directive: ToneDirective::Apologise, reason: "sentiment.negative".into() }
}

pub(crate) fn ask() -> Ask {
    Ask {
        interaction: Interaction {
            id: "m-1".parse().unwrap(),
            bot: shop(),
            conversation: Some("c-1".parse().unwrap()),
            speaker: Some("speaker-1".parse().unwrap()),
            client_addr: Some([192, 0, 2, 7].into()),
            direction: Direction::Outbound,
            text: "what was written".into(),
            context: vec![ContextItem { kind: ContextKind::Email, text: "an e-mail".into() }],
            in_reply_to: Some("m-0".parse().unwrap()),
            received_at: moment(0),
        },
        size: Size { bytes: 25, chars: 25, more: true },
        views: vec![view()],
        findings: vec![finding()],
        settings: json!({ "threshold": 0.5 }),
        known: Known {
            salt: "5a".into(),
            values: vec!["d1".into()],
            polarity: Some(-0.25),
            moods: Some(moods()),
            turns: 3,
            api_key: Some("6b".into()),
            factors: Factors { speaker: Some(0.5), ..Factors::default() },
        },
        ..simple_ask("")
    }
}

pub(crate) fn report() -> Report {
    let span = |start, end| Span { start, end };
    Report {
        findings: vec![finding()],
        edits: [
            Masking::Remove,
            Masking::Redact(None),
            Masking::Redact(Some("email".into())),
            Masking::Hash(Some("card".into())),
            Masking::Partial,
            Masking::Placeholder("email".into()),
        ]
        .into_iter()
        .zip(0..)
        .map(|(with, at)| Edit { place: Place::Text, span: span(at * 4, at * 4 + 3), with })
        .collect(),
        views: vec![view()],
        coverage: Coverage { scanned: 20, total: 25, complete: false },
        measures: measures(),
        learned: Learned { values: vec!["d1".into()], polarity: Some(-0.75), moods: Some(moods()) },
        tone: Some(tone()),
        mode: Some("local".into()),
        version: "stage 1.2.3, model 4".into(),
    }
}

pub(crate) fn verdict() -> Verdict {
    let check = |stage, status| Check {
        stage,
        version: None,
        status,
        why: None,
        cause: None,
        effect: None,
        mode: None,
        coverage: None,
        took_us: 120,
        measures: Measures::default(),
    };
    Verdict {
        id: "m-1".parse().unwrap(),
        decision: Decision::Rewrite,
        reasons: vec!["pii.email".into(), "gap.sentiment.late".into()],
        text: Some("what may go on".into()),
        tone: Some(tone()),
        reply: Some("what a person may see".into()),
        retry_after_s: Some(3),
        findings: vec![finding()],
        receipt: vec![
            Check {
                version: Some("1.2.3".into()),
                mode: Some("local".into()),
                coverage: Some(Coverage::whole(25)),
                measures: measures(),
                ..check(StageName::injection_classifier(), Status::Ran)
            },
            Check {
                why: Some("off_by_policy".into()),
                ..check(StageName::rate_limit(), Status::Skipped)
            },
            Check {
                cause: Some(Cause::Late),
                effect: Some(Effect::Pass),
                ..check(StageName::sentiment(), Status::Gap)
            },
        ],
        policy: PolicyStamp { bot: shop(), version: "7".into(), digest: "ab".repeat(32) },
        shadow_decision: Some(Decision::Hold),
        recorded: Recorded::Journal,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        took_us: 840,
        stream: Some(Streamed {
            received: 900,
            released: 480,
            stopped: Some("unsafe.violence".into()),
        }),
    }
}

pub(crate) fn resolution() -> ResolutionRecord {
    ResolutionRecord {
        message: "m-1".parse().unwrap(),
        direction: Direction::Inbound,
        resolution: Resolution::Edit,
        by: "ann".into(),
        reason: Some("harmless".into()),
        text: Some("what may go on".into()),
        at: moment(60),
    }
}

pub(crate) fn held_case() -> HeldCase {
    HeldCase {
        bot: shop(),
        direction: Direction::Inbound,
        verdict: verdict(),
        text: "what may go on".into(),
        speaker: Some("5e".into()),
        conversation: Some("c0".into()),
        held_at: moment(0),
        expires_at: moment(900),
    }
}

/// An entry of each kind, with the name of its file.
pub(crate) fn entries() -> Vec<(String, Entry)> {
    let verdict = VerdictRecord {
        direction: Direction::Inbound,
        speaker: Some("5e".into()),
        network: Some("4e".into()),
        conversation: Some("c0".into()),
        in_reply_to: Some("m-0".parse().unwrap()),
        bytes: 25,
        digest: "d1".into(),
        shape: Some(Shape { chars: 25, words: 4, entropy: 3.5, sketch: Sketch(0x1234) }),
        text: Some("what was written, masked".into()),
        personal: None,
        verdict: Verdict { text: None, ..verdict() },
    };
    let action = ActionRecord {
        action: "block".into(),
        scope: "speaker:5e".into(),
        factor: None,
        by: "ann".into(),
        reason: Some("abuse".into()),
        expires_at: Some(moment(3600)),
    };
    let summary = SummaryRecord {
        of: "throttle".into(),
        speaker: Some("5e".into()),
        count: 41,
        from: moment(0),
        until: moment(60),
    };
    [
        Body::Verdict(Box::new(verdict)),
        Body::Resolution(ResolutionRecord { text: None, ..resolution() }),
        Body::Action(action),
        Body::Summary(summary),
    ]
    .into_iter()
    .map(|body| {
        let kind = body.kind();
        let id = format!("{kind}/shop/inbound/m-1");
        (format!("entry.{kind}"), Entry { id, bot: shop(), at: moment(1), body })
    })
    .collect()
}
