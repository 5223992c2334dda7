//! The request-reply door on NATS, and the operators' one. Who may ask for which bot is held by the
//! server's rights: the bot's name is in the subject.

use std::future::Future;

use portcullis_bus_nats::{
    Client, Door, Refusal, Reply, Request, STATUS_HEADER, ServeError, Serving, subjects, trace,
};
use portcullis_core::BotId;
use portcullis_service::CancellationToken;
use serde::Serialize;
use tracing::Instrument;

use crate::admin::Command;
use crate::gateway::{Gateway, Throttling};
use portcullis_door::Problem;
use portcullis_door::auth::Access;
use portcullis_door::request::CheckRequest;

/// Header of a reply to a throttled message: seconds after which to try again.
pub const RETRY_HEADER: &str = "Portcullis-Retry-After-S";
/// Operators' commands in work at once.
const OPERATORS: usize = 8;

/// Opens the bots' door: the server knows it when this returns. The future then serves until `shutdown`.
///
/// # Errors
/// Where the client is closed; the future's, where the subscription is lost or the drain takes too long.
pub async fn serve_bots(
    client: Client,
    gateway: Gateway,
    seats: usize,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = Result<(), ServeError>>, ServeError> {
    let serving =
        Serving::new(subjects::INGRESS_DOOR, subjects::INGRESS, seats).told_as("nats", refuse);
    let handler = move |request: Request| {
        let gateway = gateway.clone();
        let span = tracing::info_span!(
            "nats",
            otel.name = "process portcullis.v1.ingress",
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        trace::continue_from(&span, request.headers.as_ref());
        trace::processes(&span, &request.subject, request.payload.len());
        async move {
            let checked = check(&gateway, &request).await;
            portcullis_door::tell("nats", checked.as_ref().err());
            match checked {
                Ok(verdict) => {
                    let mut reply = body(&verdict);
                    if let Some(seconds) = verdict.retry_after_s {
                        reply.headers.insert(RETRY_HEADER, seconds.to_string());
                    }
                    for (name, value) in portcullis_door::limits::headers(&verdict) {
                        reply.headers.insert(name, value);
                    }
                    reply
                }
                Err(problem) => refusal(&problem),
            }
        }
        .instrument(span)
    };
    Ok(Door::open(client, serving).await?.serve(handler, shutdown))
}

/// Opens the operators' door: the server knows it when this returns. The future then serves until
/// `shutdown`.
///
/// # Errors
/// Where the client is closed; the future's, where the subscription is lost or the drain takes too long.
pub async fn serve_operators(
    client: Client,
    gateway: Gateway,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = Result<(), ServeError>>, ServeError> {
    let serving =
        Serving::new(subjects::ADMIN_DOOR, subjects::INGRESS, OPERATORS).told_as("admin", refuse);
    let handler = move |request: Request| {
        let gateway = gateway.clone();
        async move {
            let done = async {
                let command: Command = portcullis_door::json(&request.payload)?;
                gateway.command(command).await
            };
            match done.await {
                Ok(done) => body(&done),
                Err(problem) => refusal(&problem),
            }
        }
    };
    Ok(Door::open(client, serving).await?.serve(handler, shutdown))
}

async fn check(gateway: &Gateway, request: &Request) -> Result<portcullis_core::Verdict, Problem> {
    let bot = BotId::parse(subjects::last_token(&request.subject))
        .map_err(|error| Problem::invalid(error.to_string()).field("bot"))?;
    let body: CheckRequest = portcullis_door::json(&request.payload)?;
    gateway.check(&Access::Bot(bot), body, Throttling::AskAgain).await
}

fn body<T: Serialize>(value: &T) -> Reply {
    Reply::body(serde_json::to_vec(value).unwrap_or_default())
}

/// A problem as a reply: its status also stands in a header.
fn refusal(problem: &Problem) -> Reply {
    let mut reply = body(problem);
    reply.headers.insert(STATUS_HEADER, problem.status.to_string());
    reply
}

pub(crate) fn refuse(why: Refusal) -> Reply {
    refusal(&match why {
        Refusal::Busy => Problem::busy("every seat is taken").retry_after(1),
        Refusal::Panicked => Problem::unavailable("something went wrong inside; it was counted"),
        Refusal::TooLarge => Problem::too_large("the verdict is larger than the server takes"),
    })
}
