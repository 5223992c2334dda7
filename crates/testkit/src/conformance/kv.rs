//! A bucket has one winner of a create, rising revisions, and watchers that miss nothing.

use portcullis_bus::{Kv, KvError, KvEvent};

use super::next;

/// The suite. The bucket is empty and keeps at least three revisions of a key.
pub async fn kv(kv: &dyn Kv) {
    let mut empty = kv.watch().await.unwrap();
    assert_eq!(next(&mut empty).await, KvEvent::Snapshot, "an empty bucket has a snapshot too");
    assert_eq!(kv.get("a.one").await.unwrap(), None);
    assert_eq!(kv.history("a.one").await.unwrap(), []);

    let first = kv.create("a.one", "1".into()).await.unwrap();
    assert_eq!(kv.create("a.one", "x".into()).await, Err(KvError::Exists));
    let second = kv.put("a.one", "2".into()).await.unwrap();
    assert!(second > first, "revisions rise");
    let record = kv.get("a.one").await.unwrap().unwrap();
    assert_eq!((record.value.as_ref(), record.revision), (b"2".as_slice(), second));
    let kept: Vec<_> =
        kv.history("a.one").await.unwrap().into_iter().map(|record| record.value).collect();
    assert_eq!(kept, ["2", "1"], "newest first");

    for value in ["1", "2"] {
        let event = next(&mut empty).await;
        assert!(
            matches!(&event, KvEvent::Put { key, record } if key == "a.one" && record.value == value),
            "each change in order"
        );
    }

    kv.put("b=/_-.two", "3".into()).await.unwrap();
    kv.delete("a.one").await.unwrap();
    kv.delete("never.there").await.unwrap();
    assert_eq!(kv.get("a.one").await.unwrap(), None);
    kv.create("a.one", "4".into()).await.unwrap();
    kv.delete("a.one").await.unwrap();

    let mut events = kv.watch().await.unwrap();
    let event = next(&mut events).await;
    assert!(
        matches!(&event, KvEvent::Put { key, record } if key == "b=/_-.two" && record.value == "3"),
        "what is gone is not in the snapshot"
    );
    assert_eq!(next(&mut events).await, KvEvent::Snapshot);
    kv.delete("b=/_-.two").await.unwrap();
    assert_eq!(next(&mut events).await, KvEvent::Gone { key: "b=/_-.two".into() });

    for bad in ["", ".a", "a.", "a b", "a*", "a>", "ü"] {
        assert_eq!(kv.put(bad, "1".into()).await, Err(KvError::BadKey), "{bad:?}");
        assert_eq!(kv.get(bad).await, Err(KvError::BadKey), "{bad:?}");
    }
}
