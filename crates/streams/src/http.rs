//! Streams over HTTP: `POST /v1/stream` with a body of JSON lines (the opening, then the pieces as they are
//! written), answered by server-sent events while the body is still coming.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aide::openapi::{MediaType, Operation, RequestBody, SchemaObject};
use aide::operation::set_body;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use portcullis_door::auth::Access;
use portcullis_door::request::{StreamPiece, StreamRequest};
use portcullis_door::{Problem, json};
use portcullis_service::{Admission, CancellationToken, Tasks};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::conductor::Conductor;
use crate::run::{Fed, Tell, TellLate, WAITING, run};
use crate::session::{Released, Session};

/// Events that wait for a slow reader; then the bot is read no faster than the reader reads.
const EVENTS: usize = 16;

/// A line of the body. Documentation alone: the first line is the opening, each further one a piece.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read line by line; this names the two forms in the OpenAPI document")]
enum Line {
    /// The first line.
    Opening(StreamRequest),
    /// Each further line.
    Piece(StreamPiece),
}

/// The lines of a body, as they come.
pub struct Lines {
    body: BoxStream<'static, Result<Bytes, axum::Error>>,
    read: BytesMut,
}

impl aide::OperationInput for Lines {
    fn operation_input(ctx: &mut aide::generate::GenContext, operation: &mut Operation) {
        let schema = SchemaObject {
            json_schema: ctx.schema.subschema_for::<Line>(),
            external_docs: None,
            example: None,
        };
        let media = MediaType { schema: Some(schema), ..MediaType::default() };
        let body = RequestBody {
            content: [("application/x-ndjson".to_owned(), media)].into_iter().collect(),
            required: true,
            ..RequestBody::default()
        };
        set_body(ctx, operation, body);
    }
}

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-ndjson") {
            return Err(Problem::media_type("send it with 'Content-Type: application/x-ndjson'"));
        }
        let body = request.into_body().into_data_stream().boxed();
        Ok(Self { body, read: BytesMut::new() })
    }
}

impl Lines {
    /// The next line that is not empty; `None` where the body has ended.
    async fn next(&mut self, limit: usize) -> Option<Result<Bytes, Problem>> {
        let mut searched = 0;
        loop {
            let end = self.read.iter().skip(searched).position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| end + searched) {
                let line = self.read.split_to(end + 1).freeze();
                searched = 0;
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return Some(Ok(line));
                }
                continue;
            }
            searched = self.read.len();
            if searched > limit {
                let detail = format!("a line is over {limit} bytes");
                return Some(Err(Problem::too_large(detail)));
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(_)) => return Some(Err(Problem::malformed("the body broke off"))),
                None => {
                    let line = self.read.split().freeze();
                    let is_empty = line.iter().all(u8::is_ascii_whitespace);
                    return (!is_empty).then_some(Ok(line));
                }
            }
        }
    }
}

/// What the door of streams needs.
#[derive(Clone)]
pub struct HttpStreams {
    /// The gateway behind it.
    pub conductor: Arc<dyn Conductor>,
    /// How many streams may be open at once.
    pub admission: Admission,
    /// Where they run.
    pub tasks: Tasks,
    /// Tells them to end.
    pub shutdown: CancellationToken,
    /// The most bytes of a line of the body.
    pub line_bytes: usize,
}

impl HttpStreams {
    /// Opens a stream and answers with its events.
    ///
    /// # Errors
    /// A problem where none can be opened.
    pub async fn answer(&self, access: &Access, mut lines: Lines) -> Result<Response, Problem> {
        let limit = self.line_bytes;
        let seat = self
            .admission
            .enter()
            .ok_or_else(|| Problem::busy("every stream is taken").retry_after(1))?;
        let patience = std::time::Duration::from_secs(10);
        let first = tokio::time::timeout(patience, lines.next(limit)).await;
        let first = first.map_err(|_| Problem::malformed("the first line did not come"))?;
        let first = first.ok_or_else(|| Problem::malformed("the body has no line"))??;
        let opening: StreamRequest = json(&first)?;
        let session = Session::open(self.conductor.clone(), access, opening).await?;
        let (events, told) = mpsc::channel::<Result<Event, Infallible>>(EVENTS);
        let opened = event("open", &serde_json::json!({ "id": session.id() }));
        // There is room: nothing was sent before.
        let _ = events.try_send(Ok(opened));
        let (sender, pieces) = mpsc::channel(WAITING);
        let later = events.clone();
        let late: TellLate = Arc::new(move |released| tell(later.clone(), Ok(released)));
        self.tasks.spawn("stream", run(session, pieces, Some(late), self.shutdown.clone(), seat));
        let over = Arc::new(AtomicBool::new(false));
        self.tasks.spawn("stream-body", async move {
            loop {
                let line = tokio::select! {
                    line = lines.next(limit) => line,
                    () = events.closed() => return,
                    () = sender.closed() => return,
                };
                let early =
                    || Problem::malformed("the body ended before the answer did: send 'end'");
                let line = line.unwrap_or_else(|| Err(early()));
                let piece = line.and_then(|line| json::<StreamPiece>(&line));
                let is_last = piece.as_ref().map_or(true, |piece| piece.end);
                let (to, over) = (events.clone(), Arc::clone(&over));
                let telling: Tell = Box::new(move |released| tell_once(to, over, released));
                if sender.send(Fed { piece, tell: telling }).await.is_err() || is_last {
                    return;
                }
            }
        });
        let events = futures::stream::unfold(told, async |mut told| {
            told.recv().await.map(|event| (event, told))
        });
        Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
    }
}

/// Tells what became of a piece, unless the stream was over before it: a verdict or a problem is the last event.
fn tell_once(
    to: mpsc::Sender<Result<Event, Infallible>>,
    over: Arc<AtomicBool>,
    released: Result<Released, Problem>,
) -> futures::future::BoxFuture<'static, ()> {
    let is_end = released.as_ref().map_or(true, |released| released.verdict.is_some());
    let was_over = over.fetch_or(is_end, Ordering::AcqRel);
    if was_over { std::future::ready(()).boxed() } else { tell(to, released) }
}

fn tell(
    to: mpsc::Sender<Result<Event, Infallible>>,
    released: Result<Released, Problem>,
) -> futures::future::BoxFuture<'static, ()> {
    async move {
        let told = match &released {
            Ok(released) => event("piece", released),
            Err(problem) => event("problem", problem),
        };
        // Nobody reads any more: the session learns it by its pieces ending.
        let _ = to.send(Ok(told)).await;
    }
    .boxed()
}

fn event(name: &str, data: &impl serde::Serialize) -> Event {
    Event::default().event(name).json_data(data).unwrap_or_else(|_| Event::default().event(name))
}
