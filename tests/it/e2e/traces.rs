//! One trace over HTTP, NATS and every process.

use portcullis_testkit::eventually;
use serde_json::json;

use crate::support::{City, CityOptions, PATIENCE, STAGES, Sink, run};

#[test]
fn one_trace_holds_the_spans_of_ingress_and_of_each_stage() {
    run(async {
        let sink = Sink::start().await;
        let options =
            CityOptions::all().env_of_all("PORTCULLIS__TELEMETRY__OTLP_ENDPOINT", sink.endpoint());
        let mut city = City::start(options).await;
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        for direction in ["inbound", "outbound"] {
            let message = json!({"bot": "shop", "text": "hello", "direction": direction});
            let headers = [("traceparent", parent.as_str())];
            let verdict = city.http().post("/v1/check", &message, &headers).await.verdict();
            assert_eq!(verdict.trace_id.as_deref(), Some(trace));
        }
        // Spans leave in batches; whoever ends sends what is left.
        for service in STAGES.iter().chain(&["ingress"]) {
            assert!(city.service(&format!("{service}-0")).stop().await.success());
            eventually(PATIENCE, async || sink.has(service, trace)).await;
        }
    });
}
