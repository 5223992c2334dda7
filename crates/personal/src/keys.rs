//! The store of keys: one file of slots. A key is destroyed by writing zeros over it, in its place, and a sync; so a
//! database that writes to new places and keeps the old ones will not do. Who was forgotten stands in a slot too, so that an
//! entry from before the order that comes late finds that there is no key for it.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use portcullis_core::BotId;
use sha2::{Digest, Sha256};

use crate::PersonalError;
use crate::slot::{Holds, SLOT, Slot};

/// What an entry names its key by: random, and says nothing of the person.
pub type KeyId = [u8; 16];

/// Whose key: of one person of one bot, in one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whose {
    pub(crate) bot: [u8; 32],
    pub(crate) person: [u8; 32],
    pub(crate) month: u32,
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
    /// Who was forgotten: person → the slot that says up to when.
    erased: HashMap<[u8; 32], usize>,
    /// Slots that hold nothing any more.
    free: Vec<usize>,
    /// Slots that were written since the last sync.
    unsynced: BTreeSet<usize>,
    /// A write or a sync has failed: what was written before may be on no disk, though the system says otherwise.
    doubtful: bool,
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
            erased: HashMap::new(),
            free: Vec::new(),
            unsynced: BTreeSet::new(),
            doubtful: false,
        };
        let mut bytes = [0; SLOT];
        for at in 0..count {
            keys.file.read_exact_at(&mut bytes, at * SLOT as u64)?;
            let slot = Slot::decode(&bytes).ok_or(PersonalError::Form)?;
            keys.take(keys.slots.len(), slot);
        }
        Ok(keys)
    }

    /// Takes a slot into memory, at its place in the file.
    fn take(&mut self, at: usize, slot: Slot) {
        match slot.holds {
            Holds::Key(_) => {
                self.by_whose.insert(slot.whose, at);
                self.by_id.insert(slot.id, at);
            }
            Holds::Nothing => self.free.push(at),
            Holds::Erased(_) => {
                self.erased.insert(slot.whose.person, at);
            }
        }
        match self.slots.get_mut(at) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
    }

    /// The key for new entries, drawn if there is none. Durable after the next [`PersonKeys::sync`].
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn of(&mut self, whose: Whose) -> Result<(KeyId, [u8; 32]), PersonalError> {
        let known = self.by_whose.get(&whose).and_then(|at| self.slots.get(*at));
        if let Some(Slot { id, holds: Holds::Key(key), .. }) = known {
            return Ok((*id, *key));
        }
        let (id, key) = (rand::random::<KeyId>(), rand::random::<[u8; 32]>());
        self.put(Slot { id, whose, holds: Holds::Key(key) })?;
        Ok((id, key))
    }

    /// Whether everything of this person up to `at` was to be forgotten: then it gets no key.
    pub fn is_erased(&self, whose: &Whose, at: Timestamp) -> bool {
        let slot = self.erased.get(&whose.person).and_then(|at| self.slots.get(*at));
        slot.is_some_and(|slot| matches!(slot.holds, Holds::Erased(until) if at <= until))
    }

    /// Writes a slot where one is free, or at the end.
    fn put(&mut self, slot: Slot) -> Result<(), PersonalError> {
        let at = self.free.last().copied().unwrap_or(self.slots.len());
        self.write(at, &slot)?;
        self.free.pop();
        self.take(at, slot);
        Ok(())
    }

    fn write(&mut self, at: usize, slot: &Slot) -> Result<(), PersonalError> {
        self.unsynced.insert(at);
        let written = self.file.write_all_at(&slot.encode(), (at * SLOT) as u64);
        self.doubtful |= written.is_err();
        Ok(written?)
    }

    /// Makes what was written durable: before the entries under new keys are. After a failure everything is written
    /// again, because the system may have forgotten it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&mut self) -> Result<(), PersonalError> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        if std::mem::replace(&mut self.doubtful, true) {
            for at in &self.unsynced {
                if let Some(slot) = self.slots.get(*at) {
                    self.file.write_all_at(&slot.encode(), (at * SLOT) as u64)?;
                }
            }
        }
        self.file.sync_data()?;
        self.unsynced.clear();
        self.doubtful = false;
        Ok(())
    }

    /// The key that an entry names.
    ///
    /// # Errors
    /// [`PersonalError::Gone`] if it was destroyed, or was never here.
    pub fn named(&self, id: &KeyId) -> Result<[u8; 32], PersonalError> {
        let slot = self.by_id.get(id).and_then(|at| self.slots.get(*at));
        slot.and_then(Slot::key).ok_or(PersonalError::Gone)
    }

    /// Destroys every key of a person of a bot, remembers that everything up to `until` is to be forgotten, and says
    /// how many keys there were. Durable when it returns.
    ///
    /// # Errors
    /// If they could not be written over.
    pub fn destroy(
        &mut self,
        bot: &BotId,
        person: &str,
        until: Timestamp,
    ) -> Result<usize, PersonalError> {
        let whose = Whose { month: 0, ..Whose::new(bot, person, until) };
        let destroyed = self.blank(|slot| slot.whose.person == whose.person)?;
        if !self.is_erased(&whose, until) {
            let slot = Slot { id: KeyId::default(), whose, holds: Holds::Erased(until) };
            match self.erased.get(&whose.person).copied() {
                Some(at) => {
                    self.write(at, &slot)?;
                    self.take(at, slot);
                }
                None => self.put(slot)?,
            }
        }
        self.sync()?;
        Ok(destroyed)
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
        let destroyed = self.blank(|slot| {
            slot.whose.bot == bot && slot.whose.month < month && !held.contains(&slot.whose.person)
        })?;
        self.sync()?;
        Ok(destroyed)
    }

    /// Writes zeros over some keys. Durable after the next [`PersonKeys::sync`].
    fn blank(&mut self, which: impl Fn(&Slot) -> bool) -> Result<usize, PersonalError> {
        let mut destroyed = 0;
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get(at).copied() else { break };
            if slot.key().is_none() || !which(&slot) {
                continue;
            }
            let bare = Slot { holds: Holds::Nothing, ..slot };
            self.write(at, &bare)?;
            self.by_whose.remove(&slot.whose);
            self.by_id.remove(&slot.id);
            self.take(at, bare);
            destroyed += 1;
        }
        Ok(destroyed)
    }
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
        assert_eq!(keys.destroy(&bot("shop"), "jane", january).unwrap(), 2);
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
    fn who_was_erased_is_remembered_with_the_latest_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("persons");
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let jane = Whose::new(&bot("shop"), "jane", at(0));
        let mut keys = PersonKeys::open(&path).unwrap();
        assert!(!keys.is_erased(&jane, at(0)));
        // Nothing is there of that person yet: what comes later is what the order is about.
        assert_eq!(keys.destroy(&bot("shop"), "jane", at(100)).unwrap(), 0);
        keys.of(jane).unwrap();
        assert_eq!(keys.destroy(&bot("shop"), "jane", at(50)).unwrap(), 1);
        assert_eq!(keys.destroy(&bot("shop"), "jane", at(200)).unwrap(), 0);
        drop(keys);
        for keys in [PersonKeys::open(&path).unwrap(), PersonKeys::read(&path).unwrap()] {
            assert!(keys.is_erased(&jane, at(200)) && !keys.is_erased(&jane, at(201)));
            for (name, person) in [("shop", "john"), ("bank", "jane")] {
                assert!(!keys.is_erased(&Whose::new(&bot(name), person, at(0)), at(0)));
            }
        }
    }

    #[test]
    fn blank_slots_are_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("persons");
        let mut keys = PersonKeys::open(&path).unwrap();
        let late: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let mut kept = Vec::new();
        for round in 0..3 {
            for person in 0..10 {
                let whose = Whose::new(&bot("shop"), &format!("{round}/{person}"), late);
                kept = vec![keys.of(whose).unwrap()];
            }
            if round < 2 {
                assert_eq!(keys.expire(&bot("shop"), month(late) + 1, &[]).unwrap(), 10);
                drop(keys);
                keys = PersonKeys::open(&path).unwrap();
            }
        }
        keys.destroy(&bot("shop"), "2/0", late).unwrap();
        keys.sync().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 10 * SLOT as u64);
        drop(keys);
        let keys = PersonKeys::open(&path).unwrap();
        assert_eq!(keys.named(&kept[0].0).unwrap(), kept[0].1);
        assert!(keys.is_erased(&Whose::new(&bot("shop"), "2/0", late), late));
    }

    /// A device that takes every write and refuses to sync stands in for a disk that is failing.
    #[test]
    fn after_a_failed_sync_the_keys_are_written_over_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("persons");
        let mut keys = PersonKeys::open(&path).unwrap();
        let (_, key) = keys.of(Whose::new(&bot("shop"), "jane", Timestamp::UNIX_EPOCH)).unwrap();
        keys.sync().unwrap();
        let there = || std::fs::read(&path).unwrap().windows(32).any(|window| window == key);
        assert!(there());
        let failing = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let disk = std::mem::replace(&mut keys.file, failing);
        for _ in 0..2 {
            let refused = keys.destroy(&bot("shop"), "jane", Timestamp::UNIX_EPOCH);
            assert!(matches!(refused, Err(PersonalError::Store(_))));
        }
        keys.file = disk;
        keys.destroy(&bot("shop"), "jane", Timestamp::UNIX_EPOCH).unwrap();
        assert!(!there(), "it was acknowledged");
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
