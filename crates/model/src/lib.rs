//! Text classifiers: the linear model over hashed features, the port for encoders and the default runtime
//! behind it, the cascade of both, their bundles, and the figures by which a classifier is judged.
//!
//! Architecture invariant: scoring does no I/O. Its callers' time is passed in as a deadline, or as a
//! function that says whether to go on.

mod bundle;
mod cascade;
mod classifier;
mod encoder;
mod features;
mod linear;
pub mod metrics;
mod pool;
mod rten;
mod text_encoder;
mod windows;

pub use bundle::{
    Bundle, BundleError, Calibration, FORMAT, FeatureParameters, Manifest, Thresholds, WeightsPart,
    WindowParameters, hex_sha256,
};
pub use cascade::{
    Beyond, Blend, Bytes, CASCADE_FORMAT, Cascade, CascadeBundle, CascadeManifest, Channel,
    ChannelParameters, EncoderParameters, Exits, HeadParameters, Judged, Limits, LinearParameters,
    MANIFEST, NoveltyParameters, OperatingPoints, PartDigest, Piece, TokenWindow, Tokenizer,
    Unsupported,
};
pub use classifier::{Judgement, TextClassifier};
pub use encoder::{Encoder, EncoderError, Runtime, Session};
pub use features::{Features, TokenEnd, extract};
pub use linear::{LinearModel, LinearPass, LinearWeights, Stretch, norm};
pub use pool::{Answer, EncoderPool, PoolOptions};
pub use rten::Rten;
pub use text_encoder::TextEncoder;
pub use windows::{Windows, windows};
