//! The store of keys: one file of slots of 128 bytes. A key is destroyed by writing zeros over it, in its
//! place, and a sync; so a database that writes to new places and keeps the old ones will not do.
//!
//! ```text
//! state u32 | month u32 | id (16) | SHA-256 of bot (32) | SHA-256 of bot and person (32) | key (32) | SHA-256 of these (8)
//! ```

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use portcullis_core::BotId;
use sha2::{Digest, Sha256};

use crate::PersonalError;

const SLOT: usize = 128;
const LIVE: u32 = u32::from_le_bytes(*b"KEY1");
const GONE: u32 = u32::from_le_bytes(*b"GONE");

/// What an entry names its key by: random, and says nothing of the person.
pub type KeyId = [u8; 16];

/// Whose key: of one person of one bot, in one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whose {
    bot: [u8; 32],
    person: [u8; 32],
    month: u32,
}

impl Whose {
    /// The key of `person` (a keyed hash) of `bot` for what happened at `at`.
    pub fn new(bot: &BotId, person: &str, at: Timestamp) -> Self {
        let of_bot = Sha256::digest(bot.as_str()).into();
        let mut both = Sha256::new();
        both.update(bot.as_str());
        both.update([0]);
        both.update(person);
        Self { bot: of_bot, person: both.finalize().into(), month: month(at) }
    }
}

/// Months since the year 0, in UTC.
pub fn month(at: Timestamp) -> u32 {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let months = i32::from(date.year()) * 12 + i32::from(date.month()) - 1;
    u32::try_from(months).unwrap_or(0)
}

/// The keys of all persons.
pub struct PersonKeys {
    file: File,
    slots: Vec<Slot>,
    by_id: HashMap<KeyId, usize>,
    by_whose: HashMap<Whose, usize>,
    unsynced: bool,
}

struct Slot {
    id: KeyId,
    whose: Whose,
    key: Option<[u8; 32]>,
}

impl PersonKeys {
    /// Opens the store for the one process that makes and destroys keys; makes it if it is not there.
    ///
    /// # Errors
    /// [`PersonalError::Locked`] while another process has it; [`PersonalError::Form`] if it is damaged.
    pub fn open(path: &Path) -> Result<Self, PersonalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(PersonalError::Locked),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let length = file.metadata()?.len();
        // A torn last slot: its key was never used, because that waits for the sync.
        file.set_len(length - length % SLOT as u64)?;
        Self::load(file)
    }

    /// Opens the store for reading, beside whoever writes it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> Result<Self, PersonalError> {
        Self::load(File::open(path)?)
    }

    fn load(file: File) -> Result<Self, PersonalError> {
        let count = file.metadata()?.len() / SLOT as u64;
        let mut keys = Self {
            file,
            slots: Vec::new(),
            by_id: HashMap::new(),
            by_whose: HashMap::new(),
            unsynced: false,
        };
        let mut bytes = [0; SLOT];
        for at in 0..count {
            keys.file.read_exact_at(&mut bytes, at * SLOT as u64)?;
            let slot = decode(&bytes).ok_or(PersonalError::Form)?;
            keys.take(slot);
        }
        Ok(keys)
    }

    fn take(&mut self, slot: Slot) {
        let at = self.slots.len();
        if slot.key.is_some() {
            self.by_whose.insert(slot.whose, at);
        }
        self.by_id.insert(slot.id, at);
        self.slots.push(slot);
    }

    /// The key for new entries, drawn if there is none. Durable after the next [`PersonKeys::sync`].
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn of(&mut self, whose: Whose) -> Result<(KeyId, [u8; 32]), PersonalError> {
        let known = self.by_whose.get(&whose).and_then(|at| self.slots.get(*at));
        if let Some(Slot { id, key: Some(key), .. }) = known {
            return Ok((*id, *key));
        }
        let (id, key) = (rand::random::<KeyId>(), rand::random::<[u8; 32]>());
        let slot = Slot { id, whose, key: Some(key) };
        let at = (self.slots.len() * SLOT) as u64;
        self.file.write_all_at(&encode(&slot), at)?;
        self.unsynced = true;
        self.take(slot);
        Ok((id, key))
    }

    /// Makes new keys durable: before the entries under them are.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&mut self) -> Result<(), PersonalError> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The key that an entry names.
    ///
    /// # Errors
    /// [`PersonalError::Gone`] if it was destroyed, or was never here.
    pub fn named(&self, id: &KeyId) -> Result<[u8; 32], PersonalError> {
        let slot = self.by_id.get(id).and_then(|at| self.slots.get(*at));
        slot.and_then(|slot| slot.key).ok_or(PersonalError::Gone)
    }

    /// Destroys every key of a person of a bot, and says how many there were. Durable when it returns.
    ///
    /// # Errors
    /// If they could not be written over.
    pub fn destroy(&mut self, bot: &BotId, person: &str) -> Result<usize, PersonalError> {
        let whose = Whose::new(bot, person, Timestamp::UNIX_EPOCH);
        self.destroy_where(|slot| slot.whose.person == whose.person)
    }

    /// Destroys every key of a bot for months before `month`, but those of the persons in `held`. Durable
    /// when it returns.
    ///
    /// # Errors
    /// If they could not be written over.
    pub fn expire(
        &mut self,
        bot: &BotId,
        month: u32,
        held: &[&str],
    ) -> Result<usize, PersonalError> {
        let of = |person: &str| Whose::new(bot, person, Timestamp::UNIX_EPOCH);
        let held: Vec<[u8; 32]> = held.iter().map(|person| of(person).person).collect();
        let bot = of("").bot;
        self.destroy_where(|slot| {
            slot.whose.bot == bot && slot.whose.month < month && !held.contains(&slot.whose.person)
        })
    }

    fn destroy_where(&mut self, which: impl Fn(&Slot) -> bool) -> Result<usize, PersonalError> {
        let mut destroyed = 0;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.key.is_none() || !which(slot) {
                continue;
            }
            let bare = Slot { key: None, ..*slot };
            self.file.write_all_at(&encode(&bare), (at * SLOT) as u64)?;
            self.by_whose.remove(&slot.whose);
            *slot = bare;
            destroyed += 1;
        }
        if destroyed > 0 {
            self.file.sync_all()?;
        }
        Ok(destroyed)
    }
}

