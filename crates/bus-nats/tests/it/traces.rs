//! One trace over the hop: the stage's span is a child of the caller's.

use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use portcullis_bus_nats::{HeaderMap, trace};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn the_context_goes_over_in_lower_case_headers_and_is_continued() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let subscriber =
        tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
    tracing::subscriber::with_default(subscriber, || {
        let asking = tracing::info_span!("asking");
        let mut headers = HeaderMap::new();
        asking.in_scope(|| trace::inject(&mut headers));

        let ours = asking.context().span().span_context().clone();
        let parent = headers.get("traceparent").expect("lower case").as_str().to_owned();
        assert!(parent.starts_with(&format!("00-{}-{}-", ours.trace_id(), ours.span_id())));

        let answering = tracing::info_span!("answering");
        trace::continue_from(&answering, Some(&headers));
        let theirs = answering.context().span().span_context().clone();
        assert_eq!(theirs.trace_id(), ours.trace_id());
        assert_ne!(theirs.span_id(), ours.span_id());
    });
}
