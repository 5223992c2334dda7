//! Limits of one process, in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portcullis_core::{BotId, Clock};

use crate::account::Account;
use crate::terms::{Standing, Terms, judge, multiplier};
use crate::{LimitCheck, LimitError, LimitOutcome, LimitRule, Limiter, Settlement, Ticket};

type Name = (BotId, String);

/// A limiter that keeps a bounded number of keys and tickets. When it is full it forgets those that are
/// back at their full limit, which loses nothing; if that is not enough, those nearest to it.
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    start: Instant,
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<Name, Key>,
    tickets: HashMap<Name, Stub>,
}

/// What is kept of one key. Times are microseconds since `start`.
#[derive(Clone)]
struct Key {
    account: Account,
    forgiven_at: i64,
    reserved: Vec<Reserved>,
}

#[derive(Clone)]
struct Reserved {
    ticket: String,
    units: i64,
    since: i64,
    until: i64,
}

/// What is kept of an admitted check.
struct Stub {
    body: String,
    since: i64,
    until: i64,
    times: Vec<i64>,
    entries: HashSet<String>,
}

/// What one rule of a check comes to.
struct Priced {
    key: Key,
    terms: Terms,
    times: i64,
    total: i64,
    reserve: i64,
    wait: i64,
    /// Whether something was given back, which is kept also where the check is refused.
    changed: bool,
}

impl MemoryLimiter {
    /// Keys that are kept where nothing else is said: about 30 MB when all are in use.
    pub const CAPACITY: usize = 100_000;

    /// A limiter for at most `capacity` keys, and as many tickets (at least 16).
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let start = clock.instant();
        Self { clock, start, capacity: capacity.max(16), kept: Mutex::default() }
    }

    /// Keys that are kept now.
    pub fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        micros(self.clock.instant().saturating_duration_since(self.start))
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

impl Key {
    fn read(kept: Option<&Self>, terms: &Terms, now: i64) -> Self {
        match kept {
            Some(key) => Self { account: key.account.clone().at(terms, now), ..key.clone() },
            None => Self {
                account: Account::new(terms, now),
                forgiven_at: i64::MIN,
                reserved: Vec::new(),
            },
        }
    }

    /// Gives back what was reserved for too long.
    fn give_back(&mut self, terms: &Terms, now: i64) -> bool {
        let over: Vec<Reserved> = self.reserved.extract_if(.., |one| one.until <= now).collect();
        for one in &over {
            self.account.change(terms, -one.units, one.since, now);
        }
        !over.is_empty()
    }

    /// When it is as good as new.
    fn rests_at(&self, now: i64) -> i64 {
        let reserved = self.reserved.iter().map(|one| one.until).max().unwrap_or(now);
        (now + self.account.reset(now)).max(self.forgiven_at).max(reserved)
    }
}

