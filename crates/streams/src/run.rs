//! What the doors of streams share: a task a session, which takes pieces in their order and answers each.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use portcullis_door::Problem;
use portcullis_door::request::{RequestText, StreamPiece};
use portcullis_service::{CancellationToken, Seat};
use tokio::sync::mpsc;

use crate::session::{Released, Session};

/// Pieces of one stream that wait for their turn.
pub(crate) const WAITING: usize = 32;
/// Least time that a stream has after the signal to stop: new ones are not opened then.
const LAST: Duration = Duration::from_secs(5);

/// A piece, and who is told what became of it.
pub(crate) struct Fed {
    pub(crate) piece: Result<StreamPiece, Problem>,
    pub(crate) tell: Tell,
}

/// Tells a bot what became of a piece.
pub(crate) type Tell = Box<dyn FnOnce(Result<Released, Problem>) -> BoxFuture<'static, ()> + Send>;

/// Tells a bot what is released by the clock alone; `None` where the protocol has no way to.
pub(crate) type TellLate = Arc<dyn Fn(Released) -> BoxFuture<'static, ()> + Send + Sync>;

/// Runs a session to its end, which always comes: the last piece, a stop, a broken or idle stream, or the end of
/// the process.
pub(crate) async fn run(
    mut session: Session,
    mut pieces: mpsc::Receiver<Fed>,
    late: Option<TellLate>,
    shutdown: CancellationToken,
    _seat: Seat,
) {
    let broken = pieces_of(&mut session, &mut pieces, late, shutdown).await;
    pieces.close();
    // Whoever sent more than was due is told so at once.
    while let Some(fed) = pieces.recv().await {
        (fed.tell)(Err(Problem::not_found("there is no such stream: it has ended"))).await;
    }
    if let Some(reason) = broken {
        session.abort(reason).await;
    }
}

/// Takes pieces until there is a verdict; says why, where there will be none.
async fn pieces_of(
    session: &mut Session,
    pieces: &mut mpsc::Receiver<Fed>,
    late: Option<TellLate>,
    shutdown: CancellationToken,
) -> Option<&'static str> {
    let idle = session.idle();
    let mut patience = tokio::time::Instant::now() + idle;
    let mut last = None;
    loop {
        let due = session.due_in().map(|due| tokio::time::Instant::now() + due);
        let fed = tokio::select! {
            biased;
            fed = pieces.recv() => fed,
            () = until(due) => {
                session.tick();
                // Where there is no way to tell it now, it goes with the answer to the next piece.
                if let Some(late) = &late
                    && let Some(released) = session.take_late().await
                {
                    late(released).await;
                }
                continue;
            }
            () = tokio::time::sleep_until(patience) => {
                return Some("stream.idle");
            }
            () = shutdown.cancelled(), if last.is_none() => {
                last = Some(tokio::time::Instant::now() + LAST);
                patience = patience.min(tokio::time::Instant::now() + LAST);
                continue;
            }
        };
        let Some(Fed { piece, tell }) = fed else { return Some("stream.broken") };
        let released = match piece {
            Ok(StreamPiece { seq, text, end }) => {
                let text = text.as_ref().map(RequestText::expose).unwrap_or_default();
                session.feed(seq, text, end).await
            }
            Err(problem) => Err(problem),
        };
        let is_over = released.as_ref().is_ok_and(|released| released.verdict.is_some());
        let is_broken = released.is_err();
        // A reader that takes nothing for as long as a stream may be idle is not there any more.
        let told = tokio::time::timeout(idle, tell(released)).await;
        if is_over {
            return None;
        }
        if is_broken || told.is_err() {
            return Some("stream.broken");
        }
        patience = tokio::time::Instant::now() + idle;
        patience = last.map_or(patience, |last| patience.min(last));
    }
}

async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
