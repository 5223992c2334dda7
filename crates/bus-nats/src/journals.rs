//! The record in several streams: which of them an entry is in, and how many there are.
//!
//! One stream carries what one writer of the record can take. Where that is not enough, `admin init` makes more of
//! them, and a bot's entries are all in one: number `CRC-32 (IEEE) of the bot's name modulo their number`. The number
//! is kept with the stream `JOURNAL` and stays as it is, because an entry that moved would be in two records.

use std::collections::HashMap;
use std::num::NonZeroU16;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::{Client, jetstream};
use portcullis_core::{BotId, Entry};

use crate::{store, subjects};

/// As many as there can be.
pub const MOST: u16 = 64;

/// Where the number stands among what the stream `JOURNAL` says of itself.
const NUMBER: &str = "portcullis.journals";

/// How many journals a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journals(NonZeroU16);

impl Default for Journals {
    fn default() -> Self {
        Self(NonZeroU16::MIN)
    }
}

impl Journals {
    /// So many: 1 to [`MOST`].
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).filter(|number| number.get() <= MOST).map(Self)
    }

    /// How many.
    pub fn number(self) -> u16 {
        self.0.get()
    }

    /// The streams, the first of which is always there.
    pub fn streams(self) -> impl Iterator<Item = String> {
        (0..self.number()).map(stream)
    }

    /// The number of the journal that a bot's entries are in.
    pub fn of(self, bot: &BotId) -> u16 {
        let at = crc32fast::hash(bot.as_str().as_bytes()) % u32::from(self.number());
        // Less than a number of 16 bits.
        u16::try_from(at).unwrap_or_default()
    }

    /// Where an entry goes.
    pub(crate) fn subject(self, entry: &Entry) -> String {
        match self.of(&entry.bot) {
            0 => subjects::journal(entry),
            at => format!("portcullis.v1.journal.{at}.{}.{}", entry.body.kind(), entry.bot),
        }
    }

    /// What the stream `JOURNAL` says of itself. Nothing where it is the only one.
    pub(crate) fn metadata(self) -> HashMap<String, String> {
        let number = (self.number() > 1).then(|| (NUMBER.to_owned(), self.number().to_string()));
        number.into_iter().collect()
    }

    /// As the stream `JOURNAL` says of itself.
    fn said(config: &jetstream::stream::Config) -> Self {
        let said = config.metadata.get(NUMBER).and_then(|number| number.parse().ok());
        said.and_then(Self::new).unwrap_or_default()
    }

    /// How many this server has; `None` where it has no record yet.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn found(client: &Client) -> Result<Option<Self>, store::OpenError> {
        match store::context(client).get_stream(subjects::JOURNAL).await {
            Ok(stream) => Ok(Some(Self::said(&stream.cached_info().config))),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(inner) if inner.code() == 404 => Ok(None),
                _ => Err(store::OpenError::Away),
            },
        }
    }
}

/// The stream of a journal.
pub fn stream(at: u16) -> String {
    match at {
        0 => subjects::JOURNAL.to_owned(),
        at => format!("{}_{at}", subjects::JOURNAL),
    }
}

/// What a stream takes.
pub(crate) fn filter(at: u16) -> String {
    match at {
        0 => "journal.*.*".to_owned(),
        at => format!("journal.{at}.*.*"),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_testkit::entry;

    use super::*;

    #[test]
    fn a_bots_entries_are_in_one_journal_and_the_number_is_the_documented_one() {
        let bot = |name: &str| BotId::parse(name).unwrap();
        let four = Journals::new(4).unwrap();
        // python3 -c 'import zlib; print(zlib.crc32(b"shop") % 4)'
        for (name, at) in [("shop", 2), ("bank", 2), ("default", 3), ("city", 0), ("b", 1)] {
            assert_eq!(four.of(&bot(name)), at, "{name}");
        }
        let entry = entry("1");
        assert_eq!(four.subject(&entry), "portcullis.v1.journal.2.action.shop");
        assert_eq!(Journals::default().subject(&entry), "portcullis.v1.journal.action.shop");
        assert_eq!(four.streams().collect::<Vec<_>>()[3], "JOURNAL_3");
        assert!(Journals::new(0).is_none() && Journals::new(MOST + 1).is_none());
    }
}
