//! The whole exchange, before a door that says what it is told to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portcullis_client::{
    Decision, Door, Error, Exchange, Guard, Heard, Message, OnAway, Outcome, Problem, Verdict,
};
use serde_json::Value;

use crate::verdict;

/// Answers what was put into it, in order, and remembers what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Verdict, Error>>>,
    asked: Mutex<Vec<Value>>,
}

#[async_trait]
impl Door for Script {
    async fn check(&self, message: &Message) -> Result<Verdict, Error> {
        self.asked.lock().unwrap().push(serde_json::to_value(message).unwrap());
        self.answers.lock().unwrap().pop_front().unwrap()
    }
}

fn script(answers: impl IntoIterator<Item = Result<Verdict, Error>>) -> Arc<Script> {
    Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() })
}

fn allow(text: &str) -> Result<Verdict, Error> {
    Ok(verdict(Decision::Allow, Some(text), None))
}

fn refused(status: u16) -> Result<Verdict, Error> {
    Err(Error::Refused(Box::new(Problem { status, ..Problem::default() })))
}

/// One exchange with a bot that says what it heard; also whether it was asked.
async fn exchange(guard: &Guard, text: &str) -> (Exchange, bool) {
    let mut asked = false;
    let bot = async |heard: Heard| {
        asked = true;
        Ok::<_, Infallible>(format!("you said: {}", heard.text.expose()))
    };
    let message =
        Message::inbound(text).speaker("jane".parse().unwrap()).conversation("c".parse().unwrap());
    let Ok(exchange) = guard.exchange(message, bot).await;
    (exchange, asked)
}

#[tokio::test]
async fn the_bot_hears_and_the_person_sees_what_was_allowed() {
    let door = script([
        Ok(verdict(Decision::Rewrite, Some("my mail is [EMAIL]"), None)),
        Ok(verdict(Decision::Rewrite, Some("you said: …"), None)),
    ]);
    let (done, _) = exchange(&Guard::new(door.clone()), "my mail is a@example.com").await;
    assert_eq!(done.show.expose(), "you said: …");
    assert_eq!(done.inbound.decision(), Some(Decision::Rewrite));
    let asked = door.asked.lock().unwrap();
    let expected = serde_json::json!({
        "direction": "outbound", "text": "you said: my mail is [EMAIL]", "speaker": "jane",
        "conversation": "c", "in_reply_to": "m-1",
    });
    assert_eq!(asked[1], expected, "the answer is checked in the same conversation");
}

#[tokio::test]
async fn what_is_not_allowed_does_not_reach_the_bot() {
    for decision in [Decision::Throttle, Decision::Hold, Decision::Block, Decision::Unknown] {
        let door = script([Ok(verdict(decision, Some("attack"), Some("I can't help.")))]);
        let (done, asked) = exchange(&Guard::new(door), "attack").await;
        assert!(!asked && done.outbound.is_none());
        assert_eq!(done.show.expose(), "I can't help.", "the policy's words");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_allowed_is_not_shown() {
    let door = script([allow("hello"), Ok(verdict(Decision::Block, None, None))]);
    let (done, asked) = exchange(&Guard::new(door).sorry("Sorry."), "hello").await;
    assert!(asked);
    assert_eq!(done.show.expose(), "Sorry.");
    assert_eq!(done.outbound.unwrap().decision(), Some(Decision::Block));
}

#[tokio::test]
async fn a_crisis_route_is_shown_before_the_answer() {
    let inbound = Ok(verdict(Decision::Allow, Some("hello"), Some("You are not alone.")));
    let door = script([inbound, allow("I am here.")]);
    let (done, _) = exchange(&Guard::new(door), "hello").await;
    assert_eq!(done.show.expose(), "You are not alone.\n\nI am here.");
}

#[tokio::test]
async fn without_a_guard_the_caller_chooses_and_the_default_is_to_block() {
    for away in [Err(Error::Away), Err(Error::Timeout), refused(503)] {
        let guard = Guard::new(script([away.clone()])).sorry("Sorry.");
        let (done, asked) = exchange(&guard, "hello").await;
        assert!(!asked);
        assert_eq!(done.show.expose(), "Sorry.");
        assert_eq!(done.inbound, Outcome::NotJudged(away.clone().unwrap_err()));

        let open = Guard::new(script([away.clone(), away])).on_away(OnAway::Allow);
        let (done, asked) = exchange(&open, "hello").await;
        assert!(asked);
        assert_eq!(done.show.expose(), "you said: hello");
        assert!(done.inbound.verdict().is_none(), "and it is told");
    }
}

#[tokio::test]
async fn a_message_that_is_itself_refused_is_never_let_through() {
    for refused in [refused(400), refused(413), refused(422), Err(Error::Unreadable)] {
        let guard = Guard::new(script([refused])).on_away(OnAway::Allow);
        let (_, asked) = exchange(&guard, "hello").await;
        assert!(!asked);
    }
}

#[tokio::test]
async fn a_verdict_that_forwards_nothing_lets_nothing_through() {
    let guard = Guard::new(script([Ok(verdict(Decision::Allow, None, None))]));
    assert!(!exchange(&guard, "hello").await.1);
}

#[tokio::test]
async fn the_bots_own_error_is_handed_on() {
    let guard = Guard::new(script([allow("hello")]));
    let failed = guard.exchange(Message::inbound("hello"), async |_| Err::<String, _>("broken"));
    assert_eq!(failed.await.err(), Some("broken"));
}
