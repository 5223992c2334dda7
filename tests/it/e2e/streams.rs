//! Streams through real processes: over NATS and over HTTP, with what goes wrong on the way.

use std::time::Duration;

use portcullis_bus_nats::subjects;
use portcullis_client::{AnswerStream, Error, HttpClient, Message, NatsClient, StreamDoor};
use portcullis_core::{Body, Decision, Entry, Verdict};
use portcullis_testkit::eventually;
use serde_json::{Value, json};

use crate::support::{City, CityOptions, PATIENCE, bot, run};

const CALM: &str = "Thank you for writing to us. Your two lamps were sent in two parcels, and the second one \
    left our store on Tuesday; it should be at your door by Friday. ";
const LEAK: &str = "Write to bob@example.org, or call. ";

fn city() -> CityOptions {
    CityOptions::only(&["ingress", "sanitizer", "moderation", "audit"])
}

async fn nats(city: &City) -> NatsClient {
    NatsClient::new(city.bot("shop").await, bot("shop")).timeout(PATIENCE)
}

fn http(city: &City) -> HttpClient {
    HttpClient::new(&city.http_url()).unwrap().timeout(PATIENCE)
}

fn answer() -> Message {
    Message::outbound("").bot(bot("shop"))
}

/// Feeds a text by a few characters at a time, to its end or to its stop.
async fn told(stream: &mut AnswerStream, text: &str) -> (String, Verdict) {
    let mut shown = String::new();
    let chars: Vec<char> = text.chars().collect();
    for piece in chars.chunks(7) {
        let piece = stream.feed(&piece.iter().collect::<String>()).await.unwrap();
        shown.push_str(piece.text.expose());
        if let Some(verdict) = piece.verdict {
            return (shown, *verdict);
        }
    }
    let last = stream.finish().await.unwrap();
    shown.push_str(last.text.expose());
    (shown, *last.verdict.unwrap())
}

#[test]
fn over_both_doors_an_answer_is_released_as_it_is_written_and_judged_whole() {
    run(async {
        let city = City::start(city()).await;
        let (nats, http) = (nats(&city).await, http(&city));
        let doors: [&dyn StreamDoor; 2] = [&nats, &http];
        let text = format!("{CALM}{LEAK}{CALM}{LEAK}");
        for door in doors {
            let mut stream = door.stream(&answer()).await.unwrap();
            let (shown, verdict) = told(&mut stream, &text).await;
            assert_eq!(shown, text.replace("bob@example.org", "[EMAIL]"));
            assert_eq!((verdict.decision, &verdict.id), (Decision::Rewrite, stream.id()));
            assert_eq!(verdict.stream.unwrap().released, text.len());
            assert_eq!(stream.feed("more").await, Err(Error::Aborted), "it is over");
        }
        recorded(&city, 2, |_| true).await;
    });
}

/// Waits until so many verdicts on streams that fit are in the journal.
async fn recorded(city: &City, count: usize, fits: impl Fn(&Verdict) -> bool) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    eventually(PATIENCE, async || {
        let entries: Vec<Entry> = city.journal().await;
        verdicts = entries
            .into_iter()
            .filter_map(|entry| match entry.body {
                Body::Verdict(record) if record.verdict.stream.is_some() => Some(record.verdict),
                _ => None,
            })
            .filter(&fits)
            .collect();
        verdicts.len() >= count
    })
    .await;
    verdicts
}

#[test]
fn an_operator_stops_a_stream_in_the_middle() {
    run(async {
        let city = City::start(city()).await;
        let nats = nats(&city).await;
        let mut stream = nats.stream(&answer()).await.unwrap();
        let first = stream.feed(CALM).await.unwrap();
        assert!(first.stopped.is_none() && !first.text.is_empty());
        let operator = city.user("operator").await;
        let order = json!({"command": "mute", "by": "ops", "bot": "shop"});
        let body = serde_json::to_vec(&order).unwrap();
        operator.request(subjects::admin("mute"), body.into()).await.unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(1);
        let stopped = loop {
            let piece = stream.feed("So it is. ").await.unwrap();
            if piece.stopped.is_some() {
                break piece;
            }
            assert!(std::time::Instant::now() < end, "the order is in force within a second");
        };
        assert_eq!(stopped.stopped.as_deref(), Some("control.mute"));
        let verdict = stopped.verdict.unwrap();
        assert_eq!(verdict.decision, Decision::Block);
        assert!(verdict.stream.unwrap().released >= first.text.len());
    });
}

#[test]
fn the_death_of_its_ingress_aborts_a_stream() {
    run(async {
        let mut city = City::start(city()).await;
        let (nats, http) = (nats(&city).await, http(&city));
        let mut streams =
            [nats.stream(&answer()).await.unwrap(), http.stream(&answer()).await.unwrap()];
        for stream in &mut streams {
            stream.feed(CALM).await.unwrap();
        }
        city.service("ingress-0").kill();
        for stream in &mut streams {
            assert_eq!(stream.feed(CALM).await, Err(Error::Aborted));
            assert_eq!(stream.finish().await, Err(Error::Aborted));
        }
        city.service("ingress-0").start();
        city.service("ingress-0").ready().await;
        let mut stream = nats.stream(&answer()).await.unwrap();
        assert_eq!(told(&mut stream, CALM).await.0, CALM);
    });
}

