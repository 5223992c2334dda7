//! Reading the whole record and holding it against what was signed.
//!
//! Pages of entries are read and hashed at once, in order; one place then grows the tree, compares each hash with the
//! kept one, and the root with each checkpoint.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use portcullis_frames::frame;
use portcullis_frames::record::Payload;
use portcullis_ledger::{Flaw, LedgerError, Verified};
use portcullis_merkle::{Checkpoint, Frontier, HASH_SIZE, Hash, PublicKey, leaf_hash, tree_hash};
use sqlx::PgPool;

use crate::batch::kind;
use crate::checkpoints::{self, CHECKPOINTS};
use crate::error::{broken, database};
use crate::tree::{self, TREE};
use crate::values::{At, key, signed, unsigned};

/// Entries in a page, and hashes that are read ahead.
const PAGE: u64 = 4096;

const ENTRIES: &str = "entries";

/// What the record is verified against: see [`portcullis_ledger::Verify`].
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The key that the record's own checkpoints must be signed with; without it their signatures are not
    /// looked at.
    pub key: Option<&'a PublicKey>,
    /// Checkpoints kept outside the writer's reach, checked already.
    pub kept_elsewhere: &'a [Checkpoint],
    /// Is told how many entries have been read since the last call.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Pages that are read at once; as many connections are needed.
    pub pages: usize,
}

impl Default for Against<'_> {
    fn default() -> Self {
        Self { key: None, kept_elsewhere: &[], progress: &|_| {}, pages: 2 }
    }
}

type Stored = (i64, Vec<u8>, Option<i64>, At, Option<String>, String, Vec<u8>);

/// The hashes of a page's entries, up to what is broken.
struct Hashed {
    leaves: Vec<Hash>,
    bytes: u64,
    broken: Option<LedgerError>,
}

/// See [`crate::PostgresReader::verify`].
pub(crate) async fn verify(pool: &PgPool, against: &Against<'_>) -> Result<Verified, LedgerError> {
    // What is signed was stored before: read in this order, a writer at work does not disturb.
    let mut connection = pool.acquire().await.map_err(database("connect"))?;
    let own = checkpoints::all(&mut connection).await?;
    let size: i64 = sqlx::query_scalar("SELECT size FROM head")
        .fetch_one(&mut *connection)
        .await
        .map_err(database("read the head"))?;
    drop(connection);
    if let Some(key) = against.key
        && let Some(forged) = own.iter().find(|kept| key.open(&kept.note).is_err())
    {
        return Err(broken(CHECKPOINTS, Some(forged.size), Flaw::Signature));
    }
    let size = unsigned(size);
    let mut judge = Judge::new(pool, &own, against, size);
    let pages = (0..size.div_ceil(PAGE)).map(|page| hash(pool, page * PAGE + 1, size));
    let mut pages = futures::stream::iter(pages).buffered(against.pages.max(1));
    while let Some(page) = pages.try_next().await? {
        (against.progress)(page.leaves.len() as u64);
        judge.take(page).await?;
    }
    drop(pages);
    judge.end().await
}

/// Reads the page that begins with entry `first`.
async fn hash(pool: &PgPool, first: u64, size: u64) -> Result<Hashed, LedgerError> {
    let until = (first + PAGE - 1).min(size);
    let rows: Vec<Stored> = sqlx::query_as(
        "SELECT seq, key, journal_seq, at, bot, kind, frame FROM entries WHERE seq BETWEEN $1 AND $2 ORDER BY seq",
    )
    .bind(signed(first))
    .bind(signed(until))
    .fetch_all(pool)
    .await
    .map_err(database("read entries"))?;
    let hashed = tokio::task::spawn_blocking(move || {
        let mut hashed = Hashed { leaves: Vec::with_capacity(rows.len()), bytes: 0, broken: None };
        let expected = first..=until;
        for (at, seq) in expected.enumerate() {
            match rows.get(at).ok_or(Flaw::Removed).and_then(|row| leaf(row, seq)) {
                Ok((leaf, bytes)) => {
                    hashed.leaves.push(leaf);
                    hashed.bytes += bytes;
                }
                Err(flaw) => {
                    hashed.broken = Some(broken(ENTRIES, Some(seq), flaw));
                    break;
                }
            }
        }
        hashed
    });
    hashed.await.map_err(|_ended| LedgerError::Stopped)
}

