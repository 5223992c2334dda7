//! The limiter in memory: bounded, and never too generous whatever the order of checks.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{BotId, ManualClock};
use portcullis_state::{Algorithm, LimitCheck, LimitRule, Limiter, MemoryLimiter};
use proptest::prelude::*;

fn check(rules: Vec<LimitRule>) -> LimitCheck {
    LimitCheck { bot: BotId::fallback(), rules, ticket: None }
}

fn rule(key: &str, rate: u32, period: Duration, burst: u32, cost: u32) -> LimitRule {
    LimitRule { key: key.into(), rate, period, burst, cost, ..LimitRule::default() }
}

fn limiter(capacity: usize) -> (Arc<ManualClock>, MemoryLimiter) {
    let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
    (clock.clone(), MemoryLimiter::new(clock, capacity))
}

#[tokio::test]
async fn a_full_table_forgets_those_who_rested_first() {
    let (clock, limiter) = limiter(16);
    let minute = Duration::from_secs(60);
    let busy = check(vec![rule("busy", 1, minute, 5, 5)]);
    assert!(limiter.check(&busy).await.unwrap().allowed);
    for round in 0..100 {
        let key = format!("guest-{round}");
        limiter.check(&check(vec![rule(&key, 60, minute, 1, 1)])).await.unwrap();
        assert!(limiter.len() <= 16);
        clock.advance(Duration::from_millis(100));
    }
    assert!(!limiter.check(&busy).await.unwrap().allowed, "the one who was at the limit is kept");
}

proptest! {
    /// GCRA: in every stretch of time no more is admitted than burst + rate × time, whatever the order of
    /// checks; and what is refused would have been too much, at the interval in whole microseconds.
    #[test]
    fn no_stretch_of_time_admits_more_than_its_share(
        rate in 1u32..50, period_ms in 1u64..5_000, burst in 1u32..20,
        steps in prop::collection::vec((0u64..2_000_000, 1u32..4), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (clock, limiter) = limiter(64);
        let period = Duration::from_millis(period_ms);
        let mut admitted: Vec<(u128, u32)> = Vec::new();
        let mut now = 0u128;
        for (wait, cost) in steps {
            clock.advance(Duration::from_micros(wait));
            now += u128::from(wait);
            let ask = check(vec![rule("k", rate, period, burst, cost)]);
            let outcome = runtime.block_on(limiter.check(&ask)).unwrap();
            // The model: for every stretch that ends now, what it holds and what it may hold.
            let interval = period.as_micros().div_ceil(u128::from(rate)) as f64;
            let exact = period.as_micros() as f64 / f64::from(rate);
            let room = |extra: u32, interval: f64| {
                let mut sum = f64::from(extra);
                std::iter::once(sum).chain(admitted.iter().rev().map(|(at, cost)| {
                    sum += f64::from(*cost);
                    sum - (now - at) as f64 / interval
                })).all(|held| held <= f64::from(burst) + 1e-6)
            };
            if outcome.allowed {
                prop_assert!(room(cost, exact), "admitted too much");
                admitted.push((now, cost));
            } else {
                prop_assert!(!room(cost, interval), "refused without need");
                match outcome.retry_after {
                    None => prop_assert!(cost > burst),
                    Some(wait) => {
                        clock.advance(wait - Duration::from_micros(1));
                        prop_assert!(!runtime.block_on(limiter.check(&ask)).unwrap().allowed);
                        clock.advance(Duration::from_micros(1));
                        prop_assert!(runtime.block_on(limiter.check(&ask)).unwrap().allowed);
                        now += wait.as_micros();
                        admitted.push((now, cost));
                    }
                }
            }
        }
    }

    /// Sliding window: no stretch of a period admits more than the quota; what is refused was within a
    /// period and a sixteenth; and the wait is exact.
    #[test]
    fn no_period_admits_more_than_the_quota(
        quota in 1u32..20, period_us in 16u64..5_000_000,
        steps in prop::collection::vec((0u64..2_000_000, 1u32..4), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (clock, limiter) = limiter(64);
        let period = Duration::from_micros(period_us);
        let mut admitted: Vec<(u64, u32)> = Vec::new();
        let mut now = 0u64;
        for (wait, cost) in steps {
            clock.advance(Duration::from_micros(wait));
            now += wait;
            let window = LimitRule {
                algorithm: Algorithm::Window,
                ..rule("k", quota, period, 1, cost)
            };
            let ask = check(vec![window]);
            let outcome = runtime.block_on(limiter.check(&ask)).unwrap();
            let within = |time: u64| -> u32 {
                admitted.iter().filter(|(at, _)| now - at < time).map(|(_, cost)| cost).sum()
            };
            if outcome.allowed {
                prop_assert!(within(period_us) + cost <= quota, "admitted too much");
                admitted.push((now, cost));
            } else {
                let slot = period_us.div_ceil(16);
                prop_assert!(within(slot * 17) + cost > quota, "refused without need");
                match outcome.retry_after {
                    None => prop_assert!(cost > quota),
                    Some(wait) => {
                        clock.advance(wait - Duration::from_micros(1));
                        prop_assert!(!runtime.block_on(limiter.check(&ask)).unwrap().allowed);
                        clock.advance(Duration::from_micros(1));
                        prop_assert!(runtime.block_on(limiter.check(&ask)).unwrap().allowed);
                        now += u64::try_from(wait.as_micros()).unwrap();
                        admitted.push((now, cost));
                    }
                }
            }
        }
    }
}
