//! Follows the journal and brings each entry into the engine: batch by batch, each item by its own outcome.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use portcullis_bus::{Deliveries, Delivery, Journal, JournalError};
use portcullis_core::{Clock, Entry};
use portcullis_search_http::{Client, Fault, Item, Outcome, Schema, Why};
use portcullis_service::Condition;
use tokio_util::sync::CancellationToken;

use crate::document::document;
use crate::erasure::{Erasure, Erasures};
use crate::feeding::{Dead, Feeding};
use crate::lag::Lag;

/// The name under which the journal is followed.
pub(crate) const READER: &str = "search";
/// How long to wait after the journal was interrupted.
const INTERRUPTED: Duration = Duration::from_secs(1);
/// Nothing came for so long: the journal has been read to its end.
const QUIET: Duration = Duration::from_millis(500);

/// Brings a journal into an engine.
pub struct Feeder {
    /// The record.
    pub journal: Arc<dyn Journal>,
    /// The engine.
    pub client: Client,
    /// The data stream and what it needs.
    pub schema: Schema,
    /// Where what the engine refuses goes.
    pub dead: Arc<dyn Dead>,
    /// Who was forgotten.
    pub erasures: Erasures,
    /// How far the engine is behind.
    pub lag: Lag,
    /// Whether the engine takes documents.
    pub engine: Condition,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How to work.
    pub feeding: Feeding,
}

/// An entry on its way.
struct Carried {
    delivery: Box<dyn Delivery>,
    item: Item,
    erasure: Option<Erasure>,
}

impl Feeder {
    /// Works until `shutdown`. Nothing is acknowledged before the engine has it or it is among the dead letters, so that
    /// a crash at any point, or an engine that is away for as long as the journal keeps entries, costs none.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            loop {
                self.lag.blind(self.clock.now());
                match self.follow().await {
                    Err(error) => tracing::warn!(%error, "journal interrupted"),
                    Ok(()) => tracing::info!("journal ended"),
                }
                tokio::time::sleep(INTERRUPTED).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    async fn follow(&self) -> Result<(), JournalError> {
        self.prepare().await;
        let mut deliveries = self.journal.follow(READER).await?;
        loop {
            let next = match tokio::time::timeout(QUIET, deliveries.next()).await {
                Ok(next) => next,
                Err(_quiet) => {
                    self.lag.caught_up();
                    deliveries.next().await
                }
            };
            let Some(first) = next else { return Ok(()) };
            let batch = self.gather(first?, &mut deliveries).await?;
            let oldest = batch.iter().filter_map(|delivery| Some(delivery.entry().ok()?.at)).min();
            self.lag.behind(oldest.unwrap_or_else(|| self.clock.now()));
            self.carry(batch).await?;
        }
    }

    /// Waits until the engine has the templates and the stream, and has told who was forgotten.
    async fn prepare(&self) {
        let mut pauses = self.feeding.pauses();
        while let Err(fault) = self.install().await {
            self.away(&fault);
            pause(&mut pauses).await;
        }
        self.engine.met();
    }

    async fn install(&self) -> Result<(), Fault> {
        let done = self.client.install(&self.schema).await?;
        if done != <_>::default() {
            tracing::info!(stream = self.schema.stream, ?done, "templates put");
        }
        self.erasures.load(&self.client, &self.schema.stream, self.clock.now()).await?;
        Ok(())
    }

    /// What has arrived within the time to gather, up to a batch.
    async fn gather(
        &self,
        first: Box<dyn Delivery>,
        deliveries: &mut Deliveries,
    ) -> Result<Vec<Box<dyn Delivery>>, JournalError> {
        let mut bytes = first.raw().len();
        let mut batch = vec![first];
        let end = tokio::time::sleep(self.feeding.gather);
        tokio::pin!(end);
        while batch.len() < self.feeding.batch && bytes < self.feeding.batch_bytes {
            let next = tokio::select! {
                biased;
                next = deliveries.next() => next,
                () = &mut end => break,
            };
            // The end of the journal is met again by whoever asks next.
            let Some(next) = next else { break };
            let next = next?;
            bytes += next.raw().len();
            batch.push(next);
        }
        Ok(batch)
    }

