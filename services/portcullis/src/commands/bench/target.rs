//! Who is asked, and what came back.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use portcullis_bus_nats::{Client, subjects};
use portcullis_core::{BotId, Decision};
use portcullis_ingress::doors::nats::STATUS_HEADER;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::Args;

/// After this a request counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway. Cheap to clone.
#[derive(Clone)]
pub(super) enum Target {
    Http { client: reqwest::Client, url: Url, key: Option<String> },
    Nats { client: Client, subject: String },
}

/// Why there is no verdict: a word to count by.
pub(super) type Failure = String;

#[derive(Deserialize)]
struct Answer {
    decision: Decision,
}

/// Refuses targets that are not this machine, unless that is wanted.
pub(super) fn only_here(target: &str, yes_remote: bool) -> anyhow::Result<()> {
    for url in target.split(',') {
        let url = parse(url)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        anyhow::ensure!(
            is_here || yes_remote,
            "{host} is not this machine: say --yes-remote if it is yours to put under load"
        );
    }
    Ok(())
}

fn parse(target: &str) -> anyhow::Result<Url> {
    let url = Url::parse(target.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "nats" | "tls") && url.host_str().is_some());
    url.context("--target must be http://HOST:PORT or nats://HOST:PORT")
}

impl Target {
    /// Makes ready to ask.
    pub(super) async fn open(args: &Args) -> anyhow::Result<Self> {
        let first = args.target.split(',').next().unwrap_or_default();
        let mut url = parse(first)?;
        if url.scheme() == "http" {
            if url.path() == "/" {
                url.set_path("/v1/check");
            }
            let client = reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .pool_max_idle_per_host(args.in_flight as usize)
                .build()?;
            return Ok(Self::Http { client, url, key: args.key.clone() });
        }
        let login = args.login.clone().or(args.user.as_ref(), args.password.as_ref());
        let client = login.connect(&args.target).await?;
        let bot = args.bot.clone().unwrap_or_else(BotId::fallback);
        Ok(Self::Nats { client, subject: subjects::ingress(&bot) })
    }

    /// Asks once.
    pub(super) async fn ask(&self, body: Bytes) -> Result<Decision, Failure> {
        let answer = match self {
            Self::Http { client, url, key } => {
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
            Self::Nats { client, subject } => {
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
    fn only_this_machine_is_put_under_load_unasked() {
        for here in
            ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "nats://127.0.0.1:4222"]
        {
            assert!(only_here(here, false).is_ok(), "{here}");
        }
        for there in ["http://10.0.0.1:8080", "nats://127.0.0.1:4222,nats://bus:4222"] {
            assert!(only_here(there, false).is_err(), "{there}");
            assert!(only_here(there, true).is_ok(), "{there}");
        }
        for wrong in ["127.0.0.1:8080", "https://127.0.0.1", "ftp://127.0.0.1"] {
            assert!(only_here(wrong, true).is_err(), "{wrong}");
        }
    }
}
