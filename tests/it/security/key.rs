//! The holder of a stolen key: another bot's, an old one, a guessed one, or none at all.

use std::process::Command;

use axum::http::Request;
use axum::http::header;
use portcullis_ingress::auth::{Access, BotKeys, KeyHash, Keys};
use portcullis_ingress::config::Config;
use portcullis_testkit::shop;
use serde_json::json;
use tower::ServiceExt;

use super::doors::Doors;
use super::rig::{Faults, HARMLESS, OPERATOR_KEY, Rig, SHOP_KEY, bot, get, post, unlimited};
use crate::support::{PATIENT, find};
use crate::workspace::read;

fn hash(key: &str) -> KeyHash {
    KeyHash::of(key)
}

fn keys_of(name: &str, keys: &[&str]) -> BotKeys {
    BotKeys { bot: bot(name), sha256: keys.iter().map(|key| hash(key)).collect() }
}

#[tokio::test]
async fn a_key_works_only_for_its_bot() {
    let (rig, _faults) = Rig::faulty(&unlimited("review = 'console'"));
    let bank = bot("bank");
    rig.policies.set(portcullis_policy::Policy::parse(&bank, "1", PATIENT).unwrap());
    let bots = [keys_of("shop", &[SHOP_KEY]), keys_of("bank", &["bank-key"])];
    let door = rig.http_with(Keys::new(&bots, &[hash(OPERATOR_KEY)]).unwrap());
    let for_bot = |name: &str| json!({ "id": "mine", "bot": name, "text": HARMLESS }).to_string();

    let (status, verdict) = post(&door, "/v1/check", Some(SHOP_KEY), for_bot("shop")).await;
    assert_eq!((status, &verdict["policy"]["bot"]), (200, &json!("shop")));
    let (status, verdict) =
        post(&door, "/v1/check", Some("bank-key"), json!({ "text": HARMLESS }).to_string()).await;
    assert_eq!((status, &verdict["policy"]["bot"]), (200, &json!("bank")), "its own by default");

    let (status, problem) = post(&door, "/v1/check", Some("bank-key"), for_bot("shop")).await;
    assert_eq!((status, problem["field"].as_str()), (403, Some("bot")));
    let batch = format!(r#"{{"items": [{}, {}]}}"#, for_bot("shop"), for_bot("bank"));
    let (status, answer) = post(&door, "/v1/check/batch", Some("bank-key"), batch).await;
    assert_eq!((status, &answer["items"][0]["status"]), (200, &json!(403)));
    assert_eq!(answer["items"][1]["decision"], "allow", "the rest of a batch is judged");

    // Another bot's verdicts are not to be had either, nor what operators do.
    assert_eq!(get(&door, "/v1/checks/mine", SHOP_KEY).await.0, 200);
    assert_eq!(get(&door, "/v1/checks/mine?bot=shop", "bank-key").await.0, 403);
    let (_, own) = get(&door, "/v1/checks/mine", "bank-key").await;
    assert_eq!(own["verdict"]["policy"]["bot"], "bank");
    let stop = r#"{"command": "stop", "by": "mallory"}"#;
    assert_eq!(post(&door, "/v1/admin", Some(SHOP_KEY), stop).await.0, 403);
    assert_eq!(post(&door, "/v1/admin", None, stop).await.0, 401);
    // An operator's key reads no messages and sends none.
    assert_eq!(post(&door, "/v1/check", Some(OPERATOR_KEY), for_bot("shop")).await.0, 403);
    assert_eq!(get(&door, "/v1/checks/mine?bot=shop", OPERATOR_KEY).await.0, 403);
    for key in [None, Some(""), Some("shop-key"), Some("SHOP-KEY-1C9A0F5E")] {
        assert_eq!(post(&door, "/v1/check", key, for_bot("shop")).await.0, 401, "{key:?}");
    }
    // One key cannot stand for two.
    for (bots, operators) in [
        (vec![keys_of("shop", &["same"]), keys_of("bank", &["same"])], vec![]),
        (vec![keys_of("shop", &["same"])], vec![hash("same")]),
    ] {
        assert!(Keys::new(&bots, &operators).is_err());
    }
}

#[tokio::test]
async fn api_keys_are_kept_only_as_hashes() {
    // A key itself is not even taken by the configuration.
    for written in [SHOP_KEY, &"k".repeat(64), &format!("{:0>63}", "1")] {
        let document = json!({ "keys": [{ "bot": "shop", "sha256": [written] }] });
        let error = serde_json::from_value::<Config>(document).unwrap_err().to_string();
        assert!(error.contains("64 hex digits") && !error.contains(written), "{error}");
    }
    let own = keys_of("shop", &[SHOP_KEY]);
    let config = Config {
        keys: vec![own.clone()],
        operator_keys: vec![hash(OPERATOR_KEY)],
        ..Config::default()
    };
    let written = serde_json::to_string(&config).unwrap();
    let known = config.keys().unwrap();
    assert!(written.contains(&String::from(hash(SHOP_KEY))), "the hash is what is kept");
    for shown in [written, format!("{config:?}"), format!("{known:?}"), format!("{own:?}")] {
        assert!(!shown.contains(SHOP_KEY) && !shown.contains(OPERATOR_KEY), "{shown}");
    }
    // Nobody is told what was sent as a key.
    let (rig, _faults) = Rig::faulty("");
    for wrong in ["wrong-key-5e7a", "wrong key 5e7a"] {
        for name in ["x-api-key", "authorization"] {
            let request = Request::post("/v1/check").header(name, wrong);
            let request = request.header(header::CONTENT_TYPE, "application/json");
            let answer = rig
                .http()
                .oneshot(request.body(axum::body::Body::from("{}")).unwrap())
                .await
                .unwrap();
            assert_eq!(answer.status(), 401);
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("5e7a"));
        }
    }
}

