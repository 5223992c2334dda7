//! Builders of the words, with values that no test should care about.

use std::time::Duration;

use jiff::Timestamp;
use portcullis_core::{
    ActionRecord, Ask, Body, BotId, Budget, Decision, Direction, Entry, Interaction, Known,
    MessageId, PolicyStamp, Recorded, Size, SpeakerId, Verdict, VerdictRecord,
};

/// The bot that tests guard.
pub fn shop() -> BotId {
    BotId::parse("shop").unwrap()
}

/// So many seconds after a moment that all tests share.
pub fn second(number: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + number).unwrap()
}

/// An entry with a number, one second after the one before; five persons take turns.
pub fn numbered(bot: &str, number: i64) -> Entry {
    Entry {
        id: format!("action/{bot}/{number}"),
        bot: BotId::parse(bot).unwrap(),
        at: second(number),
        body: Body::Action(ActionRecord {
            action: "stop".into(),
            scope: format!("speaker:hash-{}", number % 5),
            factor: None,
            by: "operator".into(),
            reason: Some(format!("Reason № {number}")),
            expires_at: None,
        }),
    }
}

/// A message to the shop's bot, with an id of its own.
pub fn interaction(text: &str) -> Interaction {
    Interaction {
        id: MessageId::generate(),
        bot: shop(),
        conversation: None,
        speaker: Some(SpeakerId::parse("speaker-1").unwrap()),
        client_addr: None,
        direction: Direction::Inbound,
        text: text.into(),
        context: Vec::new(),
        in_reply_to: None,
        received_at: moment(),
    }
}

/// A question about a text, with two seconds for the answer.
pub fn ask(text: &str) -> Ask {
    let interaction = interaction(text);
    Ask {
        size: Size { bytes: text.len(), chars: text.chars().count(), more: false },
        interaction,
        views: Vec::new(),
        findings: Vec::new(),
        settings: serde_json::Value::Null,
        known: Known::default(),
        budget: Budget::of(Duration::from_secs(2)),
    }
}

/// An entry of the record that says that somebody ordered something; `id` makes it unique.
pub fn entry(id: &str) -> Entry {
    Entry {
        id: format!("action/shop/{id}"),
        bot: shop(),
        at: moment(),
        body: Body::Action(ActionRecord {
            action: "stop".into(),
            scope: "bot".into(),
            factor: None,
            by: "test".into(),
            reason: None,
            expires_at: None,
        }),
    }
}

/// An entry of the record with an `allow` for the message `id`.
pub fn verdict_entry(id: &str) -> Entry {
    Entry {
        id: format!("verdict/shop/inbound/{id}"),
        bot: shop(),
        at: moment(),
        body: Body::Verdict(Box::new(VerdictRecord {
            direction: Direction::Inbound,
            speaker: None,
            network: None,
            conversation: None,
            in_reply_to: None,
            bytes: 2,
            digest: "00".into(),
            shape: None,
            text: None,
            personal: None,
            verdict: Verdict {
                id: MessageId::parse(id).unwrap(),
                decision: Decision::Allow,
                reasons: Vec::new(),
                text: None,
                tone: None,
                reply: None,
                retry_after_s: None,
                findings: Vec::new(),
                receipt: Vec::new(),
                policy: PolicyStamp { bot: shop(), version: "1".into(), digest: "00".into() },
                shadow_decision: None,
                recorded: Recorded::Journal,
                trace_id: None,
                took_us: 1,
                stream: None,
            },
        })),
    }
}

/// A fixed moment: no test depends on the day on which it runs.
fn moment() -> Timestamp {
    Timestamp::from_second(1_750_000_000).unwrap()
}
