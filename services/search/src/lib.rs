//! The record in a search engine: each entry of the journal a document with ECS fields, in a data stream.
//!
//! [`Feeder`] follows the journal under a name of its own, so that an engine that is away slows nobody else.
//! [`document`] says what of an entry is searched for; no text of a person is. [`Erasures`] holds who was forgotten.

pub mod document;
mod erasure;
mod feeder;
mod feeding;
mod lag;
pub mod start;

pub use erasure::{Erasure, Erasures};
pub use feeder::Feeder;
pub use feeding::{Dead, Feeding};
pub use lag::Lag;