/// Time cannot be measured soundly in a test, so the code is read: every hash that is kept is compared, by
/// `subtle`, and nothing ends the comparing early.
#[test]
fn api_keys_are_compared_in_constant_time() {
    let source = read("crates/door/src/auth.rs");
    let identify = source.split("pub fn identify").nth(1).expect("identify is there");
    let identify = identify.split("\n    }\n").next().unwrap();
    let (head, rest) = identify.split_once("for (hash, access) in &self.all {").expect("a loop");
    let (comparing, tail) = rest.split_once("\n        }\n").unwrap();
    assert!(comparing.contains("bool::from(hash.0.ct_eq(&given.0))"), "{comparing}");
    for early in ["break", "return", "?", "==", "continue"] {
        assert!(!comparing.contains(early), "{early} in the loop: {comparing}");
    }
    assert!(head.contains("KeyHash::of(key)"), "what is compared is a hash, of one length");
    for shortcut in [".find(", ".any(", ".position(", ".contains(", "HashMap", ".get("] {
        assert!(!head.contains(shortcut) && !tail.contains(shortcut), "{shortcut}: {identify}");
    }
    // And it finds the right one, wherever it stands.
    let bots: Vec<BotKeys> =
        (0..50).map(|n| keys_of(&format!("bot-{n}"), &[&format!("key-{n}")])).collect();
    let keys = Keys::new(&bots, &[]).unwrap();
    for n in 0..50 {
        let access = keys.identify(Some(&format!("key-{n}"))).unwrap();
        assert_eq!(access, Access::Bot(bot(&format!("bot-{n}"))));
    }
    assert_eq!(keys.identify(Some("key-50")).unwrap_err().status, 401);
}

