//! Configuration of a process: defaults ← TOML file ← environment, into one struct.
//!
//! The types are the manual: a doc comment of a field becomes its description in the JSON Schema
//! ([`schema`]) and its comment in the sample file ([`sample`]). Every type refuses unknown fields, and
//! its `Default` runs.
//!
//! A field is set in the file by its path, and in the environment by the same path in capitals, after
//! `PORTCULLIS`, joined by two underscores: `nats.url` is `PORTCULLIS__NATS__URL`. A [`Secret`] can also
//! be read from a file: `password = { file = "/run/secrets/nats" }`, or `PORTCULLIS__NATS__PASSWORD_FILE`.
//!
//! An error names the source (file with line and column, or environment variable), the field and what
//! is wrong. It never holds a value, so it can be logged.
//!
//! ```
//! use portcullis_config::{StageConfig, load_from};
//!
//! let environment = [("PORTCULLIS__NATS__URL".to_owned(), "nats://bus:4222".to_owned())];
//! let config: StageConfig = load_from(None, environment).unwrap();
//! assert_eq!(config.nats.url.as_str(), "nats://bus:4222");
//!
//! let environment = [("PORTCULLIS__SEATS".to_owned(), "many".to_owned())];
//! let error = load_from::<StageConfig>(None, environment).unwrap_err();
//! assert!(error.to_string().starts_with("PORTCULLIS__SEATS: seats: wrong type"));
//! ```

mod environment;
mod error;
mod file;
mod load;
mod sample;
mod schema;
mod secret;
mod sections;
mod server_url;

pub use error::{Category, ConfigError, Origin};
pub use load::{PREFIX, load, load_from};
pub use sample::sample;
pub use schema::schema;
pub use secret::Secret;
pub use sections::{
    CommonConfig, HealthConfig, HttpConfig, LogFormat, NatsConfig, Nothing, RedisConfig, RedisMode,
    SentinelConfig, StageConfig, TelemetryConfig,
};
pub use server_url::ServerUrl;
