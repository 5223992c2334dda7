//! The W3C trace context in NATS headers, by way of the propagator that telemetry set up.

use async_nats::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Writes the current span's context. NATS header names are case-sensitive: they are lower-case.
pub fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut Outgoing(headers));
    });
}

/// Reads the context that a message carries; an empty one where it carries none.
pub fn extract(headers: Option<&HeaderMap>) -> Context {
    match headers {
        Some(headers) => {
            global::get_text_map_propagator(|propagator| propagator.extract(&Incoming(headers)))
        }
        None => Context::new(),
    }
}

/// Makes `span` a child of the context that a message carries.
pub fn continue_from(span: &Span, headers: Option<&HeaderMap>) {
    // Without an OpenTelemetry layer there is no parent to set, and nothing is lost.
    let _ = span.set_parent(extract(headers));
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty tracestate is common, and a header without a value says nothing.
        if !value.is_empty() {
            self.0.insert(key.to_ascii_lowercase(), value);
        }
    }
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_ref()).collect()
    }
}
