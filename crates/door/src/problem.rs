//! What is wrong with a request, as RFC 9457 problem details: made of a field path and a category, never
//! of a parser's message, and never quoting what was sent.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// A problem in the form of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// What sort of problem: `urn:portcullis:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The sort in words.
    pub title: &'static str,
    /// The status code, also where the door is not HTTP.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// Which field is wrong, as a path such as `context[2].text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Seconds after which it is worth trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $function:ident = $status:literal, $name:literal, $title:literal;)*) => {
        impl Problem {
            $($(#[$doc])* pub fn $function(detail: impl Into<String>) -> Self {
                Self {
                    kind: Cow::Borrowed(concat!("urn:portcullis:problem:", $name)),
                    title: $title,
                    status: $status,
                    detail: detail.into(),
                    field: None,
                    retry_after_s: None,
                }
            })*
        }
    };
}

problems! {
    /// The body cannot be read as JSON, or not as UTF-8.
    malformed = 400, "malformed-body", "The body cannot be read";
    /// A field is missing, unknown, repeated or not of its form.
    invalid = 400, "invalid-request", "A field is not right";
    /// No key, or one that is not known.
    unauthorized = 401, "unauthorized", "An API key is needed";
    /// The key is known and not for this.
    forbidden = 403, "forbidden", "This key is not for that";
    /// There is no such bot.
    unknown_bot = 404, "unknown-bot", "This bot is not known";
    /// There is no such check, held message or path.
    not_found = 404, "not-found", "There is no such thing";
    /// The path is there and does not take this method.
    method = 405, "method-not-allowed", "This method is not for this path";
    /// The body did not come in time.
    late = 408, "request-timeout", "The request did not come in time";
    /// It was done already, or may not be done now.
    conflict = 409, "conflict", "That cannot be done now";
    /// More than the limit.
    too_large = 413, "too-large", "That is more than the limit";
    /// Of another content type than this path reads.
    media_type = 415, "unsupported-media-type", "This content type is not read here";
    /// The same id came with other content.
    id_conflict = 422, "id-conflict", "This id was used for something else";
    /// Nothing more can be taken in at the moment.
    busy = 503, "busy", "No seat is free";
    /// The bot's policy is broken and there is no earlier one.
    no_policy = 503, "no-valid-policy", "This bot has no valid policy";
    /// Something that is needed is away.
    unavailable = 503, "unavailable", "Something that is needed is away";
}

impl Problem {
    /// Says which field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl aide::OperationOutput for Problem {
    type Inner = Self;

    fn operation_response(
        ctx: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Option<aide::openapi::Response> {
        let mut response =
            <Json<Self> as aide::OperationOutput>::operation_response(ctx, operation)?;
        let content = std::mem::take(&mut response.content);
        response.content =
            content.into_values().map(|media| ("application/problem+json".into(), media)).collect();
        Some(response)
    }

    fn inferred_responses(
        ctx: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        // Every problem has the same form, whatever its status.
        Self::operation_response(ctx, operation)
            .map(|response| (None, response))
            .into_iter()
            .collect()
    }
}
