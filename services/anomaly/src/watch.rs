//! The watch as a whole: facts in, alerts out. Pure: it does no I/O, and its clock is the record's own.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use portcullis_core::{Action, BotId};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Reading, Signal, State, Subject, Urgency};
use crate::bots::{BotWatch, Seen};
use crate::fact::Fact;
use crate::settings::Watching;
use crate::speakers::{Speakers, hash};

/// Examples in an alert.
const EXAMPLES: usize = 8;
/// Alerts in force at once; a flood of speakers must not become a flood of alerts.
const OPEN: usize = 1_000;
/// An alert in force is told again only when it has become this many times larger.
const WORSE: f64 = 2.0;

/// An alert in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Open {
    alert: Alert,
    last: Timestamp,
    told: f64,
}

/// What is normal, for every bot and every speaker, and which alerts are in force.
pub struct Watch {
    pub(crate) watching: Watching,
    pub(crate) bots: LruCache<BotId, BotWatch>,
    pub(crate) speakers: Speakers,
    pub(crate) open: BTreeMap<(BotId, Subject), Open>,
    pub(crate) last: Option<Timestamp>,
}

impl Watch {
    /// A watch that knows nothing yet.
    pub fn new(watching: Watching) -> Self {
        Self {
            bots: LruCache::new(NonZeroUsize::new(watching.bots).unwrap_or(NonZeroUsize::MIN)),
            speakers: Speakers::new(watching.speakers),
            open: BTreeMap::new(),
            last: None,
            watching,
        }
    }

    /// Speakers that are remembered.
    pub fn speakers(&self) -> usize {
        self.speakers.len()
    }

    /// Alerts in force.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.values().map(|open| &open.alert)
    }

    /// Takes a fact in and returns what is to be told: alerts that begin, grow or end. Facts come in the order
    /// of the record; one that is late counts for the time that it is then.
    pub fn observe(&mut self, fact: &Fact) -> Vec<Alert> {
        let late;
        let fact = match self.last.filter(|last| *last > fact.at) {
            Some(last) => {
                late = Fact { at: last, ..fact.clone() };
                &late
            }
            None => fact,
        };
        self.last = Some(fact.at);
        let watching = &self.watching;
        let (mut new, mut personal) = (false, Vec::new());
        if let Some(name) = fact.speaker.as_deref().filter(|_| fact.inbound) {
            let key = hash(fact.bot.as_str()) ^ hash(name).rotate_left(1);
            (new, personal) = self.speakers.observe(key, fact, watching);
        }
        let bot = self
            .bots
            .get_or_insert_mut(fact.bot.clone(), || BotWatch::new(hash(fact.bot.as_str())));
        let mut seen = bot.observe(fact, new, watching);
        let campaign = bot.campaigns.observe(fact, watching).filter(|_| bot.is_warm(watching));
        if let Some((id, readings)) = campaign {
            seen.push(seen_now(Subject::Campaign(id), readings, fact));
        }
        if let Some(name) = fact.speaker.as_ref().filter(|_| !personal.is_empty()) {
            seen.push(seen_now(Subject::Speaker(name.clone()), personal, fact));
        }
        let mut told = Vec::new();
        for one in seen {
            told.extend(self.raise(&fact.bot, one));
        }
        told.extend(self.resolve(fact.at));
        told
    }

    /// Time goes on without anything in the record: minutes close, alerts end.
    pub fn pass(&mut self, now: Timestamp) -> Vec<Alert> {
        if self.last.is_some_and(|last| now <= last) {
            return Vec::new();
        }
        self.last = Some(now);
        let mut seen = Vec::new();
        for (bot, watch) in self.bots.iter_mut() {
            seen.extend(watch.pass(now, &self.watching).into_iter().map(|one| (bot.clone(), one)));
        }
        let mut told = Vec::new();
        for (bot, one) in seen {
            told.extend(self.raise(&bot, one));
        }
        told.extend(self.resolve(now));
        told
    }

    fn raise(&mut self, bot: &BotId, seen: Seen) -> Option<Alert> {
        let key = (bot.clone(), seen.subject.clone());
        if self.open.len() >= OPEN && !self.open.contains_key(&key) {
            return None;
        }
        let at = seen.at.max(self.last.unwrap_or(seen.at));
        let number = hash(&format!("{bot}/{:?}/{}", seen.subject, at.as_microsecond()));
        let open = self.open.entry(key).or_insert_with(|| Open {
            alert: Alert {
                id: format!("{number:016x}"),
                bot: bot.clone(),
                subject: seen.subject.clone(),
                severity: Urgency::Info,
                state: State::Firing,
                since: seen.at,
                at,
                signals: Vec::new(),
                examples: Vec::new(),
                recommended: Action::Limit,
                acted: None,
            },
            last: at,
            told: 0.0,
        });
        open.last = at;
        let alert = &mut open.alert;
        let mut is_news = false;
        for reading in seen.readings {
            is_news |= merge(&mut alert.signals, reading);
        }
        alert.signals.sort_by(|a, b| b.size.abs().total_cmp(&a.size.abs()));
        for example in seen.examples {
            if alert.examples.len() < EXAMPLES && !alert.examples.contains(&example) {
                alert.examples.push(example);
            }
        }
        let largest = alert.signals.first().map_or(0.0, |reading| reading.size.abs());
        alert.at = at;
        alert.severity = severity(alert);
        alert.recommended = recommended(&alert.subject, &alert.signals);
        (is_news || largest > WORSE * open.told).then(|| {
            open.told = largest;
            open.alert.clone()
        })
    }

    fn resolve(&mut self, now: Timestamp) -> Vec<Alert> {
        let quiet = SignedDuration::from_secs(self.watching.quiet_s.into());
        let mut over = Vec::new();
        self.open.retain(|_, open| {
            let is_over = now.duration_since(open.last) > quiet;
            if is_over {
                over.push(Alert { state: State::Resolved, at: now, ..open.alert.clone() });
            }
            !is_over
        });
        over
    }
}

