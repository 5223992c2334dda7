//! Limits on Redis, shared by all replicas.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{BotId, Clock};
use portcullis_state::{
    Algorithm, ENTRIES, LimitCheck, LimitError, LimitOutcome, LimitRule, Limiter, Settlement,
    Standing, Terms, judge,
};

use crate::Redis;
use crate::script::{Invocation, Script};

/// All rules of a check in one script, by the server's clock; settled in another.
pub struct RedisLimiter {
    redis: Redis,
    clock: Option<Arc<dyn Clock>>,
    check: Script,
    plain: Script,
    settle: Script,
}

impl RedisLimiter {
    /// Limits that are kept on `redis`.
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            clock: None,
            check: Script::new(concat!(
                include_str!("scripts/account.lua"),
                include_str!("scripts/check.lua")
            )),
            plain: Script::new(include_str!("scripts/plain.lua")),
            settle: Script::new(concat!(
                include_str!("scripts/account.lua"),
                include_str!("scripts/settle.lua")
            )),
        }
    }

    /// Takes the time from `clock` and not from the server: for tests that move it. Replicas whose clocks
    /// differ would disagree.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A check with nothing but GCRA, in the script that is made for it.
    async fn check_plain(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        let (names, mut call) = (Names(&check.bot), Invocation::default());
        call.arg(self.now());
        let terms: Vec<Terms> = check.rules.iter().map(Terms::of).collect();
        for (rule, terms) in check.rules.iter().zip(&terms) {
            call.key(names.of("limit", &rule.key))
                .arg(terms.measure(rule.cost.into()))
                .arg(terms.limit);
        }
        let ahead: Vec<i64> =
            self.redis.run(&self.plain, &call).await.map_err(|_| LimitError::Away)?;
        if ahead.len() != terms.len() {
            return Err(LimitError::Away);
        }
        let wait = |terms: &Terms, rule: &LimitRule, used: i64| {
            let need = used.saturating_add(terms.measure(rule.cost.into())) - terms.limit;
            if i64::from(rule.cost) > terms.most { -1 } else { need.max(0) }
        };
        let mut standings: Vec<Standing> = check
            .rules
            .iter()
            .zip(&terms)
            .zip(ahead)
            .map(|((rule, terms), used)| Standing {
                used,
                units: rule.cost.into(),
                wait: wait(terms, rule, used),
                reset: used,
            })
            .collect();
        if standings.iter().all(|standing| standing.wait == 0) {
            for (standing, terms) in standings.iter_mut().zip(&terms) {
                standing.reset += terms.measure(standing.units);
            }
        }
        Ok(judge(&check.rules, &standings))
    }

    /// Microseconds of the clock of a test, or -1 for the server's own.
    fn now(&self) -> i64 {
        self.clock.as_ref().map_or(-1, |clock| clock.now().as_microsecond())
    }
}

/// The keys of one bot.
struct Names<'a>(&'a BotId);

impl Names<'_> {
    fn of(&self, what: &str, key: &str) -> String {
        let bot = self.0;
        format!("portcullis:{{{bot}}}:{what}:{key}")
    }
}

fn is_plain(check: &LimitCheck) -> bool {
    let plain = |rule: &LimitRule| {
        rule.algorithm == Algorithm::Gcra && rule.penalty.is_none() && !rule.shadow
    };
    check.ticket.is_none() && check.rules.iter().all(plain)
}

fn kind(rule: &LimitRule) -> &'static str {
    match (rule.algorithm, rule.shadow) {
        (Algorithm::Gcra, false) => "g",
        (Algorithm::Gcra, true) => "G",
        (Algorithm::Window, false) => "w",
        (Algorithm::Window, true) => "W",
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn check(&self, check: &LimitCheck) -> Result<LimitOutcome, LimitError> {
        if check.rules.is_empty() && check.ticket.is_none() {
            return Ok(judge(&[], &[]));
        }
        if is_plain(check) {
            return self.check_plain(check).await;
        }
        let names = Names(&check.bot);
        let (mut call, mut extra) = (Invocation::default(), Vec::new());
        let ticket = check.ticket.as_ref();
        call.arg(self.now())
            .arg(ticket.map_or(0, |ticket| ticket.keep.as_millis().max(1) as u64))
            .arg(ticket.map_or("", |ticket| &ticket.body))
            .arg(ticket.map_or("", |ticket| &ticket.id))
            .arg(ticket.map_or(0, |ticket| ticket.reserve_for.as_micros() as u64));
        for rule in &check.rules {
            let terms = Terms::of(rule);
            let reserve = if ticket.is_some() { rule.reserve } else { 0 };
            call.key(names.of("limit", &rule.key))
                .arg(kind(rule))
                .arg(terms.unit)
                .arg(terms.limit)
                .arg(rule.cost)
                .arg(reserve);
            match &rule.penalty {
                Some(penalty) => {
                    let (after, forgive, most) = penalty.in_numbers();
                    extra.push(names.of("box", &rule.key));
                    call.arg(format!("{after}:{forgive}:{most}"));
                }
                None => {
                    call.arg("");
                }
            }
            if reserve > 0 {
                extra.push(names.of("reserved", &rule.key));
            }
        }
        extra.extend(ticket.map(|ticket| names.of("ticket", &ticket.id)));
        for key in extra {
            call.key(key);
        }
        let found: Vec<i64> =
            self.redis.run(&self.check, &call).await.map_err(|_| LimitError::Away)?;
        let (standings, rest) = found.as_chunks();
        if standings.len() != check.rules.len() || !rest.is_empty() {
            return Err(LimitError::Away);
        }
        let standings: Vec<Standing> = standings
            .iter()
            .map(|&[used, units, wait, reset]| Standing { used, units, wait, reset })
            .collect();
        Ok(judge(&check.rules, &standings))
    }

    async fn ticket(&self, bot: &BotId, id: &str) -> Result<Option<String>, LimitError> {
        let mut command = redis::cmd("HMGET");
        command.arg(Names(bot).of("ticket", id)).arg("body").arg("until");
        let (body, until): (Option<String>, Option<i64>) =
            self.redis.query(&command).await.map_err(|_| LimitError::Away)?;
        Ok(body.filter(|_| until.is_some_and(|until| until > self.now())))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<bool, LimitError> {
        let names = Names(&settlement.bot);
        let mut call = Invocation::default();
        call.key(names.of("ticket", &settlement.ticket))
            .arg(self.now())
            .arg(&settlement.entry)
            .arg(ENTRIES);
        for change in &settlement.changes {
            let rule = LimitRule { shadow: false, ..change.rule.clone() };
            let terms = Terms::of(&rule);
            call.key(names.of("limit", &rule.key));
            let penalty = rule.penalty.filter(|_| change.block);
            if penalty.is_some() {
                call.key(names.of("box", &rule.key));
            }
            if change.release {
                call.key(names.of("reserved", &rule.key));
            }
            call.arg(kind(&rule))
                .arg(terms.unit)
                .arg(terms.limit)
                .arg(change.units)
                .arg(change.index + 1)
                .arg(u8::from(change.release))
                .arg(penalty.map_or(0, |penalty| penalty.in_numbers().1))
                .arg(penalty.map_or(0, |penalty| penalty.kept()));
        }
        let applied: i64 =
            self.redis.run(&self.settle, &call).await.map_err(|_| LimitError::Away)?;
        Ok(applied == 1)
    }
}
