//! Text classifiers: the port, whole-text windows, hashed features, the linear model, its bundle on
//! disk, and the figures by which a classifier is judged.
//!
//! Architecture invariant: scoring does no I/O, reads no clock and allocates nothing per n-gram. A
//! caller that has a budget passes a function that says whether to go on.

mod bundle;
mod classifier;
mod features;
mod linear;
pub mod metrics;
mod windows;

pub use bundle::{
    Bundle, BundleError, Calibration, FORMAT, FeatureParameters, Manifest, Thresholds, WeightsPart,
    WindowParameters, hex_sha256,
};
pub use classifier::{Judgement, TextClassifier};
pub use features::{Features, TokenEnd, extract};
pub use linear::{LinearModel, norm};
pub use windows::{Windows, windows};
