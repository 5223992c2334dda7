//! Over NATS: request-reply with a responder in place of the gateway, and the durable way on real streams.

use std::time::Duration;

use futures::StreamExt;
use portcullis_bus::{Mail as Post, MailKind, Outbox};
use portcullis_bus_nats::{
    Client, NatsOutbox, Reply, Request, Serving, SubmitQueue, admin, connect, serve_requests,
    subjects,
};
use portcullis_client::{
    BotId, ConnectOptions, Decision, Door, Error, Letter, Mail, Mailbox, Message, NatsClient,
};
use portcullis_testkit::{NatsServer, eventually, shop};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::verdict;

const PATIENCE: Duration = Duration::from_secs(10);

async fn bus(server: &NatsServer) -> Client {
    connect(&ConnectOptions::new(server.url(), "test").fail_fast()).await.unwrap()
}

/// A bus with streams and mailboxes for two bots.
async fn initialised(server: &NatsServer) -> Client {
    let bus = bus(server).await;
    let options = admin::InitOptions {
        journal_max_bytes: Some(16 * 1024 * 1024),
        submit_max_bytes: 64 * 1024,
        held_max_bytes: 1024 * 1024,
        bots: vec![shop(), BotId::fallback()],
        ..admin::InitOptions::default()
    };
    admin::init(&bus, &options).await.unwrap();
    bus
}

async fn client(server: &NatsServer, bot: BotId) -> NatsClient {
    let options = ConnectOptions::new(server.url(), "bot").fail_fast();
    NatsClient::connect(&options, bot).await.unwrap().timeout(PATIENCE)
}

