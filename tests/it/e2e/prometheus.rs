//! What a real Prometheus makes of the metrics. Slow to get (`tests/tools/setup.sh prometheus` builds it), so it is among
//! the ignored tests: `make test-all`.

use std::collections::BTreeSet;
use std::process::Command;

use portcullis_core::{Clock, SystemClock};
use portcullis_testkit::{Process, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::jaeger::{Jaeger, port};
use crate::support::{City, CityOptions, PATIENCE, run};

/// A Prometheus that reads one service, and keeps exemplars.
struct Prometheus {
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl Prometheus {
    async fn start(target: &str) -> Self {
        let program = std::env::var("PORTCULLIS_PROMETHEUS").expect(
            "PORTCULLIS_PROMETHEUS names the program: run `make test-all`, or tests/tools/setup.sh prometheus",
        );
        let (folder, port) = (tempfile::tempdir().unwrap(), port());
        let config = json!({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "ingress", "static_configs": [{"targets": [target]}]}],
        });
        // JSON is YAML.
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--enable-feature=exemplar-storage");
        let process = Process::start(&mut command, folder.path());
        let this = Self { _process: process, _folder: folder, port };
        eventually(PATIENCE, async || this.get("query", &[("query", "up == 1")]).await.is_some())
            .await;
        this
    }

    /// What the API answers, where it has something to say.
    async fn get(&self, what: &str, asked: &[(&str, &str)]) -> Option<Value> {
        let address = format!("http://127.0.0.1:{}/api/v1/{what}", self.port);
        let address = reqwest::Url::parse_with_params(&address, asked).ok()?;
        let answer = reqwest::get(address).await.ok()?;
        let answer: Value = answer.json().await.ok()?;
        let data = &answer["data"];
        let found = data.get("result").unwrap_or(data).as_array()?;
        (!found.is_empty()).then(|| Value::Array(found.clone()))
    }
}

#[test]
#[ignore = "needs a Prometheus and a Jaeger, which take minutes to build: make test-all"]
fn the_exemplars_that_prometheus_keeps_lead_to_the_traces_in_jaeger() {
    run(async {
        let jaeger = Jaeger::start().await;
        let options = CityOptions::all()
            .env_of_all("PORTCULLIS__TELEMETRY__OTLP_ENDPOINT", &jaeger.endpoint());
        let mut city = City::start(options).await;
        let prometheus = Prometheus::start(&city.service("ingress-0").health_door()).await;
        let mut told = BTreeSet::new();
        for _ in 0..5 {
            let verdict = city.http().check(json!({"bot": "shop", "text": "hello"})).await;
            told.insert(verdict.trace_id.unwrap());
        }
        let now = SystemClock.now().as_second();
        let (start, end) = ((now - 600).to_string(), (now + 600).to_string());
        let query = "portcullis_check_seconds_bucket";
        let asked = [("query", query), ("start", start.as_str()), ("end", end.as_str())];
        eventually(PATIENCE, async || prometheus.get("query_exemplars", &asked).await.is_some())
            .await;
        let found = prometheus.get("query_exemplars", &asked).await.unwrap();
        let exemplars: Vec<&Value> = found
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|series| series["exemplars"].as_array().into_iter().flatten())
            .collect();
        for exemplar in exemplars {
            let trace = exemplar["labels"]["trace_id"].as_str().unwrap();
            assert!(told.contains(trace), "{trace} is of none of {told:?}");
            let seconds: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
            assert!(seconds > 0.0 && seconds < 60.0, "{exemplar}");
            eventually(PATIENCE, async || {
                let spans = jaeger.trace(trace).await.unwrap_or_default();
                spans.iter().any(|span| span.service == "ingress")
            })
            .await;
        }
    });
}
