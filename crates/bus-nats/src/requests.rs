//! The loop that every door and every stage shares: it always reads, it never keeps more requests
//! than it has seats, and it answers every request that it has read.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Client, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use portcullis_bus::occupancy::{Figures, TakenSeat};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::wire::ERROR_HEADER;

/// Up to so many bytes a request computes on the runtime.
const SHORT: usize = 8 * 1024;

/// How long the server may take to know a new subscription, before serving goes on without its word.
const OPENING: Duration = Duration::from_secs(5);

/// How long a drain may take before it is given up: longer than any budget of the hot path.
const DRAIN: Duration = Duration::from_secs(20);

/// As the number of messages after which to unsubscribe: the server reads at most nine digits and
/// takes more as "now", while the client keeps the subscription for what is on its way.
const AT_ONCE: u64 = u64::MAX;

/// A request as it was read.
#[derive(Debug, Clone)]
pub struct Request {
    /// The subject on which it came.
    pub subject: String,
    /// Its headers, if it has any.
    pub headers: Option<HeaderMap>,
    /// Its body.
    pub payload: Bytes,
    /// When it was read: what time it leaves is counted from here, also while it waits for its turn.
    pub read_at: Instant,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Headers; none are sent where this is empty.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Bytes,
}

impl Reply {
    /// An answer with a body alone.
    pub fn body(payload: impl Into<Bytes>) -> Self {
        Self { headers: HeaderMap::new(), payload: payload.into() }
    }

    /// An answer without a body that names an error.
    pub fn error(word: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ERROR_HEADER, word);
        Self { headers, payload: Bytes::new() }
    }
}

/// Why the loop answers in the handler's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No seat was free.
    Busy,
    /// The handler panicked.
    Panicked,
    /// The handler's answer is larger than the server takes.
    TooLarge,
}

impl Refusal {
    /// The answer of a stage: the word in the error header. Doors have problems of their own.
    pub fn as_stage_error(self) -> Reply {
        Reply::error(match self {
            Self::Busy => "busy",
            Self::Panicked => "panicked",
            Self::TooLarge => "unreadable",
        })
    }
}

/// Where handlers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Work {
    /// On the runtime's workers: handlers that wait for something, such as a store.
    #[default]
    Waits,
    /// Long requests on threads of their own, as many at once as there are cores, so that work on the
    /// CPU never keeps the reader, and with it the answer `busy`, from running. Short ones (8 KiB) are
    /// done sooner than they would change threads: they run on the runtime's workers.
    Computes,
}

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The subject to listen on; may hold wildcards.
    pub subject: String,
    /// The queue group: each request reaches one member.
    pub queue: String,
    /// What metrics call this door; the queue group where nothing else is said.
    pub door: String,
    /// Requests in work at once; at least one.
    pub seats: usize,
    /// Where handlers run.
    pub work: Work,
    /// The answer where the handler gives none.
    pub refuse: fn(Refusal) -> Reply,
}

impl Serving {
    /// Serves `subject` in the queue group `queue` with a stage's errors, on the runtime.
    pub fn new(subject: impl Into<String>, queue: impl Into<String>, seats: usize) -> Self {
        let queue = queue.into();
        Self {
            subject: subject.into(),
            door: queue.clone(),
            queue,
            seats,
            work: Work::Waits,
            refuse: Refusal::as_stage_error,
        }
    }

    /// Named `door` in metrics, with answers of its own where the handler gives none.
    #[must_use]
    pub fn told_as(self, door: impl Into<String>, refuse: fn(Refusal) -> Reply) -> Self {
        Self { door: door.into(), refuse, ..self }
    }
}

/// Why serving ended other than by its shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// The subscription could not be made or was lost: the client is closed.
    #[error("nats subscription lost")]
    Lost,
    /// Handlers or the server did not end in time; answers may be lost.
    #[error("drain took longer than {} s", DRAIN.as_secs())]
    DrainTimeout,
}

/// Serves until `shutdown`, then drains: no new requests are taken, those that were already on
/// their way are answered, and only then does this return. [`Door`] does the same in two steps, for
/// those who must know when it is open.
///
/// # Errors
/// Where the subscription was lost, or the drain did not end in time.
pub async fn serve_requests<H, F>(
    client: Client,
    serving: Serving,
    handler: H,
    shutdown: CancellationToken,
) -> Result<(), ServeError>
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    Door::open(client, serving).await?.serve(handler, shutdown).await
}

/// A door that is open: the server sends requests to it. They wait until it is served.
pub struct Door {
    client: Client,
    serving: Serving,
    requests: Subscriber,
}

impl Door {
    /// Opens it: when this returns, the server knows the subscription.
    ///
    /// # Errors
    /// [`ServeError::Lost`] where the client is closed.
    pub async fn open(client: Client, serving: Serving) -> Result<Self, ServeError> {
        let requests = client
            .queue_subscribe(serving.subject.clone(), serving.queue.clone())
            .await
            .map_err(|_| ServeError::Lost)?;
        // A flush only sends. A message to ourselves, sent after the subscription, is back when the server
        // knows both.
        let mut echo = send_echo(&client).await?;
        if tokio::time::timeout(OPENING, echo.next()).await.is_err() {
            tracing::warn!(
                subject = serving.subject,
                "the server has not told yet that it knows us"
            );
        }
        Ok(Self { client, serving, requests })
    }

