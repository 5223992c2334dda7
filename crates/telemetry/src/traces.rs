//! Where spans get their ids, and where they go.

use std::time::Duration;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use portcullis_config::TelemetryConfig;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::TelemetryError;

/// The standard variable for an endpoint, read where the configuration has none.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Where below an endpoint traces are received, by the OTLP specification.
const PATH: &str = "/v1/traces";

/// How long one export may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Crates that the exporter itself uses; their spans are never traced, or each export would cause another.
const EXPORTER: [&str; 7] =
    ["h2", "hyper", "hyper_util", "tonic", "reqwest", "tower", "opentelemetry"];

/// The provider of ids and spans. Without an endpoint nothing is kept or sent, but ids are made.
pub(crate) fn provider(
    config: &TelemetryConfig,
    service: &'static str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
    let builder = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name(service).build());
    let endpoint = match &config.otlp_endpoint {
        Some(endpoint) => Some(endpoint.as_str().to_owned()),
        None => std::env::var(ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty()),
    };
    let Some(endpoint) = endpoint else { return Ok(builder.build()) };
    // The exporter is built without TLS: better an error now than exports that fail one by one.
    if !endpoint.starts_with("http://") {
        return Err(TelemetryError::Endpoint);
    }
    let queue = config.queue.max(1);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces_endpoint(&endpoint))
        .with_timeout(TIMEOUT)
        .build()
        .map_err(|_| TelemetryError::Endpoint)?;
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(queue)
        .with_max_export_batch_size(queue.min(512))
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch).build();
    Ok(builder.with_span_processor(processor).build())
}

/// The address for traces below an endpoint that may or may not name it already.
fn traces_endpoint(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.ends_with(PATH) { endpoint.to_owned() } else { format!("{endpoint}{PATH}") }
}

/// Which spans are traced: ours from `info` up, none of the exporter's. The log's filter does not matter
/// here, so that a verdict has a trace id however quiet the log is.
pub(crate) fn filter() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(EXPORTER.map(|target| (target, LevelFilter::OFF)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_for_traces_is_added_once() {
        for given in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(traces_endpoint(given), "http://c:4318/v1/traces");
        }
    }
}
