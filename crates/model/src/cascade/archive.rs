//! A bundle as one stream of bytes: a tar archive of its files, for stores that keep objects.

use std::io::Read;
use std::path::Path;

use super::bundle::{Bytes, CascadeBundle, MANIFEST};
use crate::bundle::BundleError;

/// The largest file of a bundle that is read.
const LARGEST: u64 = 512 * 1024 * 1024;

impl CascadeBundle {
    /// Reads a folder as [`CascadeBundle::from_folder`] does, and gives the archive of its files: the same
    /// bytes for the same bundle.
    ///
    /// # Errors
    /// [`BundleError`] where the bundle does not hold.
    pub fn archive(folder: &Path) -> Result<(Self, Vec<u8>), BundleError> {
        let bundle = Self::from_folder(folder)?;
        let named = |name: &str| BundleError::CorruptPart(name.to_owned());
        let mut archive = tar::Builder::new(Vec::new());
        let names = bundle.manifest().parts.keys().map(String::as_str);
        for name in std::iter::once(MANIFEST).chain(names) {
            let bytes = std::fs::read(folder.join(name)).map_err(|_| named(name))?;
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append_data(&mut header, name, bytes.as_slice()).map_err(|_| named(name))?;
        }
        let archive = archive.into_inner().map_err(|_| named(MANIFEST))?;
        // what was archived is what was checked, even if somebody wrote into the folder meanwhile
        let again = Self::from_archive(&archive)?;
        if again.digest() != bundle.digest() {
            return Err(BundleError::Corrupt(MANIFEST));
        }
        Ok((bundle, archive))
    }

    /// Reads a bundle from an archive, and checks all of it.
    ///
    /// # Errors
    /// [`BundleError`], which says what to do about it.
    pub fn from_archive(archive: &[u8]) -> Result<Self, BundleError> {
        let unreadable = |_| BundleError::Corrupt("the archive");
        let mut files = Vec::new();
        for entry in tar::Archive::new(archive).entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let name = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
            let size = entry.size();
            if size > LARGEST || size > archive.len() as u64 {
                return Err(BundleError::CorruptPart(name));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.len() as u64 != size {
                return Err(BundleError::CorruptPart(name));
            }
            files.push((name, Bytes::Owned(bytes)));
        }
        Self::from_files(files)
    }
}
