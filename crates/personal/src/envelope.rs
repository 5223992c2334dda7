//! From ingress to audit: only audit's secret key opens it.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{CryptoRng, RngCore};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use lru::LruCache;
use portcullis_core::{Personal, Sealed};
use secrecy::{ExposeSecret, SecretString};

use crate::{PersonalError, cipher};

type Secret = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

const INFO: &[u8] = b"portcullis/personal/1";
/// Bytes of a wrapped content key: the encapsulated key, the key, the tag.
const WRAPPED: usize = 32 + 32 + 16;
/// How long a content key is used.
const FRESH: Duration = Duration::from_secs(600);
/// Content keys that audit remembers: two an hour and instance, and the replay of a week.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// How the first kind of [`Sealed`] names its key.
pub(crate) const TO_AUDIT: &str = "audit";

/// Seals to audit's public key.
pub struct Envelope {
    public: Public,
    content: Mutex<Option<Content>>,
}

#[derive(Clone)]
struct Content {
    key: [u8; 32],
    wrapped: Vec<u8>,
    since: Instant,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope")
    }
}

impl Envelope {
    /// Seals to this public key: 64 hex digits.
    ///
    /// # Errors
    /// [`PersonalError::Key`].
    pub fn new(public: &str) -> Result<Self, PersonalError> {
        let public = Public::from_bytes(&unhex(public)?).map_err(|_| PersonalError::Key)?;
        Ok(Self { public, content: Mutex::default() })
    }

    /// Seals what is personal in the entry with this id.
    ///
    /// # Errors
    /// [`PersonalError::Broken`], if the cipher fails.
    pub fn seal(
        &self,
        id: &str,
        personal: &Personal,
        now: Instant,
    ) -> Result<Sealed, PersonalError> {
        let content = self.content(now)?;
        let plain = serde_json::to_vec(personal).map_err(|_| PersonalError::Form)?;
        let sealed = cipher::seal(&content.key, id, &plain)?;
        let data = BASE64_STANDARD.encode([content.wrapped.as_slice(), &sealed].concat());
        Ok(Sealed { key: TO_AUDIT.to_owned(), data })
    }

    fn content(&self, now: Instant) -> Result<Content, PersonalError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = &*content
            && now.saturating_duration_since(content.since) < FRESH
        {
            return Ok(content.clone());
        }
        let key = rand::random::<[u8; 32]>();
        let (encapped, body) = hpke::single_shot_seal::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
            _,
        >(&OpModeS::Base, &self.public, INFO, &key, b"", &mut Chance)
        .map_err(|_| PersonalError::Broken)?;
        let wrapped = [encapped.to_bytes().as_slice(), &body].concat();
        Ok(content.insert(Content { key, wrapped, since: now }).clone())
    }
}

/// Audit's secret key.
pub struct AuditKey {
    secret: Secret,
    public: String,
    known: Mutex<LruCache<Vec<u8>, [u8; 32]>>,
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({})", self.public)
    }
}

impl AuditKey {
    /// A new secret key: 64 hex digits.
    pub fn generate() -> SecretString {
        SecretString::from(hex(&rand::random::<[u8; 32]>()))
    }

    /// Reads a secret key.
    ///
    /// # Errors
    /// [`PersonalError::Key`].
    pub fn parse(secret: &SecretString) -> Result<Self, PersonalError> {
        let secret = Secret::from_bytes(&unhex(secret.expose_secret())?);
        let secret = secret.map_err(|_| PersonalError::Key)?;
        let public = hex(&X25519HkdfSha256::sk_to_pk(&secret).to_bytes());
        Ok(Self { secret, public, known: Mutex::new(LruCache::new(REMEMBERED)) })
    }

    /// The public key that ingress seals to: 64 hex digits.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Opens what was sealed for the entry with this id: the JSON of a [`Personal`].
    pub(crate) fn open(&self, id: &str, data: &str) -> Result<Vec<u8>, PersonalError> {
        let bytes = BASE64_STANDARD.decode(data).map_err(|_| PersonalError::Form)?;
        let (wrapped, sealed) = bytes.split_at_checked(WRAPPED).ok_or(PersonalError::Form)?;
        cipher::open(&self.content(wrapped)?, id, sealed)
    }

    fn content(&self, wrapped: &[u8]) -> Result<[u8; 32], PersonalError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(wrapped) {
            return Ok(*key);
        }
        let (encapped, body) = wrapped.split_at_checked(32).ok_or(PersonalError::Form)?;
        let encapped = Encapped::from_bytes(encapped).map_err(|_| PersonalError::Form)?;
        let key = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret,
            &encapped,
            INFO,
            body,
            b"",
        )
        .map_err(|_| PersonalError::Broken)?;
        let key = <[u8; 32]>::try_from(key).map_err(|_| PersonalError::Form)?;
        known.put(wrapped.to_vec(), key);
        Ok(key)
    }
}

/// The system's generator, in the form that the library asks for.
struct Chance;

impl RngCore for Chance {
    fn next_u32(&mut self) -> u32 {
        rand::random()
    }
    fn next_u64(&mut self) -> u64 {
        rand::random()
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), hpke::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Chance {}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<[u8; 32], PersonalError> {
    let text = text.trim().as_bytes();
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return Err(PersonalError::Key);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| PersonalError::Key)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| PersonalError::Key)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_audit_opens_it_and_only_for_its_entry() {
        let audit = AuditKey::parse(&AuditKey::generate()).unwrap();
        let other = AuditKey::parse(&AuditKey::generate()).unwrap();
        let envelope = Envelope::new(audit.public()).unwrap();
        let personal = Personal { text: Some("where is my order".into()), ..Personal::default() };
        let now = Instant::now();
        let sealed = envelope.seal("verdict/shop/inbound/1", &personal, now).unwrap();
        assert!(!sealed.data.contains("order"));
        let opened = audit.open("verdict/shop/inbound/1", &sealed.data).unwrap();
        assert_eq!(serde_json::from_slice::<Personal>(&opened).unwrap(), personal);
        assert!(audit.open("verdict/shop/inbound/2", &sealed.data).is_err());
        assert!(other.open("verdict/shop/inbound/1", &sealed.data).is_err());
        let mut bytes = BASE64_STANDARD.decode(&sealed.data).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let changed = BASE64_STANDARD.encode(&bytes);
            assert!(audit.open("verdict/shop/inbound/1", &changed).is_err(), "byte {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn the_content_key_changes_with_time_and_keys_that_are_none_are_refused() {
        let audit = AuditKey::parse(&AuditKey::generate()).unwrap();
        let envelope = Envelope::new(audit.public()).unwrap();
        let now = Instant::now();
        let head = |at| envelope.content(at).unwrap().wrapped;
        assert_eq!(head(now), head(now + Duration::from_secs(599)));
        assert_ne!(head(now), head(now + Duration::from_secs(600)));
        assert!(Envelope::new("zz").is_err());
        assert!(AuditKey::parse(&SecretString::from("00")).is_err());
        assert_eq!(format!("{envelope:?}"), "Envelope");
    }
}
