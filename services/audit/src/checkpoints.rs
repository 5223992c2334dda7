//! Signed checkpoints: the key, and the places outside the record where each one is told.
//!
//! A checkpoint proves the record against its own writer only if it is kept where the writer cannot
//! change it. The file should lie on another machine's disk, or be one that can only be appended to.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use portcullis_bus_nats::{Client, subjects};
use portcullis_ledger::Signing;
use portcullis_merkle::{Checkpoint, Signer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a place may take, and how long to wait before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do where keys are lost.
pub(crate) const RESTORE: &str = "put the keys of this record back (an unmounted volume, a wrong restore?), or begin a \
    new record in an empty data folder";

/// How checkpoints are signed and where they go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// The name of the log: the first line of each checkpoint, and a part of the key.
    pub name: String,
    /// File of the signing key, made at the first start. Absent: keys/checkpoint.key in the data folder. The
    /// key to check with lies beside it, with the ending .pub.
    pub key_file: Option<PathBuf>,
    /// A checkpoint is signed at the latest after this many entries.
    pub entries: u64,
    /// A checkpoint is signed at the latest this many seconds after an entry.
    pub within_s: u64,
    /// File to which each checkpoint is appended: name one that whoever can write the record cannot change.
    pub file: Option<PathBuf>,
    /// Address to which each checkpoint is sent with POST, as text: http://host/path.
    pub url: Option<String>,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            name: "portcullis/audit".into(),
            key_file: None,
            entries: 50_000,
            within_s: 10,
            file: None,
            url: None,
        }
    }
}

impl CheckpointConfig {
    /// How the ledger should sign; makes the key where there is none, and no record that another one signed.
    ///
    /// # Errors
    /// If the key cannot be made or read, or is lost.
    pub fn signing(&self, data: &Path) -> anyhow::Result<Signing> {
        anyhow::ensure!(self.entries > 0, "checkpoints.entries must be at least 1");
        anyhow::ensure!(self.within_s > 0, "checkpoints.within_s must be at least 1");
        let path = self.key_file.clone().unwrap_or_else(|| data.join("keys/checkpoint.key"));
        let place = || format!("signing key {}", path.display());
        let key = match fs::read_to_string(&path) {
            Ok(key) => key,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let signed = fs::metadata(data.join("audit/checkpoints"));
                anyhow::ensure!(
                    signed.map_or(0, |signed| signed.len()) == 0,
                    "{} is not there, and the record in {} is signed with it: {RESTORE}",
                    place(),
                    data.display()
                );
                let key = Signer::generate(&self.name).with_context(place)?;
                write_new(&path, &key, 0o600).with_context(place)?;
                key
            }
            Err(error) => return Err(error).with_context(place),
        };
        let signer = Signer::parse(&key).with_context(place)?;
        let public = path.with_extension("pub");
        if !public.exists() {
            write_new(&public, signer.public(), 0o644).with_context(place)?;
        }
        let within = Duration::from_secs(self.within_s);
        Ok(Signing { signer, entries: self.entries, within })
    }

    /// The places outside the record, and the subject where there is a bus.
    ///
    /// # Errors
    /// If the address is none, or the file cannot be appended to.
    pub fn places(&self, bus: Option<Client>) -> anyhow::Result<Vec<Place>> {
        let mut places = Vec::new();
        places.extend(bus.map(Place::Subject));
        if let Some(path) = self.file.clone() {
            append_to(&path)?;
            places.push(Place::File(path));
        }
        if let Some(url) = &self.url {
            let url = reqwest::Url::parse(url).context("checkpoints.url")?;
            anyhow::ensure!(url.scheme() == "http", "checkpoints.url must begin with http://");
            let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
            places.push(Place::Url(client, url));
        }
        Ok(places)
    }
}

fn append_to(path: &Path) -> anyhow::Result<fs::File> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("file for checkpoints {}", path.display()))
}

fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// A place where checkpoints are told.
pub enum Place {
    /// The subject `portcullis.v1.checkpoint`.
    Subject(Client),
    /// A file that grows.
    File(PathBuf),
    /// An address.
    Url(reqwest::Client, reqwest::Url),
}

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Self::Subject(_) => "subject",
            Self::File(_) => "file",
            Self::Url(..) => "url",
        }
    }

    async fn tell(&self, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        let note = checkpoint.note.clone();
        match self {
            Self::Subject(client) => {
                client.publish(subjects::CHECKPOINT, note.into()).await?;
            }
            Self::File(path) => {
                let path = path.clone();
                let append = move || -> anyhow::Result<()> {
                    let mut file = append_to(&path)?;
                    let written = file.write_all(note.as_bytes()).and_then(|()| file.sync_data());
                    written.with_context(|| format!("file for checkpoints {}", path.display()))
                };
                tokio::task::spawn_blocking(append).await??;
            }
            Self::Url(client, url) => {
                let sent = client.post(url.clone()).header("content-type", "text/plain").body(note);
                sent.send().await?.error_for_status()?;
            }
        }
        Ok(())
    }
}

