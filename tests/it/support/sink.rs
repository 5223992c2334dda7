//! A collector of traces on loopback: keeps what processes export, as it came.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio_util::task::AbortOnDropHandle;

/// Receives OTLP over HTTP until it is dropped.
pub(crate) struct Sink {
    endpoint: String,
    exports: Arc<Mutex<Vec<Bytes>>>,
    _task: AbortOnDropHandle<()>,
}

impl Sink {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let exports: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let keep = exports.clone();
        let receive = async move |body: Bytes| keep.lock().unwrap().push(body);
        let routes = Router::new().route("/v1/traces", post(receive));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "the handle ends the task on drop")]
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { endpoint, exports, _task: AbortOnDropHandle::new(task) }
    }

    /// Where to export to.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Every export so far, in the bytes in which it came.
    pub(crate) fn exports(&self) -> Vec<Bytes> {
        self.exports.lock().unwrap().clone()
    }

    /// Whether a service has exported a span of a trace (32 hex digits).
    pub(crate) fn has(&self, service: &str, trace: &str) -> bool {
        let id: Vec<u8> = (0..trace.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&trace[at..at + 2], 16).unwrap())
            .collect();
        // Protobuf: the attribute's key, then its value (field 2), a string (field 1).
        let length = u8::try_from(service.len()).unwrap();
        let mut name = b"service.name\x12".to_vec();
        name.extend([length + 2, 0x0a, length]);
        name.extend(service.as_bytes());
        let holds =
            |export: &Bytes, part: &[u8]| export.windows(part.len()).any(|window| window == part);
        self.exports().iter().any(|export| holds(export, &name) && holds(export, &id))
    }
}
