//! Every right and every refusal: each user tries every subject that anybody has a right to, both ways, on a real server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_nats::{Client, Event, ServerError};
use portcullis_bus_nats::subjects::inbox_prefix;
use portcullis_bus_rights::{self as rights, Rights, UserPassword, server_config};
use portcullis_core::BotId;
use portcullis_testkit::{NatsOptions, NatsServer, eventually};
use secrecy::ExposeSecret;

use crate::PATIENCE;

const PASSWORD: &str = "correct-horse";

/// What the server refused, as it names it: `Publish to "subject"`, `Subscription to "subject"`.
type Refused = Arc<Mutex<BTreeSet<String>>>;

async fn connect(server: &NatsServer, user: &str) -> (Client, Refused) {
    let refused = Refused::default();
    let seen = refused.clone();
    let options = async_nats::ConnectOptions::new()
        .user_and_password(user.to_owned(), PASSWORD.to_owned())
        .custom_inbox_prefix(inbox_prefix(user))
        .event_callback(move |event| {
            let seen = seen.clone();
            async move {
                if let Event::ServerError(ServerError::Other(error)) = event {
                    let lower = error.to_ascii_lowercase();
                    if let Some(what) = lower.strip_prefix("permissions violation for ") {
                        seen.lock().unwrap().insert(what.to_owned());
                    }
                }
            }
        });
    (options.connect(server.url()).await.unwrap(), refused)
}

/// A subject that a pattern allows: a token in the place of each wildcard.
fn instance(pattern: &str) -> String {
    pattern.replace('*', "anything").replace('>', "any.thing")
}

/// Whether a pattern allows a subject, by the rules of NATS.
fn allows(pattern: &str, subject: &str) -> bool {
    let (mut patterns, mut tokens) = (pattern.split('.'), subject.split('.'));
    loop {
        match (patterns.next(), tokens.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

fn refused(seen: &Refused, way: &str, subject: &str) -> bool {
    let sentence = format!("{way} to \"{}\"", subject.to_ascii_lowercase());
    seen.lock().unwrap().iter().any(|what| what.starts_with(&sentence))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_may_do_what_the_table_says_and_nothing_else() {
    let bots = [BotId::parse("shop").unwrap(), BotId::parse("help").unwrap()];
    let table = rights::table(&bots);
    let users: Vec<UserPassword> = table
        .iter()
        .map(|rights| UserPassword {
            user: rights.user.clone(),
            password: PASSWORD.to_owned().into(),
        })
        .collect();
    let config = server_config(&users, &bots).unwrap().expose_secret().to_owned();
    let server = NatsServer::start_with(NatsOptions { config, ..NatsOptions::default() }).await;

    let all = |of: fn(&Rights) -> &Vec<String>| -> BTreeSet<String> {
        table.iter().flat_map(of).map(|pattern| instance(pattern)).collect()
    };
    let (publish, subscribe) = (all(|rights| &rights.publish), all(|rights| &rights.subscribe));
    // And what nobody has a right to.
    let beyond = [
        "_INBOX.x",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.STREAM.DELETE.JOURNAL",
        "$JS.API.STREAM.PURGE.JOURNAL",
    ];
    let publish: BTreeSet<String> = publish.into_iter().chain(beyond.map(str::to_owned)).collect();

    let attempts: Vec<(bool, &String)> = publish
        .iter()
        .map(|subject| (true, subject))
        .chain(subscribe.iter().map(|subject| (false, subject)))
        .collect();
    let (mut granted, mut denied) = (0, 0);
    for user in &table {
        let (client, seen) = connect(&server, &user.user).await;
        let mut kept = Vec::new();
        let mut refusals = 0;
        // The client drops events that come faster than they are read: so a few at a time.
        for few in attempts.chunks(32) {
            let mut wanted = Vec::new();
            for (publishes, subject) in few {
                let (way, patterns) = if *publishes {
                    client.publish((*subject).clone(), "".into()).await.unwrap();
                    ("publish", &user.publish)
                } else {
                    kept.push(client.subscribe((*subject).clone()).await.unwrap());
                    ("subscription", &user.subscribe)
                };
                if !patterns.iter().any(|pattern| allows(pattern, subject)) {
                    wanted.push((way, *subject));
                }
            }
            client.flush().await.unwrap();
            eventually(PATIENCE, async || {
                wanted.iter().all(|(way, subject)| refused(&seen, way, subject))
            })
            .await;
            refusals += wanted.len();
        }
        let count = seen.lock().unwrap().len();
        assert_eq!(count, refusals, "{}: refused what the table grants: {seen:?}", user.user);
        denied += count;
        granted += attempts.len() - count;
    }
    // Neither is empty, or nothing was tried.
    assert!(granted > 150 && denied > 800, "{granted} granted, {denied} refused");
}

#[test]
fn patterns_are_read_as_nats_reads_them() {
    for (pattern, subject, allowed) in [
        ("a.*.c", "a.b.c", true),
        ("a.*.c", "a.b", false),
        ("a.*", "a.b.c", false),
        ("a.>", "a.b.c", true),
        ("a.>", "a", false),
        ("a.b", "a.b", true),
        ("a.b", "a.c", false),
    ] {
        assert_eq!(allows(pattern, subject), allowed, "{pattern} {subject}");
    }
}
