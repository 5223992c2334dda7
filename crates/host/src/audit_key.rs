//! Audit's public key, which ingress seals to: audit tells it to whoever asks on the bus.

use std::time::Duration;

use futures::StreamExt;
use portcullis_bus_nats::{Client, Journals, subjects};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long an answer may take, and how long to wait before the next question while the key is not known.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked for once it is known: an audit that begins a new record has a new one.
const AGAIN: Duration = Duration::from_secs(10);

/// The answer to a request on `portcullis.v1.audit.key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditKey {
    /// The public key: 64 hex digits.
    pub audit_key: String,
}

/// Tells the key to whoever asks, until `ended`. Who gets no answer asks again, so that nothing is drained.
pub async fn tell(client: Client, audit_key: String, ended: impl Future<Output = ()>) {
    let Ok(answer) = serde_json::to_vec(&AuditKey { audit_key }) else { return };
    let queue = subjects::AUDIT.to_owned();
    let Ok(mut asked) = client.queue_subscribe(subjects::AUDIT_KEY, queue).await else {
        // The client is closed: the process ends.
        return;
    };
    let telling = async {
        while let Some(request) = asked.next().await {
            if let Some(reply) = request.reply
                && client.publish(reply, answer.clone().into()).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = telling => {}
        () = ended => {}
    }
}

/// Asks for the key, and gives it to `take` when it is known and when it is another one. Ends where the record is several
/// journals: each has an audit of its own, whose keys may differ, and nobody is asked.
pub async fn learn(client: &Client, take: impl Fn(&str) -> bool) {
    let is_known = metrics::gauge!("portcullis_audit_key_known");
    is_known.set(0.0);
    let (mut known, mut is_new) = (None, true);
    loop {
        if known.is_none()
            && let Ok(Some(journals)) = Journals::found(client).await
            && journals.number() > 1
        {
            tracing::error!(
                journals = journals.number(),
                "audit_key is not configured, and several audits have one each: no text is kept in the record"
            );
            return;
        }
        match ask(client).await {
            Some(told) if known.as_ref() == Some(&told) => {}
            Some(told) if take(&told.audit_key) => {
                is_known.set(1.0);
                let audit_key = &told.audit_key;
                tracing::info!(
                    audit_key,
                    "what is personal in the record is sealed to audit's key"
                );
                known = Some(told);
            }
            Some(_) => tracing::error!("what audit tells is no key"),
            None if known.is_none() && std::mem::take(&mut is_new) => {
                tracing::warn!(
                    "audit does not tell its key: until it does, no text is kept in the record"
                );
            }
            None => {}
        }
        tokio::time::sleep(if known.is_some() { AGAIN } else { PATIENCE }).await;
    }
}

async fn ask(client: &Client) -> Option<AuditKey> {
    let asked = client.request(subjects::AUDIT_KEY, "".into());
    let answer = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    serde_json::from_slice(&answer.payload).ok()
}
