//! What every limiter promises.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::{BotId, SystemClock};
use portcullis_state::{Algorithm, LimitCheck, LimitRule, Limiter, MemoryLimiter};
use portcullis_state_redis::RedisLimiter;
use portcullis_testkit::RedisServer;

use crate::connected;

const HOUR: Duration = Duration::from_secs(3_600);

fn rule(key: &str, rate: u32, period: Duration, burst: u32, cost: u32) -> LimitRule {
    LimitRule { key: key.into(), rate, period, burst, cost, ..LimitRule::default() }
}

fn check(bot: &str, rules: Vec<LimitRule>) -> LimitCheck {
    LimitCheck { bot: BotId::parse(bot).unwrap(), rules, ticket: None }
}

async fn on_both<F: Future>(test: impl Fn(Arc<dyn Limiter>) -> F) {
    test(Arc::new(MemoryLimiter::new(Arc::new(SystemClock), 1_000))).await;
    let server = RedisServer::start().await;
    test(Arc::new(RedisLimiter::new(connected::to(&server)))).await;
}

#[tokio::test]
async fn a_burst_is_admitted_and_no_more() {
    on_both(async |limiter| {
        let ask = check("shop", vec![rule("jane", 10, HOUR, 5, 1)]);
        for left in (0..5).rev() {
            let outcome = limiter.check(&ask).await.unwrap();
            assert!(outcome.allowed);
            assert_eq!((outcome.remaining, outcome.tightest), (Some(left), Some(0)));
            assert_eq!((outcome.retry_after, outcome.refused), (None, None));
        }
        let outcome = limiter.check(&ask).await.unwrap();
        assert!(!outcome.allowed);
        assert_eq!((outcome.remaining, outcome.refused), (Some(0), Some(0)));
        let wait = outcome.retry_after.unwrap();
        assert!(wait <= HOUR / 10 && wait > HOUR / 10 - Duration::from_secs(20), "{wait:?}");
        let other_bot = check("bank", ask.rules);
        assert!(limiter.check(&other_bot).await.unwrap().allowed, "bots do not share keys");
    })
    .await;
}

#[tokio::test]
async fn all_rules_or_none() {
    on_both(async |limiter| {
        let wide = || rule("address", 100, HOUR, 50, 1);
        let narrow = || rule("jane", 1, HOUR, 1, 1);
        assert!(limiter.check(&check("b", vec![wide(), narrow()])).await.unwrap().allowed);
        for _ in 0..10 {
            let outcome = limiter.check(&check("b", vec![wide(), narrow()])).await.unwrap();
            assert_eq!((outcome.allowed, outcome.refused), (false, Some(1)));
        }
        let outcome = limiter.check(&check("b", vec![wide()])).await.unwrap();
        assert_eq!(outcome.remaining, Some(48), "the refused ones took nothing");
        assert!(limiter.check(&check("b", vec![])).await.unwrap().allowed);
    })
    .await;
}

#[tokio::test]
async fn what_is_larger_than_the_burst_never_fits() {
    on_both(async |limiter| {
        let outcome = limiter.check(&check("b", vec![rule("k", 100, HOUR, 50, 51)])).await.unwrap();
        assert_eq!((outcome.allowed, outcome.retry_after), (false, None));
        assert!(
            limiter.check(&check("b", vec![rule("k", 100, HOUR, 50, 50)])).await.unwrap().allowed
        );
    })
    .await;
}

#[tokio::test]
async fn after_the_wait_it_is_admitted() {
    on_both(async |limiter| {
        let ask = check("b", vec![rule("k", 4, Duration::from_secs(1), 1, 1)]);
        assert!(limiter.check(&ask).await.unwrap().allowed);
        let wait = limiter.check(&ask).await.unwrap().retry_after.unwrap();
        tokio::time::sleep(wait + Duration::from_millis(2)).await;
        assert!(limiter.check(&ask).await.unwrap().allowed);
    })
    .await;
}

#[tokio::test]
async fn many_at_once_share_one_limit() {
    on_both(async |limiter| {
        let ask = check("b", vec![rule("k", 20, Duration::from_secs(1), 50, 1)]);
        let begun = Instant::now();
        let answers = futures::future::join_all((0..400).map(|_| limiter.check(&ask))).await;
        let admitted =
            answers.into_iter().filter(|answer| answer.as_ref().unwrap().allowed).count();
        let most = 50.0 + 20.0 * begun.elapsed().as_secs_f64();
        assert!(admitted >= 50 && admitted as f64 <= most, "{admitted} of at most {most}");
    })
    .await;
}

/// 64 clients over 4 replicas, each with a connection of its own: the limit and at most one more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_over_four_replicas_never_get_more_than_the_limit() {
    let server = RedisServer::start().await;
    for algorithm in [Algorithm::Gcra, Algorithm::Window] {
        let limit = LimitRule { algorithm, ..rule("k", 500, HOUR, 500, 1) };
        // A second limit that is never reached must not change what the first admits.
        let wide = LimitRule { algorithm, ..rule("wide", 1_000_000, HOUR, 1_000_000, 1) };
        let bot = if algorithm == Algorithm::Gcra { "gcra" } else { "window" };
        let ask = check(bot, vec![limit, wide]);
        let replicas: Vec<Arc<RedisLimiter>> =
            (0..4).map(|_| Arc::new(RedisLimiter::new(connected::to(&server)))).collect();
        let begun = Instant::now();
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..64_usize {
            let (limiter, ask) = (replicas[client % 4].clone(), ask.clone());
            clients.spawn(async move {
                let mut admitted = 0;
                for _ in 0..32 {
                    admitted += usize::from(limiter.check(&ask).await.unwrap().allowed);
                }
                admitted
            });
        }
        let admitted: usize = clients.join_all().await.into_iter().sum();
        // What flows back meanwhile at 500 an hour: one in 7.2 s.
        let most = 501 + usize::try_from(begun.elapsed().as_secs() / 7).unwrap();
        assert!((500..=most).contains(&admitted), "{admitted} of {most}, {algorithm:?}");
    }
}
