//! The HTTP door, with its OpenAPI document generated from the types.

use std::sync::Arc;
use std::time::Instant;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use aide::openapi::{Info, OpenApi};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use portcullis_core::{MessageId, Verdict};
use portcullis_service::{Admission, CancellationToken, Tasks};
use schemars::JsonSchema;
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use super::body_limit;
use super::http_io::{Answer, Caller, IdempotencyKey, Named, Strict};
use crate::admin::{Command, Done};
use crate::gateway::{Gateway, Throttling};
use crate::holding::CheckState;
use portcullis_door::Problem;
use portcullis_door::auth::Keys;
use portcullis_door::request::{BatchRequest, CheckRequest};
use portcullis_streams::Released;
use portcullis_streams::http::{HttpStreams, Lines};

/// Messages of one batch.
pub const BATCH: usize = 100;
/// Messages of one batch in work at once.
const BATCH_AT_ONCE: usize = 8;
/// The most bytes of a batch's body.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What the door needs.
#[derive(Clone)]
pub struct Door {
    gateway: Gateway,
    pub(super) keys: Arc<Keys>,
    admission: Admission,
    text_bytes: usize,
    streams: HttpStreams,
}

/// What streams at a door need.
#[derive(Clone)]
pub struct Streams {
    /// How many may be open at once, at every door together.
    pub admission: Admission,
    /// Where they run.
    pub tasks: Tasks,
    /// Tells them to end.
    pub shutdown: CancellationToken,
}

impl Door {
    /// A door before a gateway: `keys` are asked for, at most `seats` messages are in work at once, and no
    /// message may have more than `text_bytes` of text and context, whatever its policy says.
    pub fn new(
        gateway: Gateway,
        keys: Keys,
        seats: usize,
        text_bytes: usize,
        streams: Streams,
    ) -> Self {
        let admission = Admission::new("http", seats);
        let Streams { admission: open, tasks, shutdown } = streams;
        let streams = HttpStreams {
            conductor: Arc::new(gateway.clone()),
            admission: open,
            tasks,
            shutdown,
            line_bytes: body_limit(text_bytes),
        };
        Self { gateway, keys: Arc::new(keys), admission, text_bytes, streams }
    }

    pub(super) fn body_limit(&self, path: &str) -> usize {
        if path.ends_with("/batch") { BATCH_BYTES } else { body_limit(self.text_bytes) }
    }

    /// The routes of this door.
    pub fn routes(self) -> Router {
        let mut document = OpenApi {
            info: Info {
                title: "Portcullis".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                summary: Some("A guard for AI bots: one verdict for every message.".into()),
                ..Info::default()
            },
            ..OpenApi::default()
        };
        let local_only = self.keys.is_empty();
        let routes = ApiRouter::new()
            .api_route(
                "/v1/check",
                post_with(check, |op| {
                    op.summary("Check one message or answer").description(
                        "Every message gets exactly one verdict. Send your own id (or the header \
                         Idempotency-Key) to get the same verdict again.",
                    )
                }),
            )
            .api_route(
                "/v1/check/batch",
                post_with(check_batch, |op| {
                    op.summary("Check up to 100 messages").description(
                        "A verdict or a problem for each item, in the order of the items.",
                    )
                }),
            )
            .api_route(
                "/v1/stream",
                post_with(stream, |op| {
                    op.summary("Check an answer while it is being written")
                        .description(
                            "The body is JSON lines: the opening, then the pieces as they are written. The \
                             answer is server-sent events while the body is still coming: open {id}, piece \
                             {seq, text, stopped?, verdict?} for each piece, problem where the stream is \
                             broken. What is in text may be shown; the last piece has the verdict on the whole.",
                        )
                        .response_with::<200, Json<Released>, _>(|response| {
                            response.description("Events; the data of a piece is this.")
                        })
                }),
            )
            .api_route(
                "/v1/checks/{id}",
                get_with(look_up, |op| {
                    op.summary("A check that was made, and how it ended if it was held")
                        .description(
                            "Checks with an id of your own and held ones are remembered for a day.",
                        )
                }),
            )
            .api_route(
                "/v1/admin",
                post_with(command, |op| {
                    op.summary("What operators order and resolve").description(
                        "stop, start, mute, block, unblock, limit, unlimit, held, release, edit, reject.",
                    )
                }),
            )
            .finish_api(&mut document);
        let document = Arc::new(document);
        let mut routes = routes
            .route("/openapi.json", get(async move || Json((*document).clone())))
            .fallback(async || Problem::not_found("there is no such path; see /openapi.json"))
            .method_not_allowed_fallback(async || {
                Problem::method("see /openapi.json for the methods of this path")
            })
            .layer(DefaultBodyLimit::disable())
            .layer(CatchPanicLayer::custom(|_| {
                Problem::unavailable("something went wrong inside; it was counted").into_response()
            }))
            .layer(middleware::from_fn(traced));
        if local_only {
            routes = routes.layer(middleware::from_fn(local_names_only));
        }
        routes.with_state(self)
    }
}