    /// Brings a batch to its end: each of it is in the engine, or dead, or of somebody who was forgotten.
    async fn carry(&self, batch: Vec<Box<dyn Delivery>>) -> Result<(), JournalError> {
        let (mut waiting, mut erasing) = (Vec::new(), Vec::new());
        for delivery in batch {
            match delivery.entry().map_err(str::to_owned) {
                Err(why) => {
                    self.bury(&*delivery, &why).await?;
                    delivery.ack().await?;
                }
                Ok(entry) if self.erasures.cover(entry) => {
                    told("erased", 1);
                    delivery.ack().await?;
                }
                Ok(entry) => {
                    let item = self.item(entry, delivery.sequence());
                    let erasure = Erasure::of(entry);
                    erasure.iter().for_each(|erasure| self.erasures.remember(erasure));
                    waiting.push(Carried { delivery, item, erasure });
                }
            }
        }
        let mut pauses = self.feeding.pauses();
        let mut at_once = self.feeding.batch.max(1);
        while !waiting.is_empty() {
            let (later, halve) = self.attempt(waiting, at_once, &mut erasing).await?;
            waiting = later;
            if halve {
                at_once = (at_once.min(waiting.len()) / 2).max(1);
            } else if !waiting.is_empty() {
                metrics::counter!("portcullis_search_retries_total")
                    .increment(waiting.len() as u64);
                pause(&mut pauses).await;
            }
        }
        // Whatever of a person came before the order is in the engine by now.
        for Carried { delivery, erasure, .. } in erasing {
            if let Some(erasure) = erasure {
                self.erase(&erasure).await;
            }
            delivery.ack().await?;
        }
        Ok(())
    }

    /// Asks for everything once. Returns what has to be asked for again, and whether in smaller requests.
    async fn attempt(
        &self,
        mut waiting: Vec<Carried>,
        at_once: usize,
        erasing: &mut Vec<Carried>,
    ) -> Result<(Vec<Carried>, bool), JournalError> {
        let mut later = Vec::new();
        while !waiting.is_empty() {
            let rest = waiting.split_off(self.fits(&waiting, at_once));
            let request = std::mem::replace(&mut waiting, rest);
            let items: Vec<Item> = request.iter().map(|carried| carried.item.clone()).collect();
            match self.create(&items).await {
                Ok(outcomes) => {
                    let settled = request.into_iter().zip(outcomes);
                    self.settle(settled, &mut later, erasing).await?;
                }
                Err(Fault::Refused(why)) if about_the_documents(&why) => {
                    // One of them is too long or broken: which, shows when they go apart.
                    if let Ok([one]) = <[Carried; 1]>::try_from(request).map_err(|many| {
                        later.extend(many);
                    }) {
                        self.refused(one, &why, erasing).await?;
                    } else {
                        later.extend(waiting);
                        return Ok((later, true));
                    }
                }
                Err(fault) => {
                    self.away(&fault);
                    later.extend(request);
                    later.extend(waiting);
                    return Ok((later, false));
                }
            }
        }
        Ok((later, false))
    }

    /// One request, measured. An engine that was away is looked at first: it may be a new one, without templates.
    async fn create(&self, items: &[Item]) -> Result<Vec<Outcome>, Fault> {
        if !self.engine.holds() {
            self.install().await?;
        }
        let began = self.clock.instant();
        let done = self.client.create(&self.schema.stream, items).await;
        let outcome = done.as_ref().map_or_else(Fault::word, |_| "done".to_owned());
        metrics::counter!("portcullis_search_batches_total", "outcome" => outcome).increment(1);
        metrics::histogram!("portcullis_search_batch_seconds")
            .record(self.clock.instant().saturating_duration_since(began).as_secs_f64());
        done
    }

    /// How many of these go with one request.
    fn fits(&self, waiting: &[Carried], at_once: usize) -> usize {
        let mut bytes = 0;
        let within = waiting.iter().take(at_once).take_while(|carried| {
            bytes += carried.item.bytes();
            bytes <= self.feeding.batch_bytes
        });
        within.count().max(1)
    }

