//! Telemetry as a process sees it: trace ids without an exporter, what is exported, panics without their
//! payload, the form of log lines. What concerns a whole process runs in a child of this one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure names its place"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use portcullis_config::{LogFormat, ServerUrl, TelemetryConfig};
use portcullis_telemetry as telemetry;

/// Names the part that a child plays.
const PART: &str = "PORTCULLIS_TEST_PART";

/// What no output may hold.
const MARKER: &str = "xyzzy-plugh";

fn headers_of(span: &tracing::Span) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    span.in_scope(|| telemetry::inject(|key, value| headers.push((key.to_owned(), value))));
    headers
}

fn parent_of(headers: &[(String, String)]) -> telemetry::Parent {
    telemetry::extract(|key| headers.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()))
}

/// Set up without an exporter and without a log line.
fn silent() -> telemetry::Telemetry {
    let config = TelemetryConfig { log: "off".into(), ..TelemetryConfig::default() };
    telemetry::init(&config, "test").unwrap()
}

#[test]
fn a_trace_id_exists_without_an_exporter_and_travels() {
    let _telemetry = silent();
    assert_eq!(telemetry::current_trace_id(), None);
    let asking = tracing::info_span!("asking");
    let id = asking.in_scope(telemetry::current_trace_id).unwrap();
    assert_eq!(id.len(), 32);

    let headers = headers_of(&asking);
    assert_eq!(headers.len(), 1, "{headers:?}");
    assert_eq!(headers[0].0, "traceparent");
    assert!(headers[0].1.contains(&id));

    let serving = tracing::info_span!("serving");
    assert_eq!(parent_of(&headers).trace_id(), Some(id.clone()));
    assert!(parent_of(&headers).adopt(&serving));
    assert_eq!(serving.in_scope(telemetry::current_trace_id), Some(id.clone()));
    let inner = serving.in_scope(|| tracing::info_span!("inner"));
    assert_eq!(inner.in_scope(telemetry::current_trace_id), Some(id));
}

#[test]
fn a_trace_that_is_not_sampled_has_an_id() {
    let out = child("unsampled", "");
    let id = out.lines().find_map(|line| line.strip_prefix("id ")).expect(&out);
    assert!(id.len() == 32 && id.bytes().any(|digit| digit != b'0'), "{id}");
}

#[test]
fn a_trace_context_that_cannot_be_read_begins_a_new_trace() {
    let _telemetry = silent();
    for broken in ["", "00-zz-11-01", "00-00000000000000000000000000000000-0000000000000000-01"] {
        let span = tracing::info_span!("serving");
        let parent = parent_of(&[("traceparent".to_owned(), broken.to_owned())]);
        assert_eq!(parent.trace_id(), None);
        assert!(!parent.adopt(&span));
        assert!(span.in_scope(telemetry::current_trace_id).is_some());
    }
}

#[test]
fn metrics_have_buckets_and_a_second_init_shares_them() {
    let first = silent();
    let second = telemetry::init(&TelemetryConfig::default(), "other").unwrap();
    metrics::histogram!("test_took_seconds").record(0.000_3);
    let text = second.metrics();
    assert!(text.contains("test_took_seconds_bucket{le=\"0.0005\"} 1"), "{text}");
    assert!(text.contains("test_took_seconds_bucket{le=\"0.00025\"} 0"), "{text}");
    assert!(first.metrics().contains("test_took_seconds_count 1"));
}

#[test]
fn in_the_open_form_a_bucket_names_a_trace_that_fell_into_it() {
    let telemetry = silent();
    let took = |bot: &'static str, seconds: f64| {
        metrics::histogram!("portcullis_check_seconds", "bot" => bot).record(seconds);
    };
    let span = tracing::info_span!("checking");
    span.in_scope(|| took("shop", 0.000_3));
    took("shop", 2.0);
    metrics::counter!("test_happened_total").increment(3);
    metrics::counter!("test_without_its_ending").increment(1);
    let trace = span.in_scope(telemetry::current_trace_id).unwrap();

    let text = telemetry.metrics_handle().render_open();
    let bucket = |le: &str| format!("portcullis_check_seconds_bucket{{bot=\"shop\",le=\"{le}\"}}");
    let named = format!("{} 1 # {{trace_id=\"{trace}\"}} 0.0003\n", bucket("0.0005"));
    assert!(text.contains(&named), "{text}");
    assert!(text.contains(&format!("{} 1\n", bucket("0.001"))), "each bucket has its own: {text}");
    assert!(text.contains(&format!("{} 2\n", bucket("2.5"))), "outside a trace: {text}");
    assert!(text.contains("# TYPE test_happened counter\ntest_happened_total 3\n"), "{text}");
    assert!(text.contains("# TYPE test_without_its_ending unknown\n"), "{text}");
    assert!(text.ends_with("\n# EOF\n") && !text.contains("\n\n"), "{text}");
    assert!(!telemetry.metrics().contains("trace_id"), "the plain form has no place for it");

    // It stands for a second; then the next one takes its place.
    span.in_scope(|| took("shop", 0.000_4));
    assert!(telemetry.metrics_handle().render_open().contains(&format!("\"{trace}\"}} 0.0003")));
}

