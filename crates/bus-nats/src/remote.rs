//! Asks a stage over the bus.

use async_nats::{Client, HeaderMap, RequestErrorKind};
use async_trait::async_trait;
use portcullis_bus::{CallError, Caller};
use portcullis_core::{Ask, Report, StageName};

use crate::{subjects, trace, wire};

/// Asks stages by request-reply. A stage that nobody serves is known at once: the server says that
/// there are no responders. While the connection is lost, an ask waits for it within its budget.
#[derive(Clone)]
pub struct Remote {
    client: Client,
}

impl Remote {
    /// Asks through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Caller for Remote {
    async fn call(&self, stage: &StageName, ask: &Ask) -> Result<Report, CallError> {
        if ask.budget.is_spent() {
            return Err(CallError::Late);
        }
        let body = serde_json::to_vec(ask).map_err(|_| CallError::Unreadable)?;
        let mut headers = HeaderMap::new();
        wire::write_budget(&mut headers, ask.budget);
        trace::inject(&mut headers);
        let subject = subjects::stage_check(stage);
        trace::sends(&tracing::Span::current(), &subject, body.len());
        let request = async_nats::Request::new()
            .headers(headers)
            .payload(body.into())
            // The budget is the one clock of a request.
            .timeout(None);
        let reply = self.client.send_request(subject, request);
        let reply = tokio::time::timeout_at(ask.budget.deadline().into(), reply)
            .await
            .map_err(|_| CallError::Late)?
            .map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => CallError::Absent,
                RequestErrorKind::TimedOut => CallError::Late,
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    CallError::Unreadable
                }
                RequestErrorKind::Other => CallError::Absent,
            })?;
        if let Some(error) = wire::error_of(reply.headers.as_ref()) {
            return Err(error);
        }
        serde_json::from_slice(&reply.payload).map_err(|_| CallError::Unreadable)
    }
}
