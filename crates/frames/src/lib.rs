//! How an entry stands in a file: what is kept ([`record`]), its frame ([`frame`]), the file of frames
//! ([`segment`]), and what can go wrong with a ledger.

mod error;
pub mod frame;
pub mod record;
pub mod segment;

pub use error::{Flaw, LedgerError};
