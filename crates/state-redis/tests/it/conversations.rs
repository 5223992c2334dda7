//! What every store of conversations promises.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{BotId, Known, Learned, Moods, SystemClock};
use portcullis_state::{
    ConversationUpdate, Conversations, ConversationsOptions, MemoryConversations,
};
use portcullis_state_redis::RedisConversations;
use portcullis_testkit::RedisServer;

use crate::connected;

fn bot() -> BotId {
    BotId::fallback()
}

fn learned(values: &[&str], polarity: Option<f64>) -> Learned {
    let values = values.iter().map(|&value| value.into()).collect();
    Learned { values, polarity, moods: None }
}

async fn on_both<F: Future>(
    options: ConversationsOptions,
    test: impl Fn(Arc<dyn Conversations>) -> F,
) {
    test(Arc::new(MemoryConversations::new(Arc::new(SystemClock), options))).await;
    let server = RedisServer::start().await;
    test(Arc::new(RedisConversations::new(connected::to(&server), options))).await;
}

#[tokio::test]
async fn what_was_learned_is_known() {
    on_both(ConversationsOptions::default(), async |store| {
        assert_eq!(store.load(&bot(), "c").await.unwrap(), None);
        let begun = store.begin(&bot(), "c").await.unwrap();
        assert_eq!((begun.salt.len(), begun.turns), (32, 0));
        let message = ConversationUpdate::message(learned(&["a", "b"], Some(-0.8)));
        store.update(&bot(), "c", &message).await.unwrap();
        let message = ConversationUpdate::message(learned(&[], Some(0.2)));
        store.update(&bot(), "c", &message).await.unwrap();
        let answer = ConversationUpdate::answer(learned(&[], None));
        let state = store.update(&bot(), "c", &answer).await.unwrap();
        assert_eq!(store.load(&bot(), "c").await.unwrap().as_ref(), Some(&state));
        let known = Known::from(state);
        assert_eq!((known.salt, known.turns), (begun.salt.clone(), 2));
        assert_eq!(known.values, ["a", "b"]);
        assert!((known.polarity.unwrap() - -0.5).abs() < 1e-9, "-0.8 + 0.3 × 1.0");
        assert_ne!(store.begin(&bot(), "d").await.unwrap().salt, begun.salt);
        let other = BotId::parse("other").unwrap();
        assert_eq!(store.load(&other, "c").await.unwrap(), None, "bots share nothing");
    })
    .await;
}

#[tokio::test]
async fn moods_are_means_of_what_was_learned() {
    on_both(ConversationsOptions::default(), async |store| {
        let told = |scores| {
            let learned = Learned { moods: Some(Moods::of(scores)), ..Learned::default() };
            ConversationUpdate::message(learned)
        };
        store.update(&bot(), "c", &told([1.0, 0.0, 7.0])).await.unwrap();
        let state = store.update(&bot(), "c", &told([0.0, 0.5, 1.0])).await.unwrap();
        let means = state.moods.unwrap().scores();
        for (mean, expected) in means.into_iter().zip([0.7, 0.15, 1.0]) {
            assert!((mean - expected).abs() < 1e-9, "{mean}, not {expected}");
        }
        let state = store.update(&bot(), "c", &told([f64::NAN, 1.0, 1.0])).await.unwrap();
        assert_eq!(state.moods.unwrap().scores(), means, "what is no number teaches nothing");
        assert_eq!((state.polarity, state.turns), (None, 3));
    })
    .await;
}

#[tokio::test]
async fn the_newest_values_are_kept() {
    let options = ConversationsOptions { values: 3, ..ConversationsOptions::default() };
    on_both(options, async |store| {
        let long = "x".repeat(129);
        let update =
            ConversationUpdate::message(learned(&["a", "b", "c", "a", "d", "", &long], None));
        let state = store.update(&bot(), "c", &update).await.unwrap();
        assert_eq!(state.values, ["c", "a", "d"]);
        let update = ConversationUpdate::message(learned(&["e", "c"], Some(f64::NAN)));
        let state = store.update(&bot(), "c", &update).await.unwrap();
        assert_eq!(
            (state.values, state.polarity),
            (vec!["d".into(), "e".into(), "c".into()], None)
        );
    })
    .await;
}

#[tokio::test]
async fn two_who_begin_at_once_agree_on_the_salt() {
    on_both(ConversationsOptions::default(), async |store| {
        let begin = async || store.begin(&bot(), "c").await.unwrap().salt;
        let mut salts = futures::future::join_all((0..40).map(|_| begin())).await;
        salts.dedup();
        assert_eq!(salts.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_is_forgotten_after_its_time() {
    let ttl = Duration::from_millis(300);
    on_both(ConversationsOptions { ttl, ..ConversationsOptions::default() }, async |store| {
        let update = ConversationUpdate::message(learned(&["a"], Some(0.5)));
        let first = store.update(&bot(), "c", &update).await.unwrap();
        tokio::time::sleep(ttl + Duration::from_millis(50)).await;
        assert_eq!(store.load(&bot(), "c").await.unwrap(), None);
        let second = store.begin(&bot(), "c").await.unwrap();
        assert_ne!(first.salt, second.salt);
        assert_eq!((second.values.len(), second.polarity, second.turns), (0, None, 0));
    })
    .await;
}