/// Tells a place each new checkpoint until `shutdown`, and then the last one. One that could not be told
/// is replaced by a newer one, which covers what it covered.
pub async fn publish(
    mut newest: watch::Receiver<Option<Checkpoint>>,
    place: Place,
    shutdown: CancellationToken,
) {
    newest.mark_changed();
    let mut told = 0;
    loop {
        let ended = tokio::select! {
            changed = newest.changed() => changed.is_err(),
            () = shutdown.cancelled() => true,
        };
        let checkpoint = newest.borrow_and_update().clone();
        if let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.size > told) {
            match place.tell(&checkpoint).await {
                Ok(()) => told = checkpoint.size,
                Err(error) => {
                    let (place, error) = (place.name(), format!("{error:#}"));
                    tracing::error!(place, error, "checkpoint not told");
                    metrics::counter!("portcullis_audit_checkpoints_untold_total", "place" => place)
                        .increment(1);
                    newest.mark_changed();
                    tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = tokio::time::sleep(PATIENCE) => {}
                    }
                }
            }
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_ledger::{Ledger, LedgerOptions, LedgerReader, Record, Verify};
    use portcullis_merkle::PublicKey;

    use super::*;
    use crate::tests::entry;

    #[tokio::test]
    async fn what_is_signed_is_told_outside_and_proves_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap().keep().join("checkpoints.txt");
        let config = CheckpointConfig { file: Some(outside.clone()), entries: 5, ..<_>::default() };
        let signing = config.signing(folder.path()).unwrap();
        let options = LedgerOptions { signing: Some(signing), ..LedgerOptions::default() };
        let (ledger, _) = Ledger::open(folder.path(), options).unwrap();
        let shutdown = CancellationToken::new();
        let place = config.places(None).unwrap().remove(0);
        let mut publisher = tokio::task::JoinSet::new();
        publisher.spawn(publish(ledger.checkpoints(), place, shutdown.clone()));
        let mut newest = ledger.checkpoints();
        for round in 0..3 {
            let records = (round * 5..round * 5 + 5).map(|n| Record::new(&entry(n)).unwrap());
            ledger.append_all(records.collect()).await.unwrap();
            let size = (round as u64 + 1) * 5;
            newest
                .wait_for(|told| told.as_ref().is_some_and(|told| told.size == size))
                .await
                .unwrap();
        }
        shutdown.cancel();
        publisher.join_next().await.unwrap().unwrap();
        drop(ledger);
        let key = fs::read_to_string(folder.path().join("keys/checkpoint.pub")).unwrap();
        let key = PublicKey::parse(&key).unwrap();
        let told = key.open_all(&fs::read_to_string(&outside).unwrap()).unwrap();
        assert_eq!(told.last().unwrap().size, 15);
        let verify = Verify { key: Some(&key), kept_elsewhere: &told, ..Verify::default() };
        assert_eq!(LedgerReader::verify(folder.path(), &verify).unwrap().proven, 15);
        // The same key at the next start, and it lies outside the record.
        let again = config.signing(folder.path()).unwrap();
        assert_eq!(again.signer.public(), key.text());
        fs::remove_dir_all(outside.parent().unwrap()).unwrap();
    }

    #[tokio::test]
    async fn a_record_that_is_signed_gets_no_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = CheckpointConfig::default();
        let open = || {
            let signing = Some(config.signing(folder.path())?);
            let options = LedgerOptions { signing, ..LedgerOptions::default() };
            anyhow::Ok(Ledger::open(folder.path(), options)?.0)
        };
        open().unwrap();
        // Nothing is signed yet: nothing is lost with the key.
        fs::remove_dir_all(folder.path().join("keys")).unwrap();
        let ledger = open().unwrap();
        ledger.append(Record::new(&entry(1)).unwrap()).await.unwrap();
        drop(ledger);
        let keys = folder.path().join("keys");
        fs::rename(&keys, folder.path().join("elsewhere")).unwrap();
        let error = format!("{:#}", open().err().unwrap());
        assert!(error.contains("keys/checkpoint.key is not there"), "{error}");
        assert!(error.contains("put the keys of this record back"), "{error}");
        assert!(!keys.exists());
        // Keys of another record are of no use.
        let other = tempfile::tempdir().unwrap();
        config.signing(other.path()).unwrap();
        fs::rename(other.path().join("keys"), &keys).unwrap();
        let error = format!("{:#}", open().err().unwrap());
        assert!(error.contains("not signed with this signing key"), "{error}");
        fs::remove_dir_all(&keys).unwrap();
        fs::rename(folder.path().join("elsewhere"), &keys).unwrap();
        open().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = Some(folder.path().join("nowhere/checkpoints"));
        let told = CheckpointConfig { file, ..<_>::default() }.places(None);
        let error = format!("{:#}", told.err().unwrap());
        assert!(error.contains("nowhere/checkpoints: No such file"), "{error}");
        let bad = |config: CheckpointConfig| config.signing(folder.path()).is_err();
        assert!(bad(CheckpointConfig { name: "two words".into(), ..<_>::default() }));
        assert!(bad(CheckpointConfig { entries: 0, ..<_>::default() }));
        let url = Some("ftp://example.com".into());
        assert!(CheckpointConfig { url, ..<_>::default() }.places(None).is_err());
    }
}
