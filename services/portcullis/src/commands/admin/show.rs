//! What the gateway did, in lines for people.

use std::fmt::Write;

use portcullis_core::{ActionRecord, HeldCase, ResolutionRecord};
use serde::Deserialize;
use serde_json::Value;

use crate::out::harmless;

/// The gateway's answers, as they are read here.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Ordered(ActionRecord),
    Held(Vec<HeldCase>),
    Resolved(ResolutionRecord),
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

fn ordered(record: &ActionRecord) -> String {
    let until = record.expires_at.map(|at| format!(", until {at:.0}")).unwrap_or_default();
    format!("{}: done, scope {}, by {}{until}", record.action, record.scope, harmless(&record.by))
}

/// One case. Its text is shown, because whoever decides must read it.
fn held(text: &mut String, case: &HeldCase) -> std::fmt::Result {
    let id = &case.verdict.id;
    writeln!(text, "{id}  bot {}  {}", case.bot, case.direction.as_str())?;
    writeln!(text, "  held {:.0}, expires {:.0}", case.held_at, case.expires_at)?;
    writeln!(text, "  why  {}", harmless(&case.verdict.reasons.join(", ")))?;
    writeln!(text, "  text {}", harmless(case.text.expose()))
}
