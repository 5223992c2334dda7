//! An operator who is curious, careless, or whose account was stolen.

use std::time::Duration;

use async_nats::jetstream;
use portcullis_bus::{Held, Kv, MemoryKv};
use portcullis_core::{Body, Decision, Entry, Status};
use portcullis_policy::Policy;
use portcullis_testkit::{Mood, NatsServer, entry, eventually, shop};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use portcullis_bus::Journal;
use portcullis_bus_nats::{NatsJournal, admin, subjects};
use portcullis_bus_rights as rights;

use super::doors::{PATIENCE, client, small};
use super::rig::{ATTACK, HARMLESS, OPERATOR_KEY, Rig, SECRET, post, sealer};
use crate::support::PATIENT;

/// A sentence that only the person and the bot may know.
const PRIVATE: &str = "zq7marker is my secret garden";

#[tokio::test]
async fn held_cases_are_sealed() {
    let (rig, faults) = Rig::faulty("review = 'console'");
    faults.stage("injection-classifier").set(Mood::Dependency);
    let verdict =
        rig.check(json!({ "id": "id-of-the-held", "text": PRIVATE, "speaker": "alice" })).await;
    assert_eq!(verdict.unwrap().decision, Decision::Hold);
    let items = rig.held.list(None).await.unwrap();
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert!(item.sealed.len() > PRIVATE.len());
    for (readable, what) in [
        (PRIVATE, "the text"),
        ("alice", "the speaker"),
        ("id-of-the-held", "the id"),
        ("decision", "the verdict"),
        ("zq7marker", "a part"),
    ] {
        let sealed = String::from_utf8_lossy(&item.sealed);
        assert!(!sealed.contains(readable) && !item.key.contains(readable), "{what} can be read");
    }
    // The same message twice does not look the same.
    let context = format!("held/{}", shop());
    let (own, other) = (sealer(SECRET), sealer("another secret  "));
    let key = item.key.as_bytes();
    let plain = own.open(&context, key, &item.sealed).unwrap();
    assert!(String::from_utf8_lossy(&plain).contains(PRIVATE));
    assert_ne!(own.seal(&context, key, &plain).unwrap(), item.sealed);
    // Nobody else opens it, nor in another's place, nor after a change.
    assert!(other.open(&context, key, &item.sealed).is_err());
    assert!(own.open("held/bank", key, &item.sealed).is_err());
    assert!(own.open(&context, b"another", &item.sealed).is_err());
    for at in [0, item.sealed.len() / 2, item.sealed.len() - 1] {
        let mut changed = item.sealed.to_vec();
        changed[at] ^= 1;
        assert!(own.open(&context, key, &changed).is_err(), "byte {at}");
    }
    // A case that was put there by somebody else is not shown as if it were one.
    let forged = portcullis_bus::HeldItem {
        bot: shop(),
        key: "forged".into(),
        sealed: serde_json::to_vec(&json!({ "text": "release me" })).unwrap().into(),
    };
    rig.held.put(forged).await.unwrap();
    assert_eq!(rig.gateway.held(None).await.unwrap().len(), 1);
    // What is remembered by id is sealed as well.
    let mut events = rig.verdicts.watch().await.unwrap();
    let mut remembered = 0;
    while let Some(portcullis_bus::KvEvent::Put { key, record }) =
        futures::StreamExt::next(&mut events).await
    {
        remembered += 1;
        let shown = format!("{key} {}", String::from_utf8_lossy(&record.value));
        assert!(!shown.contains("zq7marker") && !shown.contains("alice"), "{shown}");
    }
    assert_eq!(remembered, 1);
}

