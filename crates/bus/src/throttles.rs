//! Keeps a flood from filling the record: a person's first throttle in a window is an entry, further ones
//! are counted into one summary entry.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_core::{Body, BotId, Entry, SummaryRecord};

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(60);
/// People counted at once; past it everybody's throttles are entries again.
const PEOPLE: usize = 100_000;

/// Counts throttles by bot and speaker.
#[derive(Default)]
pub struct Throttles(Mutex<HashMap<(BotId, Option<String>), Window>>);

struct Window {
    began: Timestamp,
    last: Timestamp,
    further: u64,
}

impl Throttles {
    /// Counts a throttle. `true` where it stands in the record alone.
    pub fn count(&self, bot: &BotId, speaker: Option<&str>, now: Timestamp) -> bool {
        let mut windows = self.lock();
        let key = (bot.clone(), speaker.map(str::to_owned));
        if let Some(window) = windows.get_mut(&key) {
            window.further += 1;
            window.last = now;
            return false;
        }
        if windows.len() < PEOPLE {
            windows.insert(key, Window { began: now, last: now, further: 0 });
        }
        true
    }

    /// The summaries of windows that are over, to be recorded now; `all` ends every window.
    pub fn summaries(&self, now: Timestamp, all: bool) -> Vec<Entry> {
        let window = SignedDuration::try_from(WINDOW).unwrap_or_default();
        let mut entries = Vec::new();
        self.lock().retain(|(bot, speaker), counted| {
            if !all && now.duration_since(counted.began) < window {
                return true;
            }
            if counted.further > 0 {
                entries.push(summary(bot, speaker.clone(), counted));
            }
            false
        });
        entries
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(BotId, Option<String>), Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn summary(bot: &BotId, speaker: Option<String>, window: &Window) -> Entry {
    // A new id for each summary: several replicas each count their own share.
    let unique = portcullis_core::MessageId::generate();
    Entry {
        id: format!("summary/{bot}/{unique}"),
        bot: bot.clone(),
        at: window.last,
        body: Body::Summary(SummaryRecord {
            of: "throttle".into(),
            speaker,
            count: window.further,
            from: window.began,
            until: window.last,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_an_entry_and_the_rest_one_summary() {
        let throttles = Throttles::default();
        let bot = BotId::fallback();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(throttles.count(&bot, Some("a"), start));
        for second in 1..=1000 {
            let at = start + SignedDuration::from_millis(second);
            assert!(!throttles.count(&bot, Some("a"), at));
        }
        assert!(throttles.count(&bot, Some("b"), start));
        assert!(throttles.summaries(start + SignedDuration::from_secs(59), false).is_empty());
        let entries = throttles.summaries(start + SignedDuration::from_secs(60), false);
        assert_eq!(entries.len(), 1);
        let Body::Summary(summary) = &entries[0].body else { panic!("a summary") };
        assert_eq!((summary.count, summary.speaker.as_deref()), (1000, Some("a")));
        assert!(throttles.count(&bot, Some("a"), start), "a new window begins with an entry");
    }
}
