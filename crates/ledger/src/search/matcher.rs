//! Whether an entry meets a query, by the cheapest test first.

use std::sync::Arc;

use memchr::memmem::Finder;
use portcullis_core::{Body, Entry, Personal};

use super::Query;
use crate::Reveal;
use crate::files::record::{Payload, Row};

/// A query, made ready: for whoever reads entries, from files or from elsewhere.
pub struct Matcher {
    query: Query,
    /// Words that stand literally in every entry that matches.
    needles: Vec<Finder<'static>>,
    escape: Finder<'static>,
    text: Option<String>,
    reveal: Option<Arc<dyn Reveal>>,
}

impl Matcher {
    /// Looks for what `query` says, and into what is sealed where `reveal` can open it.
    pub fn new(query: Query, reveal: Option<Arc<dyn Reveal>>) -> Self {
        let words = [
            query.bot.as_ref().map(|bot| bot.as_str()),
            query.speaker.as_deref(),
            query.decision.filter(|d| *d != portcullis_core::Decision::Unknown).map(|d| d.as_str()),
            query.finding.as_deref(),
            query.id.as_deref(),
        ];
        // JSON may write these characters in another way only as `\u….`.
        let plain = |word: &&str| {
            word.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
        };
        let needles = words
            .into_iter()
            .flatten()
            .filter(plain)
            .map(|word| Finder::new(word).into_owned())
            .collect();
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        Self { query, needles, escape: Finder::new("\\u").into_owned(), text, reveal }
    }

    /// `false` only if the payload cannot match.
    pub fn may_match(&self, payload: &[u8]) -> bool {
        self.needles.iter().all(|needle| needle.find(payload).is_some())
            || self.escape.find(payload).is_some()
    }

    /// The row, if it matches; the outer `None` if it cannot be read.
    pub fn row(&self, payload: &Payload<'_>) -> Option<Option<Row>> {
        let query = &self.query;
        let at = if payload.entry.is_some() {
            let head = payload.head()?;
            let fits = query.bot.as_ref().is_none_or(|bot| bot.as_str() == head.bot)
                && query.kind.as_ref().is_none_or(|kind| *kind == head.kind)
                && query.id.as_ref().is_none_or(|id| head.id == *id || names(&head.id, id));
            if !fits {
                return Some(None);
            }
            head.at
        } else {
            payload.stored_at
        };
        if query.from.is_some_and(|from| at < from) || query.until.is_some_and(|until| at >= until)
        {
            return Some(None);
        }
        let mut row = payload.row()?;
        if let Some(reveal) = &self.reveal {
            row.personal = row.content.entry().and_then(|entry| reveal.reveal(entry)).map(Box::new);
        }
        let fits = match row.content.entry() {
            Some(entry) => self.fits(entry, row.personal.as_deref()),
            None => self.fits_remark(row.content.kind()),
        };
        Some(fits.then_some(row))
    }

    fn fits_remark(&self, kind: &str) -> bool {
        let Query { bot, speaker, decision, finding, id, text, .. } = &self.query;
        let asks_more = bot.is_some()
            || speaker.is_some()
            || decision.is_some()
            || finding.is_some()
            || id.is_some()
            || text.is_some();
        !asks_more && self.query.kind.as_ref().is_none_or(|wanted| wanted == kind)
    }

    fn fits(&self, entry: &Entry, personal: Option<&Personal>) -> bool {
        let query = &self.query;
        let verdict = match &entry.body {
            Body::Verdict(record) => Some(&record.verdict),
            _ => None,
        };
        query.speaker.as_ref().is_none_or(|speaker| of_speaker(&entry.body, speaker))
            && query.decision.is_none_or(|decision| verdict.is_some_and(|v| v.decision == decision))
            && query.finding.as_ref().is_none_or(|wanted| {
                verdict.is_some_and(|v| v.findings.iter().any(|f| below(&f.kind, wanted)))
            })
            && self.text.as_ref().is_none_or(|text| {
                let sealed = personal.into_iter().flat_map(|personal| {
                    personal.text.iter().chain(&personal.context).map(|text| text.expose())
                });
                words(&entry.body)
                    .into_iter()
                    .flatten()
                    .chain(sealed)
                    .any(|word| word.to_lowercase().contains(text))
            })
    }
}

/// Whether an entry's id ends with this message id.
fn names(entry: &str, message: &str) -> bool {
    entry.rsplit('/').next() == Some(message)
}

/// Whether a finding is of this kind or of one below it.
fn below(kind: &str, wanted: &str) -> bool {
    kind.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || wanted.ends_with('.'))
}

fn of_speaker(body: &Body, speaker: &str) -> bool {
    match body {
        Body::Verdict(record) => record.speaker.as_deref() == Some(speaker),
        Body::Summary(record) => record.speaker.as_deref() == Some(speaker),
        Body::Action(record) => {
            record.scope.strip_prefix("speaker").and_then(|rest| rest.strip_prefix(['.', ':']))
                == Some(speaker)
        }
        Body::Resolution(_) | Body::Unknown => false,
    }
}

/// What people wrote.
fn words(body: &Body) -> [Option<&str>; 2] {
    match body {
        Body::Verdict(record) => [record.text.as_ref().map(|text| text.expose()), None],
        Body::Resolution(record) => {
            [record.reason.as_deref(), record.text.as_ref().map(|text| text.expose())]
        }
        Body::Action(record) => [record.reason.as_deref(), None],
        Body::Summary(_) | Body::Unknown => [None, None],
    }
}
