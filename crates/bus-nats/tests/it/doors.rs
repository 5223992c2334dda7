//! The loop that doors share, and the durable door.

use std::time::Duration;

use futures::StreamExt;
use portcullis_bus_nats::{
    Door, ERROR_HEADER, Refusal, Reply, ServeError, Serving, SubmitQueue, admin, subjects,
};
use portcullis_testkit::{NatsServer, shop};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{PATIENCE, client, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_answers_with_its_own_problems() {
    let server = NatsServer::start().await;
    let (bus, shutdown) = (client(&server).await, CancellationToken::new());
    let serving = Serving {
        refuse: |refusal| match refusal {
            Refusal::Busy => Reply::body("door busy"),
            Refusal::Panicked => Reply::body("door panicked"),
            Refusal::TooLarge => Reply::body("door too large"),
        },
        ..Serving::new(subjects::INGRESS_DOOR, subjects::INGRESS, 1)
    };
    let mut served = JoinSet::new();
    let door = Door::open(bus.clone(), serving).await.unwrap();
    served.spawn(door.serve(
        |request| async move {
            assert_eq!(subjects::last_token(&request.subject), "shop");
            match request.payload.as_ref() {
                b"panic" => panic!("told to"),
                b"large" => Reply::body(vec![b'x'; 8 * 1024 * 1024]),
                b"sleep" => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Reply::body("slept")
                }
                _ => Reply::error("unreadable"),
            }
        },
        shutdown.clone(),
    ));

    let asked = async |body: &'static str| {
        bus.request(subjects::ingress(&shop()), body.into()).await.unwrap()
    };
    assert_eq!(asked("panic").await.payload, "door panicked");
    assert_eq!(asked("large").await.payload, "door too large");
    let other = asked("other").await;
    assert_eq!(other.headers.unwrap().get(ERROR_HEADER).unwrap().as_str(), "unreadable");
    let (slept, busy) = tokio::join!(asked("sleep"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        asked("sleep").await
    });
    assert_eq!((slept.payload.as_ref(), busy.payload.as_ref()), (&b"slept"[..], &b"door busy"[..]));
    shutdown.cancel();
    let ended: Result<(), ServeError> = served.join_next().await.unwrap().unwrap();
    ended.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitted_message_stays_until_it_is_settled() {
    let server = NatsServer::start().await;
    let bus = client(&server).await;
    assert!(SubmitQueue::open(bus.clone(), 8).await.is_err_and(|error| error.to_string()
        == "consumer ingress of stream SUBMIT is not there: run `portcullis admin init`"));
    admin::init(&bus, &small()).await.unwrap();
    for body in ["one", "two"] {
        let reply = bus.request(subjects::submit(&shop()), body.into()).await.unwrap();
        let ack: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
        assert_eq!(ack["stream"], "SUBMIT");
    }
    let mut queue = SubmitQueue::open(bus.clone(), 8).await.unwrap();
    let mut next =
        async || tokio::time::timeout(PATIENCE, queue.next()).await.unwrap().unwrap().unwrap();
    let one = next().await;
    assert_eq!((one.bot.clone(), one.payload.as_ref()), (Some(shop()), &b"one"[..]));
    assert_eq!((one.sequence, one.delivered), (1, 1));
    one.progress().await.unwrap();
    one.nak(Duration::from_millis(50)).await.unwrap();
    let two = next().await;
    assert_eq!(two.payload, "two");
    two.term().await.unwrap();
    let again = next().await;
    assert_eq!((again.payload.as_ref(), again.delivered), (&b"one"[..], 2));
    again.ack().await.unwrap();

    let stream = async_nats::jetstream::new(bus).get_stream("SUBMIT").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 0, "nothing is left in the queue");
}
