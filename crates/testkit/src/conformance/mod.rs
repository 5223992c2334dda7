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

    use portcullis_bus::{Local, MemoryHeld, MemoryJournal, MemoryKv, MemoryOutbox};
    use portcullis_core::StageName;

    use crate::FaultStage;

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
}
