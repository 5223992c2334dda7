//! What the charts take from the code: the table of rights, the server's configuration that it makes, and what streams
//! set aside.

use portcullis_bus_nats::admin::InitOptions;
use portcullis_bus_nats::{Journals, streams};
use portcullis_bus_rights::{self as rights, Rights, UserPassword};
use portcullis_core::BotId;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::workspace::generated;

/// A bot that stands for every bot in the chart's table.
const ANY: &str = "any-bot-whatsoever";

fn bot(name: &str) -> BotId {
    BotId::parse(name).unwrap()
}

fn user(rights: &Rights) -> Value {
    let of = json!({
        "user": rights.user,
        "publish": rights.publish,
        "subscribe": rights.subscribe,
        "answers": rights.answers,
    });
    serde_json::from_str(&of.to_string().replace(ANY, "%BOT%")).unwrap()
}

#[test]
fn the_umbrella_has_the_table_of_rights() {
    let (without, with) = (rights::table(&[]), rights::table(&[bot(ANY)]));
    let of_bot = with.iter().find(|rights| rights.user == format!("bot-{ANY}")).unwrap();
    let operator = |table: &[Rights]| {
        table.iter().find(|rights| rights.user == "operator").unwrap().publish.clone()
    };
    let before = operator(&without);
    let more: Vec<String> =
        operator(&with).into_iter().filter(|subject| !before.contains(subject)).collect();
    let [consumer] = more.as_slice() else {
        panic!("a bot gives the operator one right, and the chart knows how to write one: {more:?}")
    };
    // A bot changes nothing for anybody else: the chart writes the other users as they are.
    for rights in &without {
        if rights.user != "operator" {
            assert!(with.contains(rights), "{}", rights.user);
        }
    }
    let table = json!({
        "processes": without.iter().map(user).collect::<Vec<_>>(),
        "bot": user(of_bot),
        "operatorOfBot": consumer.replace(ANY, "%BOT%"),
    });
    let text = serde_json::to_string_pretty(&table).unwrap();
    generated("k8s/charts/portcullis/files/rights.json", &format!("{text}\n"));
}

/// `make charts` compares this with what the chart renders.
#[test]
fn the_server_configuration_that_the_chart_must_render() {
    let bots = [bot("default"), bot("shop")];
    let table = rights::with_journals(rights::table(&bots), Journals::new(2).unwrap());
    let users: Vec<UserPassword> = table
        .iter()
        .map(|rights| UserPassword {
            password: format!("password-of-{}", rights.user).into(),
            user: rights.user.clone(),
        })
        .collect();
    let config = rights::server_config_of(&users, &table).unwrap();
    generated("tests/charts/users.golden.conf", config.expose_secret());
}

/// By this the umbrella says that the streams do not fit the volume of NATS, before nats-server does.
#[test]
fn the_umbrella_knows_what_the_streams_set_aside() {
    let mib = 1024 * 1024;
    let (mut journal, mut others) = (0, 0);
    for stream in streams::streams(&InitOptions::default()) {
        // Some buckets have no limit, and nothing is set aside for them.
        let bytes = stream.max_bytes.max(0);
        assert_eq!(bytes % mib, 0, "{}", stream.name);
        *(if stream.name == "JOURNAL" { &mut journal } else { &mut others }) += bytes / mib;
    }
    let text = serde_json::to_string_pretty(&json!({ "journalMib": journal, "othersMib": others }));
    generated("k8s/charts/portcullis/files/streams.json", &format!("{}\n", text.unwrap()));
}
