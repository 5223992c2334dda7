//! Streams over NATS: a request at `portcullis.v1.stream.<bot>` opens one on a private subject of this instance, and
//! each piece is a request there. Where this instance dies the next piece finds nobody: the stream is aborted.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{FutureExt, StreamExt};
use portcullis_bus_nats::{
    Client, Door, HeaderMap, Refusal, Reply, Request, STATUS_HEADER, ServeError, Serving, subjects,
};
use portcullis_core::BotId;
use portcullis_door::Problem;
use portcullis_door::auth::Access;
use portcullis_door::request::{StreamPiece, StreamRequest};
use portcullis_service::{Admission, CancellationToken, Tasks};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::conductor::Conductor;
use crate::run::{Fed, Tell, WAITING, run};
use crate::session::Session;

/// Openings in work at once.
const OPENING: usize = 64;

/// What a bot is told of the stream that it opened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Opened {
    /// The answer's id.
    pub id: portcullis_core::MessageId,
    /// Where its pieces go, each as a request.
    pub subject: String,
}

/// By token: the bot, and where its pieces go.
type Listing = HashMap<String, (String, mpsc::Sender<Fed>)>;

/// The streams of this instance.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<Listing>>);

impl Sessions {
    fn with<T>(&self, work: impl FnOnce(&mut Listing) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sessions {
    /// Lists a session until what is returned is dropped, however that comes about.
    fn list(&self, token: String, bot: String, pieces: mpsc::Sender<Fed>) -> Listed {
        self.with(|all| all.insert(token.clone(), (bot, pieces)));
        Listed { sessions: self.clone(), token }
    }
}

struct Listed {
    sessions: Sessions,
    token: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.with(|all| all.remove(&self.token));
    }
}

/// Opens the door: the server knows it when this returns. The future then serves until `shutdown`; streams that
/// are open then may end. `refuse` answers where there is no seat for an opening.
///
/// # Errors
/// Where the client is closed; the future's, where a subscription is lost.
pub async fn serve(
    client: Client,
    conductor: Arc<dyn Conductor>,
    refuse: fn(Refusal) -> Reply,
    admission: Admission,
    tasks: Tasks,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = Result<(), ServeError>>, ServeError> {
    let instance = name();
    let sessions = Sessions::default();
    let subject = subjects::session("*", &instance, "*");
    let pieces = client.subscribe(subject).await.map_err(|_| ServeError::Lost)?;
    let serving =
        Serving { refuse, ..Serving::new(subjects::STREAM_DOOR, subjects::INGRESS, OPENING) };
    let door = Door::open(client.clone(), serving).await?;
    let (known, stopping, own) = (sessions.clone(), shutdown.clone(), instance.clone());
    let spawner = tasks.clone();
    let handler = move |request: Request| {
        let (conductor, sessions, tasks) = (conductor.clone(), known.clone(), spawner.clone());
        let (admission, shutdown, instance) = (admission.clone(), stopping.clone(), own.clone());
        async move {
            let opened = async {
                let seat = admission
                    .enter()
                    .ok_or_else(|| Problem::busy("every stream is taken").retry_after(1))?;
                let bot = BotId::parse(subjects::last_token(&request.subject))
                    .map_err(|error| Problem::invalid(error.to_string()).field("bot"))?;
                let asked: StreamRequest = portcullis_door::json(&request.payload)?;
                let session = Session::open(conductor, &Access::Bot(bot.clone()), asked).await?;
                let token = name();
                let opened = Opened {
                    id: session.id().clone(),
                    subject: subjects::session(bot.as_str(), &instance, &token),
                };
                let (sender, receiver) = mpsc::channel(WAITING);
                let listed = sessions.list(token, bot.to_string(), sender);
                tasks.spawn("stream", async move {
                    let _listed = listed;
                    run(session, receiver, None, shutdown, seat).await;
                });
                Ok::<_, Problem>(opened)
            };
            match opened.await {
                Ok(opened) => body(&opened),
                Err(problem) => refusal(&problem),
            }
        }
    };
    let serving = door.serve(handler, shutdown.clone());
    Ok(async move {
        let (served, taken) = tokio::join!(serving, take(client, pieces, sessions, shutdown));
        served.and(taken)
    })
}

/// Gives each piece to its session, in the order in which they came.
async fn take(
    client: Client,
    mut pieces: async_nats::Subscriber,
    sessions: Sessions,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    loop {
        // After the signal to stop, what is open may end; each session sees to it that it does.
        let is_over = shutdown.is_cancelled() && sessions.with(|all| all.is_empty());
        if is_over {
            return Ok(());
        }
        let message = tokio::select! {
            message = pieces.next() => message.ok_or(ServeError::Lost)?,
            () = tokio::time::sleep(std::time::Duration::from_millis(200)), if shutdown.is_cancelled() => continue,
            () = shutdown.cancelled(), if !shutdown.is_cancelled() => continue,
        };
        let Some(reply) = message.reply else { continue };
        let mut tokens = message.subject.rsplit('.');
        let (token, _, bot) = (tokens.next(), tokens.next(), tokens.next());
        let sender = sessions.with(|all| {
            let (owner, sender) = all.get(token?)?;
            (Some(owner.as_str()) == bot).then(|| sender.clone())
        });
        let piece = portcullis_door::json::<StreamPiece>(&message.payload);
        let to = client.clone();
        let tell: Tell = Box::new(move |released| {
            async move {
                let answer = match &released {
                    Ok(released) => body(released),
                    Err(problem) => refusal(problem),
                };
                send(&to, reply, answer).await;
            }
            .boxed()
        });
        let refused = match sender {
            None => Some((Problem::not_found("there is no such stream: it has ended"), tell)),
            Some(sender) => match sender.try_send(Fed { piece, tell }) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full(fed)) => {
                    let problem = Problem::busy(
                        "pieces come faster than they are checked: wait for the answers",
                    );
                    Some((problem, fed.tell))
                }
                Err(mpsc::error::TrySendError::Closed(fed)) => {
                    Some((Problem::not_found("there is no such stream: it has ended"), fed.tell))
                }
            },
        };
        if let Some((problem, tell)) = refused {
            tell(Err(problem)).await;
        }
    }
}

async fn send(client: &Client, to: async_nats::Subject, reply: Reply) {
    let mut headers = HeaderMap::new();
    if let Some(status) = reply.headers.get(STATUS_HEADER) {
        headers.insert(STATUS_HEADER, status.clone());
    }
    let sent = match headers.is_empty() {
        true => client.publish(to, reply.payload).await,
        false => client.publish_with_headers(to, headers, reply.payload).await,
    };
    if sent.is_err() {
        tracing::warn!("an answer on a stream could not be sent: the client is closed");
    }
}

/// A name that nobody guesses.
fn name() -> String {
    let bytes: [u8; 16] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
