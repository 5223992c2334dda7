//! The health door: `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;

use anyhow::Context;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::Health;

/// What the routes answer from.
#[derive(Clone)]
struct Sources {
    health: Health,
    metrics: PrometheusHandle,
}

/// Binds the door, so that an address in use ends the start and not a task later.
pub(crate) async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| format!("health.listen: {listen}"))
}

/// The three routes.
pub(crate) fn routes(health: Health, metrics: PrometheusHandle) -> Router {
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

async fn metrics_text(State(sources): State<Sources>) -> impl IntoResponse {
    let form = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, form)], sources.metrics.render())
}
