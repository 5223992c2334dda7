//! The recorder of metrics.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::exemplars::{Exemplars, Tracing};

/// Upper bounds of the buckets of every histogram whose name ends in `_seconds`.
pub const SECONDS_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3,
    0.5, 1.0, 2.5, 10.0,
];

/// How often recorded samples are folded into their buckets, so that memory stays flat even where nobody
/// reads the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// What renders the metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    exemplars: Arc<Exemplars>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Every metric, in the text form that Prometheus reads.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// The same in the form OpenMetrics, with exemplars: buckets of what a message took name a trace.
    pub fn render_open(&self) -> String {
        self.exemplars.open_metrics(&self.handle.render())
    }
}

/// Installs the recorder; `None` where something else has installed one.
pub(crate) fn install(service: &'static str) -> Option<Metrics> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)
        .ok()?
        .build_recorder();
    let (handle, exemplars) = (recorder.handle(), Arc::<Exemplars>::default());
    metrics::set_global_recorder(Tracing { recorder, exemplars: exemplars.clone() }).ok()?;
    metrics::describe_gauge!("portcullis_build_info", "1; its labels say which program this is");
    metrics::gauge!("portcullis_build_info", "service" => service, "version" => env!("CARGO_PKG_VERSION"))
        .set(1.0);
    let process = Collector::default();
    process.describe();
    process.collect();
    let kept_up = handle.clone();
    let upkeep = move || {
        loop {
            std::thread::sleep(UPKEEP);
            process.collect();
            kept_up.run_upkeep();
        }
    };
    // Without the thread the metrics are right still; only reading them keeps memory down.
    if std::thread::Builder::new().name("metrics-upkeep".into()).spawn(upkeep).is_err() {
        tracing::warn!("no thread for the upkeep of metrics");
    }
    Some(Metrics { handle, exemplars })
}
