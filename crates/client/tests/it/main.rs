//! The clients against stand-ins of the doors: a small HTTP server, and a real nats-server.

#![expect(clippy::unwrap_used, reason = "tests: a panic is a failed test with its place")]

mod guard;
mod http;
mod nats;

use portcullis_client::{Decision, Verdict};
use portcullis_core::{PolicyStamp, Recorded};
use portcullis_testkit::shop;

/// A verdict that forwards `text`, or nothing.
fn verdict(decision: Decision, text: Option<&str>, reply: Option<&str>) -> Verdict {
    Verdict {
        id: "m-1".parse().unwrap(),
        decision,
        reasons: Vec::new(),
        text: text.map(Into::into),
        tone: None,
        reply: reply.map(Into::into),
        retry_after_s: None,
        findings: Vec::new(),
        receipt: Vec::new(),
        policy: PolicyStamp { bot: shop(), version: "1".into(), digest: "00".into() },
        shadow_decision: None,
        recorded: Recorded::Journal,
        trace_id: None,
        took_us: 1,
        stream: None,
    }
}
