//! What decoders are made of: a text with the map of where each of its parts came from, stretches of a text with their
//! readings, and how much a reading looks like language.

pub mod bytes;
pub mod likeness;
pub mod pairs;
pub mod stretch;
pub mod words;
pub mod writer;
