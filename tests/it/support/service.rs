//! One service as a process, with its log, its health and its metrics.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use portcullis_testkit::Process;
use serde_json::Value;

use super::PATIENCE;

/// A service's process; killed on drop.
pub(crate) struct Service {
    name: String,
    program: PathBuf,
    folder: PathBuf,
    env: Vec<(String, String)>,
    process: Option<Process>,
    starts: usize,
}

impl Service {
    /// A service that does not run yet. Its log is in `folder`.
    pub(super) fn new(
        name: String,
        program: &str,
        folder: &Path,
        env: Vec<(String, String)>,
    ) -> Self {
        Self {
            name,
            program: find(program),
            folder: folder.to_owned(),
            env,
            process: None,
            starts: 0,
        }
    }

    /// Its name: the service's and a number.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts it; does not wait.
    pub(crate) fn start(&mut self) {
        self.process = None;
        self.starts += 1;
        let log = File::create(self.log_path()).unwrap();
        let mut command = Command::new(&self.program);
        command
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env("PORTCULLIS__HEALTH__LISTEN", "127.0.0.1:0")
            .env("PORTCULLIS__TELEMETRY__FORMAT", "json")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start_logging(&mut command, &self.folder, &log));
    }

    /// Waits until `/readyz` says yes.
    pub(crate) async fn ready(&mut self) {
        let end = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            assert!(self.runs(), "{} ended at its start:\n{}", self.name, self.log());
            assert!(Instant::now() < end, "{} is not ready:\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether `/readyz` says yes now.
    pub(crate) async fn is_ready(&self) -> bool {
        self.health("readyz").await.is_some_and(|(status, _)| status == 200)
    }

    /// Status and body of `/livez`, `/readyz` or `/metrics`; `None` where nobody answers.
    pub(crate) async fn health(&self, path: &str) -> Option<(u16, String)> {
        let address = self.address("health door open")?;
        let answer = reqwest::get(format!("http://{address}/{path}")).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Host and port of its health door.
    pub(crate) fn health_door(&self) -> String {
        self.address("health door open").expect("the door is open").to_string()
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> String {
        self.health("metrics").await.expect("metrics are served").1
    }

    /// The same in the form OpenMetrics, as Prometheus asks for them.
    pub(crate) async fn open_metrics(&self) -> String {
        let address = self.health_door();
        let accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.4";
        let request = reqwest::Client::new().get(format!("http://{address}/metrics"));
        let answer = request.header("accept", accept).send().await.unwrap();
        let form = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(form.starts_with("application/openmetrics-text; version=1.0.0"), "{form}");
        answer.text().await.unwrap()
    }

    /// Where its HTTP door is.
    pub(crate) fn http(&self) -> String {
        let address = self.address("http door open").expect("the door is open");
        format!("http://{address}")
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::runs)
    }

    /// Kills it at once (`SIGKILL`).
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Asks it to stop (`SIGTERM`) and waits for its end.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        process.signal("TERM");
        process.ended(PATIENCE).await.unwrap_or_else(|| {
            panic!("{} does not end:\n{}", self.name, self.log());
        })
    }

    /// What it has logged since its last start.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// What it has logged in all its lives.
    pub(crate) fn logs(&self) -> String {
        (1..=self.starts)
            .map(|start| std::fs::read_to_string(self.path_of(start)).unwrap_or_default())
            .collect()
    }

    fn log_path(&self) -> PathBuf {
        self.path_of(self.starts)
    }

    fn path_of(&self, start: usize) -> PathBuf {
        self.folder.join(format!("{}.{start}.log", self.name))
    }

    /// The address in the log line with this message.
    fn address(&self, message: &str) -> Option<SocketAddr> {
        self.log().lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == message).then(|| line["address"].as_str()?.parse().ok())?
        })
    }
}

/// The value of a metric with all these labels, summed over the others; 0 where there is none.
pub(crate) fn metric(metrics: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
            && labels.iter().all(|(key, value)| line.contains(&format!("{key}=\"{value}\"")))
    };
    let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
    metrics.lines().filter(fits).filter_map(value).sum()
}

/// A program of this workspace: it lies beside the folder of the tests' own.
pub(crate) fn find(program: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let found =
        own.ancestors().skip(1).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{program} is not built: run `cargo build --workspace --bins` (`make test` does)")
    })
}
