//! How a text is read by those who show it: what a reader of Markdown shows as code, addresses as Markdown and
//! browsers read them, and what nobody sees. Pure: no I/O, no clock, no state.
//!
//! Architecture invariant: in doubt a text is no code, whatever comes after it, and every reading is linear in the
//! length of the text.

mod blocks;
mod code;
mod escapes;
mod reading;
mod spans;
pub mod tags;

pub use blocks::LINE;
pub use code::{Code, Lines};
pub use escapes::{attributes, markdown};
pub use reading::{Reading, is_hidden_control, is_unseen};
