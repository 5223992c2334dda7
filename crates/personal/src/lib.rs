//! What is personal in the record: sealed by ingress to audit's public key, kept by audit under a key of
//! each person, and gone when that key is destroyed.
//!
//! On the way ([`Envelope`]): HPKE (RFC 9180; X25519, HKDF-SHA256, ChaCha20-Poly1305) carries a content key that
//! ingress draws anew every ten minutes; XChaCha20-Poly1305 under it seals each message. In the record
//! ([`Vault`]): XChaCha20-Poly1305 under a random key per bot, person and month, which is kept in
//! [`PersonKeys`] and nowhere else. Both are bound to the entry's id. The record's tree is over the ciphertext,
//! so that it verifies with and without the keys.

use portcullis_core::{Interaction, Personal, Text};

mod cipher;
mod envelope;
mod keys;
mod sealing;
mod slot;
mod vault;

pub use envelope::{AuditKey, Envelope};
pub use keys::{KeyId, PersonKeys, Whose, month};
pub use sealing::Sealing;
pub use vault::{Revealed, Vault, month_of_retention};

/// What of a message is personal: `text` as the policy keeps it, the content beside it only with `context`.
/// `None` where there is nothing.
fn of(interaction: &Interaction, text: Option<Text>, context: bool) -> Option<Personal> {
    let items = interaction.context.iter().filter(|_| context);
    let personal = Personal {
        text,
        context: items.map(|item| item.text.clone()).collect(),
        speaker: interaction.speaker.clone().map(String::from),
        conversation: interaction.conversation.clone().map(String::from),
        client_addr: interaction.client_addr,
    };
    (personal != Personal::default()).then_some(personal)
}

/// Why something personal was not sealed, kept or opened. It says nothing of the content.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// Not a key of this kind.
    #[error("not a key: 64 hex digits are expected")]
    Key,
    /// Sealed to another key, or changed since.
    #[error("sealed for another key, or changed")]
    Broken,
    /// Not in the form that this release knows.
    #[error("a form that this release does not know")]
    Form,
    /// The key was destroyed, on request or because its time was over.
    #[error("the key was destroyed")]
    Gone,
    /// The store of keys is in use by another process.
    #[error("another process has the store of keys open")]
    Locked,
    /// The store of keys could not be read or written.
    #[error("store of keys: {0}")]
    Store(#[from] std::io::Error),
}