/// The hash of an entry whose columns say what its frame says.
fn leaf(row: &Stored, seq: u64) -> Result<(Hash, u64), Flaw> {
    let (number, stored_key, journal_seq, at, bot, stored_kind, bytes) = row;
    if unsigned(*number) != seq {
        return Err(Flaw::Removed);
    }
    let read = frame::decode(bytes)?;
    if read.bytes.len() != bytes.len() {
        return Err(Flaw::Length);
    }
    let payload = Payload::read(read.payload).ok_or(Flaw::Payload)?;
    let id = payload.id().ok_or(Flaw::Payload)?;
    if payload.seq != seq {
        return Err(Flaw::Sequence);
    }
    let (said_at, said_bot) = match payload.head() {
        Some(head) => (head.at, Some(head.bot)),
        None => (payload.stored_at, None),
    };
    let said_kind = kind(payload.entry.map(|entry| entry.get()), payload.gap.is_some());
    let fits = *stored_key == *key(&id)
        && *journal_seq == payload.journal_seq.map(signed)
        && *at == At(said_at.as_microsecond())
        && bot.as_deref() == said_bot.as_deref()
        && *stored_kind == said_kind;
    if fits { Ok((leaf_hash(bytes), bytes.len() as u64)) } else { Err(Flaw::Changed) }
}

/// Why an entry does not stand.
enum Doubt {
    Broken(LedgerError),
    /// The root at `size` is not the signed one, and entry `seq` is the first unlike its kept hash.
    Unlike {
        size: u64,
        seq: u64,
        flaw: Flaw,
    },
}

/// Holds the entries, in order, against tree and checkpoints.
struct Judge<'a> {
    pool: &'a PgPool,
    frontier: Frontier,
    /// Kept hashes that were read and not compared yet, from the number of the next hash on.
    kept: Vec<u8>,
    used: usize,
    /// The first number that was not read yet.
    next: u64,
    /// Size → root, and whether it comes from elsewhere.
    points: BTreeMap<u64, Vec<Hash>>,
    good: u64,
    /// The first entry whose hash is not the kept one.
    unlike: Option<(u64, Flaw)>,
    done: Verified,
    size: u64,
}

impl<'a> Judge<'a> {
    fn new(pool: &'a PgPool, own: &[Checkpoint], against: &Against<'_>, size: u64) -> Self {
        let mut points: BTreeMap<u64, Vec<Hash>> = BTreeMap::new();
        for kept in own.iter().chain(against.kept_elsewhere) {
            points.entry(kept.size).or_default().push(kept.root);
        }
        let newest = |list: &[Checkpoint]| list.iter().map(|kept| kept.size).max().unwrap_or(0);
        let done = Verified {
            entries: 0,
            segments: 0,
            bytes: 0,
            unfinished: 0,
            checkpoints: own.len() as u64,
            signed: newest(own),
            proven: newest(against.kept_elsewhere),
        };
        let (frontier, kept) = (Frontier::new(), Vec::new());
        Self { pool, frontier, kept, used: 0, next: 0, points, good: 0, unlike: None, done, size }
    }

    async fn take(&mut self, page: Hashed) -> Result<(), LedgerError> {
        self.done.bytes += page.bytes;
        let leaves = page.leaves;
        for (at, leaf) in leaves.iter().enumerate() {
            // An entry completes at most one hash a level.
            self.read_ahead().await?;
            match self.leaf(*leaf, leaves.get(at + 1)) {
                Ok(()) => {}
                Err(Doubt::Broken(error)) => return Err(error),
                Err(Doubt::Unlike { size, seq, flaw }) => {
                    return Err(self.unlike(size, seq, flaw).await);
                }
            }
        }
        page.broken.map_or(Ok(()), Err)
    }

