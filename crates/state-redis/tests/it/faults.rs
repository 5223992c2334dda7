//! Redis killed and back.

use std::time::{Duration, Instant};

use portcullis_core::BotId;
use portcullis_state::{
    Conversations, ConversationsOptions, LimitCheck, LimitError, LimitRule, Limiter, StateError,
};
use portcullis_state_redis::{
    ConnectError, RedisConversations, RedisLimiter, RedisOptions, connect,
};
use portcullis_testkit::RedisServer;
use secrecy::SecretString;

use crate::connected;

fn ask() -> LimitCheck {
    let rule = LimitRule {
        key: "k".into(),
        rate: 1,
        period: Duration::from_secs(3_600),
        burst: 1,
        ..LimitRule::default()
    };
    LimitCheck { bot: BotId::fallback(), rules: vec![rule], ticket: None }
}

#[tokio::test]
async fn a_killed_redis_is_away_at_once_and_back_without_a_restart() {
    let mut server = RedisServer::start().await;
    let redis = connected::to(&server);
    let limiter = RedisLimiter::new(redis.clone());
    let conversations = RedisConversations::new(redis, ConversationsOptions::default());
    assert!(limiter.check(&ask()).await.unwrap().allowed);
    assert!(!limiter.check(&ask()).await.unwrap().allowed);

    server.kill();
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(limiter.check(&ask()).await, Err(LimitError::Away));
        assert_eq!(conversations.load(&BotId::fallback(), "c").await, Err(StateError::Away));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "100 refusals in {:?}", begun.elapsed());

    server.restart().await;
    let outcome = limiter.check(&ask()).await.expect("the first ask after it is back is answered");
    assert!(outcome.allowed, "the server lost its memory and its scripts");
    assert!(conversations.begin(&BotId::fallback(), "c").await.is_ok());
}

#[tokio::test]
async fn a_redis_that_does_not_answer_costs_one_timeout_each() {
    let server = RedisServer::start().await;
    let response_timeout = Duration::from_millis(100);
    let options = RedisOptions { response_timeout, ..RedisOptions::default() };
    let limiter = RedisLimiter::new(connect(&server.url().into(), options).unwrap());
    // A loaded machine may need a second try for the connection itself.
    let connected = async || limiter.check(&ask()).await.is_ok();
    assert!(connected().await || connected().await);
    server.pause();
    let begun = Instant::now();
    assert_eq!(limiter.check(&ask()).await, Err(LimitError::Away));
    let took = begun.elapsed();
    assert!((100..1_000).contains(&took.as_millis()), "{took:?}");
    server.resume();
    let until = Instant::now() + Duration::from_secs(5);
    while limiter.check(&ask()).await.is_err() {
        assert!(Instant::now() < until, "it answers again");
    }
}

#[tokio::test]
async fn a_bad_address_is_refused_without_being_repeated() {
    let url = SecretString::from("http://user:hunter2@host");
    let error = connect(&url, RedisOptions::default()).err().unwrap();
    assert_eq!(error, ConnectError::Address);
    assert!(!error.to_string().contains("hunter2"));
}
