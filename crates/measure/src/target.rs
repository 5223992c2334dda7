//! Who is asked, and what came back.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use portcullis_bus_nats::{Client, STATUS_HEADER, subjects};
use portcullis_core::{BotId, Decision};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

/// After this a request counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway. Cheap to clone.
#[derive(Clone)]
pub struct Target(Door);

#[derive(Clone)]
enum Door {
    Http { client: reqwest::Client, url: Url, key: Option<String> },
    Nats { client: Client, subject: String },
}

/// Why there is no verdict: a word to count by.
pub type Failure = String;

#[derive(Deserialize)]
struct Answer {
    decision: Decision,
}

/// Whether every address of a target is this machine.
///
/// # Errors
/// Where it is no address of a gateway.
pub fn is_here(target: &str) -> anyhow::Result<bool> {
    let mut here = true;
    for url in target.split(',') {
        let url = parse(url)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        here &= host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    }
    Ok(here)
}

fn parse(target: &str) -> anyhow::Result<Url> {
    let url = Url::parse(target.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "nats" | "tls") && url.host_str().is_some());
    url.context("--target must be http://HOST:PORT or nats://HOST:PORT")
}

impl Target {
    /// A gateway's HTTP door, if the target is one: `/v1/check` where it names no path.
    ///
    /// # Errors
    /// Where it is no address of a gateway.
    pub fn http(
        target: &str,
        key: Option<String>,
        in_flight: usize,
    ) -> anyhow::Result<Option<Self>> {
        let mut url = parse(target.split(',').next().unwrap_or_default())?;
        if url.scheme() != "http" {
            return Ok(None);
        }
        if url.path() == "/" {
            url.set_path("/v1/check");
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(in_flight)
            .build()?;
        Ok(Some(Self(Door::Http { client, url, key })))
    }

    /// A gateway's door on NATS, for a bot.
    pub fn nats(client: Client, bot: &BotId) -> Self {
        Self(Door::Nats { client, subject: subjects::ingress(bot) })
    }

    /// Asks once.
    ///
    /// # Errors
    /// A word that says why there is no verdict.
    pub async fn ask(&self, body: Bytes) -> Result<Decision, Failure> {
        let answer = match &self.0 {
            Door::Http { client, url, key } => {
                let mut request =
                    client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body);
                if let Some(key) = key {
                    request = request.bearer_auth(key);
                }
                let response = request.send().await.map_err(|error| http_failure(&error))?;
                if !response.status().is_success() {
                    return Err(format!("status_{}", response.status().as_u16()));
                }
                response.bytes().await.map_err(|error| http_failure(&error))?
            }
            Door::Nats { client, subject } => {
                let asked = client.request(subject.clone(), body);
                let reply = tokio::time::timeout(PATIENCE, asked)
                    .await
                    .map_err(|_| "timed_out".to_owned())?
                    .map_err(|error| error.kind().to_string().replace([' ', ':'], "_"))?;
                let status = reply.headers.as_ref().and_then(|headers| headers.get(STATUS_HEADER));
                if let Some(status) = status {
                    return Err(format!("status_{status}"));
                }
                reply.payload
            }
        };
        serde_json::from_slice::<Answer>(&answer)
            .map(|answer| answer.decision)
            .map_err(|_| "unreadable".into())
    }
}

fn http_failure(error: &reqwest::Error) -> Failure {
    let word = if error.is_timeout() {
        "timed_out"
    } else if error.is_connect() {
        "not_connected"
    } else {
        "broken_off"
    };
    word.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        for here in
            ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "nats://127.0.0.1:4222"]
        {
            assert!(is_here(here).unwrap(), "{here}");
        }
        for there in ["http://10.0.0.1:8080", "nats://127.0.0.1:4222,nats://bus:4222"] {
            assert!(!is_here(there).unwrap(), "{there}");
        }
        for wrong in ["127.0.0.1:8080", "https://127.0.0.1", "ftp://127.0.0.1"] {
            assert!(is_here(wrong).is_err(), "{wrong}");
        }
    }
}
