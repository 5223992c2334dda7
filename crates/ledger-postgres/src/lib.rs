//! The record in PostgreSQL: the same frames, tree and checkpoints as in files, with one writer at a time and
//! others that stand by.
//!
//! [`Standby`] makes the tables and waits for the lease; what it gives is a [`PostgresLedger`], which stores
//! entries until another one has taken over. [`PostgresReader`] searches, verifies and proves beside it.

mod address;
mod batch;
mod checkpoints;
mod error;
mod lease;
mod ledger;
mod reader;
mod search;
mod tree;
mod values;
mod verify;
mod writer;

pub use address::Address;
pub use lease::{Standby, WriterOptions};
pub use ledger::PostgresLedger;
pub use reader::PostgresReader;
pub use search::Rows;
pub use verify::Against;
