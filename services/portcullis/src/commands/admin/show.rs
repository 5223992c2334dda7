//! What the gateway did, in lines for people.

use std::fmt::Write;

use portcullis_core::{ActionRecord, HeldCase, ResolutionRecord};
use serde::Deserialize;
use serde_json::Value;

use crate::out::harmless;

/// What an order to erase does, and what it does not reach.
const ERASING: &str = "\n  audit destroys the keys of that person when it stores this order; it does not reach a text that \
    is in the record in the clear, nor exports and copies of the keys";

/// The gateway's answers, as they are read here.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Ordered(Ordered),
    Held(Vec<HeldCase>),
    Resolved(ResolutionRecord),
}

/// An order, and what still stands after one was taken back.
#[derive(Deserialize)]
struct Ordered {
    #[serde(flatten)]
    record: ActionRecord,
    #[serde(default)]
    still: Vec<String>,
}

/// Says what was done.
pub(super) fn done(command: &str, done: Value) -> anyhow::Result<String> {
    let done = serde_json::from_value(done).map_err(|_| {
        anyhow::anyhow!("the gateway's answer is not one of this release; see --json")
    })?;
    Ok(match done {
        Done::Ordered(record) => ordered(&record),
        Done::Resolved(record) => {
            let (id, by) = (&record.message, harmless(&record.by));
            format!("{command}: {} {id} at {:.0} by {by}", record.direction.as_str(), record.at)
        }
        Done::Held(cases) if cases.is_empty() => "nothing waits".into(),
        Done::Held(cases) => {
            let mut text = String::new();
            for case in &cases {
                // Writing to a string cannot fail.
                let _ = held(&mut text, case);
            }
            text
        }
    })
}

fn ordered(Ordered { record, still }: &Ordered) -> String {
    let until = record.expires_at.map(|at| format!(", until {at:.0}")).unwrap_or_default();
    let (action, by) = (&record.action, harmless(&record.by));
    let mut text = format!("{action}: done, scope {}, by {by}{until}", record.scope);
    if action == "erase" {
        // It is written down, and done by another process.
        text.push_str(ERASING);
    }
    for order in still {
        text.push_str("\n  still stands: ");
        text.push_str(&harmless(order));
    }
    text
}

/// One case. Its text is shown, because whoever decides must read it.
fn held(text: &mut String, case: &HeldCase) -> std::fmt::Result {
    let id = &case.verdict.id;
    writeln!(text, "{id}  bot {}  {}", case.bot, case.direction.as_str())?;
    writeln!(text, "  held {:.0}, expires {:.0}", case.held_at, case.expires_at)?;
    writeln!(text, "  why  {}", harmless(&case.verdict.reasons.join(", ")))?;
    writeln!(text, "  text {}", harmless(case.text.expose()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn erasing_says_what_it_reaches() {
        let told = |action: &str| {
            let record = json!({"action": action, "scope": "speaker.0a", "by": "ops"});
            done(action, json!({ "ordered": record })).unwrap()
        };
        let erased = told("erase");
        assert!(erased.contains("when it stores this order"), "{erased}");
        assert!(erased.contains("in the clear"), "{erased}");
        assert_eq!(told("mute"), "mute: done, scope speaker.0a, by ops");
    }
}
