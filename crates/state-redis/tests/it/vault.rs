//! What every vault promises, and what nobody can do with it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{BotId, Clock, ManualClock, SystemClock};
use portcullis_state::{Keeper, MemoryVault, Sealer, VAULT_BYTES, VAULT_VALUES, Vault};
use portcullis_state_redis::RedisVault;
use portcullis_testkit::RedisServer;

use crate::connected;

const DAY: Duration = Duration::from_hours(24);
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn bot() -> BotId {
    BotId::fallback()
}

fn sealer(secret: &str) -> Arc<Sealer> {
    Arc::new(Sealer::new(&secret.to_owned().into()).unwrap())
}

/// Runs a test on two keepers over one store, as two replicas are: in memory, then on Redis over two
/// connections.
async fn on_both<F: Future>(test: impl Fn([Keeper; 2], [Arc<dyn Vault>; 2]) -> F) {
    let memory: Arc<dyn Vault> = Arc::new(MemoryVault::new(Arc::new(SystemClock), 1_000));
    let keeper = |vault: &Arc<dyn Vault>| Keeper::new(vault.clone(), sealer(SECRET));
    test([keeper(&memory), keeper(&memory)], [memory.clone(), memory]).await;
    let server = RedisServer::start().await;
    let one: Arc<dyn Vault> = Arc::new(RedisVault::new(connected::to(&server)));
    let other: Arc<dyn Vault> = Arc::new(RedisVault::new(connected::to(&server)));
    test([keeper(&one), keeper(&other)], [one, other]).await;
}

#[tokio::test]
async fn a_value_has_one_number_and_comes_back() {
    on_both(async |[keeper, replica], _| {
        let values = [("EMAIL", "a@example.com"), ("PHONE", "1"), ("EMAIL", "b@example.com")];
        let numbers = keeper.entrust(&bot(), "c", &values, DAY).await.unwrap();
        assert_eq!(numbers, [Some(1), Some(1), Some(2)]);
        let again = [("EMAIL", "b@example.com"), ("EMAIL", "c@example.com"), ("PHONE", "1")];
        let numbers = replica.entrust(&bot(), "c", &again, DAY).await.unwrap();
        assert_eq!(numbers, [Some(2), Some(3), Some(1)], "a replica agrees");
        let opened = replica.open(&bot(), "c").await.unwrap();
        assert_eq!((opened.values.len(), opened.broken), (4, 0));
        assert_eq!(opened.values[&("EMAIL".to_owned(), 2)], "b@example.com");
        assert!(!format!("{opened:?}").contains("example"));
    })
    .await;
}

#[tokio::test]
async fn replicas_that_ask_at_once_agree() {
    on_both(async |[one, other], _| {
        let ask = async |keeper: &Keeper, from: usize| {
            let values: Vec<String> = (0..20).map(|at| format!("v{}", (at + from) % 20)).collect();
            let asked: Vec<(&str, &str)> = values.iter().map(|v| ("EMAIL", v.as_str())).collect();
            let numbers = keeper.entrust(&bot(), "c", &asked, DAY).await.unwrap();
            let mut named: Vec<(String, Option<u32>)> = values.into_iter().zip(numbers).collect();
            named.sort();
            named
        };
        let asked = (0..16).map(|from| ask(if from % 2 == 0 { &one } else { &other }, from));
        let answers = futures::future::join_all(asked).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        let mut numbers: Vec<u32> = answers[0].iter().filter_map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=20).collect::<Vec<u32>>());
    })
    .await;
}