fn seen_now(subject: Subject, readings: Vec<Reading>, fact: &Fact) -> Seen {
    Seen { subject, readings, examples: vec![fact.id.clone()], at: fact.at }
}

/// Whether the signal is new in the alert; else the larger reading stays.
fn merge(signals: &mut Vec<Reading>, reading: Reading) -> bool {
    match signals.iter_mut().find(|known| known.signal == reading.signal) {
        Some(known) => {
            if reading.size.abs() > known.size.abs() {
                *known = reading;
            }
            false
        }
        None => {
            signals.push(reading);
            true
        }
    }
}

fn severity(alert: &Alert) -> Urgency {
    let has = |signal| alert.signals.iter().any(|reading| reading.signal == signal);
    let all: HashMap<Signal, f64> = alert.signals.iter().map(|r| (r.signal, r.size)).collect();
    match &alert.subject {
        Subject::Campaign(_) | Subject::Stage(_) => Urgency::Critical,
        Subject::Speaker(_) if has(Signal::Probing) || has(Signal::Blocks) => Urgency::Warning,
        Subject::Speaker(_) => Urgency::Info,
        Subject::Bot if has(Signal::Blocks) && (has(Signal::Volume) || has(Signal::Burst)) => {
            Urgency::Critical
        }
        // a bot that fell silent, or a model that scores everything alike
        Subject::Bot if has(Signal::ScoreDrift) => Urgency::Warning,
        Subject::Bot
            if all.len() == 1
                && (has(Signal::Joint) || has(Signal::Length) || has(Signal::Entropy)) =>
        {
            Urgency::Info
        }
        Subject::Bot => Urgency::Warning,
    }
}

fn recommended(subject: &Subject, signals: &[Reading]) -> Action {
    let has = |signal| signals.iter().any(|reading| reading.signal == signal);
    match subject {
        Subject::Speaker(_) if has(Signal::Blocks) => Action::Block,
        Subject::Speaker(_) => Action::Limit,
        Subject::Bot | Subject::Campaign(_) | Subject::Stage(_) => Action::Hold,
    }
}
