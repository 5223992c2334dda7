//! The reference model of limits: it remembers everything that ever happened and adds it up anew for every
//! question, with none of the shortcuts of the stores.

use std::collections::{HashMap, HashSet};

use portcullis_state::{Algorithm, LimitCheck, LimitRule, Settlement};

/// Something that took units (or gave back, where negative) at a time.
#[derive(Clone, Debug)]
struct Event {
    at: i128,
    units: i128,
    /// For what is given back: when it was taken.
    since: i128,
}

#[derive(Clone, Debug)]
struct Reserved {
    ticket: String,
    units: i128,
    since: i128,
    until: i128,
}

#[derive(Default)]
pub(crate) struct Model {
    events: HashMap<String, Vec<Event>>,
    blocks: HashMap<String, Vec<i128>>,
    reserved: HashMap<String, Vec<Reserved>>,
    tickets: HashMap<String, (i128, i128, Vec<i128>, HashSet<String>)>,
}

/// What the model expects of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) allowed: bool,
    /// By rule: whether it fits, and the wait in microseconds (-1: never).
    pub(crate) waits: Vec<i128>,
}

fn interval(rule: &LimitRule) -> i128 {
    (rule.period.as_micros() as i128 + i128::from(rule.rate) - 1) / i128::from(rule.rate)
}

fn width(rule: &LimitRule) -> i128 {
    (rule.period.as_micros() as i128 + 15) / 16
}

fn capacity(rule: &LimitRule) -> i128 {
    match rule.algorithm {
        Algorithm::Gcra => rule.burst.into(),
        Algorithm::Window => rule.rate.into(),
    }
}

impl Model {
    /// Debt in microseconds of GCRA: every unit adds an interval, time pays it off.
    fn debt(&self, rule: &LimitRule, now: i128) -> i128 {
        let (step, most) = (interval(rule), interval(rule) * capacity(rule));
        let (mut debt, mut last) = (0, 0);
        for event in self.events.get(&rule.key).into_iter().flatten() {
            debt = (debt - (event.at - last)).max(0);
            debt = (debt + event.units * step).clamp(0, most);
            last = event.at;
        }
        (debt - (now - last)).max(0)
    }

    /// Units by slot of a window, each slot's never below nothing nor above the quota in all.
    fn slots(&self, rule: &LimitRule, until: i128) -> HashMap<i128, i128> {
        let mut slots: HashMap<i128, i128> = HashMap::new();
        for event in self.events.get(&rule.key).into_iter().flatten() {
            let slot = event.at.min(until) / width(rule);
            if event.units >= 0 {
                let taken: i128 =
                    slots.iter().filter(|(s, _)| **s >= slot - 16).map(|(_, u)| u).sum();
                let room = (capacity(rule) - taken).max(0);
                *slots.entry(slot).or_default() += event.units.min(room);
            } else {
                let from = slots.entry(event.since / width(rule)).or_default();
                *from = (*from + event.units).max(0);
            }
        }
        slots
    }

    fn wait(&self, rule: &LimitRule, units: i128, now: i128) -> i128 {
        if units > capacity(rule) {
            return -1;
        }
        match rule.algorithm {
            Algorithm::Gcra => {
                let room = interval(rule) * capacity(rule);
                (self.debt(rule, now) + units * interval(rule) - room).max(0)
            }
            Algorithm::Window => {
                let (slots, wide) = (self.slots(rule, now), width(rule));
                // Slot by slot into the future, until it fits.
                let mut slot = now / wide;
                loop {
                    let taken: i128 =
                        slots.iter().filter(|(s, _)| **s >= slot - 16).map(|(_, u)| u).sum();
                    if taken + units <= capacity(rule) {
                        return (slot * wide - now).max(0);
                    }
                    slot += 1;
                }
            }
        }
    }

