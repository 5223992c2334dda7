//! Models of stages beside their programs: archives by digest, and which of them is to judge.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Kv, KvError};

/// Which model does what, by digest. Absent: for `live` and `back` the model that is part of the program,
/// for `shadow` none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Roles {
    /// Judges.
    pub live: Option<String>,
    /// Judges too, for the record only.
    pub shadow: Option<String>,
    /// Judged before `live`, and does again when it is switched back.
    pub back: Option<String>,
    /// Who ordered it so; the bucket keeps the orders before it.
    pub by: Option<String>,
}

impl Roles {
    /// Lets a model judge; the one before can be switched back to. It is in shadow no more.
    #[must_use]
    pub fn with_live(self, digest: Option<String>) -> Self {
        if self.live == digest {
            return self;
        }
        let shadow = self.shadow.filter(|shadow| Some(shadow) != digest.as_ref());
        Self { live: digest, shadow, back: self.live, by: self.by }
    }

    /// Lets the model judge that judged before.
    #[must_use]
    pub fn switched_back(self) -> Self {
        Self { live: self.back, back: self.live, ..self }
    }
}

/// Why a model could not be had or kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelsError {
    /// The store does not answer; try again.
    #[error("the store of models is away")]
    Away,
    /// There is no archive of this digest.
    #[error("no such model in the store")]
    Missing,
    /// Its bytes are not what was put there, or not all of them.
    #[error("the model's bytes in the store are corrupt or not whole")]
    Corrupt,
}

/// An archive in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: String,
    /// What the operator called it, such as the model's own version.
    pub name: String,
    /// Its length.
    pub bytes: usize,
}

/// A store of archives. Roles are in a bucket of their own ([`crate::Kv`]), under the stage's name.
#[async_trait]
pub trait Models: Send + Sync + 'static {
    /// Keeps an archive under its digest.
    async fn put(&self, digest: &str, name: &str, archive: Bytes) -> Result<(), ModelsError>;

    /// The archive of a digest, checked by the store's own checksum.
    async fn fetch(&self, digest: &str) -> Result<Bytes, ModelsError>;

    /// Every archive.
    async fn list(&self) -> Result<Vec<Stored>, ModelsError>;
}

/// Keeps a stage's models as its roles say.
#[async_trait]
pub trait Modelled: Send + Sync + 'static {
    /// Follows the stage's roles, and calls `ready` when those that were there are in force. Returns once the
    /// bucket was lost; the caller follows again.
    ///
    /// # Errors
    /// Where the bucket is away.
    async fn follow(
        &self,
        roles: &dyn Kv,
        store: &dyn Models,
        ready: &(dyn Fn() + Send + Sync),
    ) -> Result<(), KvError>;
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryModels(Mutex<BTreeMap<String, (String, Bytes)>>);

#[async_trait]
impl Models for MemoryModels {
    async fn put(&self, digest: &str, name: &str, archive: Bytes) -> Result<(), ModelsError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(digest.to_owned(), (name.to_owned(), archive));
        Ok(())
    }

    async fn fetch(&self, digest: &str) -> Result<Bytes, ModelsError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(digest).map(|(_, archive)| archive.clone()).ok_or(ModelsError::Missing)
    }

    async fn list(&self) -> Result<Vec<Stored>, ModelsError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept
            .iter()
            .map(|(digest, (name, archive))| Stored {
                digest: digest.clone(),
                name: name.clone(),
                bytes: archive.len(),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_judged_before_can_be_switched_back_to() {
        let a = || Some("a".to_owned());
        let b = || Some("b".to_owned());
        let roles = Roles { shadow: a(), ..Roles::default() }.with_live(a());
        assert_eq!(roles, Roles { live: a(), ..Roles::default() });
        let roles = roles.with_live(b());
        assert_eq!((&roles.live, &roles.back), (&b(), &a()));
        assert_eq!(roles.clone().with_live(b()), roles, "the same again loses nothing");
        let roles = roles.switched_back();
        assert_eq!((&roles.live, &roles.back), (&a(), &b()));
        let first = Roles::default().with_live(a()).switched_back();
        assert_eq!((first.live, first.back), (None, a()), "the program's own is one of them");
    }
}
