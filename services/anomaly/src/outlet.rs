//! Where alerts go, beside the bus: Alertmanager and a webhook, each with its own queue.

use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::alert::{Alert, State, Subject};

/// Alerts that wait for one outlet; past it the newest is dropped and counted.
const QUEUE: usize = 1_000;
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why an alert was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutletError {
    /// Nobody answered, or not now: try again.
    #[error("outlet away")]
    Away,
    /// It will not be taken.
    #[error("outlet refused the alert")]
    Refused,
}

/// Takes alerts.
#[async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// A word for metrics.
    fn name(&self) -> &'static str;
    /// Tells one alert: it is taken when this returns.
    async fn tell(&self, alert: &Alert) -> Result<(), OutletError>;
}

/// Posts to one address, which comes from the configuration and from nowhere else.
struct Post {
    client: reqwest::Client,
    url: String,
}

impl Post {
    fn new(url: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // an answer must not send alerts elsewhere
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, url: url.to_owned() })
    }

    async fn post(&self, body: &serde_json::Value) -> Result<(), OutletError> {
        let answer = self.client.post(&self.url).json(body).send().await;
        let status = answer.map_err(|_| OutletError::Away)?.status();
        match status {
            _ if status.is_success() => Ok(()),
            _ if status.is_server_error() || status.as_u16() == 429 => Err(OutletError::Away),
            _ => Err(OutletError::Refused),
        }
    }
}

/// The alert as it is, posted as JSON.
pub struct Webhook(Post);

impl Webhook {
    /// Posts to `url`.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn new(url: &str) -> Result<Self, reqwest::Error> {
        Post::new(url).map(Self)
    }
}

#[async_trait]
impl Outlet for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    async fn tell(&self, alert: &Alert) -> Result<(), OutletError> {
        let body = serde_json::to_value(alert).map_err(|_| OutletError::Refused)?;
        self.0.post(&body).await
    }
}

/// Alertmanager's API, version 2. Labels hold no name of a person: an alert about one is told apart by
/// its id.
pub struct Alertmanager(Post);

impl Alertmanager {
    /// Posts to the Alertmanager at `url`, such as `http://alertmanager:9093`.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn new(url: &str) -> Result<Self, reqwest::Error> {
        Post::new(&format!("{}/api/v2/alerts", url.trim_end_matches('/'))).map(Self)
    }

    /// What Alertmanager is told.
    pub fn body(alert: &Alert) -> serde_json::Value {
        let about = match &alert.subject {
            Subject::Bot => "bot",
            Subject::Speaker(_) => "speaker",
            Subject::Stage(_) => "stage",
            Subject::Campaign(_) => "campaign",
        };
        let ends = match alert.state {
            State::Resolved => json!(alert.at),
            State::Firing => serde_json::Value::Null,
        };
        let mut one = json!({
            "labels": {
                "alertname": "PortcullisAnomaly",
                "severity": alert.severity.as_str(),
                "bot": alert.bot,
                "about": about,
                "alert_id": alert.id,
            },
            "annotations": {
                "summary": alert.summary(),
                "recommended": alert.recommended.as_str(),
                "examples": alert.examples.join(" "),
            },
            "startsAt": alert.since,
            "endsAt": ends,
        });
        if let Some(one) = one.as_object_mut().filter(|_| alert.state == State::Firing) {
            // absent, Alertmanager applies its own time to resolve
            one.remove("endsAt");
        }
        json!([one])
    }
}

#[async_trait]
impl Outlet for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    async fn tell(&self, alert: &Alert) -> Result<(), OutletError> {
        self.0.post(&Self::body(alert)).await
    }
}

/// The end of an outlet's queue that alerts are put into.
#[derive(Clone)]
pub struct Queue {
    sender: mpsc::Sender<Alert>,
    name: &'static str,
}

impl Queue {
    /// Puts an alert in; never waits. A full queue drops it and counts that.
    pub fn put(&self, alert: &Alert) {
        if self.sender.try_send(alert.clone()).is_err() {
            metrics::counter!("portcullis_anomaly_untold_total", "outlet" => self.name)
                .increment(1);
            tracing::error!(outlet = self.name, id = alert.id, "alert not told: queue full");
        }
    }
}

/// A queue before an outlet, and the work of emptying it: one alert after the other, each tried again with
/// growing pauses for up to an hour, until `shutdown`.
pub fn queue(
    outlet: impl Outlet,
    shutdown: CancellationToken,
) -> (Queue, impl Future<Output = ()> + Send) {
    let (sender, mut waiting) = mpsc::channel::<Alert>(QUEUE);
    let name = outlet.name();
    for counter in ["told", "untold"] {
        let counter = format!("portcullis_anomaly_{counter}_total");
        metrics::counter!(counter, "outlet" => name).increment(0);
    }
    let work = async move {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(30))
            .with_total_delay(Some(Duration::from_secs(3_600)))
            .without_max_times()
            .with_jitter();
        loop {
            let alert = tokio::select! {
                () = shutdown.cancelled() => return,
                alert = waiting.recv() => match alert { Some(alert) => alert, None => return },
            };
            let telling =
                (|| outlet.tell(&alert)).retry(pauses).when(|error| *error == OutletError::Away);
            let told = tokio::select! {
                () = shutdown.cancelled() => return,
                told = telling => told,
            };
            match told {
                Ok(()) => metrics::counter!("portcullis_anomaly_told_total", "outlet" => name)
                    .increment(1),
                Err(error) => {
                    metrics::counter!("portcullis_anomaly_untold_total", "outlet" => name)
                        .increment(1);
                    tracing::error!(outlet = name, id = alert.id, %error, "alert not told");
                }
            }
        }
    };
    (Queue { sender, name }, work)
}
