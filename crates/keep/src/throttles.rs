//! Keeps a flood from filling the record: a person's first throttle in a window is an entry, further ones
//! are counted into one summary entry. Who sends each message under another name is not let fill it either: past so
//! many people of a bot, the rest of its throttles are one summary of nobody in particular.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_core::{Body, BotId, Entry, SummaryRecord};

/// Length of a window.
pub const WINDOW: Duration = Duration::from_secs(60);
/// People of a bot whose first throttle in a window is an entry.
const ALONE: usize = 100;

/// Counts throttles by bot and speaker.
#[derive(Default)]
pub struct Throttles(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    windows: HashMap<(BotId, Option<String>), Window>,
    /// Windows of people that each bot has.
    people: HashMap<BotId, usize>,
}

struct Window {
    began: Timestamp,
    last: Timestamp,
    further: u64,
}

impl Throttles {
    /// Counts a throttle. `true` where it stands in the record alone.
    pub fn count(&self, bot: &BotId, speaker: Option<&str>, now: Timestamp) -> bool {
        let Counted { windows, people } = &mut *self.lock();
        let mut key = (bot.clone(), speaker.map(str::to_owned));
        let is_crowded = people.get(bot).is_some_and(|people| *people >= ALONE);
        if is_crowded && !windows.contains_key(&key) {
            key.1 = None;
        }
        if let Some(window) = windows.get_mut(&key) {
            window.further += 1;
            window.last = now;
            return false;
        }
        // The first of those who are counted together is no entry of its own.
        windows.insert(key, Window { began: now, last: now, further: u64::from(is_crowded) });
        if !is_crowded {
            *people.entry(bot.clone()).or_default() += 1;
        }
        !is_crowded
    }

    /// The summaries of windows that are over, to be recorded now; `all` ends every window.
    pub fn summaries(&self, now: Timestamp, all: bool) -> Vec<Entry> {
        let window = SignedDuration::try_from(WINDOW).unwrap_or_default();
        let mut entries = Vec::new();
        let Counted { windows, people } = &mut *self.lock();
        windows.retain(|(bot, speaker), counted| {
            if !all && now.duration_since(counted.began) < window {
                return true;
            }
            if counted.further > 0 {
                entries.push(summary(bot, speaker.clone(), counted));
            }
            false
        });
        people.clear();
        for (bot, _) in windows.keys() {
            *people.entry(bot.clone()).or_default() += 1;
        }
        entries
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
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

    #[test]
    fn a_new_name_for_each_message_does_not_fill_the_record() {
        let throttles = Throttles::default();
        let (bot, other) = (BotId::fallback(), BotId::parse("shop").unwrap());
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let alone = (0..5_000)
            .filter(|name| throttles.count(&bot, Some(&format!("name-{name}")), start))
            .count();
        assert_eq!(alone, ALONE);
        assert!(throttles.count(&other, Some("a"), start), "another bot has its own");
        let entries = throttles.summaries(start + SignedDuration::from_secs(60), false);
        let counted: Vec<_> = entries
            .iter()
            .filter_map(|entry| match &entry.body {
                Body::Summary(summary) => Some((summary.count, summary.speaker.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(counted, [(5_000 - ALONE as u64, None)], "nothing is lost");
        assert!(throttles.count(&bot, Some("name-1"), start), "a new window");
    }
}
