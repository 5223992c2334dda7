//! Follows the record and settles what admitted messages cost: by their outcome, and by the tokens of the bot's
//! answer. Several replicas share the work; the same entry twice changes nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use portcullis_bus::{Delivery, Journal, JournalError};
use portcullis_core::Entry;
use portcullis_service::CancellationToken;
use portcullis_state::rules::Settling;
use portcullis_state::{LimitError, Limiter};

/// The name under which the record is followed.
pub const READER: &str = "rate-limit";
/// Entries in work at once.
const AT_ONCE: usize = 32;
/// Pause before a store that is away is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// Tries before an entry is given back. Together they last less than the record waits for a reader.
const TRIES: u32 = 20;

/// An entry, and whether what it changes is counted.
type Settled = Result<(bool, Box<dyn Delivery>), JournalError>;

/// Settles what is in the record. Cheap to clone.
#[derive(Clone)]
pub struct Settler {
    journal: Arc<dyn Journal>,
    limiter: Arc<dyn Limiter>,
}

impl Settler {
    /// Reads `journal`, changes `limiter`; does nothing until it is run.
    pub fn new(journal: Arc<dyn Journal>, limiter: Arc<dyn Limiter>) -> Self {
        Self { journal, limiter }
    }

    /// Works until `shutdown`. Failures of the record and of the store are waited out; an entry is
    /// acknowledged when what it changes is counted.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let ended = tokio::select! {
                () = shutdown.cancelled() => return,
                ended = self.follow() => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "record interrupted; limits are not settled meanwhile");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn follow(&self) -> Result<(), JournalError> {
        let mut deliveries = self.journal.follow(READER).await?;
        let mut working: FuturesOrdered<BoxFuture<'static, Settled>> = FuturesOrdered::new();
        loop {
            tokio::select! {
                Some(settled) = working.next() => {
                    let (counted, delivery) = settled?;
                    if counted { delivery.ack().await? } else { delivery.retry().await? }
                }
                next = deliveries.next(), if working.len() < AT_ONCE => match next {
                    Some(delivery) => working.push_back(self.clone().settled(delivery?).boxed()),
                    None => return Ok(()),
                },
            }
        }
    }

    async fn settled(self, delivery: Box<dyn Delivery>) -> Settled {
        Ok((self.take(&*delivery).await, delivery))
    }

    /// Counts an entry; `false` where it is to come again. One that cannot be read is left to the reader that
    /// keeps the record, which also keeps the dead letters.
    async fn take(&self, delivery: &dyn Delivery) -> bool {
        let Ok(entry) = delivery.entry() else { return true };
        for _ in 0..TRIES {
            match self.settle(entry).await {
                Ok(true) => {
                    metrics::counter!("portcullis_limit_settlements_total").increment(1);
                    return true;
                }
                Ok(false) => return true,
                Err(LimitError::Away) => tokio::time::sleep(AGAIN).await,
            }
        }
        false
    }

    /// Applies what an entry says. `false` where it changes nothing.
    ///
    /// # Errors
    /// [`LimitError::Away`].
    pub async fn settle(&self, entry: &Entry) -> Result<bool, LimitError> {
        let Some(settling) = Settling::of(entry) else { return Ok(false) };
        let ticket = self.limiter.ticket(&settling.bot, &settling.ticket).await?;
        let Some(settlement) = ticket.and_then(|body| settling.changes(&body)) else {
            return Ok(false);
        };
        self.limiter.settle(&settlement).await
    }
}
