//! Signed checkpoints: the size and the root of a log, in the form of C2SP (`tlog-checkpoint`,
//! `signed-note`), under an Ed25519 key.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use signed_note::{Note, StandardSigner, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::checkpoint::Checkpoint as Body;
use tlog_tiles::tlog::Hash;

/// The byte that says Ed25519 in a key of a signed note.
const ED25519: u8 = 1;

/// Why a key is none. It says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Names are one word of letters, digits and `.-_/:`.
    #[error("a key's name must be one word without spaces or '+'")]
    Name,
    /// Not in the form `PRIVATE+KEY+<name>+<id>+<key>`.
    #[error("not a signing key of the form PRIVATE+KEY+<name>+<id>+<key>")]
    Signing,
    /// Not in the form `<name>+<id>+<key>`.
    #[error("not a verifier key of the form <name>+<id>+<key>")]
    Verifier,
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error("not a signed note")]
    Malformed,
    /// Signed, but not by this key.
    #[error("not signed by this key")]
    Stranger,
    /// The signature of this key does not fit.
    #[error("the signature does not fit")]
    Forged,
    /// A signed note, but no checkpoint of the log that the key is for.
    #[error("not a checkpoint of this log")]
    Foreign,
}

/// The size and root of a log at a time, with the note that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Entries in the log.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The signed note.
    pub note: String,
}

impl Checkpoint {
    /// What a note says, without any look at its signatures.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] or [`CheckpointError::Foreign`] if it is no checkpoint.
    pub fn claimed(note: &str) -> Result<Self, CheckpointError> {
        let read = Note::from_bytes(note.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
        let body = Body::from_bytes(read.text()).map_err(|_| CheckpointError::Foreign)?;
        Ok(Self { size: body.size(), root: *body.hash(), note: note.to_owned() })
    }
}

/// Signs checkpoints. `Debug` prints the name of the key alone.
#[derive(Clone)]
pub struct Signer {
    name: String,
    public: String,
    signer: StandardSigner,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

impl Signer {
    /// Makes a new key for the log with this name, in the text form that [`Signer::parse`] reads.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn generate(name: &str) -> Result<String, KeyError> {
        if !signed_note::is_key_name_valid(name) || name.chars().any(char::is_control) {
            return Err(KeyError::Name);
        }
        let seed = rand::random::<[u8; 32]>();
        let public = SigningKey::from_bytes(&seed).verifying_key();
        let id = signed_note::key_id(name, &[&[ED25519], public.as_bytes().as_slice()].concat());
        let secret = BASE64_STANDARD.encode([&[ED25519], seed.as_slice()].concat());
        Ok(format!("PRIVATE+KEY+{name}+{id:08x}+{secret}"))
    }

    /// Reads a signing key.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn parse(key: &str) -> Result<Self, KeyError> {
        let key = key.trim();
        let signer = StandardSigner::new(key).map_err(|_| KeyError::Signing)?;
        let mut parts = key.splitn(5, '+').skip(2);
        let (name, secret) = parts.next().zip(parts.nth(1)).ok_or(KeyError::Signing)?;
        let secret = BASE64_STANDARD.decode(secret).map_err(|_| KeyError::Signing)?;
        let seed = secret
            .split_first()
            .and_then(|(_, seed)| <[u8; 32]>::try_from(seed).ok())
            .ok_or(KeyError::Signing)?;
        let public = SigningKey::from_bytes(&seed).verifying_key();
        let public = signed_note::new_ed25519_verifier_key(name, &public);
        Ok(Self { name: name.to_owned(), public, signer })
    }

    /// The key that others check with, as text.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Whether this key signed that checkpoint.
    pub fn has_signed(&self, checkpoint: &Checkpoint) -> bool {
        PublicKey::parse(&self.public).is_ok_and(|key| key.open(&checkpoint.note).is_ok())
    }

    /// Signs the size and root of the log.
    ///
    /// # Errors
    /// [`KeyError::Name`], if the name were none; it was checked when the key was read.
    pub fn sign(&self, size: u64, root: Hash) -> Result<Checkpoint, KeyError> {
        let body = Body::new(&self.name, size, root, "").map_err(|_| KeyError::Name)?;
        let mut note = Note::new(&body.to_bytes(), &[]).map_err(|_| KeyError::Name)?;
        note.add_sigs(&[&self.signer]).map_err(|_| KeyError::Name)?;
        let note = String::from_utf8(note.to_bytes()).map_err(|_| KeyError::Name)?;
        Ok(Checkpoint { size, root, note })
    }
}

