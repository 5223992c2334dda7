//! Audit's side: opens what ingress sealed, keeps it under the person's key, and forgets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use portcullis_core::{Body, BotId, Entry, Personal, Sealed, VerdictRecord};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::envelope::TO_AUDIT;
use crate::keys::{KeyId, PersonKeys, Whose};
use crate::{AuditKey, PersonalError, cipher};

/// The word of an order to forget a person.
const ERASE: &str = "erase";
/// Before the person's keyed hash in an order's scope.
const SPEAKER: &str = "speaker.";

/// Audit's secret key and the keys of all persons, in one folder that lies outside the record.
pub struct Vault {
    audit: AuditKey,
    persons: Mutex<PersonKeys>,
}

/// What a reader makes of something sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revealed {
    /// The entry holds nothing sealed.
    Nothing,
    /// It is here.
    Here(Box<Personal>),
    /// The key was destroyed.
    Gone,
}

impl Vault {
    /// Opens the folder, and makes what is not there yet: `audit.secret` (and `audit.pub` for ingress) and
    /// `persons`.
    ///
    /// # Errors
    /// If a key cannot be read, or another process has the folder open.
    pub fn open(folder: &Path) -> Result<Self, PersonalError> {
        fs::create_dir_all(folder)?;
        let path = folder.join("audit.secret");
        let secret = match fs::read_to_string(&path) {
            Ok(secret) => SecretString::from(secret),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = AuditKey::generate();
                write(&path, secret.expose_secret(), 0o600)?;
                secret
            }
            Err(error) => return Err(error.into()),
        };
        let audit = AuditKey::parse(&secret)?;
        let public = folder.join("audit.pub");
        if !public.exists() {
            write(&public, audit.public(), 0o644)?;
        }
        let persons = Mutex::new(PersonKeys::open(&folder.join("persons"))?);
        Ok(Self { audit, persons })
    }

    /// The public key that ingress seals to.
    pub fn public(&self) -> &str {
        self.audit.public()
    }

    /// The bytes to keep in the place of `raw`, the entry as it came: what ingress sealed is under the
    /// person's key in them. `None` where nothing has to change. An order to erase a person destroys that
    /// person's keys now, before it is stored: a crash between brings the order again.
    ///
    /// # Errors
    /// [`PersonalError::Broken`] if it was sealed for another key.
    pub fn keep(&self, entry: &Entry, raw: &[u8]) -> Result<Option<Vec<u8>>, PersonalError> {
        match &entry.body {
            Body::Action(order) if order.action == ERASE => {
                if let Some(person) = order.scope.strip_prefix(SPEAKER) {
                    let keys = self.persons().destroy(&entry.bot, person)?;
                    tracing::info!(keys, "a person's keys destroyed");
                }
                Ok(None)
            }
            Body::Verdict(record) => match &record.personal {
                Some(sealed) if sealed.key == TO_AUDIT => {
                    self.rewrap(entry, record, sealed, raw).map(Some)
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn rewrap(
        &self,
        entry: &Entry,
        record: &VerdictRecord,
        sealed: &Sealed,
        raw: &[u8],
    ) -> Result<Vec<u8>, PersonalError> {
        let plain = self.audit.open(&entry.id, &sealed.data)?;
        let person = record.speaker.as_deref().or(record.conversation.as_deref()).unwrap_or("");
        let (id, key) = self.persons().of(Whose::new(&entry.bot, person, entry.at))?;
        let data = BASE64_STANDARD.encode(cipher::seal(&key, &entry.id, &plain)?);
        // What this release does not know of the entry stays as it is.
        let mut value: Value = serde_json::from_slice(raw).map_err(|_| PersonalError::Form)?;
        let kept = Sealed { key: BASE64_STANDARD.encode(id), data };
        let fields = value.as_object_mut().ok_or(PersonalError::Form)?;
        fields.insert(
            "personal".into(),
            serde_json::to_value(kept).map_err(|_| PersonalError::Form)?,
        );
        serde_json::to_vec(&value).map_err(|_| PersonalError::Form)
    }

    /// Makes new keys durable: before the entries under them are stored.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self) -> Result<(), PersonalError> {
        self.persons().sync()
    }

    /// What is sealed in a kept entry.
    ///
    /// # Errors
    /// [`PersonalError::Broken`] if it was changed.
    pub fn reveal(&self, entry: &Entry) -> Result<Revealed, PersonalError> {
        self.persons().reveal(entry)
    }

    /// Destroys a bot's keys for months before `month`, but those of the persons in `held`.
    ///
    /// # Errors
    /// If they could not be written over.
    pub fn expire(&self, bot: &BotId, month: u32, held: &[&str]) -> Result<usize, PersonalError> {
        self.persons().expire(bot, month, held)
    }

    fn persons(&self) -> MutexGuard<'_, PersonKeys> {
        self.persons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersonKeys {
    /// What is sealed in a kept entry.
    ///
    /// # Errors
    /// [`PersonalError::Broken`] if it was changed.
    pub fn reveal(&self, entry: &Entry) -> Result<Revealed, PersonalError> {
        let Body::Verdict(record) = &entry.body else { return Ok(Revealed::Nothing) };
        let Some(sealed) = &record.personal else { return Ok(Revealed::Nothing) };
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| PersonalError::Form);
        let id = KeyId::try_from(decode(&sealed.key)?).map_err(|_| PersonalError::Form)?;
        let key = match self.named(&id) {
            Ok(key) => key,
            Err(PersonalError::Gone) => return Ok(Revealed::Gone),
            Err(error) => return Err(error),
        };
        let plain = cipher::open(&key, &entry.id, &decode(&sealed.data)?)?;
        let personal = serde_json::from_slice(&plain).map_err(|_| PersonalError::Form)?;
        Ok(Revealed::Here(Box::new(personal)))
    }
}

/// The month before which what is older than `days` lies wholly.
pub fn month_of_retention(now: Timestamp, days: u32) -> u32 {
    let age = jiff::SignedDuration::from_hours(i64::from(days) * 24);
    now.checked_sub(age).map_or(0, crate::month)
}

fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Envelope;

    fn entry(id: &str, speaker: &str, personal: &Sealed) -> (Entry, Vec<u8>) {
        let raw = format!(
            r#"{{"id":"{id}","bot":"shop","at":"2026-01-01T00:00:00Z","kind":"verdict","later":1,
            "direction":"inbound","speaker":"{speaker}","bytes":5,"digest":"d","personal":{},
            "verdict":{{"id":"1","decision":"allow","text":null,"tone":null,"reply":null,
            "retry_after_s":null,"findings":[],"receipt":[],"policy":{{"bot":"shop","version":"1",
            "digest":"d"}},"shadow_decision":null,"recorded":"journal","trace_id":null,"took_us":1}}}}"#,
            serde_json::to_string(personal).unwrap()
        );
        (serde_json::from_str(&raw).unwrap(), raw.into_bytes())
    }

    fn erase(speaker: &str) -> Entry {
        let raw = format!(
            r#"{{"id":"action/shop/1","bot":"shop","at":"2026-01-01T00:00:00Z","kind":"action",
            "action":"erase","scope":"speaker.{speaker}","by":"operator"}}"#
        );
        serde_json::from_str(&raw).unwrap()
    }

    #[test]
    fn what_is_kept_is_read_until_the_person_is_erased() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let envelope = Envelope::new(vault.public()).unwrap();
        let personal = Personal { text: Some("hello".into()), ..Personal::default() };
        let mut kept = Vec::new();
        for (id, speaker) in [("v/1", "jane"), ("v/2", "john"), ("v/3", "jane")] {
            let sealed = envelope.seal(id, &personal, Instant::now()).unwrap();
            let (entry, raw) = entry(id, speaker, &sealed);
            let raw = vault.keep(&entry, &raw).unwrap().unwrap();
            let text = String::from_utf8(raw.clone()).unwrap();
            assert!(!text.contains("hello") && text.contains("\"later\":1"), "{text}");
            let entry: Entry = serde_json::from_slice(&raw).unwrap();
            assert_eq!(vault.reveal(&entry).unwrap(), Revealed::Here(Box::new(personal.clone())));
            // Kept once, it is not kept again.
            assert_eq!(vault.keep(&entry, &raw).unwrap(), None);
            kept.push(entry);
        }
        vault.sync().unwrap();
        drop(vault);
        let vault = Vault::open(folder.path()).unwrap();
        assert_eq!(vault.keep(&erase("jane"), b"").unwrap(), None);
        assert_eq!(vault.reveal(&kept[0]).unwrap(), Revealed::Gone);
        assert_eq!(vault.reveal(&kept[1]).unwrap(), Revealed::Here(Box::new(personal)));
        assert_eq!(vault.reveal(&kept[2]).unwrap(), Revealed::Gone);
        assert_eq!(vault.reveal(&erase("jane")).unwrap(), Revealed::Nothing);
    }

    #[test]
    fn what_was_sealed_for_another_is_refused() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.map(|folder| Vault::open(folder.path()).unwrap());
        let envelope = Envelope::new(other.public()).unwrap();
        let sealed = envelope.seal("v/1", &Personal::default(), Instant::now()).unwrap();
        let (entry, raw) = entry("v/1", "jane", &sealed);
        assert!(matches!(one.keep(&entry, &raw), Err(PersonalError::Broken)));
    }

    #[test]
    fn retention_reaches_whole_months() {
        let now: Timestamp = "2026-03-15T00:00:00Z".parse().unwrap();
        let month = |at: &str| crate::month(at.parse().unwrap());
        assert_eq!(month_of_retention(now, 30), month("2026-02-01T00:00:00Z"));
        assert_eq!(month_of_retention(now, 10), month("2026-03-01T00:00:00Z"));
    }
}
