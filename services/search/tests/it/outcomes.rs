//! Each outcome of an item and of a request, by a server that answers as it is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_search::Feeding;
use portcullis_search_http::{Client, Login, Options};
use portcullis_testkit::eventually;

use crate::scripted::{Answer, MARKER, Scripted, all};
use crate::support::{Letters, PATIENCE, Paper, Work, client, forget, quick, spoken};

const PARSING: &str = "mapper_parsing_exception";
const BUSY: &str = "rejected_execution_exception";

fn paper(ids: &[&str]) -> Paper {
    let paper = Paper::default();
    for id in ids {
        paper.write(&spoken(id, "jane", 1));
    }
    paper
}

#[tokio::test]
async fn each_item_is_looked_at_alone() {
    let server = Scripted::start(|number, ids| match number {
        0 => Answer::Items(vec![
            (201, ""),
            (409, "version_conflict_engine_exception"),
            (429, BUSY),
            (503, "unavailable_shards_exception"),
            (400, PARSING),
            (404, "some_other_exception"),
        ]),
        1 => Answer::Items(vec![(429, BUSY), (201, "")]),
        _ => all(ids),
    })
    .await;
    let paper = paper(&["created", "there", "busy", "away", "broken", "odd"]);
    let work = Work::begin(&paper, &server.url(), "s");
    eventually(PATIENCE, async || paper.acked().len() == 6).await;
    // Only those are asked for again that were not done.
    let asked = server.asked();
    assert_eq!(asked[0], ["created", "there", "busy", "away", "broken", "odd"]);
    assert_eq!(asked[1..], [vec!["busy", "away"], vec!["busy"]]);
    let letters = work.letters.kept();
    assert_eq!(letters[0], (5, format!("refused: 400 {PARSING}")));
    assert_eq!(letters[1], (6, "refused: 404 some_other_exception".into()));
    assert_eq!(letters.len(), 2);
    assert!(!format!("{letters:?}").contains(MARKER));
}

#[tokio::test]
async fn nothing_is_acknowledged_before_its_item_is_done() {
    let server = Scripted::start(|number, ids| match number {
        0..=3 => Answer::Items(
            ids.iter().map(|id| if id == "late" { (429, BUSY) } else { (201, "") }).collect(),
        ),
        _ => all(ids),
    })
    .await;
    let paper = paper(&["a", "late", "b"]);
    let work = Work::begin(&paper, &server.url(), "s");
    eventually(PATIENCE, async || !paper.acked().is_empty()).await;
    assert_eq!(paper.acked(), [1, 3], "those that are done, and only those");
    assert!(work.lag.seconds(jiff::Timestamp::now()) > 3600.0, "the lag is of what is missing");
    eventually(PATIENCE, async || paper.acked().len() == 3).await;
    eventually(PATIENCE, async || work.lag.seconds(jiff::Timestamp::now()) == 0.0).await;
}