    /// Serves until `shutdown`, then drains, as [`serve_requests`] does.
    ///
    /// # Errors
    /// Where the subscription was lost, or the drain did not end in time.
    pub async fn serve<H, F>(
        self,
        handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError>
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let desk = Desk {
            figures: Figures::of(&self.serving.door, self.serving.seats.max(1)),
            seats: Arc::new(Semaphore::new(self.serving.seats.max(1))),
            turns: Arc::new(Semaphore::new(cores)),
            handler: Arc::new(handler),
            client: self.client,
            serving: self.serving,
            running: TaskTracker::new(),
        };
        desk.run(self.requests, shutdown).await
    }
}

/// Sends ourselves a message: when it comes, the server has read everything that was sent before it.
async fn send_echo(client: &Client) -> Result<Subscriber, ServeError> {
    let inbox = client.new_inbox();
    let echo = client.subscribe(inbox.clone()).await.map_err(|_| ServeError::Lost)?;
    client.publish(inbox, Bytes::new()).await.map_err(|_| ServeError::Lost)?;
    Ok(echo)
}

struct Desk<H> {
    client: Client,
    serving: Serving,
    seats: Arc<Semaphore>,
    /// For long work on the CPU: one a core.
    turns: Arc<Semaphore>,
    handler: Arc<H>,
    running: TaskTracker,
    figures: Figures,
}

impl<H, F> Desk<H>
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    async fn run(
        self,
        mut requests: Subscriber,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        loop {
            tokio::select! {
                request = requests.next() => match request {
                    Some(request) => self.take(request).await,
                    None => return Err(ServeError::Lost),
                },
                () = shutdown.cancelled() => break,
            }
        }
        tokio::time::timeout(DRAIN, self.drain(requests))
            .await
            .unwrap_or(Err(ServeError::DrainTimeout))
    }

    /// The library's own drain does not wait for the server: it forgets the subscription while
    /// requests are still on their way to it. So the server is told to send no more, and the
    /// subscription is kept until a message to ourselves, sent after that, is back: the server keeps
    /// the order of what it sends on one connection, so that nothing can come later.
    async fn drain(self, mut requests: Subscriber) -> Result<(), ServeError> {
        requests.unsubscribe_after(AT_ONCE).await.map_err(|_| ServeError::Lost)?;
        let mut echo = send_echo(&self.client).await?;
        loop {
            tokio::select! {
                request = requests.next() => match request {
                    Some(request) => self.take(request).await,
                    None => break,
                },
                _ = echo.next() => break,
            }
        }
        while let Some(Some(request)) = requests.next().now_or_never() {
            self.take(request).await;
        }
        self.running.close();
        self.running.wait().await;
        self.client.flush().await.map_err(|_| ServeError::Lost)
    }

    async fn take(&self, message: Message) {
        let Some(reply_to) = message.reply else {
            // Nobody waits for an answer, so there is no request.
            tracing::debug!("message without a reply subject ignored");
            return;
        };
        let Ok(permit) = self.seats.clone().try_acquire_owned() else {
            self.figures.refuse();
            send(&self.client, reply_to, (self.serving.refuse)(Refusal::Busy), &self.serving).await;
            return;
        };
        let seat = self.figures.take(permit);
        let length = message.payload.len();
        let request = Request {
            subject: message.subject.to_string(),
            headers: message.headers,
            payload: message.payload,
            read_at: Instant::now(),
        };
        let answer = answer(
            self.client.clone(),
            self.handler.clone(),
            self.serving.clone(),
            request,
            reply_to,
            seat,
        );
        match self.serving.work {
            Work::Computes if length > SHORT => {
                let (runtime, turns) = (tokio::runtime::Handle::current(), self.turns.clone());
                drop(self.running.spawn(async move {
                    // Never closed; whoever waits past its budget is answered late by its stage.
                    let _turn = turns.acquire_owned().await;
                    let done = tokio::task::spawn_blocking(move || runtime.block_on(answer));
                    let _ = done.await;
                }));
            }
            Work::Waits | Work::Computes => drop(self.running.spawn(answer)),
        }
    }
}

async fn answer<H, F>(
    client: Client,
    handler: Arc<H>,
    serving: Serving,
    request: Request,
    reply_to: async_nats::Subject,
    seat: TakenSeat,
) where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // The handler's first part, before its future exists, may panic as well.
    let handled = AssertUnwindSafe(async { handler(request).await }).catch_unwind().await;
    let reply = handled.unwrap_or_else(|_panic| (serving.refuse)(Refusal::Panicked));
    // The seat is free before the answer leaves: who has an answer may ask again at once.
    drop(seat);
    send(&client, reply_to, reply, &serving).await;
}

async fn send(client: &Client, to: async_nats::Subject, reply: Reply, serving: &Serving) {
    // Some room for the headers, which count as well.
    let limit = client.max_payload().saturating_sub(4096);
    let reply = if reply.payload.len() > limit {
        tracing::warn!(subject = serving.subject, "answer is larger than the server takes");
        (serving.refuse)(Refusal::TooLarge)
    } else {
        reply
    };
    let sent = if reply.headers.is_empty() {
        client.publish(to, reply.payload).await
    } else {
        client.publish_with_headers(to, reply.headers, reply.payload).await
    };
    if sent.is_err() {
        tracing::warn!(subject = serving.subject, "answer could not be sent: the client is closed");
    }
}
