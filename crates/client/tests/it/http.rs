//! Over HTTP: what is sent, and what becomes of each answer.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use portcullis_client::{
    Decision, Direction, Door, Error, HttpClient, Message, Problem, SetupError,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::verdict;

/// A door that serves these routes until the set is dropped.
async fn door(routes: Router) -> (JoinSet<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async { axum::serve(listener, routes).await.unwrap() });
    (tasks, base)
}

fn checks<T: axum::response::IntoResponse + Clone + Send + Sync + 'static>(answer: T) -> Router {
    Router::new().route("/v1/check", post(async move || answer.clone()))
}

#[tokio::test]
async fn a_message_and_the_key_are_sent_and_the_verdict_is_read() {
    let judged = verdict(Decision::Rewrite, Some("mail me at [EMAIL]"), None);
    let answer = judged.clone();
    let routes = Router::new().route(
        "/guard/v1/check",
        post(async move |headers: HeaderMap, Json(body): Json<Value>| {
            assert_eq!(headers["authorization"], "Bearer s3cret");
            assert_eq!(body, json!({ "text": "mail me at a@example.com", "direction": "inbound" }));
            Json(answer)
        }),
    );
    let (_door, base) = door(routes).await;
    let client = HttpClient::new(&format!("{base}/guard")).unwrap().key("s3cret");
    let message = Message::inbound("mail me at a@example.com");
    assert_eq!(client.check(&message).await.unwrap(), judged);
}

#[tokio::test]
async fn a_problem_is_told_with_its_field_and_time() {
    let problem = json!({
        "type": "urn:portcullis:problem:busy", "title": "No seat is free", "status": 503,
        "detail": "every seat is taken", "news": 1,
    });
    let (_door, base) =
        door(checks((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], Json(problem))))
            .await;
    let error = HttpClient::new(&base).unwrap().check(&Message::inbound("a")).await.unwrap_err();
    assert!(error.is_away());
    let Error::Refused(problem) = error else { panic!("{error}") };
    let expected = Problem {
        kind: "urn:portcullis:problem:busy".into(),
        title: "No seat is free".into(),
        status: 503,
        detail: "every seat is taken".into(),
        field: None,
        retry_after_s: Some(7),
    };
    assert_eq!(*problem, expected);
}

#[tokio::test]
async fn the_status_counts_where_the_answer_is_in_other_words() {
    let (_door, base) = door(checks((StatusCode::BAD_REQUEST, "<html>no</html>"))).await;
    let error = HttpClient::new(&base).unwrap().check(&Message::inbound("a")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(problem) if problem.status == 400), "{error}");
    assert!(!error.is_away());
}

#[tokio::test]
async fn what_is_no_verdict_is_unreadable_and_a_redirect_is_not_followed() {
    let (_door, base) = door(checks("{}")).await;
    let client = HttpClient::new(&base).unwrap();
    assert_eq!(client.check(&Message::inbound("a")).await, Err(Error::Unreadable));
    let elsewhere = [("location", "/other")];
    let (_door, base) = door(checks((StatusCode::TEMPORARY_REDIRECT, elsewhere))).await;
    let client = HttpClient::new(&base).unwrap();
    assert_eq!(client.check(&Message::inbound("a")).await, Err(Error::Unreadable));
}

#[tokio::test]
async fn nobody_there_is_away_and_no_answer_is_a_timeout() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = HttpClient::new(&format!("http://{free}")).unwrap();
    assert_eq!(client.check(&Message::inbound("a")).await, Err(Error::Away));
    let silent = Router::new().route("/v1/check", post(std::future::pending::<()>));
    let (_door, base) = door(silent).await;
    let client = HttpClient::new(&base).unwrap().timeout(Duration::from_millis(50));
    assert_eq!(client.check(&Message::inbound("a")).await, Err(Error::Timeout));
}

#[tokio::test]
async fn a_held_check_is_looked_up() {
    let held = verdict(Decision::Hold, None, None);
    let state = json!({ "verdict": held, "resolution": {
        "message": "m-1", "direction": "inbound", "resolution": "release", "by": "ann",
        "text": "as it was", "resolved_at": "2025-06-15T15:06:40Z",
    } });
    let routes = Router::new().route("/v1/checks/m-1", get(async move || Json(state)));
    let (_door, base) = door(routes).await;
    let client = HttpClient::new(&base).unwrap();
    let known = client.look_up(Direction::Inbound, &"m-1".parse().unwrap()).await.unwrap();
    assert_eq!(known.verdict, held);
    let resolution = known.resolution.unwrap();
    assert_eq!(resolution.text.unwrap().expose(), "as it was");
    let error = client.look_up(Direction::Inbound, &"m-2".parse().unwrap()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(problem) if problem.status == 404), "{error}");
}

#[tokio::test]
async fn only_an_address_of_a_door_is_taken() {
    for bad in ["", "localhost:8080", "nats://host", "https://host", "http://"] {
        assert_eq!(HttpClient::new(bad).err(), Some(SetupError::Address), "{bad}");
    }
    // A key that no header can carry is refused here, and not sent in part.
    let client = HttpClient::new("http://127.0.0.1:9").unwrap().key("a\nb");
    let error = client.check(&Message::inbound("a")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(problem) if problem.status == 401), "{error}");
}
