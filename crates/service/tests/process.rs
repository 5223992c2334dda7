//! Whole processes: readiness, drain, failures that say which, and nothing on stdout.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure names its place")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// What no output may hold.
const MARKER: &str = "xyzzy-plugh";

/// The example `probe`, running.
struct Probe {
    process: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Probe {
    fn start(wrong: &str, more: &[(&str, &str)]) -> Self {
        let mut process = Command::new(probe())
            .env("PORTCULLIS__HEALTH__LISTEN", "127.0.0.1:0")
            .env("PORTCULLIS__STAGE__WRONG", wrong)
            .env("PORTCULLIS__STAGE__KEY", MARKER)
            .env_remove("PORTCULLIS_CONFIG")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self { process, stderr, seen: String::new() }
    }

    /// Reads log lines up to one that holds `words`, and returns that one.
    fn line(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "ended without {words:?}:\n{}", self.seen);
            self.seen.push_str(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    fn address(&mut self) -> String {
        let line = self.line("health door open");
        line.split_once("address=").unwrap().1.split_whitespace().next().unwrap().to_owned()
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for the end; returns the status and everything that was logged.
    fn end(mut self) -> (ExitStatus, String) {
        self.stderr.read_to_string(&mut self.seen).unwrap();
        let mut stdout = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert_eq!(stdout, "", "nothing goes to stdout");
        assert!(!self.seen.contains(MARKER), "{}", self.seen);
        (self.process.wait().unwrap(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Already over, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo builds examples beside the tests.
fn probe() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/probe")
}

fn get(address: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn a_process_is_ready_then_drains_in_order_and_ends_well() {
    let mut probe = Probe::start("", &[]);
    let address = probe.address();
    probe.line("started");
    assert_eq!(get(&address, "/livez").0, 200);
    let (status, body) = get(&address, "/readyz");
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["conditions"][0]["name"], "bus");
    assert!(get(&address, "/metrics").1.contains("portcullis_ready 1"));

    probe.signal("-TERM");
    probe.line("draining");
    let (status, body) = get(&address, "/readyz");
    assert_eq!(status, 503);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["draining"], true);
    assert_eq!(get(&address, "/livez").0, 200);
    probe.line("work in flight done");
    probe.line("last left, first drained");
    probe.line("first left, last drained");
    let (status, log) = probe.end();
    assert!(status.success(), "{log}");
}

/// What the program says of the service at an address, as a health check of an image without a shell.
fn ready(address: &str) -> (Option<i32>, String) {
    let asked = Command::new(probe()).args(["--ready", address]).output().unwrap();
    assert_eq!(asked.stdout, b"");
    (asked.status.code(), String::from_utf8(asked.stderr).unwrap())
}

#[test]
fn a_program_tells_whether_a_service_is_ready() {
    let mut probe = Probe::start("", &[]);
    let address = probe.address();
    probe.line("started");
    assert_eq!(ready(&address), (Some(0), String::new()));
    probe.signal("-TERM");
    probe.line("draining");
    let (code, why) = ready(&address);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("not ready") && why.contains("\"draining\":true"), "{why}");
    assert!(probe.end().0.success());
    let (code, why) = ready(&address);
    assert_eq!(code, Some(1), "{why}");
    assert_eq!(ready("nobody.invalid:1").0, Some(1));
}

#[test]
fn an_unfinished_start_is_alive_but_not_ready_and_a_signal_ends_it() {
    let mut probe = Probe::start("start-hangs", &[]);
    let address = probe.address();
    assert_eq!(get(&address, "/livez").0, 200);
    let (status, body) = get(&address, "/readyz");
    assert_eq!(status, 503);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["started"], false);
    probe.signal("-INT");
    let (status, log) = probe.end();
    assert!(status.success(), "{log}");
}

#[test]
fn a_failure_ends_the_process_with_an_error_that_says_which() {
    for (wrong, says) in [
        ("start-fails", "start failed: no bus"),
        ("start-panics", "start panicked"),
        ("task-fails", "task serve failed: bus lost"),
        ("task-panics", "task serve panicked"),
    ] {
        let (status, log) = Probe::start(wrong, &[]).end();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(says), "{wrong}: {log}");
        assert_eq!(log.contains("examples/probe.rs:"), wrong.ends_with("panics"), "{log}");
    }
}

#[test]
fn a_task_that_hangs_is_named_after_the_grace_period() {
    let mut probe = Probe::start("task-hangs", &[("PORTCULLIS__GRACE_MS", "100")]);
    probe.line("started");
    probe.signal("-TERM");
    let (status, log) = probe.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("still running after the grace period: serve"), "{log}");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut probe = Probe::start("task-hangs", &[("PORTCULLIS__GRACE_MS", "600000")]);
    probe.line("started");
    probe.signal("-TERM");
    probe.line("draining");
    probe.signal("-TERM");
    let (status, log) = probe.end();
    assert_eq!(status.code(), Some(130), "{log}");
}

#[test]
fn a_configuration_that_cannot_be_used_says_where() {
    let (status, log) = Probe::start("", &[("PORTCULLIS__SEATS", MARKER)]).end();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("PORTCULLIS__SEATS: seats: wrong type"), "{log}");
    let (status, log) = Probe::start("", &[("PORTCULLIS__TELEMETRY__LOG", "a=b=c")]).end();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("telemetry.log"), "{log}");
}

#[test]
fn an_address_in_use_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, log) = Probe::start("", &[("PORTCULLIS__HEALTH__LISTEN", &address)]).end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("health.listen"), "{log}");
}
