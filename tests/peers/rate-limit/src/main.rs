//! Limits on one Redis, side by side in one run: ours, and those of the crate limitador. Each check is under three
//! limits; rounds alternate, and the medians are printed as a table.
//!
//! Usage: PORTCULLIS_REDIS_SERVER=… cargo run --release [-- CHECKS] (default 20000 a round)

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use limitador::AsyncRateLimiter;
use limitador::limit::Limit;
use limitador::storage::redis::AsyncRedisStorage;
use portcullis_core::BotId;
use portcullis_state::{Algorithm, LimitCheck, LimitRule, Limiter};
use portcullis_state_redis::{RedisLimiter, RedisOptions, connect};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 64;
const SPEAKERS: u64 = 20_000;
const ALONE: usize = 4_000;

#[derive(Clone)]
enum Contender {
    Ours(Arc<RedisLimiter>, Algorithm),
    Limitador(Arc<AsyncRateLimiter>),
}

impl Contender {
    fn name(&self) -> &'static str {
        match self {
            Self::Ours(_, Algorithm::Gcra) => "Portcullis, 3 GCRA limits",
            Self::Ours(_, Algorithm::Window) => "Portcullis, 3 sliding windows",
            Self::Limitador(_) => "limitador 0.4, 3 fixed windows",
        }
    }

    /// One check by a speaker at an address, `limit` messages an hour each; whether it was admitted.
    async fn check(&self, speaker: u64, limit: u32) -> Result<bool, Failure> {
        match self {
            Self::Ours(limiter, algorithm) => {
                let rule = |key: String, rate: u32| LimitRule {
                    // as the service names them: the two algorithms never share a key
                    key: format!("{algorithm:?}-{key}"),
                    algorithm: *algorithm,
                    rate,
                    burst: rate,
                    period: Duration::from_secs(3_600),
                    ..LimitRule::default()
                };
                let check = LimitCheck {
                    bot: BotId::parse("shop")?,
                    rules: vec![
                        rule(format!("speaker-{speaker}-{limit}"), limit),
                        rule(format!("address-{}-{limit}", speaker % 4_096), 1_000_000),
                        rule(format!("bot-{limit}"), 1_000_000_000),
                    ],
                    ticket: None,
                };
                Ok(limiter.check(&check).await?.allowed)
            }
            Self::Limitador(limiter) => {
                let values = HashMap::from([
                    ("speaker".to_owned(), format!("speaker-{speaker}")),
                    ("address".to_owned(), format!("address-{}", speaker % 4_096)),
                ]);
                let namespace = format!("shop-{limit}").into();
                let checked =
                    limiter.check_rate_limited_and_update(&namespace, &values, 1, false).await?;
                Ok(!checked.limited)
            }
        }
    }
}

fn limits(limiter: &AsyncRateLimiter, limit: i64) {
    let namespace = format!("shop-{limit}");
    for (most, variables) in
        [(limit, vec!["speaker"]), (1_000_000, vec!["address"]), (1_000_000_000, vec![])]
    {
        limiter.add_limit(Limit::new(
            namespace.clone(),
            most,
            3_600,
            Vec::<String>::new(),
            variables,
        ));
    }
}

struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A redis-server on a core of its own, where there is `taskset`.
async fn server() -> Result<Server, Failure> {
    let program = std::env::var("PORTCULLIS_REDIS_SERVER").unwrap_or("redis-server".into());
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new("taskset")
        .args(["-c", "0", &program, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()?;
    let server = Server(child, port);
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(server);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("redis-server did not start".into())
}

/// Seconds of processor that the server has used.
async fn cpu(admin: &mut redis::aio::MultiplexedConnection) -> Result<f64, Failure> {
    let info: String = redis::cmd("INFO").arg("cpu").query_async(admin).await?;
    let of = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok(of("used_cpu_sys") + of("used_cpu_user"))
}

#[derive(Default)]
struct Round {
    wall: f64,
    per_core: f64,
    p50: f64,
    p99: f64,
}

async fn round(
    contender: &Contender,
    checks: u64,
    admin: &mut redis::aio::MultiplexedConnection,
) -> Result<Round, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let (cpu_before, began) = (cpu(admin).await?, Instant::now());
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (contender, next) = (contender.clone(), next.clone());
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= checks {
                    return Ok::<_, Failure>(());
                }
                contender.check(number.wrapping_mul(7_919) % SPEAKERS, 100_000).await?;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let (wall, used) = (began.elapsed().as_secs_f64(), cpu(admin).await? - cpu_before);
    let mut alone = Histogram::<u64>::new(3)?;
    for number in 0..ALONE {
        let began = Instant::now();
        contender.check(number as u64 % SPEAKERS, 100_000).await?;
        alone.record(u64::try_from(began.elapsed().as_nanos())?)?;
    }
    let millis = |quantile| alone.value_at_quantile(quantile) as f64 / 1e6;
    Ok(Round {
        wall: checks as f64 / wall,
        per_core: checks as f64 / used,
        p50: millis(0.5),
        p99: millis(0.99),
    })
}

/// How many of 64 clients' 4,096 messages are let in under a limit of 500.
async fn admitted(contender: &Contender) -> Result<u64, Failure> {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let contender = contender.clone();
        clients.spawn(async move {
            let mut admitted = 0;
            for _ in 0..64 {
                admitted += u64::from(contender.check(1, 500).await?);
            }
            Ok::<_, Failure>(admitted)
        });
    }
    let mut all = 0;
    while let Some(ended) = clients.join_next().await {
        all += ended??;
    }
    Ok(all)
}

fn median(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let checks: u64 = std::env::args().nth(1).map_or(Ok(20_000), |number| number.parse())?;
    let server = server().await?;
    let url = format!("redis://127.0.0.1:{}", server.1);
    let options =
        RedisOptions { response_timeout: Duration::from_secs(5), ..RedisOptions::default() };
    let ours = Arc::new(RedisLimiter::new(connect(&url.clone().into(), options)?));
    let theirs = AsyncRateLimiter::new_with_storage(Box::new(AsyncRedisStorage::new(&url).await?));
    limits(&theirs, 100_000);
    limits(&theirs, 500);
    let contenders = [
        Contender::Ours(ours.clone(), Algorithm::Gcra),
        Contender::Ours(ours, Algorithm::Window),
        Contender::Limitador(Arc::new(theirs)),
    ];
    let mut admin = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let mut rounds: [Vec<Round>; 3] = Default::default();
    for number in 0..=ROUNDS {
        for (contender, rounds) in contenders.iter().zip(&mut rounds) {
            let figures = round(contender, checks, &mut admin).await?;
            // The first warms up connections, scripts and keys.
            if number > 0 {
                rounds.push(figures);
            }
        }
    }
    println!(
        "| | checks/s, {IN_FLIGHT} in flight | checks a second of Redis's processor | p50 alone, ms | p99 alone, ms | let in under a limit of 500 |"
    );
    println!("|---|---|---|---|---|---|");
    for (contender, rounds) in contenders.iter().zip(&rounds) {
        println!(
            "| {} | {:.0} | {:.0} | {:.3} | {:.3} | {} |",
            contender.name(),
            median(rounds, |round| round.wall),
            median(rounds, |round| round.per_core),
            median(rounds, |round| round.p50),
            median(rounds, |round| round.p99),
            admitted(contender).await?,
        );
    }
    Ok(())
}
