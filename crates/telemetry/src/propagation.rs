//! The W3C trace context, in and out of headers.

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The names of the headers, in lower case: NATS tells capitals from small letters.
const HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// Hands the current trace context to `set` as headers (`traceparent`, `tracestate`). Outside every span
/// nothing is set.
pub fn inject(set: impl FnMut(&str, String)) {
    struct Set<F>(F);
    impl<F: FnMut(&str, String)> Injector for Set<F> {
        fn set(&mut self, key: &str, value: String) {
            // An empty tracestate says nothing.
            if !value.is_empty() {
                (self.0)(key, value);
            }
        }
    }
    TraceContextPropagator::new().inject_context(&current(), &mut Set(set));
}

/// The trace context that a caller sent.
#[derive(Debug, Clone, Default)]
pub struct Parent(Context);

/// Reads a caller's trace context by asking `get` for headers by their lower-case names. Where there is
/// none, or one that cannot be read, the parent is empty and a span that adopts it begins a new trace.
pub fn extract<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Parent {
    struct Read<'a>([Option<&'a str>; 2]);
    impl Extractor for Read<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            HEADERS.iter().zip(self.0).find(|(name, _)| **name == key)?.1
        }
        fn keys(&self) -> Vec<&str> {
            HEADERS.to_vec()
        }
    }
    let read = Read(HEADERS.map(get));
    Parent(TraceContextPropagator::new().extract_with_context(&Context::new(), &read))
}

impl Parent {
    /// Makes `span` a child of the caller's. It must not have been entered yet; returns whether the span
    /// is in the caller's trace now.
    pub fn adopt(&self, span: &Span) -> bool {
        self.0.span().span_context().is_valid() && span.set_parent(self.0.clone()).is_ok()
    }

    /// Makes `span` a child of the caller's and links it to that, as OpenTelemetry's conventions ask of a span that
    /// works on a message which was stored on its way.
    pub fn adopt_stored(&self, span: &Span) {
        if self.adopt(span) {
            span.add_link(self.0.span().span_context().clone());
        }
    }

    /// The caller's trace id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<String> {
        trace_id(&self.0)
    }
}

/// Sets an attribute of a span that its fields do not name, as the conventions of OpenTelemetry call it. Never
/// of a message's text: what is set here leaves the process.
pub fn attribute(span: &Span, key: &'static str, value: impl Into<Value>) {
    span.set_attribute(key, value.into());
}

/// The id of the current trace, 32 hexadecimal digits; `None` outside every span.
pub fn current_trace_id() -> Option<String> {
    trace_id(&current())
}

/// The same, of a trace that is sampled: one that may be looked up.
pub(crate) fn sampled_trace() -> Option<String> {
    let context = current();
    context.span().span_context().is_sampled().then(|| trace_id(&context))?
}

fn current() -> Context {
    let of_span = Span::current().context();
    if of_span.span().span_context().is_valid() { of_span } else { Context::current() }
}

fn trace_id(context: &Context) -> Option<String> {
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| context.trace_id().to_string())
}
