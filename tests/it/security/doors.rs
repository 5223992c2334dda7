//! Every door of a gateway at once: HTTP alone and in a batch, and on a real bus request-reply, the durable
//! queue and the operators' subjects.

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Stream;
use axum::Router;
use futures::StreamExt;
use portcullis_bus::Caller;
use portcullis_bus_nats::STATUS_HEADER;
use portcullis_bus_nats::{
    Client, ConnectOptions, NatsOutbox, ServeError, admin, connect, subjects,
};
use portcullis_ingress::doors::{nats, submit};
use portcullis_testkit::{NatsServer, eventually, shop};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::rig::{OPERATOR_KEY, Rig, SEATS, SHOP_KEY, calendar, post};

/// No answer of a server on this machine takes this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a door said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) door: &'static str,
    /// The problem's status, or 200.
    pub(super) status: u16,
    /// A verdict or a problem.
    pub(super) body: Value,
}

/// A gateway with every door open.
pub(super) struct Doors {
    pub(super) rig: Rig,
    pub(super) http: Router,
    pub(super) client: Client,
    mail: Stream,
    shutdown: CancellationToken,
    serving: JoinSet<Result<(), ServeError>>,
    _server: NatsServer,
}

pub(super) async fn client(server: &NatsServer) -> Client {
    connect(&ConnectOptions::new(server.url(), "test").fail_fast()).await.unwrap()
}

/// Sizes that fit any machine on which tests run.
pub(super) fn small(bots: &[&str]) -> admin::InitOptions {
    admin::InitOptions {
        journal_max_bytes: Some(64 * 1024 * 1024),
        submit_max_bytes: 16 * 1024 * 1024,
        held_max_bytes: 1024 * 1024,
        bots: bots.iter().map(|name| super::rig::bot(name)).collect(),
        ..admin::InitOptions::default()
    }
}

impl Doors {
    pub(super) async fn open(caller: Arc<dyn Caller>, document: &str) -> Self {
        let server = NatsServer::start().await;
        let client = client(&server).await;
        admin::init(&client, &small(&["shop"])).await.unwrap();
        let outbox = Arc::new(NatsOutbox::new(client.clone(), PATIENCE));
        let rig = Rig::over(caller, document, calendar(), outbox);
        let (shutdown, mut serving) = (CancellationToken::new(), JoinSet::new());
        let gateway = || rig.gateway.clone();
        let bots = nats::serve_bots(client.clone(), gateway(), SEATS, shutdown.clone());
        serving.spawn(bots.await.unwrap());
        let operators = nats::serve_operators(client.clone(), gateway(), shutdown.clone());
        serving.spawn(operators.await.unwrap());
        let queue = submit::serve(client.clone(), gateway(), 4, shutdown.clone());
        serving.spawn(async move {
            queue.await;
            Ok(())
        });
        let consumer: PullConsumer = jetstream::new(client.clone())
            .get_consumer_from_stream("bot-shop", subjects::VERDICT)
            .await
            .unwrap();
        let mail = consumer.messages().await.unwrap();
        let http = rig.http();
        let doors = Self { rig, http, client, mail, shutdown, serving, _server: server };
        doors.until_open().await;
        doors
    }

    /// The subscriptions are made by the tasks that serve them.
    async fn until_open(&self) {
        for subject in [subjects::ingress(&shop()), subjects::admin("held")] {
            let open = async || self.client.request(subject.clone(), "".into()).await.is_ok();
            eventually(PATIENCE, open).await;
        }
    }

    /// The same body at each door for bots.
    pub(super) async fn message(&mut self, body: &str) -> Vec<Answer> {
        let mut answers = self.ask(body).await;
        answers.push(self.submit(body).await);
        answers
    }

    /// The same body at each door that answers at once.
    pub(super) async fn ask(&self, body: &str) -> Vec<Answer> {
        let (status, verdict) =
            post(&self.http, "/v1/check", Some(SHOP_KEY), body.to_owned()).await;
        let mut answers = vec![Answer { door: "http", status, body: verdict }];
        let batch = format!(r#"{{"items": [{body}]}}"#);
        let (status, whole) = post(&self.http, "/v1/check/batch", Some(SHOP_KEY), batch).await;
        answers.push(match whole.pointer("/items/0") {
            Some(item) => Answer { door: "batch", status: status_in(item), body: item.clone() },
            None => Answer { door: "batch", status, body: whole },
        });
        answers.push(self.request("nats", subjects::ingress(&shop()), body).await);
        answers
    }

    /// The same body at each door for operators.
    pub(super) async fn command(&self, body: &str) -> Vec<Answer> {
        let key = Some(OPERATOR_KEY);
        let (status, done) = post(&self.http, "/v1/admin", key, body.to_owned()).await;
        let http = Answer { door: "admin over http", status, body: done };
        vec![http, self.request("admin over nats", subjects::admin("stop"), body).await]
    }

    async fn request(&self, door: &'static str, subject: String, body: &str) -> Answer {
        let reply = self.client.request(subject, body.to_owned().into()).await.unwrap();
        let status = reply.headers.as_ref().and_then(|headers| headers.get(STATUS_HEADER));
        let status = status.map_or(200, |status| status.as_str().parse().unwrap());
        Answer { door, status, body: serde_json::from_slice(&reply.payload).unwrap() }
    }

    /// Submits a body, and waits for its verdict or its problem record. Each of the two is sent once for an id.
    pub(super) async fn submit(&mut self, body: &str) -> Answer {
        let context = jetstream::new(self.client.clone());
        let sent = context.publish(subjects::submit(&shop()), body.to_owned().into()).await;
        sent.unwrap().await.unwrap();
        let mail = tokio::time::timeout(PATIENCE, self.mail.next()).await.unwrap();
        let mail = mail.unwrap().unwrap();
        mail.ack().await.unwrap();
        let body: Value = serde_json::from_slice(&mail.payload).unwrap();
        let body = body.get("problem").cloned().unwrap_or(body);
        Answer { door: "submit", status: status_in(&body), body }
    }

    /// Closes the doors, and fails where a door did not drain.
    pub(super) async fn close(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.serving.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

/// A verdict has no status of its own.
fn status_in(body: &Value) -> u16 {
    body["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap())
}