#[tokio::test]
async fn two_keys_at_a_time_let_one_be_rotated() {
    let (rig, _faults) = Rig::faulty("");
    let body = || json!({ "text": HARMLESS }).to_string();
    let with = |keys: &[&str]| {
        rig.http_with(Keys::new(&[keys_of("shop", keys)], &[hash(OPERATOR_KEY)]).unwrap())
    };
    let status =
        async |door: &axum::Router, key: &str| post(door, "/v1/check", Some(key), body()).await.0;
    let door = with(&["old-key"]);
    assert_eq!((status(&door, "old-key").await, status(&door, "new-key").await), (200, 401));
    let door = with(&["old-key", "new-key"]);
    assert_eq!((status(&door, "old-key").await, status(&door, "new-key").await), (200, 200));
    let door = with(&["new-key"]);
    assert_eq!((status(&door, "old-key").await, status(&door, "new-key").await), (401, 200));
    // A third would never be taken away again.
    let three = Keys::new(&[keys_of("shop", &["a", "b", "c"])], &[]).unwrap_err();
    assert!(three.contains("shop") && three.contains("two"), "{three}");
    let split = [keys_of("shop", &["a", "b"]), keys_of("shop", &["c"])];
    assert!(Keys::new(&split, &[]).is_err());
    assert!(Keys::new(&[], &[hash("a"), hash("b"), hash("c")]).is_err());
    assert!(Keys::new(&[], &[hash("a"), hash("b")]).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_id_with_another_text_is_refused() {
    let faults = Faults::new();
    let mut doors = Doors::open(faults.caller(&[]), "").await;
    let first = json!({ "id": "order-1", "text": "hello", "speaker": "alice" });
    let context = json!([{ "text": "a page" }]);
    for answer in doors.message(&first.to_string()).await {
        assert_eq!(
            (answer.status, &answer.body["decision"]),
            (200, &json!("allow")),
            "{}",
            answer.door
        );
        assert_eq!(answer.body["text"], "hello", "{}", answer.door);
    }
    let asked = faults.asked();
    for (field, value) in [
        ("text", json!("something else")),
        ("speaker", json!("mallory")),
        ("conversation", json!("c1")),
        ("client_addr", json!("192.0.2.1")),
        ("in_reply_to", json!("order-0")),
        ("context", context),
    ] {
        let mut other = first.clone();
        other[field] = value;
        for answer in doors.ask(&other.to_string()).await {
            assert_eq!(answer.status, 422, "{} {field}: {}", answer.door, answer.body);
            assert_eq!(answer.body["type"], "urn:portcullis:problem:id-conflict");
        }
    }
    let mut other = first.clone();
    other["text"] = json!("something else");
    let answer = doors.submit(&other.to_string()).await;
    assert_eq!((answer.status, answer.door), (422, "submit"), "{}", answer.body);
    assert_eq!(faults.asked(), asked, "refused before any work");
    // The first verdict stands, and so does its one entry.
    let (_, state) = get(&doors.http, "/v1/checks/order-1", SHOP_KEY).await;
    assert_eq!(state["verdict"]["text"], "hello");
    assert_eq!(doors.rig.journal.entries().len(), 1);
    // Another bot's ids are its own.
    let bank = bot("bank");
    doors.rig.policies.set(portcullis_policy::Policy::parse(&bank, "1", PATIENT).unwrap());
    let other = portcullis_ingress::json(br#"{"id": "order-1", "text": "not hello"}"#).unwrap();
    let throttling = portcullis_ingress::Throttling::AskAgain;
    assert!(doors.rig.gateway.check(&Access::Bot(bank), other, throttling).await.is_ok());
    doors.close().await;
}

#[test]
fn an_open_address_without_a_key_does_not_start() {
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.7:8080"] {
        let mut config = Config::default();
        config.http.listen = open.parse().unwrap();
        assert!(config.keys().unwrap_err().to_string().contains("no API key"), "{open}");
        config.keys = vec![BotKeys { bot: shop(), sha256: vec![hash(SHOP_KEY)] }];
        assert!(config.keys().is_ok(), "{open}");
    }
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let mut config = Config::default();
        config.http.listen = local.parse().unwrap();
        assert!(config.keys().is_ok(), "{local}");
    }
    // The processes ask for it before they open anything.
    for (program, arguments) in [("portcullis-ingress", &[][..]), ("portcullis", &["up"][..])] {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(find(program));
        process.args(arguments).current_dir(data.path());
        process.env("PORTCULLIS__HTTP__LISTEN", "0.0.0.0:0");
        process.env("PORTCULLIS__HEALTH__LISTEN", "127.0.0.1:0");
        process.env("PORTCULLIS__MASTER_SECRET", "0123456789abcdef0123456789abcdef");
        let output = process.output().unwrap();
        assert!(!output.status.success(), "{program} must not run");
        let said =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("no API key"), "{program}: {said}");
    }
}
