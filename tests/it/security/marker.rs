//! A marker in place of what people write, driven through every process and every fault, and looked for
//! wherever an operator looks.

use std::sync::Arc;

use async_nats::jetstream;
use async_trait::async_trait;
use portcullis_bus::Seats;
use portcullis_bus_nats::{HeaderMap, Remote, StageDoor, Work, subjects};
use portcullis_core::{Ask, Decision, Report, Stage, StageError, StageName, Verdict};
use portcullis_testkit::{answer_garbage, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::rig::ATTACK;
use crate::support::{City, CityOptions, PATIENCE, PATIENT, Sink, bot, nats_ask, run};

/// Stands in every text; one word, so that masking, lower case and JSON leave it as it is.
const MARKER: &str = "zq7marker";
/// Stands in every name of a person.
const PERSON: &str = "zq7person";

/// Panics with the message as its payload.
struct Blabber(StageName);

#[async_trait]
impl Stage for Blabber {
    fn name(&self) -> StageName {
        self.0.clone()
    }

    async fn check(&self, ask: &Ask) -> Result<Report, StageError> {
        // The test's own output is not what is looked at: the payload alone must not travel.
        std::panic::resume_unwind(Box::new(ask.interaction.text.expose().to_owned()))
    }
}

/// Everything that came back to a caller who did nothing right.
#[derive(Default)]
struct Heard {
    problems: Vec<Value>,
    verdicts: Vec<Verdict>,
}

impl Heard {
    fn take(&mut self, status: u16, body: Value) {
        if status == 200 && body.get("decision").is_some() {
            self.verdicts.push(serde_json::from_value(body).unwrap());
        } else {
            assert!(status >= 400, "{status}: {body}");
            self.problems.push(body);
        }
    }

    /// The newest verdict's decision.
    fn decision(&self) -> Decision {
        self.verdicts.last().unwrap().decision
    }
}

/// Bodies that no door takes.
fn broken() -> Vec<Vec<u8>> {
    let text = |body: &str| body.as_bytes().to_vec();
    let mut bodies = vec![
        text(r#"{"text": "zq7marker"#),
        text(r#"zq7marker"#),
        text(r#"["zq7marker"]"#),
        text(r#"{"text": zq7marker}"#),
        text(r#"{"text": "a", "text": "zq7marker"}"#),
        text(r#"{"text": "zq7marker", "zq7marker": "zq7marker"}"#),
        text(r#"{"text": ["zq7marker"]}"#),
        text(r#"{"text": {"zq7marker": 1}}"#),
        text(r#"{"text": "\ud800 zq7marker"}"#),
        text(r#"{"text": "a"} zq7marker"#),
        text(r#"{"text": "a", "direction": "zq7marker"}"#),
        text(r#"{"text": "a", "context": "zq7marker"}"#),
        text(r#"{"text": "a", "context": [{"kind": "zq7marker", "text": "zq7marker"}]}"#),
        text(r#"{"text": "a", "client_addr": "zq7marker"}"#),
        text(r#"{"text": "a", "speaker": "zq7person zq7marker", "speaker": "zq7person"}"#),
        text(r#"{"text": "a", "id": "zq7marker with spaces"}"#),
        text(r#"{"text": "a", "bot": "zq7marker.x"}"#),
        json!({ "text": format!("{MARKER} {}", "a".repeat(300 * 1024)) }).to_string().into_bytes(),
        format!("{}{MARKER}", "[".repeat(10_000)).into_bytes(),
    ];
    bodies.push([&b"{\"text\": \"zq7marker \xff\xfe\"}"[..]].concat());
    bodies
}

const HOLDING: &str = "review = 'console'\n[[rules]]\nkind = 'pii.*'\nthen = 'hold'\n";

#[test]
fn message_text_never_leaves_the_record() {
    run(async {
        let sink = Sink::start().await;
        let options = CityOptions::all()
            .policy("bank", &format!("{HOLDING}{PATIENT}"))
            // So that there is a text in the record to be kept there.
            .env("ingress", "PORTCULLIS__CLEAR_TEXT_IN_RECORD", "true")
            .env_of_all("PORTCULLIS__TELEMETRY__LOG", "trace")
            .env_of_all("PORTCULLIS__TELEMETRY__OTLP_ENDPOINT", sink.endpoint());
        let mut city = City::start(options).await;
        let mut heard = Heard::default();
        judged(&city, &mut heard).await;
        held(&city, &mut heard).await;
        refused(&city, &mut heard).await;
        faulty(&mut city, &mut heard).await;
        unreadable(&city).await;
        look(&mut city, &sink, &heard).await;
    });
}

/// Messages that are allowed, blocked and masked, by every door.
async fn judged(city: &City, heard: &mut Heard) {
    let http = city.http();
    for (text, decision) in [
        (format!("Hello, my name is {MARKER}"), Decision::Allow),
        (format!("{ATTACK} {MARKER}"), Decision::Block),
        (format!("Write to {MARKER}@example.org about it"), Decision::Rewrite),
        (format!("I am very unhappy with the service, {MARKER}!"), Decision::Allow),
    ] {
        let body = json!({
            "bot": "shop", "text": text, "speaker": PERSON, "conversation": PERSON,
            "client_addr": "192.0.2.77", "context": [{ "kind": "web", "text": format!("About {MARKER}") }],
        });
        let answer = http.post("/v1/check", &body, &[]).await;
        heard.take(answer.status, answer.body);
        assert_eq!(heard.decision(), decision, "{:?}", heard.verdicts.last().unwrap().receipt);
        let answer = http.post("/v1/check/batch", &json!({ "items": [body] }), &[]).await;
        heard.take(200, answer.body["items"][0].clone());
        let outbound = json!({ "bot": "shop", "direction": "outbound", "text": text });
        let answer = http.post("/v1/check", &outbound, &[]).await;
        heard.take(answer.status, answer.body);
        let shop = city.bot("shop").await;
        let verdict = nats_ask(&shop, "shop", body.to_string().into(), HeaderMap::new()).await;
        heard.verdicts.push(verdict.unwrap().unwrap());
        submit(city, body.to_string().into(), heard).await;
    }
}

/// Submits, and waits for what is stored for the bot.
async fn submit(city: &City, body: Vec<u8>, heard: &mut Heard) {
    let client = city.bot("shop").await;
    let context = jetstream::new(client);
    let sent = city.count(subjects::VERDICT).await;
    context.publish(subjects::submit(&bot("shop")), body.into()).await.unwrap().await.unwrap();
    eventually(PATIENCE, async || city.count(subjects::VERDICT).await > sent).await;
    let (_, mail) = city.messages(subjects::VERDICT).await.pop().unwrap();
    let mail: Value = serde_json::from_slice(&mail).unwrap();
    match mail.get("problem") {
        Some(problem) => heard.problems.push(problem.clone()),
        None => heard.verdicts.push(serde_json::from_value(mail).unwrap()),
    }
}

/// Messages that wait for a human, and what becomes of them.
async fn held(city: &City, heard: &mut Heard) {
    let http = city.http();
    let text = format!("Write to {MARKER}@example.org, says {MARKER}");
    for (id, command) in [("h-1", "release"), ("h-2", "edit"), ("h-3", "reject")] {
        let body = json!({ "bot": "bank", "id": id, "text": text, "speaker": PERSON });
        let answer = http.post("/v1/check", &body, &[]).await;
        heard.take(answer.status, answer.body);
        assert_eq!(heard.decision(), Decision::Hold);
        let mut order = json!({ "command": command, "bot": "bank", "id": id, "by": "olga" });
        if command == "edit" {
            order["text"] = json!(format!("In other words: {MARKER}"));
        }
        let done = http.post("/v1/admin", &order, &[]).await;
        assert_eq!(done.status, 200, "{}", done.body);
        let again = http.post("/v1/admin", &order, &[]).await;
        heard.take(again.status, again.body);
    }
    let order = json!({ "command": "block", "bot": "bank", "speaker": PERSON, "by": "olga" });
    assert_eq!(http.post("/v1/admin", &order, &[]).await.status, 200);
    // The same id with another text.
    let other = json!({ "bot": "bank", "id": "h-1", "text": format!("{MARKER} {MARKER}") });
    let answer = http.post("/v1/check", &other, &[]).await;
    heard.take(answer.status, answer.body);
}

/// What no door takes.
async fn refused(city: &City, heard: &mut Heard) {
    let (http, shop) = (city.http(), city.bot("shop").await);
    for body in broken() {
        for path in ["/v1/check", "/v1/check/batch", "/v1/admin"] {
            let answer = http.post_bytes(path, body.clone(), &[]).await;
            heard.take(answer.status, answer.body);
        }
        let batch = [&b"{\"items\": ["[..], &body, b"]}"].concat();
        let answer = http.post_bytes("/v1/check/batch", batch, &[]).await;
        match answer.body.pointer("/items/0") {
            Some(item) => heard.problems.push(item.clone()),
            None => heard.take(answer.status, answer.body),
        }
        let answer = nats_ask(&shop, "shop", body.clone(), HeaderMap::new()).await.unwrap();
        heard.problems.push(answer.unwrap_err().body);
        submit(city, body, heard).await;
    }
    let body = json!({ "text": MARKER });
    for (name, value) in [("content-type", "text/zq7marker"), ("idempotency-key", "zq7marker !")] {
        let answer = http.post("/v1/check", &body, &[(name, value)]).await;
        heard.take(answer.status, answer.body);
    }
    let answer = http.post("/v1/check", &json!({ "bot": "nobody", "text": MARKER }), &[]).await;
    heard.take(answer.status, answer.body);
}

/// Stages that panic with the message, answer with it in no form, or are gone.
async fn faulty(city: &mut City, heard: &mut Heard) {
    let text = format!("Thank you, {MARKER}");
    let outbound =
        json!({ "bot": "shop", "direction": "outbound", "text": text, "speaker": PERSON });
    city.service("moderation-0").stop().await;
    let mut ask = async |city: &City, gap: &str| {
        let answer = city.http().post("/v1/check", &outbound, &[]).await;
        heard.take(answer.status, answer.body);
        let verdict = heard.verdicts.last().unwrap();
        assert!(verdict.reasons.iter().any(|reason| reason == gap), "{:?}", verdict.reasons);
    };
    ask(city, "gap.moderation.absent").await;

    let moderation = StageName::parse("moderation").unwrap();
    let (mut serving, shutdown) = (JoinSet::new(), CancellationToken::new());
    let remote = Remote::new(city.user("ingress").await);
    let seats = Seats::new(Arc::new(Blabber(moderation.clone())), 4);
    let user = city.user("moderation").await;
    let door = StageDoor::open(user.clone(), seats, Work::Waits, "1.0.0").await.unwrap();
    let until = shutdown.clone();
    serving.spawn(async move { door.serve(until).await.unwrap() });
    super::hostile::until_served(&remote, &moderation).await;
    ask(city, "gap.moderation.panicked").await;
    shutdown.cancel();
    serving.join_all().await;

    let subject = subjects::stage_check(&moderation);
    for body in [
        text.clone(),
        format!(r#"{{"version": "{text}"#),
        format!(r#"{{"version": "1", "findings": ["{text}"]}}"#),
        format!(r#"{{"version": "1", "coverage": {{"{text}": "{text}"}}}}"#),
    ] {
        let queue = "moderation".to_owned();
        let garbage = answer_garbage(user.clone(), subject.clone(), queue, body.into()).await;
        super::hostile::until_served(&remote, &moderation).await;
        ask(city, "gap.moderation.unreadable").await;
        drop(garbage);
        super::hostile::until_absent(&remote, &moderation).await;
    }
}

/// Entries of the journal that audit cannot read.
async fn unreadable(city: &City) {
    let context = jetstream::new(city.tester().clone());
    for body in [
        format!("not JSON: {MARKER}"),
        json!({ "id": "verdict/shop/inbound/odd", "text": MARKER, "bot": "shop" }).to_string(),
        json!({ "id": MARKER.repeat(40), "bot": MARKER, "kind": "verdict" }).to_string(),
    ] {
        let subject = "portcullis.v1.journal.verdict.shop";
        context.publish(subject, body.into()).await.unwrap().await.unwrap();
    }
    eventually(PATIENCE, async || city.count(subjects::DEAD).await == 3).await;
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Looks everywhere, and first makes sure that there is something to see.
async fn look(city: &mut City, sink: &Sink, heard: &Heard) {
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    for service in crate::support::SERVICES {
        let name = format!("{service}-0");
        if city.service(&name).runs() {
            let metrics = city.metrics(&name).await;
            assert!(metrics.contains("portcullis_"), "{name} has metrics");
            seen.push((format!("metrics of {name}"), metrics.into()));
        }
    }
    for (name, log) in city.logs() {
        let told = log.lines().filter(|line| line.contains(r#""level":"debug""#)).count();
        assert!(told > 10, "{name} tells all that it may: {told}");
        seen.push((format!("log of {name}"), log.into()));
    }
    // Spans are exported when a process ends, at the latest.
    city.service("ingress-0").stop().await;
    let exports = sink.exports();
    assert!(exports.iter().any(|export| holds(export, "direction")), "spans are exported");
    seen.extend(exports.into_iter().map(|export| ("a span".to_owned(), export.to_vec())));
    for (subject, letter) in city.messages(subjects::DEAD).await {
        seen.push((subject, letter.to_vec()));
    }
    assert!(heard.problems.len() > 100, "{} problems", heard.problems.len());
    for problem in &heard.problems {
        seen.push(("a problem".into(), problem.to_string().into()));
    }
    for verdict in &heard.verdicts {
        for finding in &verdict.findings {
            seen.push(("a finding".into(), serde_json::to_vec(finding).unwrap()));
        }
        for line in &verdict.receipt {
            seen.push(("a receipt".into(), serde_json::to_vec(line).unwrap()));
        }
        let said = format!("{:?} {:?} {:?}", verdict.reasons, verdict.tone, verdict.reply);
        seen.push(("a verdict's reasons".into(), said.into()));
    }
    for (what, bytes) in &seen {
        for word in [MARKER, PERSON] {
            if holds(bytes, word) {
                let text = String::from_utf8_lossy(bytes);
                let line = text.lines().find(|line| holds(line.as_bytes(), word)).unwrap();
                let end = line.char_indices().nth(600).map_or(line.len(), |(at, _)| at);
                panic!("{word} in {what}: {}", &line[..end]);
            }
        }
    }
    // The record has it, masked, and without names: it was on its way all the time.
    let journal = city.messages(subjects::JOURNAL).await;
    assert!(journal.iter().any(|(_, entry)| holds(entry, &format!("my name is {MARKER}"))));
    let masked = format!("{MARKER}@example.org");
    assert!(!journal.iter().any(|(_, entry)| holds(entry, &masked) || holds(entry, PERSON)));
    // What waited for a human is gone with its resolution.
    assert_eq!(city.count(subjects::HELD).await, 0);
}
