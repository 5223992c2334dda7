//! A message and its answer through every process, by every door.

use portcullis_core::{Decision, Status};
use serde_json::json;

use crate::support::{City, CityOptions, run};

#[test]
fn a_message_and_its_answer_go_the_whole_way() {
    run(async {
        let city = City::start(CityOptions::all()).await;
        let http = city.http();
        let verdict = http.check(json!({"bot": "shop", "text": "What time do you open?"})).await;
        assert_eq!(verdict.decision, Decision::Allow);
        assert!(verdict.receipt.iter().all(|check| check.status == Status::Ran), "{verdict:?}");
    });
}
