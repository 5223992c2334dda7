//! Follows the record: facts into the watch, alerts out of it, snapshots beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::SignedDuration;
use portcullis_bus::{Delivery, Journal, JournalError};
use portcullis_core::{Action, Clock};
use tokio_util::sync::CancellationToken;

use crate::acting::Actor;
use crate::alert::{Alert, State, Urgency};
use crate::fact::Fact;
use crate::outlet::Queue;
use crate::snapshot;
use crate::watch::Watch;

/// The name under which the record is followed.
pub(crate) const READER: &str = "anomaly";
/// How often time passes where nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// Ticks without an entry after which none is on its way.
const QUIET: u32 = 3;
/// An entry younger than this is of the present.
const PRESENT: SignedDuration = SignedDuration::from_secs(10);
/// How long to wait after a failure.
const BACK_OFF: Duration = Duration::from_secs(1);

/// The watch at work.
pub struct Reader {
    /// The record.
    pub journal: Arc<dyn Journal>,
    /// What is normal.
    pub watch: Watch,
    /// What is done by itself.
    pub actor: Actor,
    /// Where alerts go.
    pub outlets: Vec<Queue>,
    /// Where what was learnt is kept, and how often; nowhere where absent.
    pub snapshots: Option<(PathBuf, Duration)>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Reader {
    /// Works until `shutdown`, and then writes a last snapshot. An entry is acknowledged when the watch has it: a
    /// crash costs what was learnt since the last snapshot, and no alert that was told.
    pub async fn run(mut self, shutdown: CancellationToken) {
        introduce();
        loop {
            let ended = tokio::select! {
                () = shutdown.cancelled() => break,
                ended = self.follow() => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "record interrupted");
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(BACK_OFF) => {}
            }
        }
        self.save().await;
    }

    async fn follow(&mut self) -> Result<(), JournalError> {
        let mut deliveries = self.journal.follow(READER).await?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let every = self.snapshots.as_ref().map_or(Duration::MAX, |(_, every)| *every);
        let (mut saved, mut quiet) = (self.clock.instant(), 0);
        loop {
            tokio::select! {
                delivery = deliveries.next() => match delivery {
                    Some(delivery) => {
                        quiet = 0;
                        self.take(delivery?).await?;
                    }
                    None => return Ok(()),
                },
                _ = tick.tick() => {
                    let now = self.clock.now();
                    quiet += 1;
                    // Time passes where the record has been read to its end. While it is caught up with after an
                    // absence, its own time counts: else all of it would count for now, as one flood.
                    let last = self.watch.last;
                    let present = last.is_some_and(|last| now.duration_since(last) < PRESENT);
                    if present || quiet >= QUIET {
                        let alerts = self.watch.pass(now);
                        self.tell(alerts).await;
                    }
                    self.actor.expire(now).await;
                    metrics::gauge!("portcullis_anomaly_speakers").set(self.watch.speakers() as f64);
                    metrics::gauge!("portcullis_anomaly_open_alerts").set(self.watch.open().count() as f64);
                    if self.clock.instant().saturating_duration_since(saved) >= every {
                        self.save().await;
                        saved = self.clock.instant();
                    }
                }
            }
        }
    }

    async fn take(&mut self, delivery: Box<dyn Delivery>) -> Result<(), JournalError> {
        match delivery.entry() {
            Ok(entry) => {
                metrics::counter!("portcullis_anomaly_entries_total").increment(1);
                if let Some(fact) = Fact::of(entry) {
                    let alerts = self.watch.observe(&fact);
                    self.tell(alerts).await;
                }
            }
            // audit keeps what cannot be read; here it says nothing
            Err(_) => metrics::counter!("portcullis_anomaly_unreadable_total").increment(1),
        }
        delivery.ack().await
    }

    async fn tell(&mut self, alerts: Vec<Alert>) {
        for mut alert in alerts {
            self.actor.act(&mut alert, self.clock.now()).await;
            let state = alert.state.as_str();
            metrics::counter!("portcullis_anomaly_alerts_total", "severity" => alert.severity.as_str(), "state" => state)
                .increment(1);
            tracing::warn!(
                id = alert.id,
                bot = alert.bot.as_str(),
                severity = alert.severity.as_str(),
                state,
                signals =
                    alert.signals.iter().map(|r| r.signal.as_str()).collect::<Vec<_>>().join(","),
                "alert"
            );
            for outlet in &self.outlets {
                outlet.put(&alert);
            }
        }
    }

    async fn save(&self) {
        let Some((path, _)) = self.snapshots.clone() else { return };
        let bytes = self.watch.to_bytes();
        let written = tokio::task::spawn_blocking(move || snapshot::write(&path, &bytes?)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => unsaved(&error),
            Err(error) => unsaved(&error),
        }
    }
}

fn unsaved(error: &dyn std::fmt::Display) {
    metrics::counter!("portcullis_anomaly_unsaved_total").increment(1);
    tracing::error!(%error, "what was learnt is not saved");
}

/// Counters that are there before they count, so that the first time is a rise.
fn introduce() {
    for name in ["entries", "unreadable", "unsaved"] {
        metrics::counter!(format!("portcullis_anomaly_{name}_total")).increment(0);
    }
    for severity in [Urgency::Info, Urgency::Warning, Urgency::Critical] {
        for state in [State::Firing, State::Resolved] {
            let labels = [("severity", severity.as_str()), ("state", state.as_str())];
            metrics::counter!("portcullis_anomaly_alerts_total", &labels).increment(0);
        }
    }
    for action in [Action::Limit, Action::Hold, Action::Block] {
        metrics::counter!("portcullis_anomaly_orders_total", "action" => action.as_str())
            .increment(0);
    }
}
