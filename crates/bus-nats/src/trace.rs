//! The W3C trace context in NATS headers. Header names are case-sensitive there: they are lower-case.

use async_nats::HeaderMap;
use tracing::Span;

/// Writes the current span's context.
pub fn inject(headers: &mut HeaderMap) {
    portcullis_telemetry::inject(|name, value| {
        headers.insert(name, value);
    });
}

/// Makes `span` a child of the context that a message carries; it must not have been entered yet. A
/// message without one begins a new trace.
pub fn continue_from(span: &Span, headers: Option<&HeaderMap>) {
    let get =
        |name: &str| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str());
    portcullis_telemetry::extract(get).adopt(span);
}
