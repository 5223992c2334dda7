//! The W3C trace context in NATS headers. Header names are case-sensitive there: they are lower-case.

use async_nats::HeaderMap;
use portcullis_telemetry::{Parent, attribute};
use tracing::Span;

/// Writes the current span's context.
pub fn inject(headers: &mut HeaderMap) {
    portcullis_telemetry::inject(|name, value| {
        headers.insert(name, value);
    });
}

/// Says of a span that it sends a message, by the conventions of OpenTelemetry for messaging.
pub(crate) fn sends(span: &Span, subject: &str, bytes: usize) {
    messaging(span, "send", subject, bytes);
}

/// Says of a span that it works on a message that was received.
pub fn processes(span: &Span, subject: &str, bytes: usize) {
    messaging(span, "process", subject, bytes);
}

fn messaging(span: &Span, operation: &'static str, subject: &str, bytes: usize) {
    let size = i64::try_from(bytes).unwrap_or(i64::MAX);
    attribute(span, "messaging.system", "nats");
    attribute(span, "messaging.operation.type", operation);
    attribute(span, "messaging.operation.name", operation);
    attribute(span, "messaging.destination.name", subject.to_owned());
    attribute(span, "messaging.message.body.size", size);
}

/// Makes `span` a child of the context that a message carries; it must not have been entered yet. A
/// message without one begins a new trace.
pub fn continue_from(span: &Span, headers: Option<&HeaderMap>) {
    sender(headers).adopt(span);
}

/// The same for a message out of a stream, whose span also links to the one that stored it.
pub(crate) fn continue_from_stored(span: &Span, headers: Option<&HeaderMap>) {
    sender(headers).adopt_stored(span);
}

fn sender(headers: Option<&HeaderMap>) -> Parent {
    portcullis_telemetry::extract(|name| headers?.get(name).map(|value| value.as_str()))
}