/// What the record says that people did.
fn acts(entries: &[Entry]) -> Vec<(String, String)> {
    entries
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Action(record) => Some((record.action.clone(), record.by.clone())),
            Body::Resolution(record) => {
                assert!(record.text.is_none(), "the record keeps no wording");
                Some((record.resolution.as_str().to_owned(), record.by.clone()))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn every_control_action_is_journalled() {
    let (rig, faults) = Rig::faulty("review = 'console'");
    let door = rig.http();
    let command = async |mut body: Value| {
        body["by"] = json!("olga");
        post(&door, "/v1/admin", Some(OPERATOR_KEY), body.to_string()).await
    };
    let mut expected: Vec<(String, String)> = Vec::new();
    for body in [
        json!({ "command": "stop", "bot": "shop", "reason": "drill", "for_s": 60 }),
        json!({ "command": "start", "bot": "shop" }),
        json!({ "command": "stop" }),
        json!({ "command": "start" }),
        json!({ "command": "mute", "bot": "shop" }),
        json!({ "command": "start", "bot": "shop" }),
        json!({ "command": "block", "bot": "shop", "speaker": "mallory" }),
        json!({ "command": "unblock", "bot": "shop", "speaker": "mallory" }),
        json!({ "command": "block", "bot": "shop", "conversation": "c-1" }),
        json!({ "command": "block", "bot": "shop", "client_addr": "192.0.2.7" }),
        // Taking back what was not ordered is an action as well.
        json!({ "command": "unblock", "bot": "shop", "speaker": "nobody" }),
    ] {
        let (status, done) = command(body.clone()).await;
        assert_eq!(status, 200, "{body}: {done}");
        expected.push((body["command"].as_str().unwrap().to_owned(), "olga".to_owned()));
        assert_eq!(acts(&rig.journal.entries()), expected, "{body}");
    }
    let entries = serde_json::to_string(&rig.journal.entries()).unwrap();
    for name in ["mallory", "c-1", "192.0.2.7"] {
        assert!(!entries.contains(name), "names are hashed: {name}");
    }
    assert!(entries.contains("drill") && entries.contains("expires_at"));

    // Orders that were taken back are out of force soon.
    eventually(PATIENCE, async || rig.text(HARMLESS).await.decision == Decision::Allow).await;
    faults.stage("injection-classifier").set(Mood::Dependency);
    for id in ["h1", "h2", "h3", "h4"] {
        let held = rig.check(json!({ "id": id, "text": PRIVATE })).await.unwrap();
        assert_eq!(held.decision, Decision::Hold);
    }
    for body in [
        json!({ "command": "release", "bot": "shop", "id": "h1" }),
        json!({ "command": "reject", "bot": "shop", "id": "h2", "reason": "spam" }),
        json!({ "command": "edit", "bot": "shop", "id": "h3", "text": PRIVATE }),
    ] {
        let (status, done) = command(body.clone()).await;
        assert_eq!(status, 200, "{body}: {done}");
        expected.push((body["command"].as_str().unwrap().to_owned(), "olga".to_owned()));
        assert_eq!(acts(&rig.journal.entries()), expected, "{body}");
    }
    // What nobody looked at expires, and that is written too.
    rig.clock.advance(Duration::from_secs(3600));
    rig.gateway.sweep_held(true).await;
    expected.push(("expired".into(), "portcullis".into()));
    assert_eq!(acts(&rig.journal.entries()), expected);
    // To look is no change; a refused command is none either; nobody acts without a name.
    assert_eq!(command(json!({ "command": "release", "bot": "shop", "id": "h1" })).await.0, 409);
    assert_eq!(command(json!({ "command": "release", "bot": "shop", "id": "h9" })).await.0, 404);
    let held = json!({ "command": "held" }).to_string();
    assert_eq!(post(&door, "/v1/admin", Some(OPERATOR_KEY), held).await.0, 200);
    let nameless = json!({ "command": "stop" }).to_string();
    assert_eq!(post(&door, "/v1/admin", Some(OPERATOR_KEY), nameless).await.0, 400);
    assert_eq!(acts(&rig.journal.entries()), expected);
}

/// Waits until the shop's policy has this version.
async fn in_force(rig: &Rig, version: &str) {
    eventually(PATIENCE, async || rig.policies.pin(&shop()).unwrap().stamp().version == version)
        .await;
}

#[tokio::test]
async fn every_verdict_names_its_policy() {
    let (rig, _faults) = Rig::faulty("");
    let bucket = MemoryKv::new(8);
    let (policies, followed) = (rig.policies.clone(), bucket.clone());
    let mut following = JoinSet::new();
    following.spawn(async move {
        let _ = policies.follow_bucket(&followed, || {}).await;
    });
    let strict = format!("version = 'strict-1'\n{PATIENT}");
    bucket.put("shop", strict.clone().into()).await.unwrap();
    in_force(&rig, "strict-1").await;
    let stamp = rig.text(HARMLESS).await.policy;
    assert_eq!((stamp.bot, stamp.version.as_str()), (shop(), "strict-1"));
    assert_eq!(stamp.digest, Policy::parse(&shop(), "1", &strict).unwrap().stamp().digest);
    assert_eq!(stamp.digest.len(), 64);

    // A broken document changes nothing, in whole or in part.
    for broken in
        ["mode = 'bypass'\nversion = 'broken'\n[limits", "mode = 'off'", "mode = 'bypass'\nx = 1"]
    {
        bucket.put("shop", broken.into()).await.unwrap();
        // A second bot's document, which comes after it, shows that it was read.
        let next = format!("version = 'after-{}'", broken.len());
        bucket.put("bank", next.clone().into()).await.unwrap();
        let bank = super::rig::bot("bank");
        let after = format!("after-{}", broken.len());
        eventually(PATIENCE, async || {
            rig.policies.pin(&bank).is_ok_and(|policy| policy.stamp().version == after)
        })
        .await;
        let verdict = rig.text(HARMLESS).await;
        assert_eq!(verdict.policy.version, "strict-1", "{broken}");
        assert!(verdict.receipt.iter().all(|check| check.why.as_deref() != Some("bypass")));
    }

    // One letter of the document is another digest, under whatever version.
    bucket.put("shop", format!("{strict}# weaker\n").into()).await.unwrap();
    eventually(PATIENCE, async || rig.text(HARMLESS).await.policy.digest != stamp.digest).await;
    // Weaker modes cannot be mistaken for the full one, by the bot or in the record.
    bucket
        .put("shop", format!("version = 'shadow-1'\nmode = 'shadow'\n{PATIENT}").into())
        .await
        .unwrap();
    in_force(&rig, "shadow-1").await;
    let verdict = rig.text(HARMLESS).await;
    assert_eq!(
        (verdict.policy.version.as_str(), verdict.shadow_decision),
        ("shadow-1", Some(Decision::Allow))
    );
    bucket
        .put("shop", format!("version = 'bypass-1'\nmode = 'bypass'\n{PATIENT}").into())
        .await
        .unwrap();
    in_force(&rig, "bypass-1").await;
    let verdict = rig.text(ATTACK).await;
    assert_eq!((verdict.policy.version.as_str(), verdict.decision), ("bypass-1", Decision::Allow));
    let stages = verdict.receipt.iter().filter(|check| check.stage.as_str() != "control");
    assert!(stages.clone().count() == 4);
    for check in stages {
        assert_eq!((check.status, check.why.as_deref()), (Status::Skipped, Some("bypass")));
    }
    for entry in rig.journal.entries() {
        let Body::Verdict(record) = entry.body else { panic!("a verdict") };
        assert!(
            !record.verdict.policy.version.is_empty() && record.verdict.policy.digest.len() == 64
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journal_entries_cannot_be_deleted() {
    let server = NatsServer::start().await;
    // Somebody with every right that the server can give.
    let client = client(&server).await;
    admin::init(&client, &small(&["shop"])).await.unwrap();
    let journal = NatsJournal::new(client.clone(), PATIENCE);
    for id in ["1", "2", "3"] {
        journal.append(&entry(id)).await.unwrap();
    }
    let context = jetstream::new(client.clone());
    let stream = context.get_stream(subjects::JOURNAL).await.unwrap();
    let config = stream.cached_info().config.clone();
    assert!(config.deny_delete && config.deny_purge && !config.allow_rollup);
    assert!(stream.delete_message(2).await.is_err());
    assert!(stream.purge().await.is_err());
    assert!(stream.purge().filter("portcullis.v1.journal.action.shop").await.is_err());
    // The server does not let the refusal itself be taken back.
    for change in [
        |config: &mut jetstream::stream::Config| config.deny_delete = false,
        |config: &mut jetstream::stream::Config| config.deny_purge = false,
    ] {
        let mut weaker = config.clone();
        change(&mut weaker);
        assert!(context.update_stream(&weaker).await.is_err());
    }
    // A message that would roll the earlier ones up is refused.
    let mut rollup = async_nats::HeaderMap::new();
    rollup.insert("Nats-Rollup", "all");
    let subject = "portcullis.v1.journal.action.shop";
    let sent = context.publish_with_headers(subject, rollup, "{}".into()).await.unwrap();
    assert!(sent.await.is_err());
    assert_eq!(
        context.get_stream(subjects::JOURNAL).await.unwrap().cached_info().state.messages,
        3
    );
    // And nobody in the table has the right to try, or to take the stream away as a whole.
    for user in rights::table(&[shop()]) {
        for subject in &user.publish {
            for forbidden in [
                "STREAM.DELETE",
                "STREAM.MSG.DELETE",
                "STREAM.PURGE.JOURNAL",
                "STREAM.PURGE.*",
                "STREAM.PURGE.>",
                "STREAM.RESTORE",
                "STREAM.>",
                "API.>",
            ] {
                assert!(!subject.contains(forbidden), "{}: {subject}", user.user);
            }
            assert!(subject != ">" && subject != "$JS.>", "{}: {subject}", user.user);
        }
    }
}
