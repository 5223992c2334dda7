//! Elasticsearch and OpenSearch over HTTP: what both understand of `_bulk`, data streams, templates and deletion by
//! query.
//!
//! Nothing that an engine says about a document goes on as it is: its words may quote the document. What goes on is the
//! status and the error's type.

mod bulk;
mod client;
mod schema;
mod tls;

pub use bulk::{Item, Outcome, Why};
pub use client::{Client, ClientError, Fault, Login, Options};
pub use schema::{Installed, Schema};
