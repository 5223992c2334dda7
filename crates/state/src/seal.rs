//! Seals what a store must keep and must not read, and names people without naming them.
//!
//! Sealing is XChaCha20-Poly1305 with a key of its own for each context, drawn by HKDF-SHA256
//! (RFC 5869) from a master secret. A sealed blob is: one byte of version, four bytes that name the
//! master secret, 24 bytes of random nonce, then ciphertext and tag. The first five bytes are
//! authenticated too.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::hex;

const VERSION: u8 = 1;
const HEADER: usize = 5;
const NONCE: usize = 24;

/// The shortest master secret, in bytes.
const SHORTEST: usize = 16;

/// Why something was not sealed or opened. It says nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The master secret is shorter than 16 bytes: configure a longer one.
    #[error("master secret must be at least 16 bytes")]
    WeakSecret,
    /// Sealed under a master secret that is not here, or of a form that is not known.
    #[error("sealed under a key that is not here")]
    UnknownKey,
    /// Changed since it was sealed, or sealed for another context or purpose.
    #[error("seal broken")]
    Broken,
}

#[derive(Clone)]
struct Master {
    id: [u8; 4],
    root: Hkdf<Sha256>,
}

impl Master {
    fn new(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < SHORTEST {
            return Err(SealError::WeakSecret);
        }
        let root = Hkdf::<Sha256>::new(Some(b"portcullis/master/1"), secret);
        let mut id = [0; 4];
        root.expand(b"id", &mut id).map_err(|_| SealError::Broken)?;
        Ok(Self { id, root })
    }

    /// A key for one use in one context. The length of the use sets both apart.
    fn key(&self, usage: &str, context: &str) -> Result<[u8; 32], SealError> {
        let mut key = [0; 32];
        let parts: [&[u8]; 3] = [usage.as_bytes(), b"\0", context.as_bytes()];
        self.root.expand_multi_info(&parts, &mut key).map_err(|_| SealError::Broken)?;
        Ok(key)
    }

    fn hash(&self, context: &str, value: &str) -> String {
        // Neither step can fail: 32 bytes are a lawful HKDF length and any key length suits HMAC.
        let Ok(key) = self.key("hash", context) else { return String::new() };
        let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&key) else {
            return String::new();
        };
        mac.update(value.as_bytes());
        let digest = mac.finalize().into_bytes();
        hex::encode(digest.get(..16).unwrap_or_default())
    }

    fn cipher(&self, context: &str) -> Result<XChaCha20Poly1305, SealError> {
        Ok(XChaCha20Poly1305::new(Key::from_slice(&self.key("seal", context)?)))
    }
}

/// Seals with the newest of at most two master secrets and opens with both, so that a secret can be
/// changed without losing what is sealed.
#[derive(Clone)]
pub struct Sealer {
    newest: Master,
    previous: Option<Master>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", 1 + usize::from(self.previous.is_some()))
    }
}

impl Sealer {
    /// Seals under `master`, which should carry at least 128 bits of chance (32 random hex digits).
    ///
    /// # Errors
    /// [`SealError::WeakSecret`] where it is shorter than 16 bytes.
    pub fn new(master: &SecretString) -> Result<Self, SealError> {
        Ok(Self { newest: Master::new(master.expose_secret().as_bytes())?, previous: None })
    }

    /// Opens what was sealed under the secret before this one, too.
    ///
    /// # Errors
    /// [`SealError::WeakSecret`] where it is shorter than 16 bytes.
    pub fn with_previous(mut self, previous: &SecretString) -> Result<Self, SealError> {
        self.previous = Some(Master::new(previous.expose_secret().as_bytes())?);
        Ok(self)
    }

    /// Seals under a random secret that dies with the process.
    ///
    /// # Errors
    /// None that can happen; the form is that of [`Sealer::new`].
    pub fn ephemeral() -> Result<Self, SealError> {
        Ok(Self { newest: Master::new(&rand::random::<[u8; 32]>())?, previous: None })
    }

