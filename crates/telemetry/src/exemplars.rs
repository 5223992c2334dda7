//! Exemplars: beside the buckets of a few histograms stands the trace of a message that fell into them, so that a slow
//! bucket in Grafana leads to its trace in Jaeger. The form OpenMetrics alone has them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::formatting::{sanitize_label_key, sanitize_label_value};

use crate::metric::SECONDS_BUCKETS;
use crate::propagation::sampled_trace;

/// The histograms that have them: what a message took, as a whole and on its way.
const TRACED: [&str; 4] = [
    "portcullis_ask_seconds",
    "portcullis_check_seconds",
    "portcullis_http_request_seconds",
    "portcullis_stage_seconds",
];
/// A trace stands for its bucket for so long: looking for another costs more than recording.
const STANDS: Duration = Duration::from_secs(1);

struct Exemplar {
    trace: String,
    value: f64,
    seen: Instant,
}

/// One a bucket of one series, the last bucket without a bound.
#[derive(Default)]
struct Buckets([Mutex<Option<Exemplar>>; SECONDS_BUCKETS.len() + 1]);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Buckets {
    fn see(&self, value: f64) {
        let place = SECONDS_BUCKETS.partition_point(|bound| *bound < value);
        let Some(bucket) = self.0.get(place) else { return };
        if lock(bucket).as_ref().is_some_and(|last| last.seen.elapsed() < STANDS) {
            return;
        }
        if let Some(trace) = sampled_trace() {
            *lock(bucket) = Some(Exemplar { trace, value, seen: Instant::now() });
        }
    }
}

/// What was seen, by series: as many as the histograms themselves have.
#[derive(Default)]
pub(crate) struct Exemplars(RwLock<HashMap<Key, Arc<Buckets>>>);

impl Exemplars {
    fn of(&self, key: &Key) -> Arc<Buckets> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(key.clone()).or_default().clone()
        })
    }

    /// By the line of their bucket, up to its count.
    fn by_line(&self) -> HashMap<String, String> {
        let mut lines = HashMap::new();
        for (key, buckets) in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            let mut labels = String::new();
            for label in key.labels() {
                let (name, value) = (sanitize_label_key(label.key()), label.value());
                let _ = write!(labels, "{name}=\"{}\",", sanitize_label_value(value));
            }
            let bounds = SECONDS_BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
            for (bound, bucket) in bounds.zip(&buckets.0) {
                if let Some(Exemplar { trace, value, .. }) = &*lock(bucket) {
                    let line = format!("{}_bucket{{{labels}le=\"{bound}\"}}", key.name());
                    lines.insert(line, format!(" # {{trace_id=\"{trace}\"}} {value}"));
                }
            }
        }
        lines
    }

    /// Prometheus' text form turned into OpenMetrics', with the exemplars.
    pub(crate) fn open_metrics(&self, text: &str) -> String {
        let exemplars = self.by_line();
        let mut out = String::with_capacity(text.len() + 4096);
        let mut help = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = rest.split_once(' ');
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                // A counter's family is called as its sample without `_total`.
                let (family, kind) = match (kind, name.strip_suffix("_total")) {
                    ("counter", Some(family)) => (family, kind),
                    ("counter", None) => (name, "unknown"),
                    _ => (name, kind),
                };
                if let Some((_, says)) = help.take() {
                    let _ = writeln!(out, "# HELP {family} {says}");
                }
                let _ = writeln!(out, "# TYPE {family} {kind}");
            } else {
                out.push_str(line);
                let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
                out.push_str(exemplars.get(series).map_or("", String::as_str));
                out.push('\n');
            }
        }
        out.push_str("# EOF\n");
        out
    }
}

/// A histogram that looks for exemplars.
struct Traced {
    counts: Histogram,
    buckets: Arc<Buckets>,
}

impl HistogramFn for Traced {
    fn record(&self, value: f64) {
        self.counts.record(value);
        self.buckets.see(value);
    }
}

/// A recorder whose histograms of [`TRACED`] have exemplars.
pub(crate) struct Tracing<R> {
    pub(crate) recorder: R,
    pub(crate) exemplars: Arc<Exemplars>,
}

impl<R: Recorder> Recorder for Tracing<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.recorder.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.recorder.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let counts = self.recorder.register_histogram(key, metadata);
        if TRACED.contains(&key.name()) {
            let buckets = self.exemplars.of(key);
            Histogram::from_arc(Arc::new(Traced { counts, buckets }))
        } else {
            counts
        }
    }
}
