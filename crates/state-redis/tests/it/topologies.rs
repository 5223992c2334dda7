//! A cluster, Sentinels and TLS, each with real servers.

use std::time::{Duration, Instant};

use portcullis_core::BotId;
use portcullis_state::{Change, LimitCheck, LimitRule, Limiter, Presence, Settlement, Ticket};
use portcullis_state_redis::{
    Redis, RedisLimiter, RedisOptions, RedisPresence, Tls, Topology, connect,
};
use portcullis_testkit::{RedisCluster, RedisSentinels, RedisServer};

fn options(topology: Topology) -> RedisOptions {
    // Wide for a busy test machine.
    RedisOptions { response_timeout: Duration::from_secs(2), topology, ..RedisOptions::default() }
}

fn check(bot: &str, id: &str) -> LimitCheck {
    let rule = |key: &str| LimitRule {
        key: key.into(),
        rate: 5,
        period: Duration::from_secs(3_600),
        burst: 5,
        reserve: 1,
        ..LimitRule::default()
    };
    LimitCheck {
        bot: BotId::parse(bot).unwrap(),
        rules: vec![rule("one"), rule("two"), rule("three")],
        ticket: Some(Ticket {
            id: id.into(),
            body: "body".into(),
            keep: Duration::from_secs(600),
            reserve_for: Duration::from_secs(600),
        }),
    }
}

/// Several keys, a ticket and a settlement for many bots, so that every node has some.
async fn limits_many_bots(redis: &Redis, bots: std::ops::Range<usize>) {
    let limiter = RedisLimiter::new(redis.clone());
    for bot in bots {
        let bot = format!("bot-{bot}");
        let first = limiter.check(&check(&bot, "a")).await.unwrap();
        assert_eq!((first.allowed, first.remaining), (true, Some(3)), "{bot}");
        assert!(limiter.check(&check(&bot, "b")).await.unwrap().allowed);
        assert!(!limiter.check(&check(&bot, "c")).await.unwrap().allowed, "1 of 5 is left");
        let check = check(&bot, "a");
        assert_eq!(limiter.ticket(&check.bot, "a").await.unwrap().as_deref(), Some("body"));
        let changes = check.rules.iter().enumerate().map(|(index, rule)| Change {
            rule: rule.clone(),
            index,
            units: 0,
            release: true,
            block: false,
        });
        let settlement = Settlement {
            bot: check.bot.clone(),
            ticket: "a".into(),
            entry: "e".into(),
            changes: changes.collect(),
        };
        assert!(limiter.settle(&settlement).await.unwrap());
        assert!(!limiter.settle(&settlement).await.unwrap(), "once");
        assert!(limiter.check(&check).await.unwrap().allowed, "2 of 5 are left");
    }
}

/// Asks until it is answered, as the next messages would.
async fn answered_again(redis: &Redis, bot: &str) {
    let limiter = RedisLimiter::new(redis.clone());
    let end = Instant::now() + Duration::from_secs(30);
    while limiter.check(&check(bot, "again")).await.is_err() {
        assert!(Instant::now() < end, "answered again after the failover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_each_bot_in_one_slot_and_survives_a_master() {
    let mut cluster = RedisCluster::start().await;
    let redis = connect(&cluster.urls().into(), options(Topology::Cluster)).unwrap();
    limits_many_bots(&redis, 0..24).await;
    for master in &cluster.nodes()[..3] {
        let keys = master.command(&["DBSIZE"]).await;
        assert_ne!(keys, ":0\r\n", "every master has some of the bots");
    }
    let presence = RedisPresence::new(redis.clone(), "ingress");
    assert_eq!(presence.present("a", Duration::from_secs(10)).await, Ok(1));
    assert_eq!(presence.present("b", Duration::from_secs(10)).await, Ok(2));
    cluster.fail_over().await;
    for bot in 24..48 {
        answered_again(&redis, &format!("bot-{bot}")).await;
    }
    limits_many_bots(&redis, 48..72).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_name_the_next_master() {
    let mut sentinels = RedisSentinels::start().await;
    let topology = Topology::Sentinel { master: RedisSentinels::MASTER.into(), credentials: None };
    let redis = connect(&sentinels.urls().into(), options(topology)).unwrap();
    limits_many_bots(&redis, 0..3).await;
    sentinels.fail_over().await;
    answered_again(&redis, "bot-3").await;
    limits_many_bots(&redis, 4..7).await;
    let keys = sentinels.replica().command(&["DBSIZE"]).await;
    assert_ne!(keys, ":0\r\n", "the replica serves");
}

/// An authority, and a certificate and key that it signed.
struct Pems {
    authority: String,
    certificate: String,
    key: String,
}

fn pems() -> Pems {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // A certificate with its issuer's name would count as its own issuer.
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
    authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut own = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    own.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let own = own.signed_by(&key, &issuer).unwrap();
    Pems { authority: certificate.pem(), certificate: own.pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn tls_trusts_the_named_authority_alone_and_shows_a_certificate() {
    let ours = pems();
    let (_server, port) =
        RedisServer::start_tls(&ours.authority, &ours.certificate, &ours.key).await;
    let url = || format!("rediss://localhost:{port}").into();
    let with = |tls: Tls| RedisOptions { tls, ..options(Topology::Single) };
    let identity = || Some((ours.certificate.clone().into(), ours.key.clone().into()));
    let trusting = Tls { authorities: Some(ours.authority.clone().into()), identity: identity() };
    limits_many_bots(&connect(&url(), with(trusting)).unwrap(), 0..2).await;

    let others = pems().authority.into();
    for tls in [
        Tls { authorities: Some(others), identity: identity() },
        Tls { authorities: Some(ours.authority.clone().into()), identity: None },
    ] {
        let limiter = RedisLimiter::new(connect(&url(), with(tls)).unwrap());
        assert!(limiter.check(&check("b", "a")).await.is_err());
    }
    let broken = Tls { authorities: None, identity: Some((b"x".to_vec(), b"y".to_vec())) };
    assert!(connect(&url(), with(broken)).is_err());
}
