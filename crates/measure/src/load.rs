//! The closed loop: askers that each ask again when they are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use bytes::Bytes;

use crate::target::{Failure, Target};

/// The longest latency that is told apart, in microseconds.
const LONGEST_US: u64 = 120_000_000;
/// A pause after a failure, so that a gateway that is away is not asked a million times.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// What to send, how much of it and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Bodies of requests, sent in turn.
    pub bodies: Vec<Bytes>,
    /// Requests at once.
    pub in_flight: usize,
    /// How long to ask before measuring.
    pub warmup: Duration,
    /// How long to measure at most.
    pub duration: Duration,
    /// How many requests to measure at most.
    pub count: Option<u64>,
}

/// What was measured after the warm-up.
pub struct Measured {
    /// Latencies of requests that were answered by a verdict, in microseconds.
    pub latency: Histogram<u64>,
    /// How many there were of each decision.
    pub decisions: BTreeMap<&'static str, u64>,
    /// How many failed, by why.
    pub errors: BTreeMap<Failure, u64>,
    /// How long it took.
    pub elapsed: Duration,
    /// Time on the processor that this process itself took, in seconds; where the system tells.
    pub cpu_s: Option<f64>,
}

impl Measured {
    fn nothing() -> anyhow::Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            decisions: BTreeMap::new(),
            errors: BTreeMap::new(),
            elapsed: Duration::ZERO,
            cpu_s: None,
        })
    }

    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.latency.add(other.latency)?;
        for (word, count) in other.decisions {
            *self.decisions.entry(word).or_default() += count;
        }
        for (word, count) in other.errors {
            *self.errors.entry(word).or_default() += count;
        }
        Ok(())
    }
}

/// What all askers share.
struct Shared {
    target: Target,
    plan: Plan,
    next: AtomicUsize,
    /// Requests left to measure, where they are counted.
    left: Option<AtomicU64>,
}

impl Shared {
    /// Whether one more may be measured.
    fn take(&self) -> bool {
        let Some(left) = &self.left else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Runs the warm-up and then the load.
///
/// # Errors
/// Where an asker breaks down; a gateway that fails is counted, not an error.
pub async fn load(target: Target, plan: Plan) -> anyhow::Result<Measured> {
    let left = plan.count.map(AtomicU64::new);
    let shared = Arc::new(Shared { target, plan, next: AtomicUsize::new(0), left });
    if !shared.plan.warmup.is_zero() {
        all(&shared, shared.plan.warmup, false).await?;
    }
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let mut measured = all(&shared, shared.plan.duration, true).await?;
    measured.elapsed = began.elapsed();
    measured.cpu_s = cpu.zip(cpu_seconds()).map(|(before, after)| after - before);
    Ok(measured)
}

/// Lets every asker ask until the time is over.
async fn all(shared: &Arc<Shared>, time: Duration, counted: bool) -> anyhow::Result<Measured> {
    let until = Instant::now() + time;
    let mut askers = JoinSet::new();
    for _ in 0..shared.plan.in_flight {
        askers.spawn(one(shared.clone(), until, counted));
    }
    let mut measured = Measured::nothing()?;
    while let Some(part) = askers.join_next().await {
        measured.add(part.context("an asker broke down")??)?;
    }
    Ok(measured)
}

async fn one(shared: Arc<Shared>, until: Instant, counted: bool) -> anyhow::Result<Measured> {
    let mut measured = Measured::nothing()?;
    let bodies = &shared.plan.bodies;
    while Instant::now() < until && (!counted || shared.take()) {
        let index = shared.next.fetch_add(1, Ordering::Relaxed) % bodies.len();
        let Some(body) = bodies.get(index).cloned() else { break };
        let began = Instant::now();
        match shared.target.ask(body).await {
            Ok(decision) => {
                let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(LONGEST_US);
                measured.latency.saturating_record(us);
                *measured.decisions.entry(decision.as_str()).or_default() += 1;
            }
            Err(failure) => {
                *measured.errors.entry(failure).or_default() += 1;
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
    Ok(measured)
}

/// User and system time of this process so far, from `/proc/self/stat`, whose ticks are hundredths of a
/// second on every Linux that there is (`USER_HZ`).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name that may hold spaces; the fields after it do not.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_on_the_processor_rises_while_work_is_done() {
        let before = cpu_seconds().unwrap();
        let began = Instant::now();
        let mut work = 0_u64;
        while cpu_seconds().unwrap() - before < 0.02 {
            work = work.wrapping_mul(31).wrapping_add(1);
            assert!(began.elapsed() < Duration::from_secs(30), "{work}");
        }
    }
}
