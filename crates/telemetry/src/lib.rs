//! Logs, traces and metrics of a process: set up once, by the kit.
//!
//! - **Logs** go to stderr, one line an event, for people or as JSON, with the process's name and, inside a
//!   span, the trace's id.
//! - **Traces** are W3C traces. Every span has a trace id, whether or not anything is exported; spans are
//!   sent by OTLP over HTTP where an endpoint is configured. [`inject`] and [`extract`] carry the context
//!   over HTTP and NATS.
//! - **Metrics** are recorded with the `metrics` macros and rendered by [`Telemetry::metrics`] in the text
//!   form that Prometheus reads. Histograms whose name ends in `_seconds` have buckets from 50 µs to 10 s.
//!   In the form OpenMetrics, the buckets of what a message took name a trace.
//!   Beside what the parts record stand `portcullis_build_info` and what the process itself uses
//!   (`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, …).
//! - **Panics** are logged by their place and never by their payload, which may quote a message.
//!
//! ```
//! use portcullis_telemetry as telemetry;
//!
//! let telemetry = telemetry::init(&Default::default(), "sanitizer").unwrap();
//! let span = tracing::info_span!("check");
//! let mut headers = Vec::new();
//! span.in_scope(|| telemetry::inject(|key, value| headers.push((key.to_owned(), value))));
//! // … over the wire …
//! let other = tracing::info_span!("serve");
//! telemetry::extract(|key| headers.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()))
//!     .adopt(&other);
//! assert_eq!(other.in_scope(telemetry::current_trace_id), span.in_scope(telemetry::current_trace_id));
//! telemetry.flush();
//! ```

mod exemplars;
mod init;
mod lines;
mod metric;
mod panics;
mod propagation;
mod traces;

pub use init::{Telemetry, TelemetryError, init};
pub use metric::{Metrics, SECONDS_BUCKETS};
pub use propagation::{Parent, attribute, current_trace_id, extract, inject};
