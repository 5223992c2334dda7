//! The sanitizer's report on any text: edits, findings, views and their maps, coverage, and time.
#![no_main]

use std::time::Duration;

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    Ask, BotId, Budget, Direction, Interaction, MessageId, Span, Stage, ViewKind,
};
use portcullis_sanitizer::Sanitizer;

fn ask(text: &str) -> Ask {
    Ask {
        interaction: Interaction {
            id: MessageId::generate(),
            bot: BotId::fallback(),
            conversation: None,
            speaker: None,
            client_addr: None,
            direction: Direction::Inbound,
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

/// Processor time of this thread: the machine may do other things. Nothing where the system does not tell.
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

fuzz_target!(|text: &str| {
    let ask = ask(text);
    let start = spent();
    let report = block_on(Sanitizer.check(&ask)).expect("any text is read");
    // instrumented code; the first call makes tables
    let most = Duration::from_millis(500) + Duration::from_micros(20) * text.len() as u32;
    let took = spent() - start;
    assert!(took < most, "{} bytes took {took:?}", text.len());
    let mut last = 0;
    for edit in &report.edits {
        assert!(edit.span.start >= last && !edit.span.is_empty());
        assert!(text.get(edit.span.start..edit.span.end).is_some());
        last = edit.span.end;
    }
    for finding in &report.findings {
        assert!(finding.span.is_none_or(|span| text.get(span.start..span.end).is_some()));
        assert!(finding.view.is_none_or(|view| view < report.views.len()));
    }
    for view in &report.views {
        let reading = view.text.expose();
        let mut at = 0;
        for run in &view.map {
            assert!(run.view >= at && run.view_len > 0 && run.source_len > 0);
            // a canonical and a hidden reading stand for the text without gaps
            assert!(view.kind == ViewKind::Decoded || run.view == at);
            at = run.view + run.view_len;
            assert!(reading.get(run.view..at).is_some());
        }
        for (start, c) in reading.char_indices() {
            let back = view.to_source(Span { start, end: start + c.len_utf8() });
            assert!(view.kind == ViewKind::Decoded || back.is_some());
            assert!(back.is_none_or(|span| text.get(span.start..span.end).is_some()));
        }
    }
    assert!(report.coverage.scanned == text.len());
});
