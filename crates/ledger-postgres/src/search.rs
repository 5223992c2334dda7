//! Finding entries: the database leaves out what cannot match, page by page; the rest is judged as in files.

use std::collections::VecDeque;
use std::sync::Arc;

use portcullis_frames::frame;
use portcullis_frames::record::Payload;
use portcullis_ledger::{Flaw, LedgerError, Matcher, Query, Reveal, Row};
use sqlx::PgPool;

use crate::error::{broken, database};
use crate::values::{At, key, signed, unsigned};

/// Entries in a page.
const PAGE: i64 = 1000;

/// What the columns can tell, and where to go on. An id is looked for as it is first (`$6`), by the index; where no
/// entry has it, as a message's within the frames (`$7`).
const UP: &str = "
    SELECT seq, frame FROM entries
    WHERE seq > $1 AND seq BETWEEN $9 AND $10 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at <= $3)
      AND ($4::text IS NULL OR bot = $4) AND ($5::text IS NULL OR kind = $5)
      AND ($6::bytea IS NULL OR key = $6) AND ($7::bytea IS NULL OR position($7 IN frame) > 0)
    ORDER BY seq LIMIT $8";
const DOWN: &str = "
    SELECT seq, frame FROM entries
    WHERE seq < $1 AND seq BETWEEN $9 AND $10 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at <= $3)
      AND ($4::text IS NULL OR bot = $4) AND ($5::text IS NULL OR kind = $5)
      AND ($6::bytea IS NULL OR key = $6) AND ($7::bytea IS NULL OR position($7 IN frame) > 0)
    ORDER BY seq DESC LIMIT $8";

/// Between which numbers a time lies. The sum keeps the planner from walking along the numbers instead of using what
/// it knows of the times.
const BETWEEN: &str = "
    SELECT min(seq + 0), max(seq + 0) FROM entries
    WHERE at >= coalesce($1, '-infinity'::timestamptz) AND at <= coalesce($2, 'infinity'::timestamptz)";

/// The rows of a search. Holds one page of entries at a time.
pub struct Rows {
    pool: PgPool,
    query: Query,
    matcher: Matcher,
    /// The last number that was read, and whether there may be more.
    at: i64,
    more: bool,
    by_key: Option<bool>,
    /// Between which numbers everything lies that can match, once that is known.
    between: Option<(i64, i64)>,
    left: usize,
    found: VecDeque<Row>,
}

impl Rows {
    pub(crate) fn new(pool: PgPool, query: Query, reveal: Option<Arc<dyn Reveal>>) -> Self {
        Self {
            pool,
            at: if query.newest_first { i64::MAX } else { 0 },
            more: true,
            by_key: None,
            between: None,
            left: query.limit.unwrap_or(usize::MAX),
            found: VecDeque::new(),
            matcher: Matcher::new(query.clone(), reveal),
            query,
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] at an entry that cannot be read; after an error there are no more.
    pub async fn next(&mut self) -> Result<Option<Row>, LedgerError> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.found.is_empty() && self.more {
            if let Err(error) = self.page().await {
                self.more = false;
                return Err(error);
            }
        }
        let row = self.found.pop_front();
        self.left -= usize::from(row.is_some());
        Ok(row)
    }

    /// All that are left.
    ///
    /// # Errors
    /// As [`Rows::next`].
    pub async fn all(mut self) -> Result<Vec<Row>, LedgerError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next().await? {
            rows.push(row);
        }
        Ok(rows)
    }

    async fn page(&mut self) -> Result<(), LedgerError> {
        let doing = "search";
        let query = &self.query;
        // A message's id is a part of its entry's.
        let by_key = match (&query.id, self.by_key) {
            (None, _) => false,
            (Some(_), Some(by_key)) => by_key,
            (Some(id), None) => {
                let there = "SELECT EXISTS (SELECT FROM entries WHERE key = $1)";
                let there = sqlx::query_scalar(there).bind(key(id)).fetch_one(&self.pool);
                *self.by_key.insert(there.await.map_err(database(doing))?)
            }
        };
        let (from, until) = (
            query.from.map(|at| At(at.as_microsecond())),
            query.until.map(|at| At(at.as_microsecond())),
        );
        let (low, high) = match self.between {
            Some(between) => between,
            None if from.is_none() && until.is_none() => *self.between.insert((1, i64::MAX)),
            None => {
                let found: (Option<i64>, Option<i64>) = sqlx::query_as(BETWEEN)
                    .bind(from)
                    .bind(until)
                    .fetch_one(&self.pool)
                    .await
                    .map_err(database(doing))?;
                *self.between.insert((found.0.unwrap_or(1), found.1.unwrap_or(0)))
            }
        };
        let id = query.id.as_deref();
        // JSON writes some characters in more than one way.
        let plain =
            |id: &&str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(if query.newest_first { DOWN } else { UP })
            .bind(self.at)
            .bind(from)
            .bind(until)
            .bind(query.bot.as_ref().map(|bot| bot.as_str()))
            .bind(query.kind.as_deref())
            .bind(id.filter(|_| by_key).map(key))
            .bind(id.filter(|id| !by_key && plain(id)).map(str::as_bytes))
            .bind(PAGE)
            .bind(low)
            .bind(high)
            .fetch_all(&self.pool)
            .await
            .map_err(database(doing))?;
        self.more = rows.len() as i64 == PAGE;
        for (seq, bytes) in rows {
            self.at = seq;
            let flaw = |flaw| broken("entries", Some(unsigned(seq)), flaw);
            let read = frame::decode(&bytes).map_err(flaw)?;
            if !self.matcher.may_match(read.payload) {
                continue;
            }
            let payload = Payload::read(read.payload).ok_or_else(|| flaw(Flaw::Payload))?;
            if signed(payload.seq) != seq {
                return Err(flaw(Flaw::Sequence));
            }
            let row = self.matcher.row(&payload).ok_or_else(|| flaw(Flaw::Payload))?;
            self.found.extend(row);
        }
        Ok(())
    }
}
