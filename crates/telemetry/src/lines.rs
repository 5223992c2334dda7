//! The form of log lines: `2026-01-02T03:04:05Z info sanitizer target: message key=value trace=…`, or the
//! same as one JSON object.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes log lines for one service.
pub(crate) struct Lines {
    service: &'static str,
    json: bool,
}

impl Lines {
    /// Lines that name `service`.
    pub(crate) fn new(service: &'static str, json: bool) -> Self {
        Self { service, json }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let target = event.metadata().target();
        let mut fields = Fields::default();
        event.record(&mut fields);
        // Read from the thread and not from the span, which may be locked while an event is written.
        let trace = Context::current();
        let trace = trace.span().span_context().clone();
        let trace = trace.is_valid().then(|| trace.trace_id().to_string());
        if self.json {
            let mut line = Map::new();
            line.insert("timestamp".into(), time.into());
            line.insert("level".into(), level.into());
            line.insert("service".into(), self.service.into());
            line.insert("target".into(), target.into());
            line.insert("message".into(), fields.message.into());
            if let Some(trace) = trace {
                line.insert("trace_id".into(), trace.into());
            }
            // An event's own field never stands in for one of ours.
            for (key, value) in fields.rest {
                line.entry(key).or_insert(value);
            }
            return writeln!(writer, "{}", Value::Object(line));
        }
        write!(
            writer,
            "{time} {level:5} {} {target}: {}",
            self.service,
            one_line(&fields.message)
        )?;
        for (key, value) in &fields.rest {
            match value {
                Value::String(text) if is_word(text) => write!(writer, " {key}={text}")?,
                value => write!(writer, " {key}={value}")?,
            }
        }
        if let Some(trace) = trace {
            write!(writer, " trace={trace}")?;
        }
        writeln!(writer)
    }
}

/// Whether a value can stand without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
}

/// A message without line breaks or other control characters, so that nobody forges a line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The message of an event, and its other fields.
#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.rest.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.put(field, value.into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
