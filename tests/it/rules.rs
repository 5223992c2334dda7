//! The fifteen rules of the hot path, a test for each, named after it.

mod asks;
mod errors;
mod gaps;
mod life;
mod limits;
mod placeholders;
mod record;
mod streams;
mod tones;
