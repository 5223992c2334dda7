//! What every form of a port must do. Each suite runs on the form in memory and on the real server.

mod caller;
mod held;
mod journal;
mod kv;
mod outbox;

pub use caller::caller;
pub use held::held;
pub use journal::journal;
pub use kv::kv;
pub use outbox::outbox;

use std::time::Duration;

/// No answer of a real server on this machine takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The next item of a stream, or a failed test.
async fn next<T>(stream: &mut (impl futures::Stream<Item = T> + Unpin)) -> T {
    use futures::StreamExt;
    tokio::time::timeout(PATIENCE, stream.next()).await.expect("an item in time").expect("an item")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use portcullis_bus::{Caller, Local, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox};
    use portcullis_core::{Budget, StageName};

    use crate::{FaultStage, Mood, ask};

    #[tokio::test]
    async fn the_forms_in_memory_conform() {
        super::journal(&MemoryJournal::new(), "audit").await;
        super::kv(&MemoryKv::new(8)).await;
        super::held(&MemoryHeld::new()).await;
        let outbox = MemoryOutbox::new();
        super::outbox(&outbox, async || outbox.sent().into_iter().map(|mail| mail.body).collect())
            .await;
        let stage = FaultStage::new(StageName::sentiment());
        let local = Local::new().with(Arc::new(stage.clone()), 2);
        super::caller(&local, &stage, 2).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_is_asked_beside_a_long_text_is_not_late() {
        let (long, short) = (StageName::moderation(), StageName::sentiment());
        let busy = FaultStage::new(long.clone());
        busy.set(Mood::Spins(Duration::from_millis(400)));
        let local =
            Local::new().with(Arc::new(busy), 2).with(Arc::new(FaultStage::new(short.clone())), 2);
        let (text, mut quick) = (ask(&"hello ".repeat(4_000)), ask("hello"));
        quick.budget = Budget::of(Duration::from_millis(200));
        // In one task, the long one first, as the judges of one message are.
        let (long, short) = tokio::join!(local.call(&long, &text), local.call(&short, &quick));
        assert!(long.is_ok() && short.is_ok(), "{long:?} {short:?}");
    }
}
