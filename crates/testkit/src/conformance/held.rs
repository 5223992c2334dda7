//! A held store keeps the first case of a key until it is removed.

use portcullis_bus::{Held, HeldItem};
use portcullis_core::BotId;

/// The suite. The store is empty.
pub async fn held(held: &dyn Held) {
    let (shop, bank) = (BotId::parse("shop").unwrap(), BotId::parse("bank").unwrap());
    let item = |bot: &BotId, key: &str, sealed: &'static str| HeldItem {
        bot: bot.clone(),
        key: key.into(),
        sealed: sealed.into(),
    };
    assert_eq!(held.get(&shop, "a1").await.unwrap(), None);
    assert_eq!(held.list(None).await.unwrap(), []);

    held.put(item(&shop, "a1", "first")).await.unwrap();
    held.put(item(&shop, "a1", "second")).await.unwrap();
    held.put(item(&shop, "b2", "other")).await.unwrap();
    held.put(item(&bank, "a1", "bank's")).await.unwrap();

    let kept = held.get(&shop, "a1").await.unwrap().unwrap();
    assert_eq!(kept, item(&shop, "a1", "first"), "the first is kept");
    let mut all = held.list(None).await.unwrap();
    all.sort_by(|a, b| (&a.bot, &a.key).cmp(&(&b.bot, &b.key)));
    let whole =
        [item(&bank, "a1", "bank's"), item(&shop, "a1", "first"), item(&shop, "b2", "other")];
    assert_eq!(all, whole);
    assert_eq!(held.list(Some(&bank)).await.unwrap(), [item(&bank, "a1", "bank's")]);

    held.remove(&shop, "a1").await.unwrap();
    held.remove(&shop, "a1").await.unwrap();
    assert_eq!(held.get(&shop, "a1").await.unwrap(), None);
    assert_eq!(held.list(Some(&shop)).await.unwrap(), [item(&shop, "b2", "other")]);
    assert!(held.get(&bank, "a1").await.unwrap().is_some(), "another bot's case stays");

    held.put(item(&shop, "a1", "third")).await.unwrap();
    assert_eq!(held.get(&shop, "a1").await.unwrap(), Some(item(&shop, "a1", "third")));
}
