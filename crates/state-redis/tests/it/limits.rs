//! Both limiters against the reference model, under a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::{BotId, Clock, ManualClock};
use portcullis_state::{
    Algorithm, Change, LimitCheck, LimitOutcome, LimitRule, Limiter, MemoryLimiter, PenaltyBox,
    Settlement, Ticket,
};
use portcullis_state_redis::RedisLimiter;
use portcullis_testkit::RedisServer;
use proptest::prelude::*;

use crate::connected;
use crate::model::Model;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// Cost and reserve of each rule.
    Check(Vec<(u32, u32)>),
    /// The same without anything to settle.
    Plain(Vec<(u32, u32)>),
    /// Which check, which entry of it, and by rule: units, released, blocked.
    Settle(usize, u8, Vec<(i64, bool, bool)>),
}

/// Rate, period, burst, window, shadow, penalty.
type Drawn = (u32, u64, u32, bool, bool, Option<(u32, u64, u32)>);

/// Up to three rules. A third of the cases have nothing but GCRA, which has a script of its own.
fn rules() -> impl Strategy<Value = Vec<LimitRule>> {
    let penalty = prop::option::of((1u32..4, 1u64..2_000, 1u32..9));
    let rule = (1u32..30, 20u64..3_000, 1u32..20, any::<bool>(), any::<bool>(), penalty);
    let rules = (prop::collection::vec(rule, 1..4), 0u8..3);
    rules.prop_map(|(rules, plain)| {
        rules
            .into_iter()
            .enumerate()
            .map(|(index, drawn)| rule_of(index, drawn, plain == 0))
            .collect()
    })
}

fn rule_of(index: usize, drawn: Drawn, plain: bool) -> LimitRule {
    let (rate, period, burst, window, shadow, penalty) = drawn;
    LimitRule {
        key: format!("rule-{index}"),
        algorithm: if window && !plain { Algorithm::Window } else { Algorithm::Gcra },
        rate,
        period: Duration::from_millis(period),
        burst,
        // The last alone, so that most checks are refused by somebody.
        shadow: shadow && !plain && index == 2,
        penalty: penalty.filter(|_| !plain).map(|(after, forgive, most)| PenaltyBox {
            after,
            forgive: Duration::from_millis(forgive),
            most,
        }),
        ..LimitRule::default()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0u64..1_500_000).prop_map(Step::Wait),
        4 => prop::collection::vec((0u32..5, 0u32..4), 3).prop_map(Step::Check),
        2 => prop::collection::vec((0u32..5, Just(0)), 3).prop_map(Step::Plain),
        2 => (0usize..6, 0u8..3, prop::collection::vec((-6i64..8, any::<bool>(), any::<bool>()), 3))
            .prop_map(|(which, entry, changes)| Step::Settle(which, entry, changes)),
    ];
    prop::collection::vec(step, 1..40)
}

struct Case {
    clock: Arc<ManualClock>,
    bot: BotId,
    model: Model,
    limiter: Arc<dyn Limiter>,
    tickets: Vec<String>,
}

impl Case {
    fn now(&self) -> i128 {
        self.clock.now().as_microsecond().into()
    }

    async fn step(&mut self, rules: &[LimitRule], step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(micros) => self.clock.advance(Duration::from_micros(*micros)),
            Step::Check(costs) | Step::Plain(costs) => {
                let rules = rules.iter().zip(costs).map(|(rule, &(cost, reserve))| LimitRule {
                    cost,
                    reserve,
                    ..rule.clone()
                });
                let id = format!("ticket-{}", self.tickets.len());
                let ticket = Ticket {
                    id: id.clone(),
                    body: format!("body of {id}"),
                    keep: Duration::from_secs(3),
                    reserve_for: Duration::from_secs(1),
                };
                let check = LimitCheck {
                    bot: self.bot.clone(),
                    rules: rules.collect(),
                    ticket: matches!(step, Step::Check(_)).then_some(ticket),
                };
                let now = self.now();
                let expected = self.model.check(&check, now);
                let outcome = self.limiter.check(&check).await.unwrap();
                prop_assert_eq!(outcome.allowed, expected.allowed, "{:?}", &expected);
                fits(&check, &outcome, &expected.waits)?;
                if outcome.allowed && check.ticket.is_some() {
                    let body = self.limiter.ticket(&self.bot, &id).await.unwrap();
                    prop_assert_eq!(body, Some(format!("body of {id}")));
                    self.tickets.push(id);
                }
            }
            Step::Settle(which, entry, changes) => {
                let Some(ticket) = self.tickets.iter().rev().nth(*which) else { return Ok(()) };
                let change = |(index, (rule, &(units, release, block))): (
                    usize,
                    (&LimitRule, &(i64, bool, bool)),
                )| Change {
                    rule: rule.clone(),
                    index,
                    units,
                    release,
                    block,
                };
                let settlement = Settlement {
                    bot: self.bot.clone(),
                    ticket: ticket.clone(),
                    entry: format!("entry-{entry}"),
                    changes: rules.iter().zip(changes).enumerate().map(change).collect(),
                };
                let now = self.now();
                let expected = self.model.settle(&settlement, now);
                prop_assert_eq!(self.limiter.settle(&settlement).await.unwrap(), expected);
            }
        }
        Ok(())
    }
}

/// Each rule's standing, and the wait, are what the model says.
fn fits(check: &LimitCheck, outcome: &LimitOutcome, waits: &[i128]) -> Result<(), TestCaseError> {
    for (rule, wait) in outcome.rules.iter().zip(waits) {
        prop_assert_eq!(rule.fits, *wait == 0, "waits {:?}", waits);
    }
    let hard = check.rules.iter().zip(waits).filter(|(rule, _)| !rule.shadow);
    let longest = hard.map(|(_, wait)| *wait);
    if outcome.allowed {
        prop_assert!(outcome.refused.is_none() && outcome.retry_after.is_none());
    } else if longest.clone().any(|wait| wait < 0) {
        prop_assert_eq!(outcome.retry_after, None);
    } else {
        let longest = u64::try_from(longest.max().unwrap()).unwrap();
        prop_assert_eq!(outcome.retry_after, Some(Duration::from_micros(longest)));
    }
    Ok(())
}

fn against_the_model(
    cases: u32,
    limiter: impl Fn(Arc<ManualClock>) -> Arc<dyn Limiter>,
    runtime: &tokio::runtime::Runtime,
) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&(rules(), steps()), |(rules, steps)| {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let bot = format!("bot-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut case = Case {
            limiter: limiter(clock.clone()),
            clock,
            bot: BotId::parse(&bot).unwrap(),
            model: Model::default(),
            tickets: Vec::new(),
        };
        runtime.block_on(async {
            for step in &steps {
                case.step(&rules, step).await?;
            }
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn the_limiter_in_memory_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    against_the_model(2_000, |clock| Arc::new(MemoryLimiter::new(clock, 1_000)), &runtime);
}

#[test]
fn the_limiter_on_redis_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(RedisServer::start());
    let redis = runtime.block_on(async { connected::to(&server) });
    let limiter = |clock: Arc<ManualClock>| -> Arc<dyn Limiter> {
        Arc::new(RedisLimiter::new(redis.clone()).with_clock(clock))
    };
    against_the_model(200, limiter, &runtime);
}
