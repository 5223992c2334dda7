//! `/livez`, `/readyz`, `/metrics` and `/openapi.json` of real processes.

use portcullis_testkit::eventually;
use serde_json::{Value, json};

use crate::support::{City, CityOptions, PATIENCE, SERVICES, metric, run};

#[test]
fn every_process_tells_how_it_is() {
    run(async {
        let mut city = City::start(CityOptions::all()).await;
        for service in SERVICES {
            let service = city.service(&format!("{service}-0"));
            assert_eq!(service.health("livez").await.unwrap().0, 200);
            let (status, body) = service.health("readyz").await.unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &body["ready"]), (200, &json!(true)));
            for condition in body["conditions"].as_array().unwrap() {
                assert_eq!(condition["holds"], true, "{}: {condition}", service.name());
            }
            assert_eq!(metric(&service.metrics().await, "portcullis_ready", &[]), 1.0);
        }
        // The HTTP door tells it too.
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(city.http().get(path).await.status, 200, "{path}");
        }
        let document = city.http().get("/openapi.json").await.body;
        for path in ["/v1/check", "/v1/check/batch", "/v1/checks/{id}", "/v1/admin"] {
            assert!(document["paths"][path].is_object(), "{path}");
        }
    });
}

#[test]
fn what_happens_is_counted() {
    run(async {
        let city = City::start(CityOptions::only(&["ingress", "sanitizer", "sentiment"])).await;
        for _ in 0..3 {
            city.http().check(json!({"bot": "shop", "text": "hello"})).await;
        }
        let metrics = city.metrics("ingress-0").await;
        let value = |name: &str, labels: &[(&str, &str)]| metric(&metrics, name, labels);
        let blocked = [("bot", "shop"), ("decision", "block")];
        assert_eq!(value("portcullis_verdicts_total", &blocked), 3.0);
        let gap = [("stage", "injection-classifier"), ("cause", "absent")];
        assert_eq!(value("portcullis_gaps_total", &gap), 3.0);
        assert_eq!(value("portcullis_stand_in_total", &[("stage", "rate-limit")]), 3.0);
        assert_eq!(value("portcullis_check_seconds_count", &[]), 3.0);
    });
}

#[test]
fn a_stage_is_found_by_the_micro_service_protocol() {
    run(async {
        let mut city = City::start(CityOptions::only(&["ingress", "sanitizer"])).await;
        city.http().check(json!({"bot": "shop", "text": "hello"})).await;
        let operator = city.user("operator").await;
        let stats = operator.request("$SRV.STATS.sanitizer", "".into()).await.unwrap();
        let stats: Value = serde_json::from_slice(&stats.payload).unwrap();
        assert_eq!(stats["name"], "sanitizer");
        assert_eq!(stats["endpoints"][0]["num_requests"], 1);
        // A process that ends is not ready first, and is gone then.
        assert!(city.service("sanitizer-0").stop().await.success());
        eventually(PATIENCE, async || {
            operator.request("$SRV.PING.sanitizer", "".into()).await.is_err()
        })
        .await;
    });
}
