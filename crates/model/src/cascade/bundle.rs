//! A cascade's bundle in memory: a manifest, and parts that are what the manifest says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::manifest::{CASCADE_FORMAT, CascadeManifest, Channel};
use crate::bundle::{BundleError, hex_sha256};
use crate::encoder::{Encoder, Runtime};

/// The name of the manifest among a bundle's files.
pub const MANIFEST: &str = "manifest.json";

/// The bytes of a part: part of the program, or read.
pub type Bytes = Cow<'static, [u8]>;

/// A manifest and parts that fit each other and this release. The parts have been checked against their
/// digests; none of them has been interpreted.
#[derive(Clone)]
pub struct CascadeBundle {
    manifest: CascadeManifest,
    parts: BTreeMap<String, Bytes>,
    digest: String,
}

impl fmt::Debug for CascadeBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CascadeBundle({} {})", self.manifest.model, self.digest)
    }
}

/// The format alone, read before the rest, so that a later release's manifest is named as such.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl CascadeBundle {
    /// Reads a bundle from the bytes of its files, `manifest.json` among them, and checks all of it. Files
    /// that the manifest does not name are refused: they are a sign of a bundle that was put together wrongly.
    ///
    /// # Errors
    /// [`BundleError`], which says what to do about it.
    pub fn from_files(
        files: impl IntoIterator<Item = (String, Bytes)>,
    ) -> Result<Self, BundleError> {
        let mut parts: BTreeMap<String, Bytes> = files.into_iter().collect();
        let bytes = parts.remove(MANIFEST).ok_or(BundleError::Corrupt(MANIFEST))?;
        let manifest = read(&bytes)?;
        let named = |name: &str| BundleError::CorruptPart(name.to_owned());
        for (name, expected) in &manifest.parts {
            let part = parts.get(name).ok_or_else(|| named(name))?;
            if part.len() != expected.bytes || hex_sha256(part) != expected.sha256 {
                return Err(named(name));
            }
        }
        if let Some(name) = parts.keys().find(|name| !manifest.parts.contains_key(*name)) {
            return Err(named(name));
        }
        let bundle = Self { digest: hex_sha256(&bytes), manifest, parts };
        bundle.fits()?;
        Ok(bundle)
    }

    /// Reads a bundle from a folder that holds the manifest and the files it names; others are let be.
    ///
    /// # Errors
    /// [`BundleError`]; a file that cannot be read counts as corrupt.
    pub fn from_folder(folder: &Path) -> Result<Self, BundleError> {
        let file = |name: &str| {
            std::fs::read(folder.join(name))
                .map_err(|_| BundleError::CorruptPart(name.to_owned()))
                .map(|bytes| (name.to_owned(), Bytes::Owned(bytes)))
        };
        let manifest = file(MANIFEST)?;
        let names: Vec<String> = read(&manifest.1)?.parts.into_keys().collect();
        // a name with a path in it would reach outside of the folder
        if names.iter().any(|name| name.contains(['/', '\\']) || name.starts_with('.')) {
            return Err(BundleError::Unfit("parts"));
        }
        let parts = names.iter().map(|name| file(name)).collect::<Result<Vec<_>, _>>()?;
        Self::from_files(parts.into_iter().chain([manifest]))
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &CascadeManifest {
        &self.manifest
    }

    /// The bytes of a part that the manifest names.
    ///
    /// # Errors
    /// [`BundleError::CorruptPart`] where there is none of that name.
    pub fn part(&self, name: &str) -> Result<&[u8], BundleError> {
        let part = self.parts.get(name).map(|part| &**part);
        part.ok_or_else(|| BundleError::CorruptPart(name.to_owned()))
    }

    /// The same, to keep: borrowed where it is part of the program, so that nothing is copied.
    ///
    /// # Errors
    /// [`BundleError::CorruptPart`] where there is none of that name.
    pub fn shared_part(&self, name: &str) -> Result<Bytes, BundleError> {
        let part = self.parts.get(name).cloned();
        part.ok_or_else(|| BundleError::CorruptPart(name.to_owned()))
    }

    /// The encoder, made ready by a runtime.
    ///
    /// # Errors
    /// [`BundleError::Unfit`] where the bundle has none, or none that this runtime can run.
    pub fn encoder(&self, runtime: &dyn Runtime) -> Result<Arc<dyn Encoder>, BundleError> {
        let parameters = self.manifest.encoder.as_ref().ok_or(BundleError::Unfit("encoder"))?;
        runtime.load(self.shared_part(&parameters.weights)?, parameters)
    }

    /// SHA-256 of the manifest, which holds those of the parts: it stands for all of the bundle.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Parts exist where parameters name them, and have the right size.
    fn fits(&self) -> Result<(), BundleError> {
        let buckets = 1usize << self.manifest.features.bits;
        for channel in [Channel::User, Channel::Context] {
            let parameters = self.manifest.channel(channel);
            let sized = |name: &str, bytes: usize| match self.part(name)?.len() == bytes {
                true => Ok(()),
                false => Err(BundleError::CorruptPart(name.to_owned())),
            };
            sized(&parameters.linear.weights, buckets)?;
            if let Some(novelty) = &parameters.novelty {
                sized(&novelty.known, buckets / 8)?;
            }
        }
        if let Some(encoder) = &self.manifest.encoder {
            self.part(&encoder.weights)?;
            self.part(&encoder.vocabulary)?;
        }
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<CascadeManifest, BundleError> {
    let FormatOnly { format } =
        serde_json::from_slice(bytes).map_err(|_| BundleError::Corrupt(MANIFEST))?;
    if format > CASCADE_FORMAT {
        return Err(BundleError::NewerFormat { found: format, supported: CASCADE_FORMAT });
    }
    if format < CASCADE_FORMAT {
        return Err(BundleError::Unfit("format"));
    }
    let manifest: CascadeManifest =
        serde_json::from_slice(bytes).map_err(|_| BundleError::Corrupt(MANIFEST))?;
    manifest.validate()?;
    Ok(manifest)
}
