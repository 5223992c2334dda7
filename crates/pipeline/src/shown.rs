//! What of a verdict the bot is told.

use portcullis_core::{Measures, Verdict};
use portcullis_policy::{Detail, Policy};

/// The verdict as the policy lets the bot see it. With `detail = "minimal"` scores, spans and kinds are
/// left out: an attacker who sees scores climbs them. The record keeps everything.
pub fn for_bot(policy: &Policy, verdict: Verdict) -> Verdict {
    match policy.document().detail {
        Detail::Full => verdict,
        Detail::Minimal => {
            let receipt = verdict.receipt.into_iter().map(|check| {
                let retry_after_s = check.measures.retry_after_s;
                portcullis_core::Check {
                    measures: Measures { retry_after_s, ..Measures::default() },
                    ..check
                }
            });
            Verdict {
                reasons: Vec::new(),
                findings: Vec::new(),
                receipt: receipt.collect(),
                tone: verdict
                    .tone
                    .map(|tone| portcullis_core::Tone { reason: String::new(), ..tone }),
                ..verdict
            }
        }
    }
}
