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
    /// person's keys now, before it is stored: a crash between brings the order again. What is older than such an order,
    /// and comes after it, is kept without its personal part.
    ///
    /// # Errors
    /// [`PersonalError::Broken`] if it was sealed for another key.
    pub fn keep(&self, entry: &Entry, raw: &[u8]) -> Result<Option<Vec<u8>>, PersonalError> {
        match &entry.body {
            Body::Action(order) if order.action == ERASE => {
                if let Some(person) = order.scope.strip_prefix(SPEAKER) {
                    let keys = self.persons().destroy(&entry.bot, person, entry.at)?;
                    tracing::info!(keys, "a person's keys destroyed");
                }
                Ok(None)
            }
            Body::Verdict(record) => self.keep_verdict(entry, record, raw),
            _ => Ok(None),
        }
    }

    fn keep_verdict(
        &self,
        entry: &Entry,
        record: &VerdictRecord,
        raw: &[u8],
    ) -> Result<Option<Vec<u8>>, PersonalError> {
        let sealed = record.personal.as_ref().filter(|sealed| sealed.key == TO_AUDIT);
        let plain = sealed.map(|sealed| self.audit.open(&entry.id, &sealed.data)).transpose()?;
        let person = record.speaker.as_deref().or(record.conversation.as_deref()).unwrap_or("");
        let whose = Whose::new(&entry.bot, person, entry.at);
        // Asked and answered at once: no order comes between.
        let (is_erased, key) = {
            let mut persons = self.persons();
            match (persons.is_erased(&whose, entry.at), &plain) {
                (true, _) => (true, None),
                (false, None) => return Ok(None),
                (false, Some(_)) => (false, Some(persons.of(whose)?)),
            }
        };
        if is_erased && record.personal.is_none() && record.text.is_none() {
            return Ok(None);
        }
        // What this release does not know of the entry stays as it is.
        let mut value: Value = serde_json::from_slice(raw).map_err(|_| PersonalError::Form)?;
        let fields = value.as_object_mut().ok_or(PersonalError::Form)?;
        match (key, plain) {
            (Some((id, key)), Some(plain)) => {
                let data = BASE64_STANDARD.encode(cipher::seal(&key, &entry.id, &plain)?);
                let kept = Sealed { key: BASE64_STANDARD.encode(id), data };
                let kept = serde_json::to_value(kept).map_err(|_| PersonalError::Form)?;
                fields.insert("personal".into(), kept);
            }
            _ => {
                fields.remove("personal");
                fields.remove("text");
                tracing::info!(
                    "an entry of somebody who was erased came late: kept without what is personal"
                );
            }
        }
        serde_json::to_vec(&value).map(Some).map_err(|_| PersonalError::Form)
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
        entry_at("2026-01-01T00:00:00Z", id, speaker, personal)
    }

    fn entry_at(at: &str, id: &str, speaker: &str, personal: &Sealed) -> (Entry, Vec<u8>) {
        let raw = format!(
            r#"{{"id":"{id}","bot":"shop","at":"{at}","kind":"verdict","later":1,
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

    /// Ingress spools while the journal is away, and another one's order to erase is there before.
    #[test]
    fn what_comes_after_the_order_and_is_older_is_kept_without_its_personal_part() {
        let folder = tempfile::tempdir().unwrap();
        let mut vault = Vault::open(folder.path()).unwrap();
        let envelope = Envelope::new(vault.public()).unwrap();
        let personal = Personal { text: Some("hello".into()), ..Personal::default() };
        vault.keep(&erase("jane"), b"").unwrap();
        let (before, after) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001Z");
        for (id, at, speaker, stays) in [
            ("v/1", before, "jane", false),
            ("v/2", "2025-11-30T00:00:00Z", "jane", false),
            ("v/3", after, "jane", true),
            ("v/4", before, "john", true),
            ("v/5", before, "jane", false),
        ] {
            let sealed = envelope.seal(id, &personal, Instant::now()).unwrap();
            let (entry, raw) = entry_at(at, id, speaker, &sealed);
            let raw = vault.keep(&entry, &raw).unwrap().unwrap();
            let kept: Entry = serde_json::from_slice(&raw).unwrap();
            let here = Revealed::Here(Box::new(personal.clone()));
            let expected = if stays { here } else { Revealed::Nothing };
            assert_eq!(vault.reveal(&kept).unwrap(), expected, "{id}");
            let raw = String::from_utf8(raw).unwrap();
            assert!(raw.contains("\"later\":1") && raw.contains("\"digest\":\"d\""), "{raw}");
            // The order is remembered by the next process too.
            drop(vault);
            vault = Vault::open(folder.path()).unwrap();
        }
        // Nor does a text that was recorded in the clear come back.
        let sealed = envelope.seal("v/6", &personal, Instant::now()).unwrap();
        let (mut entry, _) = entry("v/6", "jane", &sealed);
        let Body::Verdict(record) = &mut entry.body else { panic!("a verdict") };
        (record.personal, record.text) = (None, Some("hello".into()));
        let kept = vault.keep(&entry, &serde_json::to_vec(&entry).unwrap()).unwrap().unwrap();
        assert!(!String::from_utf8(kept).unwrap().contains("hello"));
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
