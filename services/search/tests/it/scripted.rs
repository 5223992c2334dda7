//! A server that plays an engine: it knows templates, and answers `_bulk` as the test says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// What an engine says about a document that it refuses quotes the document. This never goes further.
pub(crate) const MARKER: &str = "my card is 4111 1111 1111 1111";

/// The answer to the request with this number, which carries these ids.
type Script = Box<dyn Fn(usize, &[String]) -> Answer + Send + Sync>;

/// What the server answers to `_bulk`.
pub(crate) enum Answer {
    /// A status for each item; 201 has no error, others the type given.
    Items(Vec<(u16, &'static str)>),
    /// The request as a whole.
    Whole(u16, String),
}

struct Inner {
    script: Script,
    asked: Vec<Vec<String>>,
    there: HashMap<String, Value>,
    logins: Vec<Option<String>>,
    erased: Vec<Value>,
}

/// The server. It ends on drop.
pub(crate) struct Scripted {
    inner: Arc<Mutex<Inner>>,
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Scripted {
    pub(crate) async fn start(
        script: impl Fn(usize, &[String]) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            script: Box::new(script),
            asked: Vec::new(),
            there: HashMap::new(),
            logins: Vec::new(),
            erased: Vec::new(),
        }));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, address, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The ids of each request so far.
    pub(crate) fn asked(&self) -> Vec<Vec<String>> {
        self.inner.lock().unwrap().asked.clone()
    }

    /// What each request so far said about who asks.
    pub(crate) fn logins(&self) -> Vec<Option<String>> {
        self.inner.lock().unwrap().logins.clone()
    }

    /// The questions of each deletion so far.
    pub(crate) fn erased(&self) -> Vec<Value> {
        self.inner.lock().unwrap().erased.clone()
    }
}

/// Every item as created.
pub(crate) fn all(ids: &[String]) -> Answer {
    Answer::Items(ids.iter().map(|_| (201, "")).collect())
}

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let mut inner = inner.lock().unwrap();
    let login = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    inner.logins.push(login);
    let read = || serde_json::from_slice(&body).unwrap_or(Value::Null);
    let found = |value: Option<Value>| match value {
        Some(value) => axum::Json(value).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            axum::Json(json!({"error": {"type": "resource_not_found_exception"}})),
        )
            .into_response(),
    };
    match (&method, path.rsplit('/').next().unwrap()) {
        (_, "_bulk") => bulk(&mut inner, &body),
        (_, "_search") => axum::Json(json!({ "hits": { "hits": [] } })).into_response(),
        (_, "_refresh") => axum::Json(json!({})).into_response(),
        (_, "_delete_by_query") => {
            inner.erased.push(read());
            axum::Json(
                json!({ "deleted": 1, "version_conflicts": 0, "failures": [], "timed_out": false }),
            )
            .into_response()
        }
        (&Method::PUT, _) => {
            inner.there.insert(path, read());
            axum::Json(json!({ "acknowledged": true })).into_response()
        }
        (&Method::GET, _) => {
            let stored = inner.there.get(&path).cloned();
            found(stored.map(|stored| match path.split('/').nth(1).unwrap() {
                "_component_template" => {
                    json!({ "component_templates": [{ "component_template": stored }] })
                }
                "_index_template" => json!({ "index_templates": [{ "index_template": stored }] }),
                _ => json!({}),
            }))
        }
        _ => panic!("{method} {path}"),
    }
}

fn bulk(inner: &mut Inner, body: &[u8]) -> Response {
    let lines: Vec<Value> = std::str::from_utf8(body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<String> = lines
        .iter()
        .step_by(2)
        .map(|line| line["create"]["_id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    let number = inner.asked.len();
    inner.asked.push(ids.clone());
    match (inner.script)(number, &ids) {
        Answer::Whole(status, body) => {
            (StatusCode::from_u16(status).unwrap(), body).into_response()
        }
        Answer::Items(items) => {
            let items: Vec<Value> = items
                .iter()
                .map(|(status, kind)| match status {
                    201 => json!({ "create": { "status": 201 } }),
                    _ => json!({ "create": { "status": status, "error": {
                        "type": kind, "reason": format!("failed to parse: {MARKER}"),
                    } } }),
                })
                .collect();
            axum::Json(json!({ "items": items })).into_response()
        }
    }
}
