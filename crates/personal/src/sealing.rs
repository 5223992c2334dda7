//! Ingress's side: in which form the record gets what is personal.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use portcullis_core::{Interaction, Sealed, Text};

use crate::{Envelope, PersonalError};

/// In which form the record gets what is personal: sealed to audit's key, which may come to be known, and change, while
/// ingress works; until it is known not at all. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Sealing {
    envelope: Arc<RwLock<Option<Arc<Envelope>>>>,
    clear: bool,
}

impl Sealing {
    /// Seals from the beginning.
    pub fn to(envelope: Envelope) -> Self {
        let envelope = Some(Arc::new(envelope));
        Self { envelope: Arc::new(RwLock::new(envelope)), clear: false }
    }

    /// Leaves the text as it is.
    pub fn in_the_clear() -> Self {
        Self { clear: true, ..Self::default() }
    }

    /// Seals to this public key of audit from now on.
    ///
    /// # Errors
    /// [`PersonalError::Key`]; what was known before stays.
    pub fn learn(&self, public: &str) -> Result<(), PersonalError> {
        let envelope = Arc::new(Envelope::new(public)?);
        *self.envelope.write().unwrap_or_else(PoisonError::into_inner) = Some(envelope);
        Ok(())
    }

    fn envelope(&self) -> Option<Arc<Envelope>> {
        self.envelope.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it seals.
    pub fn seals(&self) -> bool {
        self.envelope().is_some()
    }

    /// What the entry with this id gets: the text as it is, or what is personal, sealed, or neither. `text` is what the
    /// policy keeps; what is beside it is kept with `context` alone, and only sealed.
    pub fn parts(
        &self,
        id: &str,
        interaction: &Interaction,
        text: Option<Text>,
        context: bool,
        now: Instant,
    ) -> (Option<Text>, Option<Sealed>) {
        let Some(envelope) = self.envelope() else {
            return (text.filter(|_| self.clear), None);
        };
        let personal = crate::of(interaction, text, context);
        let sealed = personal.map(|personal| envelope.seal(id, &personal, now)).transpose();
        let sealed = sealed
            .inspect_err(|error| tracing::error!(%error, "an entry is kept without its text"))
            .ok()
            .flatten();
        (None, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuditKey;

    #[test]
    fn nothing_personal_is_kept_until_the_key_is_known_and_then_it_is_sealed() {
        let interaction: Interaction = serde_json::from_value(serde_json::json!({
            "id": "1", "bot": "shop", "direction": "inbound", "text": "hello", "speaker": "jane",
            "received_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let parts = |sealing: &Sealing| {
            let text = Some(interaction.text.clone());
            sealing.parts("v/1", &interaction, text, false, Instant::now())
        };
        assert_eq!(parts(&Sealing::in_the_clear()), (Some("hello".into()), None));
        let sealing = Sealing::default();
        assert_eq!(parts(&sealing), (None, None));
        assert!(sealing.learn("no key").is_err() && !sealing.seals());

        let [first, second] = [(); 2].map(|()| AuditKey::parse(&AuditKey::generate()).unwrap());
        let clone = sealing.clone();
        for key in [&first, &second] {
            sealing.learn(key.public()).unwrap();
            let (text, sealed) = parts(&clone);
            let opened = key.open("v/1", &sealed.unwrap().data).unwrap();
            let opened: serde_json::Value = serde_json::from_slice(&opened).unwrap();
            assert_eq!(
                (text, &opened["text"], &opened["speaker"]),
                (None, &"hello".into(), &"jane".into())
            );
        }
        let envelope = Envelope::new(first.public()).unwrap();
        assert!(parts(&Sealing::to(envelope)).1.is_some());
    }
}