fn price(rule: &LimitRule, kept: Option<&Key>, reserves: bool, now: i64) -> Priced {
    let terms = Terms::of(rule);
    let mut key = Key::read(kept, &terms, now);
    let changed = reserves && rule.reserve > 0 && key.give_back(&terms, now);
    let times = rule.penalty.map_or(1, |penalty| {
        let (after, forgive, most) = penalty.in_numbers();
        multiplier(after, forgive, most, key.forgiven_at.saturating_sub(now))
    });
    let (cost, reserve) =
        (i64::from(rule.cost), if reserves { i64::from(rule.reserve) } else { 0 });
    let total = terms.priced(cost + reserve, times);
    let reserve = total - terms.priced(cost, times).min(total);
    let wait = key.account.wait(&terms, total, now);
    Priced { key, terms, times, total, reserve, wait, changed }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        let now = self.now();
        let mut kept = self.lock();
        let name = |rule: &LimitRule| (check.bot.clone(), rule.key.clone());
        let reserves = check.ticket.is_some();
        let mut prices: Vec<Priced> = check
            .rules
            .iter()
            .map(|rule| price(rule, kept.keys.get(&name(rule)), reserves, now))
            .collect();
        let refused = check.rules.iter().zip(&prices).any(|(rule, p)| !rule.shadow && p.wait != 0);
        if !refused && !prices.is_empty() {
            kept.make_room(self.capacity, now, prices.len());
        }
        let mut standings = Vec::with_capacity(prices.len());
        for (rule, p) in check.rules.iter().zip(&mut prices) {
            let used = p.key.account.used(now);
            if !refused && p.wait == 0 {
                p.key.account.change(&p.terms, p.total, now, now);
                if let Some(ticket) = check.ticket.as_ref().filter(|_| p.reserve > 0) {
                    p.key.reserved.push(Reserved {
                        ticket: ticket.id.clone(),
                        units: p.reserve,
                        since: now,
                        until: now + micros(ticket.reserve_for),
                    });
                }
                p.changed = true;
            }
            if p.changed {
                kept.keys.insert(name(rule), p.key.clone());
            }
            let reset = p.key.account.reset(now);
            standings.push(Standing { used, units: p.total, wait: p.wait, reset });
        }
        if let Some(ticket) = check.ticket.as_ref().filter(|_| !refused) {
            let times = prices.iter().map(|p| p.times).collect();
            kept.issue(&check.bot, ticket, times, now, self.capacity);
        }
        Ok(judge(&check.rules, &standings))
    }

    async fn ticket(&self, bot: &BotId, id: &str) -> Result<Option<String>, LimitError> {
        let now = self.now();
        let kept = self.lock();
        let stub = kept.tickets.get(&(bot.clone(), id.to_owned()));
        Ok(stub.filter(|stub| stub.until > now).map(|stub| stub.body.clone()))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<bool, LimitError> {
        let now = self.now();
        let mut kept = self.lock();
        let Kept { keys, tickets } = &mut *kept;
        let name = (settlement.bot.clone(), settlement.ticket.clone());
        let Some(stub) = tickets.get_mut(&name).filter(|stub| stub.until > now) else {
            return Ok(false);
        };
        if stub.entries.len() >= ENTRIES || !stub.entries.insert(settlement.entry.clone()) {
            return Ok(false);
        }
        for change in &settlement.changes {
            let name = (settlement.bot.clone(), change.rule.key.clone());
            let terms = Terms::of(&change.rule);
            let mut key = Key::read(keys.get(&name), &terms, now);
            if change.release {
                let mine: Vec<Reserved> =
                    key.reserved.extract_if(.., |one| one.ticket == settlement.ticket).collect();
                for one in mine {
                    key.account.change(&terms, -one.units, one.since, now);
                }
            }
            let times = stub.times.get(change.index).copied().unwrap_or(1);
            key.account.change(&terms, change.units.saturating_mul(times), stub.since, now);
            if let Some(penalty) = change.rule.penalty.filter(|_| change.block) {
                key.forgiven_at = penalty.after_block(key.forgiven_at, now);
            }
            keys.insert(name, key);
        }
        Ok(true)
    }
}

/// Entries that a ticket is settled by, at most.
pub const ENTRIES: usize = 64;

impl Kept {
    fn issue(&mut self, bot: &BotId, ticket: &Ticket, times: Vec<i64>, now: i64, capacity: usize) {
        if self.tickets.len() >= capacity {
            let mut ends: Vec<i64> = self.tickets.values().map(|stub| stub.until).collect();
            let (_, bound, _) = ends.select_nth_unstable(capacity / 8);
            let bound = (*bound).max(now);
            self.tickets.retain(|_, stub| stub.until > bound);
        }
        let stub = Stub {
            body: ticket.body.clone(),
            since: now,
            until: now + micros(ticket.keep),
            times,
            entries: HashSet::new(),
        };
        self.tickets.insert((bot.clone(), ticket.id.clone()), stub);
    }

    fn make_room(&mut self, capacity: usize, now: i64, coming: usize) {
        let keys = &mut self.keys;
        if keys.len() + coming <= capacity {
            return;
        }
        keys.retain(|_, key| key.rests_at(now) > now);
        // Leaving an eighth free makes the next sweep an eighth of the capacity away.
        let aim = (capacity - capacity / 8).saturating_sub(coming);
        if keys.len() <= aim {
            return;
        }
        let surplus = keys.len() - aim;
        let mut rests: Vec<i64> = keys.values().map(|key| key.rests_at(now)).collect();
        let (_, bound, _) = rests.select_nth_unstable(surplus - 1);
        let (bound, mut surplus) = (*bound, surplus);
        keys.retain(|_, key| {
            let goes = surplus > 0 && key.rests_at(now) <= bound;
            surplus -= usize::from(goes);
            !goes
        });
    }
}
