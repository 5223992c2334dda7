//! What the client tells beside its answers, as metrics and logs: a forbidden publish or subscribe
//! shows nowhere else.

use async_nats::{Event, ServerError};

/// Counts an event, and logs those that an operator must know of. Never a payload.
pub(crate) fn observe(event: &Event) {
    let word = word(event);
    metrics::counter!("portcullis_nats_events_total", "event" => word).increment(1);
    match event {
        Event::Connected => {
            tracing::info!("nats connected");
            metrics::gauge!("portcullis_nats_connected").set(1.0);
            // From the first moment on, so that the first of a kind is a rise that an alert sees.
            for word in ["disconnected", "slow_consumer", "permission_violation"] {
                metrics::counter!("portcullis_nats_events_total", "event" => word).increment(0);
            }
        }
        Event::Disconnected => {
            tracing::warn!("nats disconnected");
            metrics::gauge!("portcullis_nats_connected").set(0.0);
        }
        Event::ServerError(ServerError::Other(error)) if is_violation(error) => {
            // The server's sentence names the subject, which is made of our own words.
            tracing::warn!(error, "nats refused a publish or subscribe: check the user's rights");
        }
        Event::SlowConsumer(subscription) => {
            tracing::warn!(subscription, "nats subscription is slow: messages are being lost");
        }
        Event::ServerError(_) | Event::ClientError(_) => {
            tracing::warn!(event = word, "nats error");
        }
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            tracing::info!(event = word, "nats connection is ending");
        }
    }
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Connected => "connected",
        Event::Disconnected => "disconnected",
        Event::LameDuckMode => "lame_duck",
        Event::Draining => "draining",
        Event::Closed => "closed",
        Event::SlowConsumer(_) => "slow_consumer",
        Event::ServerError(ServerError::AuthorizationViolation) => "authorization_violation",
        Event::ServerError(ServerError::SlowConsumer(_)) => "slow_consumer",
        Event::ServerError(ServerError::Other(error)) if is_violation(error) => {
            "permission_violation"
        }
        Event::ServerError(ServerError::Other(_)) => "server_error",
        Event::ClientError(_) => "client_error",
    }
}

/// The server's sentence is `Permissions Violation for Publish to "subject"`.
fn is_violation(error: &str) -> bool {
    const START: &[u8] = b"permissions violation";
    error.as_bytes().get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_publish_has_a_word_of_its_own() {
        let event = |error: &str| Event::ServerError(ServerError::Other(error.into()));
        assert_eq!(
            word(&event("Permissions Violation for Publish to \"a\"")),
            "permission_violation"
        );
        assert_eq!(word(&event("maximum connections exceeded")), "server_error");
        assert_eq!(word(&Event::SlowConsumer(1)), "slow_consumer");
    }
}
