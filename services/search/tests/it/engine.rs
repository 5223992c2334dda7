//! Against a real OpenSearch: templates, documents, outages, and persons who are forgotten.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use portcullis_search::document::document;
use portcullis_search::{Erasure, Erasures};
use portcullis_search_http::{Client, Installed, Item, Outcome, Schema};
use portcullis_testkit::{OpenSearch, eventually};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::documents::each;
use crate::scripted::{Scripted, all};
use crate::support::{PATIENCE, Paper, Work, client, forget, spoken};

/// One engine for all tests that do not stop it; each has a stream of its own.
pub(crate) async fn engine() -> &'static OpenSearch {
    static ENGINE: OnceCell<OpenSearch> = OnceCell::const_new();
    ENGINE.get_or_init(OpenSearch::start).await
}

pub(crate) async fn ask(method: &str, url: String, body: Option<Value>) -> Value {
    let http = reqwest::Client::new();
    let request = http.request(method.parse().unwrap(), url);
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
    answer.json().await.unwrap()
}

/// The ids of all documents of a stream that fit.
async fn found(client: &Client, stream: &str, query: Value) -> Vec<String> {
    client.refresh(stream).await.unwrap();
    let question = json!({ "size": 10_000, "query": query, "sort": [{ "event.id": "asc" }] });
    let answer = client.search(stream, &question).await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| {
            assert_eq!(hit["_id"], hit["_source"]["event"]["id"], "the id is the entry's");
            hit["_id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        })
        .collect()
}

async fn count(client: &Client, stream: &str) -> usize {
    found(client, stream, json!({ "match_all": {} })).await.len()
}

fn schema(stream: &str) -> Schema {
    portcullis_search::start::schema(stream).unwrap()
}

#[tokio::test]
async fn templates_are_compared_with_what_is_there() {
    let (url, stream) = (engine().await.url(), "templates");
    let (client, mut schema) = (client(&url), schema(stream));
    let all = Installed {
        mappings: true,
        settings: true,
        template: true,
        stream: true,
        ..<_>::default()
    };
    assert_eq!(client.install(&schema).await.unwrap(), all);
    assert_eq!(client.install(&schema).await.unwrap(), Installed::default(), "nothing differs");

    // The settings are an operator's from now on.
    let path = format!("{url}/_component_template/templates-settings");
    let own = json!({ "template": { "settings": { "index": { "number_of_replicas": "0" } } } });
    ask("PUT", path.clone(), Some(own)).await;
    assert_eq!(client.install(&schema).await.unwrap(), Installed::default());
    let kept = ask("GET", path, None).await.to_string();
    assert!(kept.contains("\"number_of_replicas\":\"0\""), "{kept}");

    // A field that is new goes into the present index; one of another type begins a new index.
    schema.mappings["properties"]["portcullis"]["properties"]["new"] = json!({ "type": "long" });
    let done = client.install(&schema).await.unwrap();
    assert_eq!(done, Installed { mappings: true, ..<_>::default() });
    let now = ask("GET", format!("{url}/templates/_mapping"), None).await.to_string();
    assert!(now.contains("\"new\":{\"type\":\"long\"}"), "{now}");
    schema.mappings["properties"]["portcullis"]["properties"]["new"] = json!({ "type": "keyword" });
    let done = client.install(&schema).await.unwrap();
    assert_eq!(done, Installed { mappings: true, rolled_over: true, ..<_>::default() });
    let streams = ask("GET", format!("{url}/_data_stream/templates"), None).await;
    assert_eq!(streams["data_streams"][0]["indices"].as_array().unwrap().len(), 2);

    // An index template that somebody changed is put right.
    let other = json!({ "index_patterns": ["templates"], "priority": 1, "data_stream": {} });
    ask("PUT", format!("{url}/_index_template/templates"), Some(other)).await;
    let done = client.install(&schema).await.unwrap();
    assert_eq!(done, Installed { template: true, ..<_>::default() });
}

#[tokio::test]
async fn entries_of_every_kind_are_found_by_their_fields() {
    let (url, stream) = (engine().await.url(), "kinds");
    let paper = Paper::default();
    each().iter().for_each(|entry| paper.write(entry));
    let work = Work::begin(&paper, &url, stream);
    eventually(PATIENCE, async || paper.acked().len() == each().len()).await;
    assert_eq!(work.letters.kept(), []);
    assert!(work.health.is_ready());
    let client = client(&url);
    let fits = async |field: &str, value: Value| {
        found(&client, stream, json!({ "term": { field: value } })).await
    };
    // `plain` is of jane, who was forgotten after it
    assert_eq!(fits("portcullis.decision", json!("block")).await, ["whole"]);
    assert_eq!(fits("user.hash", json!("5eed")).await, ["1", "whole"]);
    assert_eq!(fits("portcullis.findings.kind", json!("injection.direct")).await, ["whole"]);
    assert_eq!(fits("portcullis.gaps.stage", json!("sentiment")).await, ["whole"]);
    assert_eq!(fits("event.category", json!("configuration")).await.len(), 2);
    assert_eq!(fits("portcullis.kind", json!("unknown")).await, ["1"]);
    let range = json!({ "range": { "portcullis.score": { "gte": 0.9 } } });
    assert_eq!(found(&client, stream, range).await, ["whole"]);
    // Delivered again, nothing is there twice.
    work.end().await;
    let before = count(&client, stream).await;
    paper.forget_acks();
    let _work = Work::begin(&paper, &url, stream);
    eventually(PATIENCE, async || paper.acked().len() == each().len()).await;
    assert_eq!(count(&client, stream).await, before);
}

#[tokio::test]
async fn what_the_engine_itself_refuses_is_dead_and_the_rest_is_there() {
    let (url, stream) = (engine().await.url(), "refused");
    let client = client(&url);
    client.install(&schema(stream)).await.unwrap();
    let item =
        |id: &str, document: Value| Item { id: id.into(), document: document.to_string().into() };
    let good = document(&spoken("good", "jane", 1), 1, &BTreeMap::new());
    let mut bad = good.clone();
    bad["portcullis"]["bytes"] = json!("my card is 4111");
    let items = [item("good", good.clone()), item("bad", bad), item("good", good)];
    let outcomes = client.create(stream, &items).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Created);
    let Outcome::Refused(why) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(why.to_string(), "400 mapper_parsing_exception");
    assert_eq!(outcomes[2], Outcome::There);
}

#[tokio::test]
async fn an_outage_costs_no_entry() {
    let mut engine = OpenSearch::start().await;
    let (paper, stream) = (Paper::default(), "outage");
    let write = |from: usize, to: usize| {
        for number in from..to {
            paper.write(&spoken(&format!("m{number:04}"), "jane", 1));
        }
    };
    write(0, 700);
    let work = Work::begin(&paper, &engine.url(), stream);
    // killed in the middle of it
    eventually(PATIENCE, async || paper.acked().len() >= 500).await;
    engine.kill();
    write(700, 2_000);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let acked = paper.acked().len();
    assert!(acked < 2_000, "{acked}");
    assert!(work.lag.seconds(jiff::Timestamp::now()) > 3600.0, "the lag is of what waits");
    write(2_000, 2_100);
    engine.restart().await;
    eventually(PATIENCE, async || paper.acked().len() == 2_100).await;
    assert_eq!(work.letters.kept(), []);
    assert_eq!(count(&client(&engine.url()), stream).await, 2_100, "each once");

    // An engine that comes back empty gets its templates again, before any document.
    engine.kill();
    let empty = OpenSearch::start().await;
    let both = format!("{},{}", engine.url(), empty.url());
    work.end().await;
    let work = Work::begin(&paper, &both, stream);
    write(2_100, 2_200);
    eventually(PATIENCE, async || paper.acked().len() == 2_200).await;
    assert!(work.health.is_ready());
    assert_eq!(count(&client(&empty.url()), stream).await, 100);
    let streams = ask("GET", format!("{}/_data_stream/{stream}", empty.url()), None).await;
    assert_eq!(streams["data_streams"][0]["name"], stream);
}

#[tokio::test]
async fn who_is_forgotten_is_found_no_more_and_does_not_come_back() {
    let (url, stream) = (engine().await.url(), "forgotten");
    let (client, paper) = (client(&url), Paper::default());
    for number in 0..40 {
        let speaker = if number % 2 == 0 { "jane" } else { "john" };
        paper.write(&spoken(&format!("{speaker}{number}"), speaker, number));
    }
    let mut elsewhere = spoken("elsewhere", "jane", 3);
    elsewhere.bot = portcullis_core::BotId::parse("other").unwrap();
    paper.write(&elsewhere);
    paper.write(&forget("jane", 100));
    paper.write(&spoken("again", "jane", 200));
    let work = Work::begin(&paper, &url, stream);
    eventually(PATIENCE, async || paper.acked().len() == 43).await;
    let of = async |speaker: &str| {
        found(&client, stream, json!({ "term": { "user.hash": speaker } })).await
    };
    // Another bot's jane is another person, and who comes back later is not forgotten.
    assert_eq!(of("jane").await, ["again", "elsewhere"]);
    assert_eq!(of("john").await.len(), 20);
    let orders = found(&client, stream, json!({ "term": { "event.action": "erase" } })).await;
    assert_eq!(orders, ["forget-jane-100"], "the order itself stays");
    work.end().await;

    // A later process, to which everything is delivered again.
    paper.forget_acks();
    let work = Work::begin(&paper, &url, stream);
    eventually(PATIENCE, async || paper.acked().len() == 43).await;
    assert_eq!(of("jane").await, ["again", "elsewhere"]);
    work.end().await;

    // What another process still had in its hands goes with the next sweep.
    let late = spoken("late", "jane", 5);
    let item = Item {
        id: late.id.clone(),
        document: document(&late, 1, &BTreeMap::new()).to_string().into(),
    };
    assert_eq!(client.create(stream, &[item]).await.unwrap(), [Outcome::Created]);
    assert_eq!(of("jane").await, ["again", "elsewhere", "late"]);
    let now = jiff::Timestamp::now();
    assert_eq!(Erasures::default().sweep(&client, stream, now).await.unwrap(), 1);
    assert_eq!(of("jane").await, ["again", "elsewhere"]);
    assert_eq!(Erasures::default().sweep(&client, stream, now).await.unwrap(), 0);
}

#[tokio::test]
async fn more_orders_than_a_page_are_read() {
    let (url, stream) = (engine().await.url(), "many-orders");
    let (client, paper) = (client(&url), Paper::default());
    let orders: Vec<_> = (0..450).map(|number| forget(&format!("p{number}"), 7)).collect();
    client.install(&schema(stream)).await.unwrap();
    let items: Vec<Item> = orders
        .iter()
        .map(|entry| Item {
            id: entry.id.clone(),
            document: document(entry, 1, &BTreeMap::new()).to_string().into(),
        })
        .collect();
    client.create(stream, &items).await.unwrap();
    client.refresh(stream).await.unwrap();
    let erasures = Erasures::default();
    let read = erasures.load(&client, stream, jiff::Timestamp::now()).await.unwrap();
    assert_eq!(read.len(), 450);
    assert!(orders.iter().all(|order| read.contains(&Erasure::of(order).unwrap())));
    assert!(erasures.cover(&spoken("x", "p449", 6)));
    assert!(!erasures.cover(&spoken("x", "p449", 8)));
    drop(paper);
}

/// Not a bound: figures for the README, on a machine that other tests use too.
#[tokio::test]
async fn a_backlog_is_worked_off() {
    let (url, paper) = (engine().await.url(), Paper::default());
    for number in 0..10_000 {
        paper.write(&spoken(&format!("m{number}"), "jane", 1));
    }
    let server = Scripted::start(|_, ids| all(ids)).await;
    for (whom, url) in [("a server that stores nothing", server.url()), ("the engine", url.clone())]
    {
        paper.forget_acks();
        let began = Instant::now();
        let _work = Work::begin(&paper, &url, "backlog");
        eventually(PATIENCE, async || paper.acked().len() == 10_000).await;
        let rate = 10_000.0 / began.elapsed().as_secs_f64();
        println!("{rate:.0} documents a second into {whom}");
    }
    assert_eq!(count(&client(&url), "backlog").await, 10_000);
}
