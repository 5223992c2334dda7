//! What detectors are made of: the sorts of values, scanners over bytes that look at a bounded stretch, check digits and
//! calling codes.

pub mod bytes;
pub mod calling;
pub mod checks;
mod entity;

use portcullis_core::Span;

pub use entity::Entity;

/// A value that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// What it is.
    pub entity: Entity,
    /// Where, in bytes of the text that was searched; always on character boundaries.
    pub span: Span,
    /// How sure the detector is, from 0 to 1.
    pub confidence: f64,
}