async fn next(mailbox: &mut Mailbox) -> Letter {
    tokio::time::timeout(PATIENCE, mailbox.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_gets_its_verdict_or_its_problem() {
    let server = NatsServer::start().await;
    let answer = async |request: Request| {
        let body: serde_json::Value = serde_json::from_slice(&request.payload).unwrap();
        assert_eq!(subjects::last_token(&request.subject), "shop");
        if body["text"] == "too much" {
            let problem = json!({ "type": "t", "title": "More", "status": 413, "detail": "d" });
            let mut reply = Reply::body(problem.to_string());
            reply.headers.insert("Portcullis-Status", "413");
            return reply;
        }
        let judged = verdict(Decision::Allow, body["text"].as_str(), None);
        Reply::body(serde_json::to_vec(&judged).unwrap())
    };
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let serving = Serving::new(subjects::INGRESS_DOOR, subjects::INGRESS, 4);
    tasks.spawn(serve_requests(bus(&server).await, serving, answer, shutdown.clone()));

    let client = client(&server, shop()).await;
    eventually(PATIENCE, async || client.check(&Message::inbound("hello")).await.is_ok()).await;
    let judged = client.check(&Message::inbound("hello")).await.unwrap();
    assert_eq!(judged, verdict(Decision::Allow, Some("hello"), None));
    let error = client.check(&Message::inbound("too much")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(problem) if problem.status == 413), "{error}");
    shutdown.cancel();
    client.close().await.unwrap();
    tasks.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_gateway_the_guard_is_away_at_once() {
    let server = NatsServer::start().await;
    let client = client(&server, shop()).await;
    assert_eq!(client.check(&Message::inbound("hello")).await, Err(Error::Away));
    assert_eq!(client.submit(&Message::inbound("hello")).await, Err(Error::Away));
    server.pause();
    let hurried = client.clone().timeout(Duration::from_millis(50));
    assert_eq!(hurried.check(&Message::inbound("hello")).await, Err(Error::Timeout));
    server.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitted_message_is_kept_once_for_each_bot_and_direction() {
    let server = NatsServer::start().await;
    let bus = initialised(&server).await;
    let (shops, others) = (client(&server, shop()).await, client(&server, BotId::fallback()).await);
    let message = Message::inbound("hello").id("m-1".parse().unwrap());
    let first = shops.submit(&message).await.unwrap();
    assert_eq!((first.id.as_str(), first.repeated), ("m-1", false));
    assert!(shops.submit(&message).await.unwrap().repeated);
    let answer = Message::outbound("hello").id("m-1".parse().unwrap());
    assert!(!shops.submit(&answer).await.unwrap().repeated, "an answer is another message");
    assert!(!others.submit(&message).await.unwrap().repeated, "another bot's is another message");
    let named = shops.submit(&Message::inbound("no id")).await.unwrap();

    let queue = SubmitQueue::open(bus, 8).await.unwrap();
    let kept: Vec<_> = queue
        .take(4)
        .map(|message| {
            let message = message.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            (message.bot.unwrap(), body["id"].as_str().unwrap().to_owned())
        })
        .collect()
        .await;
    let expected = [(shop(), "m-1"), (shop(), "m-1"), (BotId::fallback(), "m-1")];
    let expected: Vec<_> = expected.into_iter().map(|(bot, id)| (bot, id.to_owned())).collect();
    assert_eq!(kept[..3], expected);
    assert_eq!(kept[3], (shop(), named.id.to_string()), "an id is made and told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_says_so() {
    let server = NatsServer::start().await;
    let _bus = initialised(&server).await;
    let client = client(&server, shop()).await;
    let mut last = Ok(());
    for _ in 0..20 {
        let message = Message::inbound("x".repeat(8 * 1024));
        last = client.submit(&message).await.map(|_| ());
        if last.is_err() {
            break;
        }
    }
    let Err(Error::Refused(problem)) = last else { panic!("64 KiB take no 160 KiB: {last:?}") };
    assert_eq!(problem.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_read_in_order_and_comes_again_until_it_is_done() {
    let server = NatsServer::start().await;
    let outbox = NatsOutbox::new(initialised(&server).await, PATIENCE);
    let judged = verdict(Decision::Hold, None, Some("A colleague will look at this."));
    let problem = json!({ "id": "m-2", "problem": { "type": "t", "title": "No", "status": 400,
        "detail": "text is missing", "field": "text" } });
    let resolution = json!({ "message": "m-1", "direction": "inbound", "resolution": "release",
        "by": "ann", "text": "hello", "resolved_at": "2025-06-15T15:06:40Z" });
    for (kind, id, body) in [
        (MailKind::Verdict, "m-1", serde_json::to_vec(&judged).unwrap()),
        (MailKind::Verdict, "m-2", problem.to_string().into()),
        (MailKind::Resolution, "m-1", resolution.to_string().into()),
        (MailKind::Verdict, "m-3", b"MARKER".to_vec()),
    ] {
        let post = Post { kind, bot: shop(), id: id.into(), body: body.into() };
        outbox.send(post).await.unwrap();
    }
    let client = client(&server, shop()).await;
    let mut mailbox = client.mailbox().await.unwrap();
    let first = next(&mut mailbox).await;
    assert_eq!(first.mail, Mail::Verdict(Box::new(judged.clone())));
    first.later(Duration::ZERO).await.unwrap();
    let mut again = false;
    let mut others = Vec::new();
    for _ in 0..4 {
        let letter = next(&mut mailbox).await;
        letter.done().await.unwrap();
        match letter.mail {
            Mail::Verdict(verdict) => {
                assert_eq!(*verdict, judged);
                again = true;
            }
            other => others.push(other),
        }
    }
    assert!(again, "what was put off comes again");
    let Mail::Problem { id, problem } = &others[0] else { panic!("{others:?}") };
    assert_eq!((id.as_str(), problem.field.as_deref()), ("m-2", Some("text")));
    let Mail::Resolution(resolution) = &others[1] else { panic!("{others:?}") };
    assert_eq!(resolution.text.as_ref().unwrap().expose(), "hello");
    assert_eq!(others[2], Mail::Unreadable);

    drop(mailbox);
    let mut empty = client.mailbox().await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(300), empty.next()).await;
    assert!(more.is_err(), "what is done does not come again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_nobody_made_is_named() {
    let server = NatsServer::start().await;
    let _bus = initialised(&server).await;
    let stranger = client(&server, "stranger".parse().unwrap()).await;
    let error = stranger.mailbox().await.err().unwrap();
    assert!(matches!(&error, Error::Refused(problem) if problem.status == 404), "{error}");
}
