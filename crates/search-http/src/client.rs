//! One request and its answer: addresses, login, TLS, time.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::tls;

/// The longest answer that is read.
const MOST: usize = 64 << 20;

/// Who we are to the engine.
#[derive(Clone, Default)]
pub enum Login {
    /// Nobody.
    #[default]
    Nobody,
    /// A user with a password.
    Basic(String, SecretString),
    /// An API key in the form in which Elasticsearch gives it (`id:key` in base64).
    ApiKey(SecretString),
}

impl Login {
    fn header(&self) -> Result<Option<HeaderValue>, ClientError> {
        let text = match self {
            Self::Nobody => return Ok(None),
            Self::Basic(user, password) => {
                let both = format!("{user}:{}", password.expose_secret());
                format!("Basic {}", BASE64_STANDARD.encode(both))
            }
            Self::ApiKey(key) => format!("ApiKey {}", key.expose_secret()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| ClientError::Login)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Basic(..) => "Basic",
            Self::ApiKey(_) => "ApiKey",
        })
    }
}

/// How to reach an engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Addresses of its nodes, with commas between; one is asked until it does not answer.
    pub urls: String,
    /// Who we are.
    pub login: Login,
    /// The file with the authorities to trust, in PEM; the system's where absent.
    pub authorities: Option<PathBuf>,
    /// How long one request may take; a deletion by query has ten times that.
    pub timeout: Duration,
}

/// Why a client cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// An address is none.
    #[error("the address must be http://HOST:PORT or https://HOST:PORT, without a question")]
    Address,
    /// User, password or key cannot stand in a header.
    #[error("user, password or API key hold a character that a header cannot")]
    Login,
    /// The authorities cannot be read.
    #[error("the file of authorities holds no certificate in PEM, or cannot be read")]
    Authorities,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody answered, or not in time, or not in a form that can be read.
    #[error("engine away: {0}")]
    Away(&'static str),
    /// The engine answered that it cannot or may not do it: by status and the error's type.
    #[error("engine refused: {0}")]
    Refused(crate::Why),
}

impl Fault {
    /// The status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Away(_) => None,
            Self::Refused(why) => Some(why.status),
        }
    }

    /// A word for metrics: the status, or `away`.
    pub fn word(&self) -> String {
        self.status().map_or_else(|| "away".to_owned(), |status| status.to_string())
    }
}

/// An engine. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Client {
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    bases: Arc<[String]>,
    /// Which of them answered last.
    at: Arc<AtomicUsize>,
    login: Option<HeaderValue>,
    pub(crate) timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("bases", &self.bases).finish_non_exhaustive()
    }
}

impl Client {
    /// A client; it connects when it is first used.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(options: &Options) -> Result<Self, ClientError> {
        let bases = options.urls.split(',').map(base).collect::<Result<Arc<[_]>, _>>()?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.timeout.min(Duration::from_secs(5))));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(options.authorities.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        let login = options.login.header()?;
        if login.is_some() && bases.iter().any(|base| base.starts_with("http://")) {
            tracing::warn!("user and password or API key go to the engine without TLS");
        }
        Ok(Self { http, bases, at: Arc::default(), login, timeout: options.timeout })
    }

    /// Asks, and reads the answer, whatever its status.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
        timeout: Duration,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let at = self.at.load(Ordering::Relaxed);
        let answer = tokio::time::timeout(timeout, self.exchange(method, path, body, at)).await;
        let answer = answer.unwrap_or(Err(Fault::Away("timeout")));
        if answer.is_err() {
            // the next request goes to the next node
            self.at.store(at.wrapping_add(1), Ordering::Relaxed);
        }
        answer
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
        at: usize,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let base = self.bases.get(at % self.bases.len().max(1)).map_or("", String::as_str);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header(ACCEPT, "application/json");
        if let Some(login) = &self.login {
            request = request.header(AUTHORIZATION, login);
        }
        let (form, body) = body.unzip();
        if let Some(form) = form {
            request = request.header(CONTENT_TYPE, form);
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|_| Fault::Away("no request"))?;
        let answer = self.http.request(request).await.map_err(|_| Fault::Away("no connection"))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body.map_err(|_| Fault::Away("answer broken off"))?.to_bytes();
        Ok((status, body))
    }

    /// Asks in JSON; an answer of another status than 2xx is a fault.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Value, Fault> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        let (status, body) = self.ask(method, path, body, timeout).await?;
        if !status.is_success() {
            return Err(Fault::Refused(crate::Why::of_answer(status.as_u16(), &body)));
        }
        serde_json::from_slice(&body).map_err(|_| Fault::Away("unreadable answer"))
    }

    /// What `_search` answers to a question.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn search(&self, target: &str, question: &Value) -> Result<Value, Fault> {
        self.json(Method::POST, &format!("/{target}/_search"), Some(question), self.timeout).await
    }

    /// Makes what was written visible to searches and deletions.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn refresh(&self, target: &str) -> Result<(), Fault> {
        self.json(Method::POST, &format!("/{target}/_refresh"), None, self.timeout).await.map(drop)
    }

    /// Deletes every document that fits `query` and was visible when it was asked, and returns how many.
    ///
    /// # Errors
    /// [`Fault`], also where some were left: ask again.
    pub async fn delete_by_query(&self, target: &str, query: &Value) -> Result<u64, Fault> {
        let path = format!("/{target}/_delete_by_query?conflicts=proceed&refresh=true");
        let question = serde_json::json!({ "query": query });
        let done = self.json(Method::POST, &path, Some(&question), self.timeout * 10).await?;
        let number = |field: &str| done.get(field).and_then(Value::as_u64);
        let failures = done.get("failures").and_then(Value::as_array).is_none_or(Vec::is_empty);
        let late = done.get("timed_out").and_then(Value::as_bool).unwrap_or(false);
        match (number("deleted"), number("version_conflicts")) {
            (Some(deleted), Some(0)) if failures && !late => Ok(deleted),
            _ => Err(Fault::Away("deletion not complete")),
        }
    }
}

fn base(url: &str) -> Result<String, ClientError> {
    let url = url.trim().trim_end_matches('/');
    let uri = Uri::try_from(url).map_err(|_| ClientError::Address)?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.query().is_none() && uri.host().is_some_and(|host| !host.is_empty());
    let named = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if scheme && plain && !named { Ok(url.to_owned()) } else { Err(ClientError::Address) }
}
