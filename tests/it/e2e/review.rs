//! Holding without a console: held, listed, released, edited, rejected, expired.

use futures::StreamExt;
use portcullis_bus_nats::subjects;
use portcullis_client::{Mail, NatsClient};
use portcullis_core::{Decision, Effect, MessageId, Resolution, Text};
use portcullis_testkit::eventually;
use serde_json::{Value, json};

use crate::support::{City, CityOptions, Http, PATIENCE, PATIENT, bot, run};

async fn city() -> City {
    let policy = format!("review = 'console'\nhold_s = 3600\n{PATIENT}");
    // Without a moderation stage every answer of the bot is for a human.
    let services =
        ["ingress", "rate-limit", "sanitizer", "injection-classifier", "sentiment", "audit"];
    City::start(CityOptions::only(&services).policy("shop", &policy)).await
}

async fn hold(http: &Http, id: &str, text: &str) {
    let answer = json!({"bot": "shop", "id": id, "text": text, "direction": "outbound"});
    let verdict = http.check(answer).await;
    assert_eq!((verdict.decision, verdict.text), (Decision::Hold, None));
    assert!(verdict.receipt.iter().any(|check| check.effect == Some(Effect::Hold)));
}

/// As `portcullis admin` does; the status of a problem, or what was done.
async fn admin(city: &City, order: Value) -> Result<Value, u64> {
    let operator = city.user("operator").await;
    let subject = subjects::admin(order["command"].as_str().unwrap());
    let body = serde_json::to_vec(&order).unwrap();
    let done = operator.request(subject, body.into()).await.unwrap();
    let body: Value = serde_json::from_slice(&done.payload).unwrap();
    if done.headers.is_some() { Err(body["status"].as_u64().unwrap()) } else { Ok(body) }
}

fn resolve(command: &str, id: &str) -> Value {
    json!({"command": command, "bot": "shop", "direction": "outbound", "id": id, "by": "rita"})
}

#[test]
fn a_held_answer_is_released_edited_or_rejected_once() {
    run(async {
        let city = city().await;
        let http = city.http();
        for (id, text) in [("h-1", "We open at nine."), ("h-2", "Go away."), ("h-3", "No.")] {
            hold(&http, id, text).await;
        }
        let held = admin(&city, json!({"command": "held", "bot": "shop"})).await.unwrap();
        let cases = held["held"].as_array().unwrap();
        let ids: Vec<&str> = cases.iter().map(|c| c["verdict"]["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["h-1", "h-2", "h-3"], "oldest first");
        assert_eq!(cases[0]["text"], "We open at nine.");
        let sealed = city.messages("HELD").await;
        let plain = |body: &[u8]| String::from_utf8_lossy(body).contains("nine");
        assert!(sealed.len() == 3 && !sealed.iter().any(|(_, body)| plain(body)), "sealed");

        admin(&city, resolve("release", "h-1")).await.unwrap();
        let mut edit = resolve("edit", "h-2");
        edit["text"] = json!("Sorry, I cannot help with that.");
        admin(&city, edit).await.unwrap();
        admin(&city, resolve("reject", "h-3")).await.unwrap();
        assert_eq!(admin(&city, resolve("release", "h-3")).await, Err(409), "once");
        assert_eq!(admin(&city, resolve("release", "h-9")).await, Err(404));
        let held = admin(&city, json!({"command": "held", "bot": "shop"})).await.unwrap();
        assert_eq!(held["held"], json!([]));

        // The bot is told on its subject …
        let client = NatsClient::new(city.bot("shop").await, bot("shop"));
        let mut mailbox = client.mailbox().await.unwrap();
        let expected = [
            ("h-1", Resolution::Release, Some("We open at nine.")),
            ("h-2", Resolution::Edit, Some("Sorry, I cannot help with that.")),
            ("h-3", Resolution::Reject, None),
        ];
        for (id, resolution, text) in expected {
            let letter = tokio::time::timeout(PATIENCE, mailbox.next()).await.unwrap();
            let letter = letter.unwrap().unwrap();
            let Mail::Resolution(record) = &letter.mail else { panic!("{:?}", letter.mail) };
            assert_eq!(record.message, id.parse::<MessageId>().unwrap());
            assert_eq!((record.resolution, record.by.as_str()), (resolution, "rita"));
            assert_eq!(record.text.as_ref().map(Text::expose), text);
            letter.done().await.unwrap();
        }
        // … and where it asks.
        for (id, resolution, text) in expected {
            let state = http.get(&format!("/v1/checks/{id}?bot=shop")).await.body;
            assert_eq!(state["verdict"]["decision"], "hold");
            assert_eq!(state["resolution"]["resolution"], resolution.as_str());
            assert_eq!(state["resolution"]["text"].as_str(), text);
        }
        // In the record: three verdicts and three resolutions, without the wording.
        eventually(PATIENCE, async || city.ledger_ids().len() == 6).await;
        let entries = city.journal().await;
        let kinds: Vec<&str> = entries.iter().map(|entry| entry.body.kind()).collect();
        let (v, r) = ("verdict", "resolution");
        assert_eq!(kinds, [v, v, v, r, r, r]);
        let resolutions = serde_json::to_string(&entries[3..]).unwrap();
        assert!(!resolutions.contains("cannot help"));
    });
}

#[test]
fn an_order_forbids_a_release_until_it_is_lifted() {
    run(async {
        let city = city().await;
        hold(&city.http(), "h-1", "We open at nine.").await;
        admin(&city, json!({"command": "mute", "bot": "shop", "by": "ops"})).await.unwrap();
        eventually(PATIENCE, async || {
            admin(&city, json!({"command": "held"})).await.is_ok()
                && city
                    .http()
                    .check(json!({"bot": "shop", "text": "x", "direction": "outbound"}))
                    .await
                    .decision
                    == Decision::Block
        })
        .await;
        assert_eq!(admin(&city, resolve("release", "h-1")).await, Err(409));
        admin(&city, json!({"command": "start", "bot": "shop", "by": "ops"})).await.unwrap();
        eventually(PATIENCE, async || admin(&city, resolve("release", "h-1")).await.is_ok()).await;
    });
}

#[test]
fn what_nobody_looks_at_expires() {
    run(async {
        let city = city().await;
        let http = city.http();
        let probe = json!({"bot": "shop", "text": "hello"});
        let digest = http.check(probe.clone()).await.policy.digest;
        city.put_policy("shop", &format!("review = 'console'\nhold_s = 1\n{PATIENT}")).await;
        eventually(PATIENCE, async || http.check(probe.clone()).await.policy.digest != digest)
            .await;
        hold(&http, "h-1", "We open at nine.").await;
        eventually(PATIENCE, async || {
            let state = http.get("/v1/checks/h-1?bot=shop").await.body;
            state["resolution"]["resolution"] == "expired"
        })
        .await;
        // told first, and then taken out
        eventually(PATIENCE, async || city.count("HELD").await == 0).await;
        assert_eq!(admin(&city, resolve("release", "h-1")).await, Err(409));
    });
}
