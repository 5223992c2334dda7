//! The doors: each turns its protocol into a request and a verdict into its protocol, and does nothing else.

pub mod http;
mod http_io;
pub mod nats;
pub mod submit;

/// A whole request of one message can be this many times its text: JSON may escape each byte as `\u00XX`.
const ESCAPED: usize = 6;
/// Everything in a request besides its text: ids, names, punctuation.
const AROUND: usize = 64 * 1024;

/// The most bytes of body in which `text_bytes` of text and context can arrive.
pub fn body_limit(text_bytes: usize) -> usize {
    text_bytes.saturating_mul(ESCAPED).saturating_add(AROUND)
}

/// The most bytes of text and context with which everything about a message still fits a server's
/// `max_payload`: a question to a stage holds the text and its views (as many bytes again), both escaped at
/// their worst, and findings.
pub fn text_limit(max_payload: usize) -> usize {
    max_payload.saturating_sub(FINDINGS) / (2 * ESCAPED)
}

/// Room for findings and edits in a question or a report.
const FINDINGS: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON escapes at their worst fit the door: what is too large is refused for its text, not its form.
    #[test]
    fn a_text_at_the_limit_fits_with_every_byte_escaped() {
        let limit = 256 * 1024;
        let body = format!("{{\"text\":\"{}\"}}", "\\u0001".repeat(limit));
        assert!(body.len() <= body_limit(limit));
        // The max_payload that is shipped takes the default limit of text, and NATS's own default none.
        assert!(text_limit(8 * 1024 * 1024) >= limit);
        assert_eq!(text_limit(1024 * 1024), 0);
    }
}
