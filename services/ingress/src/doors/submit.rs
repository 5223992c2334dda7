//! The durable door: messages from a work queue, each acknowledged only after its verdict is stored.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use portcullis_bus::{Mail, MailKind};
use portcullis_bus_nats::{Client, SubmitQueue, Submitted};
use portcullis_core::{Direction, MessageId};
use portcullis_service::CancellationToken;

use crate::gateway::{Gateway, Throttling};
use portcullis_door::Problem;
use portcullis_door::auth::Access;
use portcullis_door::request::CheckRequest;

/// Pause before the queue is opened again, and before a message that could not be settled comes again.
const AGAIN: Duration = Duration::from_secs(1);

/// Serves until `shutdown`; messages in work are finished first. The loss of the bus is no end.
pub async fn serve(client: Client, gateway: Gateway, at_once: usize, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        match SubmitQueue::open(client.clone(), at_once).await {
            Ok(queue) => {
                queue
                    .take_until(shutdown.cancelled())
                    .for_each_concurrent(at_once, |message| async {
                        match message {
                            Ok(message) => settle(&gateway, message).await,
                            Err(_) => tokio::time::sleep(AGAIN).await,
                        }
                    })
                    .await;
            }
            Err(error) => tracing::warn!(%error, "the submit queue is not to be had"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

async fn settle(gateway: &Gateway, message: Submitted) {
    // A panic is this message's alone: it comes again, perhaps to another process.
    let judged = AssertUnwindSafe(judge(gateway, &message)).catch_unwind().await;
    let stored = judged.unwrap_or_else(|_panic| {
        tracing::error!(sequence = message.sequence, "a submitted message was not judged: a panic");
        false
    });
    let settled = if stored { message.ack().await } else { message.nak(AGAIN).await };
    if settled.is_err() {
        // It comes again; its id gets the same verdict.
        metrics::counter!("portcullis_submit_unsettled_total").increment(1);
    }
}

/// Whether a verdict or a problem record is stored.
async fn judge(gateway: &Gateway, message: &Submitted) -> bool {
    let Some(bot) = message.bot.clone() else {
        tracing::warn!("a submitted message's subject names no bot; it is dropped");
        return true;
    };
    let (mut id, mut direction) = (own_id(message), Direction::default());
    let verdict = async {
        let mut request: CheckRequest = portcullis_door::json(&message.payload)?;
        // A redelivery must get the same verdict, so the id cannot be a new one.
        id = request.id.get_or_insert(id.clone()).clone();
        direction = request.direction;
        gateway.check(&Access::Bot(bot.clone()), request, Throttling::Final).await
    };
    let verdict = verdict.await;
    portcullis_door::tell("submit", verdict.as_ref().err());
    let (suffix, body) = match verdict {
        Ok(verdict) => ("", serde_json::to_vec(&verdict)),
        // What is away may be back; what is wrong stays wrong.
        Err(problem) if problem.status >= 500 => return false,
        // Mail of its own: the same id may have a verdict already.
        Err(problem) => ("/problem", serde_json::to_vec(&ProblemRecord { id: &id, problem })),
    };
    let Ok(body) = body else { return false };
    let id = format!("{}/{id}{suffix}", direction.as_str());
    let mail = Mail { kind: MailKind::Verdict, bot, id, body: body.into() };
    gateway.send(mail).await
}

/// What a bot is told of a submitted message that cannot be judged.
#[derive(serde::Serialize)]
struct ProblemRecord<'a> {
    id: &'a MessageId,
    problem: Problem,
}

/// The id that a message without one gets: the sender's `Nats-Msg-Id`, or its place in the queue, which a
/// redelivery keeps.
fn own_id(message: &Submitted) -> MessageId {
    let header = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id"));
    let named = header.and_then(|id| MessageId::parse(id.as_str()).ok());
    let placed = || format!("submit-{}-{}", message.sequence, message.published_nanos);
    // The form of a place is that of an id; a new id could only be reached if that were not so.
    named.or_else(|| MessageId::parse(&placed()).ok()).unwrap_or_else(MessageId::generate)
}