    /// Reads the kept hashes until those of the next entry are there, or there are no more.
    async fn read_ahead(&mut self) -> Result<(), LedgerError> {
        while self.kept.len() - self.used < 64 * HASH_SIZE {
            let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
                "SELECT first, hashes FROM tree WHERE first >= $1 ORDER BY first LIMIT 64",
            )
            .bind(signed(self.next))
            .fetch_all(self.pool)
            .await
            .map_err(database("read the tree"))?;
            if rows.is_empty() {
                return Ok(());
            }
            self.kept.drain(..self.used);
            self.used = 0;
            for (first, hashes) in rows {
                let hole = unsigned(first) != self.next;
                if hole || !hashes.len().is_multiple_of(HASH_SIZE) || hashes.is_empty() {
                    let seq = self.frontier.size() + 1;
                    return Err(broken(TREE, Some(seq), Flaw::Tree));
                }
                self.next += (hashes.len() / HASH_SIZE) as u64;
                self.kept.extend_from_slice(&hashes);
            }
        }
        Ok(())
    }

    /// What is wrong where entry `seq` is unlike its kept hash and the root at `size` is not the signed one. Only
    /// where the kept hashes lead to the signed root can they name the entry.
    async fn unlike(&self, size: u64, seq: u64, flaw: Flaw) -> LedgerError {
        let kept = async {
            let mut connection = self.pool.acquire().await.map_err(database("connect"))?;
            tree::compute(&mut connection, |kept| tree_hash(size, kept)).await
        };
        let fits = match kept.await {
            Ok(Ok(root)) => {
                self.points.get(&size).is_some_and(|roots| roots.iter().all(|point| *point == root))
            }
            Ok(Err(_)) => false,
            Err(error) => return error,
        };
        if fits {
            return broken(ENTRIES, Some(seq), flaw);
        }
        LedgerError::NotAsSigned { size, good: self.good, entries: self.size }
    }

    fn leaf(&mut self, leaf: Hash, after: Option<&Hash>) -> Result<(), Doubt> {
        let seq = self.frontier.size() + 1;
        let (kept, mut used) = (&self.kept, self.used);
        let own = kept.get(used..used + HASH_SIZE).map(<[u8]>::to_vec);
        let (mut same, mut missing) = (true, false);
        self.frontier.push(leaf, |hash| {
            match kept.get(used..used + HASH_SIZE) {
                Some(kept) => same &= kept == hash.0,
                None => missing = true,
            }
            used += HASH_SIZE;
        });
        let was_next = kept.get(used..used + HASH_SIZE).map(<[u8]>::to_vec);
        self.used = used.min(self.kept.len());
        if missing {
            return Err(Doubt::Broken(broken(TREE, Some(seq), Flaw::Tree)));
        }
        if !same && self.unlike.is_none() {
            let is = |kept: &Option<Vec<u8>>, hash: Option<&Hash>| {
                kept.as_deref().zip(hash).is_some_and(|(kept, hash)| kept == hash.0)
            };
            let flaw = match (is(&own, after), is(&was_next, Some(&leaf))) {
                (true, true) => Flaw::Reordered,
                (true, false) => Flaw::Added,
                (false, true) => Flaw::Removed,
                (false, false) if is(&own, Some(&leaf)) => Flaw::Tree,
                (false, false) => Flaw::Changed,
            };
            self.unlike = Some((seq, flaw));
        }
        let Some(roots) = self.points.get(&seq) else { return Ok(()) };
        let fits = roots.iter().all(|root| *root == self.frontier.root());
        match self.unlike {
            None if fits => {
                self.good = seq;
                Ok(())
            }
            // The entries lead to the signed root: it is the kept hashes that were changed.
            Some((seq, _)) if fits => Err(Doubt::Broken(broken(TREE, Some(seq), Flaw::Tree))),
            Some((unlike, flaw)) => Err(Doubt::Unlike { size: seq, seq: unlike, flaw }),
            None => {
                let (good, entries) = (self.good, self.size);
                Err(Doubt::Broken(LedgerError::NotAsSigned { size: seq, good, entries }))
            }
        }
    }

    async fn end(mut self) -> Result<Verified, LedgerError> {
        // Not under any checkpoint: which of the two was changed cannot be told.
        if let Some((seq, flaw)) = self.unlike {
            return Err(broken(ENTRIES, Some(seq), flaw));
        }
        let last = self.points.keys().next_back().copied().unwrap_or(0);
        if last > self.size {
            return Err(broken(ENTRIES, Some(self.size + 1), Flaw::Removed));
        }
        // A writer at work may be further by now; what stands beyond its head is nobody's.
        let (size, entries, hashes): (i64, Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT size, (SELECT max(seq) FROM entries),
                 (SELECT first + length(hashes) / 32 FROM tree ORDER BY first DESC LIMIT 1) FROM head",
        )
        .fetch_one(self.pool)
        .await
        .map_err(database("read the head"))?;
        let stray = "SELECT EXISTS (SELECT FROM entries WHERE seq < 1)";
        let stray: bool = sqlx::query_scalar(stray)
            .fetch_one(self.pool)
            .await
            .map_err(database("read entries"))?;
        if entries.unwrap_or(0) != size || stray {
            return Err(broken(ENTRIES, Some(unsigned(size) + 1), Flaw::Added));
        }
        if unsigned(hashes.unwrap_or(0)) != portcullis_merkle::stored_hash_count(unsigned(size)) {
            return Err(broken(TREE, Some(unsigned(size) + 1), Flaw::Tree));
        }
        self.done.entries = self.size;
        Ok(self.done)
    }
}