#[tokio::test]
async fn no_conversation_reads_another_s_values_whoever_holds_the_store() {
    on_both(async |[keeper, _], [vault, _]| {
        let value = [("EMAIL", "a@example.com")];
        keeper.entrust(&bot(), "mine", &value, DAY).await.unwrap();
        keeper.entrust(&bot(), "theirs", &value, DAY).await.unwrap();
        assert_eq!(keeper.open(&bot(), "other").await.unwrap().values.len(), 0);
        let other_bot = BotId::parse("other").unwrap();
        assert_eq!(keeper.open(&other_bot, "mine").await.unwrap().values.len(), 0);
        let mine = vault.all(&bot(), "mine").await.unwrap();
        let theirs = vault.all(&bot(), "theirs").await.unwrap();
        assert_ne!(mine[0].hash, theirs[0].hash, "equal values cannot be compared");
        let plain = |kept: &portcullis_state::Kept| {
            kept.sealed.windows(7).any(|window| window == b"example")
        };
        assert!(!plain(&mine[0]));
        // Somebody who may write to the store puts one conversation's value into another.
        let moved = portcullis_state::Entrusted {
            entity: "EMAIL".into(),
            hashes: vec![theirs[0].hash.clone()],
            sealed: theirs[0].sealed.clone(),
        };
        vault.entrust(&bot(), "mine", &[moved], DAY).await.unwrap();
        let opened = keeper.open(&bot(), "mine").await.unwrap();
        assert_eq!((opened.values.len(), opened.broken), (1, 1), "it does not open there");
        // Nor does a value open in another's place, or under another secret.
        let stranger = Keeper::new(vault.clone(), sealer("fedcba9876543210fedcba9876543210"));
        let opened = stranger.open(&bot(), "theirs").await.unwrap();
        assert_eq!((opened.values.len(), opened.broken), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_changed_secret_keeps_the_numbers() {
    on_both(async |[keeper, _], [vault, _]| {
        let value = [("EMAIL", "a@example.com")];
        keeper.entrust(&bot(), "c", &value, DAY).await.unwrap();
        let newer = Sealer::new(&"fedcba9876543210fedcba9876543210".to_owned().into()).unwrap();
        let both = Arc::new(newer.with_previous(&SECRET.to_owned().into()).unwrap());
        let newer = Keeper::new(vault.clone(), both);
        let more = [("EMAIL", "b@example.com"), ("EMAIL", "a@example.com")];
        let numbers = newer.entrust(&bot(), "c", &more, DAY).await.unwrap();
        assert_eq!(numbers, [Some(2), Some(1)]);
        assert_eq!(newer.open(&bot(), "c").await.unwrap().values.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_keeps_so_many_values_and_none_that_is_too_long() {
    on_both(async |[keeper, _], _| {
        let values: Vec<String> = (0..VAULT_VALUES + 3).map(|at| format!("v{at}")).collect();
        let asked: Vec<(&str, &str)> = values.iter().map(|v| ("EMAIL", v.as_str())).collect();
        let numbers = keeper.entrust(&bot(), "c", &asked, DAY).await.unwrap();
        assert_eq!(numbers.iter().flatten().count(), VAULT_VALUES);
        assert_eq!(numbers.last(), Some(&None));
        let long = "x".repeat(VAULT_BYTES + 1);
        let mixed = [("KEY", long.as_str()), ("EMAIL", "v0"), ("KEY", "new")];
        let numbers = keeper.entrust(&bot(), "c", &mixed, DAY).await.unwrap();
        assert_eq!(numbers, [None, Some(1), None]);
        let numbers = keeper.entrust(&bot(), "d", &mixed, DAY).await.unwrap();
        assert_eq!(numbers, [None, Some(1), Some(1)], "another has room");
    })
    .await;
}

#[tokio::test]
async fn values_are_forgotten_after_their_time() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let memory = MemoryVault::new(clock.clone(), 10);
    let keeper = Keeper::new(Arc::new(memory), sealer(SECRET));
    let values = [("EMAIL", "a@example.com")];
    keeper.entrust(&bot(), "c", &values, DAY).await.unwrap();
    clock.advance(DAY / 2);
    assert_eq!(keeper.open(&bot(), "c").await.unwrap().values.len(), 1);
    clock.advance(DAY);
    assert_eq!(keeper.open(&bot(), "c").await.unwrap().values.len(), 0);

    let server = RedisServer::start().await;
    let keeper = Keeper::new(Arc::new(RedisVault::new(connected::to(&server))), sealer(SECRET));
    let ttl = Duration::from_millis(200);
    keeper.entrust(&bot(), "c", &values, ttl).await.unwrap();
    assert_eq!(keeper.open(&bot(), "c").await.unwrap().values.len(), 1);
    // The server's own clock runs out: nothing but waiting shows it.
    tokio::time::sleep(ttl + Duration::from_millis(50)).await;
    assert_eq!(keeper.open(&bot(), "c").await.unwrap().values.len(), 0);
}