#[tokio::test]
async fn a_request_that_is_not_done_costs_nothing_and_is_asked_again() {
    let bodies: [(u16, &str); 8] = [
        (503, "busy"),
        (429, "busy"),
        (401, r#"{"error":{"type":"security_exception","reason":"no"}}"#),
        (403, r#"{"error":{"type":"security_exception","reason":"no"}}"#),
        (502, "<html>gateway</html>"),
        // a proxy's own, not the engine's
        (400, "<html>bad request</html>"),
        (200, "<html>a page of a captive portal</html>"),
        (200, r#"{"items":[]}"#),
    ];
    let server = Scripted::start(move |number, ids| match bodies.get(number) {
        Some((status, body)) => Answer::Whole(*status, (*body).into()),
        None => all(ids),
    })
    .await;
    let paper = paper(&["a", "b"]);
    let work = Work::begin(&paper, &server.url(), "s");
    eventually(PATIENCE, async || paper.acked().len() == 2).await;
    assert_eq!(server.asked().len(), 9);
    assert!(server.asked().iter().all(|ids| ids == &["a", "b"]));
    assert_eq!(work.letters.kept(), []);
    assert!(work.health.is_ready());
}

#[tokio::test]
async fn a_request_that_is_too_long_is_parted_until_one_alone_is_found() {
    let server = Scripted::start(|_, ids| {
        if ids.iter().any(|id| id == "long") { Answer::Whole(413, String::new()) } else { all(ids) }
    })
    .await;
    let paper = paper(&["a", "b", "c", "long", "d"]);
    let work = Work::begin(&paper, &server.url(), "s");
    eventually(PATIENCE, async || paper.acked().len() == 5).await;
    assert_eq!(work.letters.kept(), [(4, "refused: 413 unknown".into())]);
}

#[tokio::test]
async fn what_every_document_would_meet_is_no_documents_fault() {
    let server = Scripted::start(|number, ids| match number {
        0 => {
            Answer::Items(vec![(403, "cluster_block_exception"), (403, "cluster_block_exception")])
        }
        1 => Answer::Items(vec![(404, "index_not_found_exception"), (500, "some_exception")]),
        _ => all(ids),
    })
    .await;
    let paper = paper(&["a", "b"]);
    let feeding = Feeding { least_pause: Duration::from_secs(1), ..quick() };
    let work = Work::with(&paper, client(&server.url()), "s", Letters::default(), feeding);
    let engine = work.health.condition("engine");
    eventually(PATIENCE, async || server.asked().len() == 1).await;
    eventually(PATIENCE, async || !engine.holds()).await;
    eventually(PATIENCE, async || paper.acked().len() == 2).await;
    assert!(engine.holds());
    assert_eq!(work.letters.kept(), []);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_poison_entry_goes_to_the_dead_letters_first_and_stops_nobody() {
    let server = Scripted::start(|_, ids| all(ids)).await;
    let paper = paper(&["a"]);
    paper.write_raw(format!("{{\"id\": \"{MARKER}\"").into_bytes());
    paper.write(&spoken("b", "jane", 1));
    let letters = Letters::default();
    letters.away.store(true, Ordering::SeqCst);
    let work = Work::with(&paper, client(&server.url()), "s", letters.clone(), quick());
    // While the dead letters cannot be written it is not let go.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!paper.acked().contains(&2));
    letters.away.store(false, Ordering::SeqCst);
    eventually(PATIENCE, async || paper.acked() == [1, 2, 3]).await;
    assert_eq!(work.letters.kept(), [(2, "not an entry".into())]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let held = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let nobody = format!("http://{}", held.local_addr().unwrap());
    drop(held);
    let paper = paper(&["a"]);
    let work = Work::begin(&paper, &nobody, "s");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(paper.acked().is_empty());
    assert!(!work.health.is_ready(), "not ready before the engine was there");
    assert!(work.lag.seconds(jiff::Timestamp::now()) > 0.3, "nobody claims to be up to date");
    // Of several nodes another answers.
    let server = Scripted::start(|_, ids| all(ids)).await;
    let both = client(&format!("{nobody},{}", server.url()));
    let work = Work::with(&paper, both, "s", Letters::default(), quick());
    eventually(PATIENCE, async || paper.acked() == [1]).await;
    assert!(work.health.is_ready());
}

#[tokio::test]
async fn the_order_to_forget_is_acknowledged_after_the_deletion() {
    let server = Scripted::start(|_, ids| all(ids)).await;
    let paper = paper(&["a"]);
    paper.write(&forget("jane", 100));
    paper.write(&spoken("older", "jane", 50));
    let _work = Work::begin(&paper, &server.url(), "s");
    eventually(PATIENCE, async || paper.acked().len() == 3).await;
    // What is older than the order and comes after it is let fall.
    assert_eq!(server.asked().concat(), ["a", "forget-jane-100"]);
    let filter = &server.erased()[0]["query"]["bool"]["filter"];
    assert_eq!(filter[0]["term"]["portcullis.bot"], "shop");
    assert_eq!(filter[1]["term"]["user.hash"], "jane");
    assert!(filter[2]["range"]["@timestamp"]["lte"].is_string());
}

#[tokio::test]
async fn an_order_to_forget_whose_document_is_refused_is_carried_out() {
    for whole in [false, true] {
        let server = Scripted::start(move |_, ids| match ids {
            [one] if one.starts_with("forget") && whole => Answer::Whole(413, String::new()),
            _ if whole && ids.len() > 1 => Answer::Whole(413, String::new()),
            _ => Answer::Items(
                ids.iter()
                    .map(|id| if id.starts_with("forget") { (400, PARSING) } else { (201, "") })
                    .collect(),
            ),
        })
        .await;
        let paper = paper(&["a"]);
        paper.write(&forget("jane", 100));
        let work = Work::begin(&paper, &server.url(), "s");
        eventually(PATIENCE, async || paper.acked().len() == 2).await;
        assert_eq!(server.erased().len(), 1);
        assert_eq!(work.letters.kept().len(), 1);
    }
}

#[tokio::test]
async fn who_asks_is_told_by_password_or_key() {
    let server = Scripted::start(|_, ids| all(ids)).await;
    let options = |login| Options {
        urls: server.url(),
        login,
        authorities: None,
        timeout: Duration::from_secs(5),
    };
    let logins = [
        (Login::Basic("ada".into(), "p:w".to_owned().into()), "Basic YWRhOnA6dw=="),
        (Login::ApiKey("aWQ6a2V5".to_owned().into()), "ApiKey aWQ6a2V5"),
    ];
    for (login, header) in logins {
        assert!(!format!("{login:?}").contains("p:w"));
        let paper = paper(&["a"]);
        let client = Client::new(&options(login)).unwrap();
        let _work = Work::with(&paper, client, "s", Letters::default(), quick());
        eventually(PATIENCE, async || paper.acked().len() == 1).await;
        assert_eq!(server.logins().last().unwrap().as_deref(), Some(header));
    }
    assert!(Client::new(&options(Login::ApiKey("a\nb".to_owned().into()))).is_err());
}

#[tokio::test]
async fn requests_stay_within_their_sizes() {
    let server = Scripted::start(|_, ids| all(ids)).await;
    let ids: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    let paper = paper(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let feeding = Feeding { batch: 7, ..quick() };
    let _work = Work::with(&paper, client(&server.url()), "s", Letters::default(), feeding);
    eventually(PATIENCE, async || paper.acked().len() == 100).await;
    assert!(server.asked().iter().all(|ids| ids.len() <= 7));
    assert_eq!(server.asked().concat(), ids);
}