    async fn settle(
        &self,
        settled: impl Iterator<Item = (Carried, Outcome)>,
        later: &mut Vec<Carried>,
        erasing: &mut Vec<Carried>,
    ) -> Result<(), JournalError> {
        let (mut acks, mut created, mut there) = (Vec::new(), 0, 0);
        let (mut busy, mut blocked) = (0_u64, None);
        for (carried, outcome) in settled {
            match outcome {
                Outcome::Created | Outcome::There => {
                    if outcome == Outcome::Created {
                        created += 1
                    } else {
                        there += 1
                    }
                    match carried.erasure {
                        Some(_) => erasing.push(carried),
                        None => acks.push(carried.delivery.ack()),
                    }
                }
                Outcome::Later(why) => {
                    busy += 1;
                    if !matches!(why.status, 429 | 503) {
                        blocked = Some(why);
                    }
                    later.push(carried);
                }
                Outcome::Refused(why) => self.refused(carried, &why, erasing).await?,
            }
        }
        told("created", created);
        told("there", there);
        if let Some(why) = blocked {
            self.away(&Fault::Refused(why));
        } else {
            self.engine.met();
        }
        if busy > 0 {
            tracing::warn!(documents = busy, "engine busy");
        }
        for acked in futures::future::join_all(acks).await {
            acked?;
        }
        Ok(())
    }

    fn item(&self, entry: &Entry, sequence: u64) -> Item {
        let document = document(entry, sequence, &self.feeding.labels).to_string();
        Item { id: entry.id.clone(), document: Bytes::from(document) }
    }

    /// To the dead letters first, then done; but an order to forget somebody is carried out all the same.
    async fn refused(
        &self,
        carried: Carried,
        why: &Why,
        erasing: &mut Vec<Carried>,
    ) -> Result<(), JournalError> {
        self.bury(&*carried.delivery, &format!("refused: {why}")).await?;
        if carried.erasure.is_some() {
            erasing.push(carried);
            return Ok(());
        }
        carried.delivery.ack().await
    }

    async fn bury(&self, delivery: &dyn Delivery, why: &str) -> Result<(), JournalError> {
        let sequence = delivery.sequence();
        self.dead.keep(delivery, why).await?;
        tracing::error!(sequence, why, "entry not searchable, kept with the dead letters");
        metrics::counter!("portcullis_search_dead_total").increment(1);
        Ok(())
    }

    async fn erase(&self, erasure: &Erasure) {
        let mut pauses = self.feeding.pauses();
        loop {
            match Erasures::delete(&self.client, &self.schema.stream, erasure).await {
                Ok(documents) => {
                    tracing::info!(
                        bot = erasure.bot.as_str(),
                        documents,
                        "a person's documents deleted"
                    );
                    metrics::counter!("portcullis_search_erased_total").increment(documents);
                    self.engine.met();
                    return;
                }
                Err(fault) => {
                    self.away(&fault);
                    pause(&mut pauses).await;
                }
            }
        }
    }

    fn away(&self, fault: &Fault) {
        tracing::warn!(%fault, "documents not stored");
        self.engine.lost();
    }

    /// Deletes again and again, until `shutdown`, what the orders of the last days are about.
    pub async fn sweep(
        erasures: Erasures,
        client: Client,
        stream: String,
        each: Duration,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(each) => {}
            }
            match erasures.sweep(&client, &stream, clock.now()).await {
                Ok(0) => {}
                Ok(documents) => {
                    tracing::warn!(
                        documents,
                        "documents of persons who were forgotten had come back"
                    );
                    metrics::counter!("portcullis_search_erased_total").increment(documents);
                }
                Err(fault) => tracing::warn!(%fault, "sweep not done"),
            }
        }
    }
}

/// Whether a request as a whole was refused for what it carries. A 400 without the engine's own form is somebody else's,
/// such as a proxy's.
fn about_the_documents(why: &Why) -> bool {
    why.status == 413 || (why.status == 400 && why.kind != "unknown")
}

fn told(outcome: &'static str, documents: u64) {
    metrics::counter!("portcullis_search_documents_total", "outcome" => outcome)
        .increment(documents);
}

async fn pause(pauses: &mut (impl Iterator<Item = Duration> + Send)) {
    tokio::time::sleep(pauses.next().unwrap_or(INTERRUPTED)).await;
}
