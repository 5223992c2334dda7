//! What the watch orders by itself: written to the control bucket under its own name, recorded, and taken back
//! when it expires.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_bus::{Journal, Kv};
use portcullis_core::{Action, ActionRecord, Body, BotId, Entry, Order};

use crate::alert::{Acted, Alert, State, Subject};
use crate::settings::{self, Acting};

/// The author under whose prefix orders stand.
const AUTHOR: &str = "anomaly";

/// Gives and takes back orders.
pub struct Actor {
    acting: Acting,
    control: Arc<dyn Kv>,
    journal: Arc<dyn Journal>,
    /// Orders in force by key, with the bot that they concern and their end.
    in_force: BTreeMap<String, (BotId, Action, Timestamp)>,
}

/// The key's part after the author, and the scope in the record.
fn scope(alert: &Alert) -> Option<(String, String)> {
    match &alert.subject {
        Subject::Speaker(hash) => Some((format!("speaker.{hash}"), format!("speaker:{hash}"))),
        Subject::Bot | Subject::Campaign(_) | Subject::Stage(_) => {
            Some((format!("bot.{}", alert.bot), "bot".to_owned()))
        }
    }
}

impl Actor {
    /// An actor that has ordered nothing yet. Orders of an earlier process expire by themselves.
    pub fn new(acting: Acting, control: Arc<dyn Kv>, journal: Arc<dyn Journal>) -> Self {
        Self { acting, control, journal, in_force: BTreeMap::new() }
    }

    /// The harshest order that the settings have for an alert's signals.
    fn chosen(&self, alert: &Alert) -> Option<&settings::Order> {
        let table = match alert.subject {
            Subject::Speaker(_) => &self.acting.speaker,
            Subject::Bot | Subject::Campaign(_) | Subject::Stage(_) => &self.acting.bot,
        };
        let orders = alert.signals.iter().filter_map(|reading| table.get(&reading.signal));
        orders.max_by_key(|order| order.action)
    }

    /// Orders what the settings say, once for an alert, and notes it in the alert. An order counts from when the
    /// alert was seen in the record: who reads on after an absence orders nothing about what is long over. A store
    /// that is away costs the order and is an error in the log; the alert goes out all the same.
    pub async fn act(&mut self, alert: &mut Alert, now: Timestamp) {
        if alert.state != State::Firing {
            return;
        }
        let Some((scope, name)) = scope(alert) else { return };
        let Some(chosen) = self.chosen(alert).cloned() else { return };
        let key = format!("{AUTHOR}.{scope}");
        let in_force = self.in_force.get(&key);
        let harsher =
            in_force.filter(|(_, action, until)| *until > now && *action >= chosen.action);
        if let Some((_, action, until)) = harsher {
            alert.acted = Some(Acted { action: *action, expires_at: *until });
            return;
        }
        let lasts = SignedDuration::from_secs(chosen.for_s.into());
        let until = alert.at.saturating_add(lasts).unwrap_or(alert.at);
        if until <= now {
            return;
        }
        let reason = format!("alert {}", alert.id);
        let order = Order {
            action: chosen.action,
            factor: (chosen.action == Action::Limit).then_some(chosen.factor),
            by: AUTHOR.to_owned(),
            reason: Some(reason.clone()),
            expires_at: Some(until),
        };
        let value = serde_json::to_vec(&order).unwrap_or_default();
        if let Err(error) = self.control.put(&key, value.into()).await {
            tracing::error!(%error, id = alert.id, "order not given");
            return;
        }
        metrics::counter!("portcullis_anomaly_orders_total", "action" => chosen.action.as_str())
            .increment(1);
        self.in_force.insert(key, (alert.bot.clone(), chosen.action, until));
        alert.acted = Some(Acted { action: chosen.action, expires_at: until });
        let record = ActionRecord {
            action: chosen.action.as_str().to_owned(),
            scope: name,
            factor: order.factor,
            by: AUTHOR.to_owned(),
            reason: Some(reason),
            expires_at: Some(until),
        };
        self.write(&alert.bot, record, now, &alert.id).await;
    }

    /// Removes orders that are over. They have stopped counting by then; this keeps the bucket small and
    /// says so in the record.
    pub async fn expire(&mut self, now: Timestamp) {
        let over: Vec<String> = self
            .in_force
            .iter()
            .filter(|(_, (.., until))| *until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if self.control.delete(&key).await.is_err() {
                return;
            }
            let Some((bot, action, _)) = self.in_force.remove(&key) else { continue };
            let scope = key.trim_start_matches("anomaly.").replacen('.', ":", 1);
            let record = ActionRecord {
                action: format!("{}_expired", action.as_str()),
                scope: if scope.starts_with("bot:") { "bot".to_owned() } else { scope },
                factor: None,
                by: AUTHOR.to_owned(),
                reason: None,
                expires_at: None,
            };
            self.write(&bot, record, now, "expired").await;
        }
    }

    async fn write(&self, bot: &BotId, record: ActionRecord, now: Timestamp, id: &str) {
        let entry = Entry {
            id: format!("action/{bot}/{AUTHOR}-{id}-{}-{}", record.action, now.as_microsecond()),
            bot: bot.clone(),
            at: now,
            body: Body::Action(record),
        };
        if let Err(error) = self.journal.append(&entry).await {
            tracing::error!(%error, "an order is not recorded");
        }
    }
}
