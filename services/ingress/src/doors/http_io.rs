//! What the HTTP door reads and writes: strict bodies, keys, verdicts with their headers, problems.

use aide::OperationIo;
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::{BotId, Direction, MessageId, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::http::Door;
use portcullis_door::auth::{Access, KeyHash};
use portcullis_door::{Problem, json};

/// A JSON body, read strictly and within the door's limit.
#[derive(OperationIo)]
#[aide(input_with = "Json<T>", json_schema)]
pub(super) struct Strict<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Door> for Strict<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, door: &Door) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::media_type("send it with 'Content-Type: application/json'"));
        }
        let limit = door.body_limit(request.uri().path());
        json(&portcullis_door::body(request.into_body(), limit).await?).map(Self)
    }
}

/// Who asks, by the key in the headers; and that key's hash, where one was asked for.
pub(super) struct Caller(pub(super) Access, pub(super) Option<KeyHash>);

impl aide::OperationInput for Caller {}

impl FromRequestParts<Door> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        let key = key(&parts.headers)?;
        let access = door.keys.identify(key)?;
        Ok(Self(access, key.filter(|_| !door.keys.is_empty()).map(KeyHash::of)))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let unreadable = |_| Problem::unauthorized("the key's header is not readable");
    if let Some(value) = headers.get("x-api-key") {
        return value.to_str().map(Some).map_err(unreadable);
    }
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().map_err(unreadable)?;
    let (scheme, key) = value.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized("the authorization is not 'Bearer <key>'"));
    }
    Ok(Some(key.trim()))
}

/// The value of `Idempotency-Key`, if there is one.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl aide::OperationInput for IdempotencyKey {}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let value = parts.headers.get("idempotency-key").map(|value| value.to_str());
        let unreadable =
            |_| Problem::invalid("the header is not readable").field("Idempotency-Key");
        Ok(Self(value.transpose().map_err(unreadable)?.map(str::to_owned)))
    }
}

#[derive(Deserialize, JsonSchema)]
struct CheckPath {
    /// The message's id.
    id: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whose {
    /// The bot; absent: the key's own, or `default`.
    bot: Option<String>,
    /// Which way the message went; absent: a person's message before an answer of the same id.
    direction: Option<Direction>,
}

/// The check that a path and its query name.
pub(super) struct Named {
    pub(super) id: MessageId,
    pub(super) bot: Option<BotId>,
    pub(super) direction: Option<Direction>,
}

impl aide::OperationInput for Named {
    fn operation_input(
        ctx: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) {
        Path::<CheckPath>::operation_input(ctx, operation);
        Query::<Whose>::operation_input(ctx, operation);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<CheckPath>::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(|_| Problem::invalid("id is not readable").field("id"))?;
        let query = Query::<Whose>::from_request_parts(parts, state).await;
        let Query(whose) = query.map_err(|_| {
            Problem::invalid(
                "the query is not readable; known in it are bot and direction (inbound or outbound)",
            )
            .field("direction")
        })?;
        let id = MessageId::parse(&path.id)
            .map_err(|error| Problem::invalid(error.to_string()).field("id"))?;
        let bot = whose.bot.as_deref().map(BotId::parse).transpose();
        let bot = bot.map_err(|error| Problem::invalid(error.to_string()).field("bot"))?;
        Ok(Self { id, bot, direction: whose.direction })
    }
}

/// A verdict with its headers.
#[derive(OperationIo)]
#[aide(output_with = "Json<Verdict>", json_schema)]
pub(super) struct Answer(pub(super) Verdict);

impl JsonSchema for Answer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Verdict::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Verdict::json_schema(generator)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let verdict = self.0;
        let told = portcullis_door::limits::headers(&verdict);
        let mut response = Json(verdict).into_response();
        for (name, value) in told {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
