//! Turns: messages of one conversation are judged one after the other, whatever else runs at once.

use std::collections::HashMap;

use portcullis_core::{BotId, ConversationId};
use portcullis_ingress::request::CheckRequest;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// Conversations that are remembered before those that have ended are looked for.
const REMEMBERED: usize = 1024;

/// Gives out turns, in the order in which they are taken.
#[derive(Default)]
pub(crate) struct Turns {
    last: HashMap<(Option<BotId>, ConversationId), oneshot::Receiver<()>>,
}

/// One turn of a conversation. It ends when this is dropped.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _end: oneshot::Sender<()>,
}

impl Turns {
    /// The next turn of the request's conversation; none where it has no conversation.
    pub(crate) fn take(&mut self, request: &CheckRequest) -> Option<Turn> {
        let conversation = request.conversation.clone()?;
        if self.last.len() >= REMEMBERED {
            self.last.retain(|_, turn| turn.try_recv() == Err(TryRecvError::Empty));
        }
        let (end, ended) = oneshot::channel();
        let before = self.last.insert((request.bot.clone(), conversation), ended);
        Some(Turn { before, _end: end })
    }
}

impl Turn {
    /// Waits for the end of the turn before.
    pub(crate) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // Its end is that the other side is dropped.
            let _ = before.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(conversation: &str) -> CheckRequest {
        let conversation = Some(ConversationId::parse(conversation).unwrap());
        CheckRequest { conversation, ..CheckRequest::default() }
    }

    #[tokio::test]
    async fn a_turn_waits_for_the_one_before_of_its_own_conversation_alone() {
        let mut turns = Turns::default();
        assert!(turns.take(&CheckRequest::default()).is_none());
        let mut first = turns.take(&of("a")).unwrap();
        let mut second = turns.take(&of("a")).unwrap();
        let mut other = turns.take(&of("b")).unwrap();
        first.come().await;
        other.come().await;
        let mut waiting = Box::pin(second.come());
        assert!(
            std::future::poll_fn(|cx| {
                std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())
            })
            .await
        );
        drop(first);
        waiting.await;
    }
}