    /// Seals `plain` for `context` (such as `held/<bot>`); `aad` is authenticated and not kept.
    ///
    /// # Errors
    /// [`SealError::Broken`] where `plain` is longer than the cipher takes (256 GiB).
    pub fn seal(&self, context: &str, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = rand::random::<[u8; NONCE]>();
        let mut sealed = Vec::with_capacity(HEADER + NONCE + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.newest.id);
        let aad = [sealed.as_slice(), aad].concat();
        let body = self
            .newest
            .cipher(context)?
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| SealError::Broken)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made for the same context and `aad`.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] or [`SealError::Broken`].
    pub fn open(&self, context: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (header, rest) = sealed.split_at_checked(HEADER).ok_or(SealError::Broken)?;
        let (version, id) = header.split_first().ok_or(SealError::Broken)?;
        let (nonce, body) = rest.split_at_checked(NONCE).ok_or(SealError::Broken)?;
        if *version != VERSION {
            return Err(SealError::UnknownKey);
        }
        let master = std::iter::once(&self.newest)
            .chain(&self.previous)
            .find(|master| master.id == id)
            .ok_or(SealError::UnknownKey)?;
        let aad = [header, aad].concat();
        master
            .cipher(context)?
            .decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: &aad })
            .map_err(|_| SealError::Broken)
    }

    /// A name for `value` that tells nothing of it without the master secret: HMAC-SHA256 (RFC 2104),
    /// 16 bytes in hex. Equal values of one context get equal names.
    pub fn keyed_hash(&self, context: &str, value: &str) -> String {
        self.newest.hash(context, value)
    }

    /// All names that `value` may have been stored under, the newest first: look up with these, so
    /// that a changed secret does not forget who is blocked.
    pub fn keyed_hashes(&self, context: &str, value: &str) -> Vec<String> {
        std::iter::once(&self.newest)
            .chain(&self.previous)
            .map(|master| master.hash(context, value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(&SecretString::from(secret)).unwrap()
    }

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let sealer = sealer(OLD);
        let sealed = sealer.seal("held/shop", b"id-1", b"secret words").unwrap();
        assert_eq!(sealer.open("held/shop", b"id-1", &sealed).unwrap(), b"secret words");
        assert_eq!(sealer.open("held/bank", b"id-1", &sealed), Err(SealError::Broken));
        assert_eq!(sealer.open("held/shop", b"id-2", &sealed), Err(SealError::Broken));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_ne!(sealed, sealer.seal("held/shop", b"id-1", b"secret words").unwrap());
    }

    #[test]
    fn every_changed_or_missing_byte_breaks_the_seal() {
        let sealer = sealer(OLD);
        let sealed = sealer.seal("c", b"", b"abc").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open("c", b"", &changed).is_err(), "byte {at}");
            assert!(sealer.open("c", b"", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_changed_secret_opens_what_the_old_one_sealed() {
        let old = sealer(OLD);
        let both = sealer(NEW).with_previous(&SecretString::from(OLD)).unwrap();
        let sealed = old.seal("c", b"", b"abc").unwrap();
        assert_eq!(both.open("c", b"", &sealed).unwrap(), b"abc");
        assert_eq!(sealer(NEW).open("c", b"", &sealed), Err(SealError::UnknownKey));
        let renewed = both.seal("c", b"", b"abc").unwrap();
        assert_eq!(old.open("c", b"", &renewed), Err(SealError::UnknownKey));
        assert_eq!(
            both.keyed_hashes("speaker", "jane"),
            [sealer(NEW).keyed_hash("speaker", "jane"), old.keyed_hash("speaker", "jane")]
        );
    }

    #[test]
    fn names_differ_by_value_context_and_secret_and_tell_nothing() {
        let sealer = sealer(OLD);
        let name = sealer.keyed_hash("speaker/shop", "jane@example.org");
        assert_eq!(name.len(), 32);
        assert_eq!(name, sealer.keyed_hash("speaker/shop", "jane@example.org"));
        assert_ne!(name, sealer.keyed_hash("speaker/bank", "jane@example.org"));
        assert_ne!(name, sealer.keyed_hash("speaker/shop", "john@example.org"));
        assert_ne!(name, self::sealer(NEW).keyed_hash("speaker/shop", "jane@example.org"));
        assert_eq!(format!("{sealer:?}"), "Sealer(1 keys)");
    }

    #[test]
    fn a_short_secret_is_refused() {
        let short = SecretString::from("hunter2");
        assert_eq!(Sealer::new(&short).unwrap_err(), SealError::WeakSecret);
        assert!(Sealer::ephemeral().is_ok());
    }
}