/// Asks on a subject with bytes as they are: status and body.
async fn raw(client: &portcullis_bus_nats::Client, subject: &str, body: &[u8]) -> (u16, Value) {
    let reply = client.request(subject.to_owned(), body.to_vec().into()).await.unwrap();
    let status = reply.headers.as_ref().and_then(|headers| headers.get("Portcullis-Status"));
    let status = status.map_or(200, |status| status.as_str().parse().unwrap());
    (status, serde_json::from_slice(&reply.payload).unwrap())
}

#[test]
fn a_gap_and_garbage_break_a_stream_over_nats() {
    run(async {
        let city = City::start(city()).await;
        let client = city.bot("shop").await;
        let open = async || {
            let (status, opened) = raw(&client, "portcullis.v1.stream.shop", b"{}").await;
            assert_eq!(status, 200, "{opened}");
            opened["subject"].as_str().unwrap().to_owned()
        };
        let piece = |seq: u64| serde_json::to_vec(&json!({"seq": seq, "text": CALM})).unwrap();
        let subject = open().await;
        assert_eq!(raw(&client, &subject, &piece(1)).await.0, 200);
        let (status, problem) = raw(&client, &subject, &piece(3)).await;
        assert_eq!((status, problem["field"].as_str()), (409, Some("seq")));
        let over = raw(&client, &subject, &piece(2)).await.0;
        assert_eq!(over, 404, "what is broken stays so");
        for garbage in
            [&b"\xff\x00"[..], b"", b"[]", b"{\"seq\": 1, \"MARKER\": 2}", b"{\"text\": \"a\"}"]
        {
            let subject = open().await;
            let (status, problem) = raw(&client, &subject, garbage).await;
            assert_eq!(status, 400, "{problem}");
            assert!(!problem.to_string().contains("MARKER"));
        }
        assert_eq!(raw(&client, "portcullis.v1.stream.shop", b"{\"text\": \"a\"}").await.0, 400);
        let broken = |verdict: &Verdict| {
            verdict.stream.as_ref().unwrap().stopped.as_deref() == Some("stream.broken")
        };
        recorded(&city, 1, broken).await;
    });
}

#[test]
fn over_http_huge_lines_garbage_and_slow_readers_are_met() {
    run(async {
        let city = City::start(city()).await;
        let url = format!("{}/v1/stream", city.http_url());
        let client = reqwest::Client::new();
        let post = |body: String, kind: &'static str| {
            client.post(url.clone()).header("content-type", kind).body(body).send()
        };
        let kind = "application/x-ndjson";
        let open = "{\"bot\": \"shop\"}\n";
        assert_eq!(post(open.into(), "text/plain").await.unwrap().status(), 415);
        assert_eq!(post(String::new(), kind).await.unwrap().status(), 400);
        assert_eq!(post("{\"nobody\": 1}\n".into(), kind).await.unwrap().status(), 400);
        let events = async |body: String| post(body, kind).await.unwrap().text().await.unwrap();
        let garbage = events(format!("{open}{{\"seq\": 1, MARKER}}\n")).await;
        assert!(garbage.contains("event: problem") && !garbage.contains("MARKER"), "{garbage}");
        let gap = events(format!("{open}{{\"seq\": 2, \"text\": \"a\"}}\n")).await;
        assert!(gap.contains("event: problem") && gap.contains("409"), "{gap}");
        let huge =
            events(format!("{open}{}\n", json!({"seq": 1, "text": "a b ".repeat(100_000)}))).await;
        assert!(huge.contains("event: problem") && huge.contains("413"), "{huge}");
        let large = json!({"seq": 1, "text": CALM.repeat(1000), "end": true});
        let large = events(format!("{open}{large}\n")).await;
        assert!(large.contains("\"decision\":\"allow\""), "a piece may be as large as an answer");
        // Nothing is read until everything was sent: nothing is lost and nothing is out of order.
        let words: Vec<&str> = CALM.split_inclusive(' ').collect();
        let word = |seq: usize| words[(seq - 1) % words.len()];
        let mut lines = open.to_owned();
        for seq in 1..=2000 {
            lines.push_str(&format!(
                "{}\n",
                json!({"seq": seq, "text": word(seq), "end": seq == 2000})
            ));
        }
        let slow = post(lines, kind).await.unwrap();
        let slow = slow.text().await.unwrap();
        let mut shown = String::new();
        let mut last = 0;
        for data in slow.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let data: Value = serde_json::from_str(data).unwrap();
            let Some(seq) = data["seq"].as_u64() else { continue };
            assert!(seq == last + 1, "{seq} after {last}");
            last = seq;
            shown.push_str(data["text"].as_str().unwrap());
        }
        assert_eq!(shown, (1..=2000).map(word).collect::<String>());
        // Somebody who goes away in the middle leaves a verdict on what came.
        let mut stream = http(&city).stream(&answer()).await.unwrap();
        stream.feed(CALM).await.unwrap();
        drop(stream);
        let broken = |verdict: &Verdict| {
            let stream = verdict.stream.as_ref().unwrap();
            stream.stopped.as_deref() == Some("stream.broken") && stream.received == CALM.len()
        };
        recorded(&city, 1, broken).await;
    });
}