#[test]
fn what_is_not_sampled_is_named_nowhere() {
    let out = child("unsampled", "");
    assert!(out.contains("portcullis_check_seconds_count 1"), "{out}");
    assert!(!out.contains("trace_id="), "{out}");
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let out = child("filter", "portcullis=loud");
    assert!(out.contains("telemetry.log: not a level"), "{out}");
    let out = child("export", "https://collector:4318");
    assert!(out.contains("telemetry.otlp_endpoint (or OTEL"), "{out}");
}

#[test]
fn a_panic_is_logged_by_its_place_and_counted_and_its_payload_never_shown() {
    for format in ["json", "pretty"] {
        let out = child("panic", format);
        assert!(out.contains("tests/telemetry.rs:"), "{out}");
        assert!(out.contains("portcullis_panics_total 1"), "{out}");
        assert!(!out.contains(MARKER), "{out}");
    }
}

#[test]
fn log_lines_have_the_service_the_level_and_the_trace() {
    let out = child("lines", "json");
    let line = out.lines().find(|line| line.contains("a remark")).expect(&out);
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "warn");
    assert_eq!(line["service"], "child");
    assert_eq!(line["seats"], 3);
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    let out = child("lines", "pretty");
    let line = out.lines().find(|line| line.contains("a remark")).expect(&out);
    assert!(
        line.contains("Z warn  child telemetry: a remark of two lines seats=3 trace="),
        "{line}"
    );
}

#[test]
fn spans_are_exported_and_the_exporter_does_not_trace_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let collector = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        receive(&mut connection)
    });
    let out = child("export", &format!("http://{address}"));
    let request = collector.join().unwrap();
    let request = String::from_utf8_lossy(&request);
    assert!(request.starts_with("POST /v1/traces HTTP/1.1"), "{request}");
    assert!(request.contains("span-of-child") && request.contains("child"), "{out}");
    assert!(!request.contains("hyper-inner"), "{request}");
}

/// Reads one request with a Content-Length and answers it.
fn receive(connection: &mut TcpStream) -> Vec<u8> {
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = connection.read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let length = text.split_once("content-length: ").and_then(|(_, rest)| {
            rest.split_once("\r\n").and_then(|(length, _)| length.parse::<usize>().ok())
        });
        let head = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let (Some(head), Some(length)) = (head, length)
            && request.len() >= head + 4 + length
        {
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            return request;
        }
        assert!(read > 0, "closed early");
    }
}

/// Runs `part` in a process of its own and returns what it wrote.
fn child(part: &str, with: &str) -> String {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(PART, format!("{part}={with}"))
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .output()
        .unwrap();
    let text = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(out.status.success(), "{text}");
    text
}

/// Plays the part that the environment names; alone, it has none and passes.
#[test]
fn the_child() {
    let Ok(part) = std::env::var(PART) else { return };
    let (part, with) = part.split_once('=').unwrap();
    let mut config = TelemetryConfig::default();
    match part {
        "filter" => config.log = with.to_owned(),
        "unsampled" => config.sample_ratio = 0.0,
        "export" => config.otlp_endpoint = Some(ServerUrl::parse(with).unwrap()),
        _ if with == "json" => config.format = LogFormat::Json,
        _ => {}
    }
    let telemetry = match telemetry::init(&config, "child") {
        Ok(telemetry) => telemetry,
        Err(error) => return eprintln!("{error}"),
    };
    match part {
        "panic" => {
            std::panic::catch_unwind(|| panic!("the text was {MARKER}")).unwrap_err();
            eprintln!("{}", telemetry.metrics());
        }
        "unsampled" => {
            let id = tracing::info_span!("span").in_scope(|| {
                metrics::histogram!("portcullis_check_seconds").record(0.1);
                telemetry::current_trace_id()
            });
            eprintln!("id {}", id.unwrap());
            eprintln!("{}", telemetry.metrics_handle().render_open());
        }
        "lines" => tracing::info_span!("outer").in_scope(|| {
            tracing::warn!(seats = 3, "a remark\nof two lines");
        }),
        "export" => {
            tracing::info_span!("span-of-child").in_scope(|| {
                tracing::info_span!(target: "hyper::client", "hyper-inner").in_scope(|| {});
            });
            telemetry.flush();
        }
        _ => unreachable!(),
    }
}
