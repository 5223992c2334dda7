//! A small cascade for tests: a linear model that suspects `plugh`, and an encoder for which a window with
//! `xyzzy` is an attack.
#![allow(dead_code, reason = "each test uses its part")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail with a place"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_model::{
    Blend, BundleError, Bytes, CASCADE_FORMAT, Calibration, Cascade, CascadeBundle,
    CascadeManifest, ChannelParameters, Encoder, EncoderError, EncoderParameters, Exits,
    FeatureParameters, Features, HeadParameters, LinearParameters, MANIFEST, NoveltyParameters,
    OperatingPoints, PartDigest, PoolOptions, Runtime, Session, TokenEnd, WindowParameters,
    extract, hex_sha256,
};

pub(crate) const BITS: u32 = 16;
pub(crate) const VOCABULARY: &str =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlamp\nxyzzy\nplugh\nthe\nworks\n.\n##s\n##y\nx\n忽\n略\n";
pub(crate) const XYZZY: u32 = 6;

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

struct Buckets(Vec<usize>);

impl Features for Buckets {
    fn feature(&mut self, bucket: usize) {
        self.0.push(bucket);
    }
    fn token(&mut self, _: TokenEnd) -> bool {
        true
    }
}

fn buckets(text: &str) -> Vec<usize> {
    let mut found = Buckets(Vec::new());
    extract(text, BITS, &mut found);
    found.0
}

fn channel(output: &str) -> ChannelParameters {
    ChannelParameters {
        linear: LinearParameters {
            weights: "linear.bin".into(),
            step: 0.02,
            bias: -2.0,
            windows: WindowParameters { tokens: vec![12, 48], penalty_per_doubling: 0.0 },
            calibration: Calibration { slope: 1.0, offset: 0.0 },
        },
        novelty: Some(NoveltyParameters { known: "known.bits".into(), max_unknown: 0.3 }),
        head: Some(HeadParameters {
            output: output.into(),
            blend: Blend { encoder: 1.0, linear: 0.0, offset: 0.0 },
            penalty_per_doubling: 0.0,
        }),
        exits: Exits { benign_below: 0.2, attack_above: 0.99 },
        operating_points: OperatingPoints { strict: 0.5, balanced: 0.7, lenient: 0.9 },
    }
}

pub(crate) fn manifest() -> CascadeManifest {
    CascadeManifest {
        format: CASCADE_FORMAT,
        model: "toy-2".into(),
        base_rate: 0.5,
        languages: vec!["eng".into()],
        parts: BTreeMap::new(),
        features: FeatureParameters { version: Buckets::VERSION, bits: BITS },
        encoder: Some(EncoderParameters {
            weights: "encoder.onnx".into(),
            vocabulary: "vocab.txt".into(),
            outputs: ["user", "context", "kind.direct", "kind.leak"].map(String::from).into(),
            max_tokens: 16,
            stride: 10,
            lowercase: true,
        }),
        user: channel("user"),
        context: channel("context"),
    }
}

pub(crate) fn parts() -> Files {
    let mut linear = vec![0u8; 1 << BITS];
    for bucket in buckets("plugh") {
        linear[bucket] = 127;
    }
    let mut known = vec![0u8; (1 << BITS) / 8];
    for bucket in buckets(&"the lamp works. ".repeat(3)) {
        known[bucket / 8] |= 1 << (bucket % 8);
    }
    let onnx = include_bytes!("../data/words.onnx").to_vec();
    Files::from([
        ("linear.bin".to_owned(), linear),
        ("known.bits".to_owned(), known),
        ("encoder.onnx".to_owned(), onnx),
        ("vocab.txt".to_owned(), VOCABULARY.into()),
    ])
}

/// The files of a bundle whose manifest holds the digests of `parts`.
pub(crate) fn files(mut manifest: CascadeManifest, mut parts: Files) -> Files {
    for (name, bytes) in &parts {
        let digest = PartDigest { sha256: hex_sha256(bytes), bytes: bytes.len() };
        manifest.parts.insert(name.clone(), digest);
    }
    parts.insert(MANIFEST.to_owned(), serde_json::to_vec(&manifest).unwrap());
    parts
}

pub(crate) fn bundle(files: Files) -> Result<CascadeBundle, BundleError> {
    CascadeBundle::from_files(files.into_iter().map(|(name, bytes)| (name, Bytes::Owned(bytes))))
}

/// Options that wait for nothing.
pub(crate) fn options(threads: usize) -> PoolOptions {
    PoolOptions { threads, batch_tokens: 64, wait: Duration::ZERO }
}

pub(crate) fn cascade(change: impl FnOnce(&mut CascadeManifest)) -> Cascade {
    let mut manifest = manifest();
    change(&mut manifest);
    let runtime = Arc::new(Words::default());
    Cascade::load(bundle(files(manifest, parts())).unwrap(), runtime, options(2)).unwrap()
}

/// A runtime in which a window is an attack where it holds a word.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) seen: Arc<AtomicUsize>,
    pub(crate) took: Duration,
    pub(crate) fails: bool,
}

impl Runtime for Words {
    fn name(&self) -> &'static str {
        "words"
    }
    fn load(&self, _: Bytes, _: &EncoderParameters) -> Result<Arc<dyn Encoder>, BundleError> {
        Ok(Arc::new(Self { seen: self.seen.clone(), ..*self }))
    }
}

impl Encoder for Words {
    fn session(&self) -> Result<Box<dyn Session>, EncoderError> {
        Ok(Box::new(Self { seen: self.seen.clone(), ..*self }))
    }
}

impl Session for Words {
    fn logits(&mut self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError> {
        assert!(!self.fails, "a session that panics");
        self.seen.fetch_add(windows.len(), Ordering::SeqCst);
        std::thread::sleep(self.took);
        Ok(windows
            .iter()
            .map(|ids| {
                if ids.contains(&XYZZY) {
                    vec![6.0, 6.0, 0.0, 1.0]
                } else {
                    vec![-6.0, -6.0, 1.0, 0.0]
                }
            })
            .collect())
    }
}
