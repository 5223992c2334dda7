//! Serves a stage on the bus: an ask in, a report or the word for what went wrong out.

use std::sync::Arc;
use std::time::Instant;

use async_nats::Client;
use portcullis_bus::{CallError, Seats};
use portcullis_core::{Ask, Report};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::micro::{self, Figures};
use crate::requests::{Door, Reply, Request, ServeError, Serving, Work};
use crate::{subjects, trace, wire};

/// Serves the stage in `seats` until `shutdown`, then drains: requests that were on their way are
/// answered before this returns. It answers `busy` at once where no seat is free, and it can be
/// found with the NATS micro service protocol (`nats micro ls`) under the stage's name.
///
/// `version` is the release (a semantic version). `work` says whether the stage computes or waits.
/// [`StageDoor`] does the same in two steps, for those who must know when it is open.
///
/// # Errors
/// Where the subscription was lost, or the drain did not end in time.
pub async fn serve(
    client: Client,
    seats: Seats,
    work: Work,
    version: &str,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    StageDoor::open(client, seats, work, version).await?.serve(shutdown).await
}

/// A stage that can be asked: requests wait until it is served.
pub struct StageDoor {
    client: Client,
    seats: Seats,
    identity: micro::Identity,
    door: Door,
}

impl StageDoor {
    /// Opens it: when this returns, the server knows that the stage is served.
    ///
    /// # Errors
    /// [`ServeError::Lost`] where the client is closed.
    pub async fn open(
        client: Client,
        seats: Seats,
        work: Work,
        version: &str,
    ) -> Result<Self, ServeError> {
        let name = seats.stage().name();
        let subject = subjects::stage_check(&name);
        let serving =
            Serving { work, ..Serving::new(subject.clone(), name.as_str(), seats.total()) };
        let identity = micro::Identity::new(name.as_str(), version, subject);
        let door = Door::open(client.clone(), serving).await?;
        Ok(Self { client, seats, identity, door })
    }

    /// Serves until `shutdown`, then drains, as [`serve`] does.
    ///
    /// # Errors
    /// Where the subscription was lost, or the drain did not end in time.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), ServeError> {
        let Self { client, seats, identity, door } = self;
        let figures = Arc::new(Figures::default());
        let ended = shutdown.child_token();
        let found = micro::answer(client, identity, figures.clone(), ended.clone());
        let handler = move |request: Request| answer(seats.clone(), figures.clone(), request);
        let served = async {
            let served = door.serve(handler, shutdown).await;
            ended.cancel();
            served
        };
        tokio::join!(served, found).0
    }
}

async fn answer(seats: Seats, figures: Arc<Figures>, request: Request) -> Reply {
    let start = Instant::now();
    let stage = seats.stage().name();
    let span = tracing::info_span!(
        "check",
        otel.name = format!("process {}", request.subject),
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        portcullis.stage = stage.as_str(),
        portcullis.stage.version = tracing::field::Empty,
        portcullis.coverage.scanned = tracing::field::Empty,
        portcullis.coverage.total = tracing::field::Empty,
        portcullis.findings = tracing::field::Empty,
    );
    trace::continue_from(&span, request.headers.as_ref());
    trace::processes(&span, &request.subject, request.payload.len());
    let answer = check(&seats, &request).instrument(span.clone()).await;
    let error = answer.as_ref().err().copied();
    if let Some(error) = error {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", wire::error_word(error));
    }
    let took = start.elapsed();
    figures.count(took, error);
    metrics::counter!(
        "portcullis_stage_requests_total",
        "stage" => stage.to_string(),
        "outcome" => error.map_or("ok", wire::error_word),
    )
    .increment(1);
    // In the span, whose trace the bucket then names.
    span.in_scope(|| {
        metrics::histogram!("portcullis_stage_seconds", "stage" => stage.to_string())
            .record(took.as_secs_f64());
    });
    answer.unwrap_or_else(|error| Reply::error(wire::error_word(error)))
}

async fn check(seats: &Seats, request: &Request) -> Result<Reply, CallError> {
    let budget = wire::read_budget(request.headers.as_ref(), request.read_at)?;
    if budget.is_spent() {
        return Err(CallError::Late);
    }
    let mut ask: Ask =
        serde_json::from_slice(&request.payload).map_err(|_| CallError::Unreadable)?;
    ask.budget = budget;
    let report: Report = seats.ask(&ask).await?;
    let span = tracing::Span::current();
    span.record("portcullis.stage.version", report.version.as_str());
    span.record("portcullis.coverage.scanned", report.coverage.scanned);
    span.record("portcullis.coverage.total", report.coverage.total);
    span.record("portcullis.findings", report.findings.len());
    let body = serde_json::to_vec(&report).map_err(|_| CallError::Unreadable)?;
    Ok(Reply::body(body))
}
