//! Serves a stage on the bus: an ask in, a report or the word for what went wrong out.

use std::sync::Arc;
use std::time::Instant;

use async_nats::Client;
use portcullis_bus::{CallError, Seats};
use portcullis_core::{Ask, Report};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::micro::{self, Figures};
use crate::requests::{Reply, Request, ServeError, Serving, Work, serve_requests};
use crate::{subjects, trace, wire};

/// Serves the stage in `seats` until `shutdown`, then drains: requests that were on their way are
/// answered before this returns. It answers `busy` at once where no seat is free, and it can be
/// found with the NATS micro service protocol (`nats micro ls`) under the stage's name.
///
/// `version` is the release (a semantic version). `work` says whether the stage computes or waits.
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
    let name = seats.stage().name();
    let figures = Arc::new(Figures::default());
    let subject = subjects::stage_check(&name);
    let serving = Serving { work, ..Serving::new(subject.clone(), name.as_str(), seats.total()) };
    let identity = micro::Identity::new(name.as_str(), version, subject);
    let found = micro::answer(client.clone(), identity, figures.clone(), shutdown.clone());
    let handler = move |request: Request| {
        let (seats, figures) = (seats.clone(), figures.clone());
        async move {
            let start = Instant::now();
            let span = tracing::info_span!("check", stage = seats.stage().name().as_str());
            trace::continue_from(&span, request.headers.as_ref());
            let answer = check(&seats, &request).instrument(span).await;
            figures.count(start.elapsed(), answer.as_ref().err().copied());
            match answer {
                Ok(report) => report,
                Err(error) => Reply::error(wire::error_word(error)),
            }
        }
    };
    let (served, ()) = tokio::join!(serve_requests(client, serving, handler, shutdown), found);
    served
}

async fn check(seats: &Seats, request: &Request) -> Result<Reply, CallError> {
    let budget = wire::read_budget(request.headers.as_ref())?;
    if budget.is_spent() {
        return Err(CallError::Late);
    }
    let mut ask: Ask =
        serde_json::from_slice(&request.payload).map_err(|_| CallError::Unreadable)?;
    ask.budget = budget;
    let report: Report = seats.ask(&ask).await?;
    let body = serde_json::to_vec(&report).map_err(|_| CallError::Unreadable)?;
    Ok(Reply::body(body))
}
