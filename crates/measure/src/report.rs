//! What was measured, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::load::Measured;

/// The figures of a run.
#[derive(Serialize)]
pub struct Report {
    target: String,
    in_flight: usize,
    /// Verdicts and failures together.
    pub requests: u64,
    elapsed_s: f64,
    /// Verdicts a second.
    rate: f64,
    latency_us: Latency,
    decisions: BTreeMap<&'static str, u64>,
    /// Failures, by why.
    pub errors: BTreeMap<String, u64>,
    /// Of this process, not of the gateway.
    bench_cpu_s: Option<f64>,
    /// Cores that this process kept busy.
    bench_cores: Option<f64>,
}

#[derive(Serialize)]
struct Latency {
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

impl Report {
    /// The figures of what was measured at a target.
    pub fn new(target: &str, in_flight: usize, measured: &Measured) -> Self {
        let Measured { latency, decisions, errors, elapsed, cpu_s } = measured;
        let elapsed_s = elapsed.as_secs_f64();
        Self {
            target: target.to_owned(),
            in_flight,
            requests: latency.len() + errors.values().sum::<u64>(),
            elapsed_s,
            rate: latency.len() as f64 / elapsed_s.max(f64::EPSILON),
            latency_us: Latency {
                min: latency.min(),
                mean: latency.mean(),
                p50: latency.value_at_quantile(0.5),
                p90: latency.value_at_quantile(0.9),
                p99: latency.value_at_quantile(0.99),
                p99_9: latency.value_at_quantile(0.999),
                max: latency.max(),
            },
            decisions: decisions.clone(),
            errors: errors.clone(),
            bench_cpu_s: *cpu_s,
            bench_cores: cpu_s.map(|cpu| cpu / elapsed_s.max(f64::EPSILON)),
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Latency { min, mean, p50, p90, p99, p99_9, max } = &self.latency_us;
        writeln!(
            text,
            "target     {} ({} in flight, {:.1} s)",
            self.target, self.in_flight, self.elapsed_s
        )?;
        writeln!(text, "rate       {:.0} verdicts/s", self.rate)?;
        writeln!(
            text,
            "latency    p50 {}   p90 {}   p99 {}   p99.9 {}   max {}",
            ms(*p50),
            ms(*p90),
            ms(*p99),
            ms(*p99_9),
            ms(*max)
        )?;
        writeln!(text, "           min {}   mean {:.3} ms", ms(*min), mean / 1000.0)?;
        writeln!(text, "decisions  {}", counts(&self.decisions))?;
        writeln!(text, "errors     {}", counts(&self.errors))?;
        if let (Some(cpu), Some(cores)) = (self.bench_cpu_s, self.bench_cores) {
            writeln!(
                text,
                "CPU        {cpu:.2} s of this process itself ({cores:.2} cores); the gateway's is its own"
            )?;
        }
        Ok(())
    }
}

fn ms(us: u64) -> String {
    format!("{:.3} ms", us as f64 / 1000.0)
}

fn counts<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return "none".into();
    }
    let all: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    all.join("   ")
}