fn encode(slot: &Slot) -> [u8; SLOT] {
    let state = if slot.key.is_some() { LIVE } else { GONE };
    let key = slot.key.unwrap_or_default();
    let parts: [&[u8]; 6] = [
        &state.to_le_bytes(),
        &slot.whose.month.to_le_bytes(),
        &slot.id,
        &slot.whose.bot,
        &slot.whose.person,
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

fn decode(bytes: &[u8; SLOT]) -> Option<Slot> {
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
    let key = match u32::from_le_bytes(*state) {
        LIVE => Some(key),
        GONE => None,
        _ => return None,
    };
    let whose = Whose { bot: *bot, person: *person, month: u32::from_le_bytes(*month) };
    Some(Slot { id: *id, whose, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(name: &str) -> BotId {
        BotId::parse(name).unwrap()
    }

    #[test]
    fn keys_are_kept_destroyed_in_their_place_and_expire_by_bot_and_month() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("persons");
        let (january, march): (Timestamp, Timestamp) =
            ("2026-01-31T23:59:59Z".parse().unwrap(), "2026-03-01T00:00:00Z".parse().unwrap());
        let mut keys = PersonKeys::open(&path).unwrap();
        assert!(matches!(PersonKeys::open(&path), Err(PersonalError::Locked)));
        let mut all = Vec::new();
        for (name, person, at) in [
            ("shop", "jane", january),
            ("shop", "jane", march),
            ("shop", "john", january),
            ("bank", "jane", january),
        ] {
            all.push(keys.of(Whose::new(&bot(name), person, at)).unwrap());
        }
        assert_eq!(keys.of(Whose::new(&bot("shop"), "jane", january)).unwrap(), all[0]);
        keys.sync().unwrap();
        assert_eq!(keys.destroy(&bot("shop"), "jane").unwrap(), 2);
        let bytes = std::fs::read(&path).unwrap();
        for (_, key) in &all[..2] {
            assert!(!bytes.windows(32).any(|window| window == key));
        }
        let held = keys.expire(&bot("shop"), month(march), &["john"]).unwrap();
        assert_eq!(held, 0);
        drop(keys);

        let mut keys = PersonKeys::open(&path).unwrap();
        assert!(matches!(keys.named(&all[0].0), Err(PersonalError::Gone)));
        assert_eq!(keys.named(&all[2].0).unwrap(), all[2].1);
        assert_eq!(keys.expire(&bot("shop"), month(january), &[]).unwrap(), 0);
        assert_eq!(keys.expire(&bot("shop"), month(march), &[]).unwrap(), 1);
        assert_eq!(PersonKeys::read(&path).unwrap().named(&all[3].0).unwrap(), all[3].1);
        // Who was erased and comes back is a new person.
        let back = keys.of(Whose::new(&bot("shop"), "jane", march)).unwrap();
        assert_ne!(back, all[1]);
    }

    #[test]
    fn a_torn_slot_is_cut_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("persons");
        let mut keys = PersonKeys::open(&path).unwrap();
        let kept = keys.of(Whose::new(&bot("shop"), "jane", Timestamp::UNIX_EPOCH)).unwrap();
        drop(keys);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), &[1; 77]].concat()).unwrap();
        assert_eq!(PersonKeys::open(&path).unwrap().named(&kept.0).unwrap(), kept.1);
        let mut bytes = whole;
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(PersonKeys::open(&path), Err(PersonalError::Form)));
    }
}
