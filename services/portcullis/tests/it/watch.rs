//! The watch over the record, in the one process.

use std::time::Duration;

use serde_json::{Value, json};

use crate::run::{Up, run};

/// Roomy by itself, so that only an order makes it narrow; and nothing that takes long in an unoptimised program.
const POLICY: &str = "
[inbound]
gate = ['rate-limit']
clean = ['sanitizer']
judge = []
[stages.rate-limit.settings]
rules = [{ name = 'person', key = 'speaker', rate = 1000, per = 'day', burst = 1000 }]
";

async fn decision(up: &Up, user: &str) -> String {
    let message = json!({"text": "Hello, where is my order?", "user": user});
    let url = format!("{}/v1/check", up.url);
    let answer = reqwest::Client::new().post(url).json(&message).send().await.unwrap();
    let verdict: Value = answer.json().await.unwrap();
    verdict["decision"].as_str().unwrap_or_else(|| panic!("{verdict}")).to_owned()
}

#[tokio::test]
async fn a_flood_of_one_speaker_is_slowed_down_where_the_settings_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("default.toml"), POLICY).unwrap();
    let watch = folder.path().join("watch.toml");
    let acting = "[acting.speaker.volume]\naction = 'limit'\nfactor = 0.01\nfor_s = 600\n";
    std::fs::write(&watch, acting).unwrap();
    let (policies, watch) = (policies.to_str().unwrap(), watch.to_str().unwrap());
    for settings in [&["--policy", policies][..], &["--policy", policies, "--watch", watch]] {
        let up = Up::start(settings);
        let mut throttled = false;
        for _ in 0..80 {
            throttled |= decision(&up, "jane").await == "throttle";
        }
        // The watch reads the record beside the messages; it may be a moment behind.
        for _ in 0..20 {
            throttled |= decision(&up, "jane").await == "throttle";
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(throttled, settings.contains(&"--watch"), "by itself it orders nothing");
        assert_eq!(decision(&up, "john").await, "allow", "nobody else feels it");
    }
}

#[test]
fn settings_that_do_not_hold_are_refused_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let watch = folder.path().join("watch.toml");
    std::fs::write(&watch, "[watching]\none_minut = 3\n").unwrap();
    let data = folder.path().join("data");
    let [watch, data] = [&watch, &data].map(|path| path.to_str().unwrap());
    let ran = run(&["up", "--listen", "127.0.0.1:0", "--data", data, "--watch", watch]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("watch.toml") && ran.err.contains("one_minut"), "{}", ran.err);
}
