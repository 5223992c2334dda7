//! A batch of records made ready to be stored: their frames, their place, and the hashes that they add.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use portcullis_core::Clock;
use portcullis_frames::frame;
use portcullis_frames::record::{Payload, What};
use portcullis_ledger::{Appended, LedgerError, Record};
use portcullis_merkle::{Frontier, leaf_hash, stored_hash_count};
use serde::Deserialize;

use crate::values::{At, key, signed};

/// What is to be stored, column by column, and what is then to be answered.
pub(crate) struct Batch<'a> {
    pub(crate) seqs: Vec<i64>,
    pub(crate) keys: Vec<Cow<'a, [u8]>>,
    pub(crate) journal_seqs: Vec<Option<i64>>,
    pub(crate) ats: Vec<At>,
    pub(crate) bots: Vec<Option<&'a str>>,
    pub(crate) kinds: Vec<Cow<'a, str>>,
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
    /// The number of the first hash of `hashes`.
    pub(crate) first_hash: u64,
    pub(crate) hashes: Vec<u8>,
    /// The tree with the batch in it.
    pub(crate) frontier: Frontier,
    /// The highest number of the journal with the batch.
    pub(crate) journal_seq: u64,
    pub(crate) answers: Vec<Appended>,
    pub(crate) duplicates: u64,
    /// Seconds between the newest entry and now.
    pub(crate) lag: Option<f64>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

/// The word for what a record is, as it stands in its column: an entry's own, where it is a plain word.
pub(crate) fn kind<'a>(entry: Option<&'a str>, gap: bool) -> Cow<'a, str> {
    let Some(entry) = entry else { return if gap { "gap" } else { "dead" }.into() };
    let plain = |kind: &str| {
        (1..=32).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    match serde_json::from_str::<Kind<'a>>(entry) {
        Ok(found) if plain(&found.kind) => found.kind,
        _ => "unknown".into(),
    }
}

impl<'a> Batch<'a> {
    /// Gives records their places after what is stored. Those in `known` are stored already.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if one can never be stored.
    pub(crate) fn build(
        records: &'a [Record],
        frontier: &Frontier,
        journal_seq: u64,
        known: &HashMap<Vec<u8>, u64>,
        clock: &dyn Clock,
    ) -> Result<Self, LedgerError> {
        let stored_at = clock.now();
        let mut batch = Self {
            seqs: Vec::with_capacity(records.len()),
            keys: Vec::with_capacity(records.len()),
            journal_seqs: Vec::with_capacity(records.len()),
            ats: Vec::with_capacity(records.len()),
            bots: Vec::with_capacity(records.len()),
            kinds: Vec::with_capacity(records.len()),
            bytes: Vec::with_capacity(records.iter().map(|record| record.weight() + 128).sum()),
            spans: Vec::with_capacity(records.len()),
            first_hash: stored_hash_count(frontier.size()),
            hashes: Vec::with_capacity(records.len() * 64),
            frontier: frontier.clone(),
            journal_seq,
            answers: Vec::with_capacity(records.len()),
            duplicates: 0,
            lag: None,
        };
        let mut own: HashMap<Cow<'a, [u8]>, u64> = HashMap::with_capacity(records.len());
        let (mut payload, mut newest) = (Vec::new(), None);
        for record in records {
            let key = key(&record.id);
            batch.journal_seq = batch.journal_seq.max(record.journal_seq.unwrap_or(0));
            if let Some(seq) = known.get(&*key).or_else(|| own.get(&key)) {
                batch.duplicates += 1;
                batch.answers.push(Appended::AlreadyThere(*seq));
                continue;
            }
            let seq = batch.frontier.size() + 1;
            payload.clear();
            Payload::write(&mut payload, record, seq, stored_at)?;
            let before = batch.bytes.len();
            frame::encode(&mut batch.bytes, 0, &payload)
                .ok_or(LedgerError::Refused("entry too long"))?;
            let span = before..batch.bytes.len();
            let leaf = leaf_hash(batch.bytes.get(span.clone()).unwrap_or_default());
            let hashes = &mut batch.hashes;
            batch.frontier.push(leaf, |hash| hashes.extend_from_slice(&hash.0));
            let (entry, gap) = match &record.what {
                What::Entry(raw) => (Some(raw.get()), false),
                What::Gap(_) => (None, true),
                What::Dead(_) => (None, false),
            };
            own.insert(key.clone(), seq);
            batch.seqs.push(signed(seq));
            batch.keys.push(key);
            batch.journal_seqs.push(record.journal_seq.map(signed));
            batch.ats.push(At(record.at.unwrap_or(stored_at).as_microsecond()));
            batch.bots.push(record.bot.as_ref().map(|bot| bot.as_str()));
            batch.kinds.push(kind(entry, gap));
            batch.spans.push(span);
            batch.answers.push(Appended::Stored(seq));
            newest = newest.max(record.at);
        }
        batch.lag = newest.map(|at| stored_at.duration_since(at).as_secs_f64().max(0.0));
        Ok(batch)
    }

    /// The frames, one an entry.
    pub(crate) fn frames(&self) -> Vec<&[u8]> {
        self.spans.iter().map(|span| self.bytes.get(span.clone()).unwrap_or_default()).collect()
    }
}
