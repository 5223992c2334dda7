//! XChaCha20-Poly1305 with a random nonce in front: the one cipher of this crate.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use crate::PersonalError;

const NONCE: usize = 24;

/// Nonce, ciphertext and tag; `bound` is authenticated and not kept.
pub(crate) fn seal(key: &[u8; 32], bound: &str, plain: &[u8]) -> Result<Vec<u8>, PersonalError> {
    let nonce = rand::random::<[u8; NONCE]>();
    let payload = Payload { msg: plain, aad: bound.as_bytes() };
    let body = XChaCha20Poly1305::new(Key::from_slice(key))
        .encrypt(XNonce::from_slice(&nonce), payload)
        .map_err(|_| PersonalError::Broken)?;
    Ok([nonce.as_slice(), &body].concat())
}

/// Opens what [`seal`] made for the same `bound`.
pub(crate) fn open(key: &[u8; 32], bound: &str, sealed: &[u8]) -> Result<Vec<u8>, PersonalError> {
    let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(PersonalError::Broken)?;
    XChaCha20Poly1305::new(Key::from_slice(key))
        .decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: bound.as_bytes() })
        .map_err(|_| PersonalError::Broken)
}
