//! One slot of the store of keys, as it stands in the file.
//!
//! ```text
//! state u32 | month u32 | id (16) | SHA-256 of bot (32) | SHA-256 of bot and person (32) | key (32) | SHA-256 of these (8)
//! ```
//! A slot that is gone has zeros in the place of its key. One that remembers an order to forget the person has the
//! word [`ERASED`] and the time of the order there (nanoseconds since 1970, i128): releases before it read such a slot as
//! one that is gone.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::keys::{KeyId, Whose};

/// Bytes of a slot.
pub(crate) const SLOT: usize = 128;

const LIVE: u32 = u32::from_le_bytes(*b"KEY1");
const GONE: u32 = u32::from_le_bytes(*b"GONE");
const ERASED: [u8; 8] = *b"ERASED\x01\0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) id: KeyId,
    pub(crate) whose: Whose,
    pub(crate) holds: Holds,
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The key of one month.
    Key([u8; 32]),
    /// Nothing any more: free for the next key.
    Nothing,
    /// That the person was forgotten, with everything up to this time.
    Erased(Timestamp),
}

impl std::fmt::Debug for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key"),
            Self::Nothing => f.write_str("Nothing"),
            Self::Erased(until) => write!(f, "Erased({until})"),
        }
    }
}

impl Slot {
    /// The key, if there is one.
    pub(crate) fn key(&self) -> Option<[u8; 32]> {
        match self.holds {
            Holds::Key(key) => Some(key),
            Holds::Nothing | Holds::Erased(_) => None,
        }
    }

    pub(crate) fn encode(&self) -> [u8; SLOT] {
        let (state, key) = match self.holds {
            Holds::Key(key) => (LIVE, key),
            Holds::Nothing => (GONE, [0; 32]),
            Holds::Erased(until) => (GONE, tomb(until)),
        };
        let parts: [&[u8]; 6] = [
            &state.to_le_bytes(),
            &self.whose.month.to_le_bytes(),
            &self.id,
            &self.whose.bot,
            &self.whose.person,
            &key,
        ];
        let mut bytes = [0; SLOT];
        let body = parts.concat();
        let check = Sha256::digest(&body);
        for (to, from) in bytes.iter_mut().zip(body.iter().chain(check.iter().take(8))) {
            *to = *from;
        }
        bytes
    }

    /// `None` where it is damaged.
    pub(crate) fn decode(bytes: &[u8; SLOT]) -> Option<Self> {
        let (body, check) = bytes.split_at_checked(SLOT - 8)?;
        if Sha256::digest(body).get(..8)? != check {
            return None;
        }
        let (state, rest) = body.split_first_chunk::<4>()?;
        let (month, rest) = rest.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (bot, rest) = rest.split_first_chunk::<32>()?;
        let (person, rest) = rest.split_first_chunk::<32>()?;
        let key = <[u8; 32]>::try_from(rest).ok()?;
        let holds = match u32::from_le_bytes(*state) {
            LIVE => Holds::Key(key),
            GONE if key.starts_with(&ERASED) => Holds::Erased(time_of(&key)?),
            GONE => Holds::Nothing,
            _ => return None,
        };
        let whose = Whose { bot: *bot, person: *person, month: u32::from_le_bytes(*month) };
        Some(Self { id: *id, whose, holds })
    }
}

fn tomb(until: Timestamp) -> [u8; 32] {
    let mut place = [0; 32];
    let time = until.as_nanosecond().to_le_bytes();
    for (to, from) in place.iter_mut().zip(ERASED.into_iter().chain(time)) {
        *to = from;
    }
    place
}

fn time_of(place: &[u8; 32]) -> Option<Timestamp> {
    let time = place.get(ERASED.len()..)?.first_chunk::<16>()?;
    Timestamp::from_nanosecond(i128::from_le_bytes(*time)).ok()
}

#[cfg(test)]
mod tests {
    use portcullis_core::BotId;

    use super::*;

    #[test]
    fn a_slot_reads_as_it_was_written() {
        let at: Timestamp = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
        let whose = Whose::new(&BotId::parse("shop").unwrap(), "jane", at);
        for holds in [Holds::Key([7; 32]), Holds::Nothing, Holds::Erased(at)] {
            let slot = Slot { id: [3; 16], whose, holds };
            let mut bytes = slot.encode();
            assert_eq!(Slot::decode(&bytes), Some(slot));
            // Releases before know two states.
            let state = u32::from_le_bytes(*bytes.first_chunk().unwrap());
            assert_eq!(state == LIVE, slot.key().is_some());
            bytes[90] ^= 1;
            assert_eq!(Slot::decode(&bytes), None);
        }
    }
}
