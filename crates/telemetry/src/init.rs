//! Sets everything up once.

use std::sync::{Mutex, PoisonError};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use portcullis_config::{LogFormat, TelemetryConfig};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::lines::Lines;
use crate::metric::Metrics;
use crate::{metric, panics, traces};

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.log` is no filter: mend it.
    #[error("telemetry.log: not a level or a list of module=level")]
    Filter,
    /// The endpoint is none to export to: mend `telemetry.otlp_endpoint` or the environment.
    #[error("telemetry.otlp_endpoint (or OTEL_EXPORTER_OTLP_ENDPOINT): expected http://host:port")]
    Endpoint,
    /// Something else in this process has set up logs or metrics already.
    #[error("telemetry is set up already, by something else")]
    Taken,
}

/// What is set up. Dropping it flushes.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    provider: SdkTracerProvider,
}

/// The first set-up of this process, which later ones share.
static FIRST: Mutex<Option<(Metrics, SdkTracerProvider)>> = Mutex::new(None);

/// Sets up logs, traces, metrics and the panic hook for the process. Called again, it gives a handle to
/// what the first call set up and changes nothing.
///
/// # Errors
/// [`TelemetryError`], which says what to mend.
pub fn init(config: &TelemetryConfig, service: &'static str) -> Result<Telemetry, TelemetryError> {
    let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    let (metrics, provider) = match first.as_ref() {
        Some(shared) => shared.clone(),
        None => first.insert(set_up(config, service)?).clone(),
    };
    Ok(Telemetry { metrics, provider })
}

fn set_up(
    config: &TelemetryConfig,
    service: &'static str,
) -> Result<(Metrics, SdkTracerProvider), TelemetryError> {
    let filter = EnvFilter::builder().parse(&config.log).map_err(|_| TelemetryError::Filter)?;
    let provider = traces::provider(config, service)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .event_format(Lines::new(service, config.format == LogFormat::Json));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("portcullis"))
        .with_location(false)
        .with_threads(false)
        .with_filter(traces::filter());
    tracing_subscriber::registry()
        .with(spans)
        .with(lines.with_filter(filter.and(filter_fn(quotes_nothing))))
        .try_init()
        .map_err(|_| TelemetryError::Taken)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let metrics = metric::install(service).ok_or(TelemetryError::Taken)?;
    panics::install();
    Ok((metrics, provider))
}

/// Libraries write at the level trace what they send and receive, messages of people included. Ours do not,
/// so that this level is ours alone, whatever the configuration asks for.
fn quotes_nothing(metadata: &Metadata<'_>) -> bool {
    *metadata.level() < Level::TRACE || metadata.target().starts_with("portcullis")
}

impl Telemetry {
    /// Every metric, in the text form that Prometheus reads.
    pub fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// What renders the metrics, for a door that outlives this handle.
    pub fn metrics_handle(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sends what spans are waiting; returns when they are sent or the exporter's timeout is over. It waits
    /// on a thread of its own, so that it is safe, if slow, to call from anywhere.
    pub fn flush(&self) {
        let provider = self.provider.clone();
        let flushed = std::thread::spawn(move || provider.force_flush()).join();
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "traces not flushed");
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.flush();
    }
}