    /// Blocks not forgiven: each takes `forgive`, one after the other.
    fn times(&self, rule: &LimitRule, now: i128) -> i128 {
        let Some(penalty) = rule.penalty else { return 1 };
        let forgive = (penalty.forgive.as_micros() as i128).max(1_000);
        let mut end = 0;
        for at in self.blocks.get(&rule.key).into_iter().flatten() {
            let kept = i128::from(penalty.after.max(1)) + 10;
            end = (end.max(*at) + forgive).min(at + forgive * kept);
        }
        let left = (end - now).max(0);
        let level = (left + forgive - 1) / forgive;
        let over = level - i128::from(penalty.after.max(1)) + 1;
        if over <= 0 { 1 } else { (1 << over.min(10)).min(i128::from(penalty.most.clamp(1, 1024))) }
    }

    fn give_back_what_expired(&mut self, rule: &LimitRule, now: i128) {
        let Some(reserved) = self.reserved.get_mut(&rule.key) else { return };
        let (over, kept) = reserved.drain(..).partition(|one| one.until <= now);
        *reserved = kept;
        let over: Vec<Reserved> = over;
        for one in over {
            self.record(rule, now, -one.units, one.since);
        }
    }

    fn record(&mut self, rule: &LimitRule, at: i128, units: i128, since: i128) {
        self.events.entry(rule.key.clone()).or_default().push(Event { at, units, since });
    }

    pub(crate) fn check(&mut self, check: &LimitCheck, now: i128) -> Expected {
        let mut prices = Vec::new();
        for rule in &check.rules {
            if rule.reserve > 0 && check.ticket.is_some() {
                self.give_back_what_expired(rule, now);
            }
            let times = self.times(rule, now);
            let price = |units: i128| (units * times).min(units.max(capacity(rule)));
            let cost = i128::from(rule.cost);
            let reserve = if check.ticket.is_some() { rule.reserve.into() } else { 0 };
            let total = price(cost + reserve);
            prices.push((
                times,
                total,
                total - price(cost).min(total),
                self.wait(rule, total, now),
            ));
        }
        let refuses =
            |(rule, price): (&LimitRule, &(i128, i128, i128, i128))| !rule.shadow && price.3 != 0;
        let allowed = !check.rules.iter().zip(&prices).any(refuses);
        if allowed {
            for (rule, (_, total, reserve, wait)) in check.rules.iter().zip(&prices) {
                if *wait != 0 {
                    continue;
                }
                self.record(rule, now, *total, now);
                if let Some(ticket) = check.ticket.as_ref().filter(|_| *reserve > 0) {
                    self.reserved.entry(rule.key.clone()).or_default().push(Reserved {
                        ticket: ticket.id.clone(),
                        units: *reserve,
                        since: now,
                        until: now + ticket.reserve_for.as_micros() as i128,
                    });
                }
            }
            if let Some(ticket) = &check.ticket {
                let until = now + ticket.keep.as_micros() as i128;
                let times = prices.iter().map(|price| price.0).collect();
                self.tickets.insert(ticket.id.clone(), (now, until, times, HashSet::new()));
            }
        }
        Expected { allowed, waits: prices.iter().map(|price| price.3).collect() }
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement, now: i128) -> bool {
        let Some((since, until, times, entries)) = self.tickets.get_mut(&settlement.ticket) else {
            return false;
        };
        if *until <= now || !entries.insert(settlement.entry.clone()) {
            return false;
        }
        let (since, times) = (*since, times.clone());
        for change in &settlement.changes {
            if change.block && change.rule.penalty.is_some() {
                self.blocks.entry(change.rule.key.clone()).or_default().push(now);
            }
            if change.release {
                let reserved = self.reserved.entry(change.rule.key.clone()).or_default();
                let (mine, others): (Vec<_>, Vec<_>) =
                    reserved.drain(..).partition(|one| one.ticket == settlement.ticket);
                *reserved = others;
                for one in mine {
                    self.record(&change.rule, now, -one.units, one.since);
                }
            }
            let units = i128::from(change.units) * times.get(change.index).copied().unwrap_or(1);
            self.record(&change.rule, now, units, since);
        }
        true
    }
}
