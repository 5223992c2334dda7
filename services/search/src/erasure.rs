//! Who was forgotten: a person's documents are deleted, and none of them comes back.
//!
//! The order is an entry of the journal. Its own document stays in the engine, with the person's keyed hash alone, so that
//! a later process knows it. An older entry of that person that is delivered again after that is let fall; one that another
//! process still had in its hands is deleted by the next sweep.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use portcullis_core::{Body, BotId, Entry};
use portcullis_search_http::{Client, Fault};
use serde_json::{Value, json};

use crate::document::{ERASE, SPEAKER};

/// For how long an older entry may still come: the journal keeps seven days, and a day on top.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Orders read, and persons deleted, with one request.
const PAGE: usize = 200;

/// An order to forget a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The bot that knew the person.
    pub bot: BotId,
    /// The person's keyed hash.
    pub person: String,
    /// Everything up to this time.
    pub at: Timestamp,
}

impl Erasure {
    /// The order that an entry is, if it is one.
    pub fn of(entry: &Entry) -> Option<Self> {
        let Body::Action(order) = &entry.body else { return None };
        let person = order.scope.strip_prefix(SPEAKER).filter(|_| order.action == ERASE)?;
        Some(Self { bot: entry.bot.clone(), person: person.to_owned(), at: entry.at })
    }

    /// The documents of that person up to the order.
    fn query(&self) -> Value {
        json!({ "bool": { "filter": [
            { "term": { "portcullis.bot": self.bot } },
            { "term": { "user.hash": self.person } },
            { "range": { "@timestamp": { "lte": self.at } } },
        ] } })
    }
}

/// Who was forgotten lately. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Erasures(Arc<Mutex<HashMap<(BotId, String), Timestamp>>>);

impl Erasures {
    /// Remembers an order.
    pub fn remember(&self, erasure: &Erasure) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.entry((erasure.bot.clone(), erasure.person.clone())).or_insert(erasure.at);
        *at = (*at).max(erasure.at);
    }

    /// Whether an entry is about somebody who was forgotten after it.
    pub fn cover(&self, entry: &Entry) -> bool {
        let speaker = match &entry.body {
            Body::Verdict(record) => record.speaker.as_ref(),
            Body::Summary(record) => record.speaker.as_ref(),
            Body::Resolution(_) | Body::Action(_) | Body::Unknown => None,
        };
        let Some(speaker) = speaker else { return false };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(entry.bot.clone(), speaker.clone())).is_some_and(|until| entry.at <= *until)
    }

    /// Deletes the documents of one person and returns how many there were.
    ///
    /// # Errors
    /// [`Fault`]: ask again.
    pub async fn delete(client: &Client, stream: &str, erasure: &Erasure) -> Result<u64, Fault> {
        client.refresh(stream).await?;
        client.delete_by_query(stream, &erasure.query()).await
    }

    /// Reads the orders of the last days from the engine, and remembers them.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn load(
        &self,
        client: &Client,
        stream: &str,
        now: Timestamp,
    ) -> Result<Vec<Erasure>, Fault> {
        let since = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        let mut found = Vec::new();
        let mut after: Option<Value> = None;
        loop {
            let mut question = json!({
                "size": PAGE,
                "_source": ["@timestamp", "portcullis.bot", "portcullis.scope"],
                "sort": [{ "@timestamp": "asc" }, { "event.id": "asc" }],
                "query": { "bool": { "filter": [
                    { "term": { "portcullis.kind": "action" } },
                    { "term": { "event.action": ERASE } },
                    { "range": { "@timestamp": { "gte": since } } },
                ] } },
            });
            if let (Some(after), Some(question)) = (after.take(), question.as_object_mut()) {
                question.insert("search_after".into(), after);
            }
            let answer = client.search(stream, &question).await?;
            let hits = answer.pointer("/hits/hits").and_then(Value::as_array);
            let hits = hits.ok_or(Fault::Away("unreadable answer"))?;
            found.extend(hits.iter().filter_map(|hit| read(hit.get("_source")?)));
            match hits.last().filter(|_| hits.len() == PAGE).and_then(|hit| hit.get("sort")) {
                Some(sort) => after = Some(sort.clone()),
                None => break,
            }
        }
        found.iter().for_each(|erasure| self.remember(erasure));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, at| *at >= since);
        Ok(found)
    }

    /// Deletes once more what the orders of the last days are about, and returns how many documents had come back.
    ///
    /// # Errors
    /// [`Fault`]: it is done again the next time.
    pub async fn sweep(&self, client: &Client, stream: &str, now: Timestamp) -> Result<u64, Fault> {
        let found = self.load(client, stream, now).await?;
        let mut deleted = 0;
        for some in found.chunks(PAGE) {
            let any: Vec<Value> = some.iter().map(Erasure::query).collect();
            let query = json!({ "bool": { "should": any, "minimum_should_match": 1 } });
            deleted += client.delete_by_query(stream, &query).await?;
        }
        Ok(deleted)
    }
}

fn read(source: &Value) -> Option<Erasure> {
    let text = |pointer: &str| source.pointer(pointer)?.as_str();
    Some(Erasure {
        bot: BotId::parse(text("/portcullis/bot")?).ok()?,
        person: text("/portcullis/scope")?.strip_prefix(SPEAKER)?.to_owned(),
        at: text("/@timestamp")?.parse().ok()?,
    })
}