/// One span a request, in the caller's trace.
async fn traced(request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "http",
        otel.name = format!("{} {}", request.method(), route(request.uri().path())),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %request.method(),
        http.route = route(request.uri().path()),
        url.scheme = "http",
        http.response.status_code = tracing::field::Empty,
    );
    let (began, path) = (Instant::now(), route(request.uri().path()));
    let headers = request.headers();
    let parent =
        portcullis_telemetry::extract(|name| headers.get(name).and_then(|v| v.to_str().ok()));
    parent.adopt(&span);
    async {
        let response = next.run(request).await;
        let (status, span) = (response.status(), tracing::Span::current());
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        metrics::counter!(
            "portcullis_http_requests_total",
            "route" => path,
            "status" => status.as_str().to_owned(),
        )
        .increment(1);
        metrics::histogram!("portcullis_http_request_seconds", "route" => path)
            .record(began.elapsed().as_secs_f64());
        response
    }
    .instrument(span)
    .await
}

/// A path without what callers put into it.
fn route(path: &str) -> &'static str {
    match path {
        "/v1/check" => "/v1/check",
        "/v1/check/batch" => "/v1/check/batch",
        "/v1/stream" => "/v1/stream",
        "/v1/admin" => "/v1/admin",
        "/openapi.json" => "/openapi.json",
        path if path.starts_with("/v1/checks/") => "/v1/checks/{id}",
        _ => "other",
    }
}

/// Where nobody is asked for a key, a page in somebody's browser must not reach the door under a name of
/// its own (DNS rebinding).
async fn local_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|name| name.as_str()));
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    });
    match name {
        Some("localhost" | "127.0.0.1" | "[::1]") => next.run(request).await,
        _ => Problem::forbidden("without keys this door answers only to localhost").into_response(),
    }
}

fn seat(door: &Door) -> Result<portcullis_service::Seat, Problem> {
    door.admission.enter().ok_or_else(|| Problem::busy("every seat is taken").retry_after(1))
}

async fn check(
    State(door): State<Door>,
    Caller(access, api_key): Caller,
    IdempotencyKey(key): IdempotencyKey,
    Strict(mut request): Strict<CheckRequest>,
) -> Result<Answer, Problem> {
    let _seat = seat(&door)?;
    request.api_key = api_key;
    if let Some(key) = key {
        let key = MessageId::parse(&key)
            .map_err(|error| Problem::invalid(error.to_string()).field("Idempotency-Key"))?;
        if request.id.as_ref().is_some_and(|id| *id != key) {
            return Err(Problem::invalid("the header and the field id differ").field("id"));
        }
        request.id = Some(key);
    }
    let checked = door.gateway.check(&access, request, Throttling::AskAgain).await;
    portcullis_door::tell("http", checked.as_ref().err());
    checked.map(Answer)
}

/// An item of a batch's answer.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Item {
    Verdict(Box<Verdict>),
    Problem(Problem),
}

/// The answer to a batch.
#[derive(Serialize, JsonSchema)]
struct BatchAnswer {
    /// A verdict or a problem for each item, in order.
    items: Vec<Item>,
}

async fn check_batch(
    State(door): State<Door>,
    Caller(access, api_key): Caller,
    Strict(batch): Strict<BatchRequest>,
) -> Result<Json<BatchAnswer>, Problem> {
    let count = batch.items.len();
    if count == 0 || count > BATCH {
        return Err(Problem::invalid(format!("items must be 1 to {BATCH}; there are {count}"))
            .field("items"));
    }
    let _seat = seat(&door)?;
    let items = futures::stream::iter(batch.items)
        .map(|mut request| {
            request.api_key.clone_from(&api_key);
            let (gateway, access) = (door.gateway.clone(), access.clone());
            async move {
                let checked = gateway.check(&access, request, Throttling::AskAgain).await;
                portcullis_door::tell("http", checked.as_ref().err());
                match checked {
                    Ok(verdict) => Item::Verdict(Box::new(verdict)),
                    Err(problem) => Item::Problem(problem),
                }
            }
        })
        .buffered(BATCH_AT_ONCE)
        .collect()
        .await;
    Ok(Json(BatchAnswer { items }))
}

async fn stream(
    State(door): State<Door>,
    Caller(access, _): Caller,
    lines: Lines,
) -> Result<Response, Problem> {
    door.streams.answer(&access, lines).await
}

async fn look_up(
    State(door): State<Door>,
    Caller(access, _): Caller,
    named: Named,
) -> Result<Json<CheckState>, Problem> {
    let bot = access.bot(named.bot.as_ref())?;
    door.gateway.look_up(&bot, named.direction, &named.id).await.map(Json)
}

async fn command(
    State(door): State<Door>,
    Caller(access, _): Caller,
    Strict(command): Strict<Command>,
) -> Result<Json<Done>, Problem> {
    access.operator()?;
    door.gateway.command(command).await.map(Json)
}
