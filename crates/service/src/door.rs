//! The health door: `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;

use anyhow::Context;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use portcullis_telemetry::Metrics;
use tokio::net::TcpListener;

use crate::Health;

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_FORM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the routes answer from.
#[derive(Clone)]
struct Sources {
    health: Health,
    metrics: Metrics,
}

/// Binds the door, so that an address in use ends the start and not a task later.
pub(crate) async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| format!("health.listen: {listen}"))
}

/// The three routes.
pub(crate) fn routes(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Sources { health, metrics })
}

async fn readyz(State(sources): State<Sources>) -> impl IntoResponse {
    let readiness = sources.health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// In the form OpenMetrics, which has exemplars, where it is asked for.
async fn metrics_text(State(sources): State<Sources>, headers: HeaderMap) -> impl IntoResponse {
    let accepts = headers.get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    let (form, text) = if accepts.is_some_and(|accepts| accepts.contains(OPEN_METRICS)) {
        (OPEN_METRICS_FORM, sources.metrics.render_open())
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", sources.metrics.render())
    };
    ([(header::CONTENT_TYPE, form)], text)
}