/// Checks checkpoints of one log.
#[derive(Clone)]
pub struct PublicKey {
    text: String,
    verifier: StandardVerifier,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.text)
    }
}

impl PublicKey {
    /// Reads a verifier key.
    ///
    /// # Errors
    /// [`KeyError::Verifier`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let verifier = StandardVerifier::new(text).map_err(|_| KeyError::Verifier)?;
        Ok(Self { text: text.to_owned(), verifier })
    }

    /// The key as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads one signed note and checks it.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let read = Note::from_bytes(note.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
        let known = VerifierList::new(vec![Box::new(self.verifier.clone())]);
        let (_, unknown) = read.verify(&known).map_err(|error| match error {
            signed_note::NoteError::UnverifiedNote => CheckpointError::Stranger,
            _ => CheckpointError::Forged,
        })?;
        // Witnesses may have signed too; a line that only looks like ours has not.
        if unknown.iter().any(|signature| signature.name() == self.verifier.name()) {
            return Err(CheckpointError::Forged);
        }
        let body = Body::from_bytes(read.text()).map_err(|_| CheckpointError::Foreign)?;
        if body.origin() != self.verifier.name() {
            return Err(CheckpointError::Foreign);
        }
        Ok(Checkpoint { size: body.size(), root: *body.hash(), note: note.to_owned() })
    }

    /// Reads every note of a text that may hold several, one after the other, and checks all.
    ///
    /// # Errors
    /// Why the first one that is not believed is not; [`CheckpointError::Malformed`] if there is none.
    pub fn open_all(&self, text: &str) -> Result<Vec<Checkpoint>, CheckpointError> {
        let all: Vec<_> = notes(text).map(|note| self.open(note)).collect::<Result<_, _>>()?;
        if all.is_empty() { Err(CheckpointError::Malformed) } else { Ok(all) }
    }
}

/// Cuts a text of signed notes, one after the other, into the notes.
pub fn notes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.trim().is_empty() {
            return None;
        }
        let (mut end, mut signed) = (0, false);
        for line in rest.split_inclusive('\n') {
            let signature = line.starts_with("\u{2014} ");
            if signed && !signature {
                break;
            }
            signed |= signature;
            end += line.len();
        }
        let (note, after) = rest.split_at(end);
        rest = after;
        Some(note)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf_hash;

    fn key() -> (Signer, PublicKey) {
        let signer = Signer::parse(&Signer::generate("shop.example/audit").unwrap()).unwrap();
        let public = PublicKey::parse(signer.public()).unwrap();
        (signer, public)
    }

    #[test]
    fn what_is_signed_reads_and_every_changed_bit_is_noticed() {
        let (signer, public) = key();
        let checkpoint = signer.sign(42, leaf_hash(b"x")).unwrap();
        assert_eq!(public.open(&checkpoint.note).unwrap(), checkpoint);
        let bytes = checkpoint.note.as_bytes();
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.to_vec();
            changed[at / 8] ^= 1 << (at % 8);
            let read = String::from_utf8(changed).ok().map(|note| public.open(&note));
            assert!(!matches!(read, Some(Ok(_))), "bit {at}");
        }
    }

    #[test]
    fn several_notes_in_a_row_are_read() {
        let (signer, public) = key();
        let (one, two) = (signer.sign(1, leaf_hash(b"x")), signer.sign(2, leaf_hash(b"y")));
        let (one, two) = (one.unwrap(), two.unwrap());
        let text = format!("{}{}", one.note, two.note);
        assert_eq!(public.open_all(&text).unwrap(), [one, two]);
        assert_eq!(public.open_all(""), Err(CheckpointError::Malformed));
        assert_eq!(public.open_all("hello\n"), Err(CheckpointError::Malformed));
    }

    #[test]
    fn another_key_and_another_log_are_refused() {
        let (signer, _) = key();
        let (_, other) = key();
        let checkpoint = signer.sign(42, leaf_hash(b"x")).unwrap();
        assert_eq!(other.open(&checkpoint.note), Err(CheckpointError::Stranger));
        assert_eq!(Signer::generate("two words").unwrap_err(), KeyError::Name);
        assert!(Signer::parse("PRIVATE+KEY+a+00000000+AAAA").is_err());
        assert!(PublicKey::parse("nonsense").is_err());
        assert!(!format!("{signer:?}").contains("PRIVATE"));
    }
}
