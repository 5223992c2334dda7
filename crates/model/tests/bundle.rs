//! A bundle is checked before use, and what it says is what the model does.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail with a place"
)]

use portcullis_model::{
    Bundle, BundleError, Calibration, FORMAT, FeatureParameters, Features, LinearModel, Manifest,
    TextClassifier, Thresholds, TokenEnd, WeightsPart, WindowParameters, extract, hex_sha256,
};

const BITS: u32 = 16;

struct Buckets(Vec<usize>);

impl Features for Buckets {
    fn feature(&mut self, bucket: usize) {
        self.0.push(bucket);
    }
    fn token(&mut self, _: TokenEnd) -> bool {
        true
    }
}

/// A model for which `xyzzy plugh` is an attack, and every other word harmless.
fn parts() -> (Manifest, Vec<u8>) {
    let mut weights = vec![(-8i8).cast_unsigned(); 1 << BITS];
    let mut attack = Buckets(Vec::new());
    extract("xyzzy plugh", BITS, &mut attack);
    for bucket in attack.0 {
        weights[bucket] = 127;
    }
    let manifest = Manifest {
        format: FORMAT,
        model: "toy-1".into(),
        features: FeatureParameters { version: Buckets::VERSION, bits: BITS },
        windows: WindowParameters { tokens: vec![12, 48], penalty_per_doubling: 0.1 },
        calibration: Calibration { slope: 1.0, offset: 0.0 },
        thresholds: Thresholds { block: 0.9, hold: 0.7 },
        weights: WeightsPart { sha256: hex_sha256(&weights), step: 0.02, bias: -2.0 },
    };
    (manifest, weights)
}

fn load(manifest: &Manifest, weights: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::from_parts(&serde_json::to_vec(manifest).unwrap(), weights)
}

fn model() -> LinearModel {
    let (manifest, weights) = parts();
    LinearModel::new(load(&manifest, &weights).unwrap())
}

#[test]
fn a_changed_byte_and_a_missing_one_are_corrupt() {
    let (manifest, mut weights) = parts();
    weights[7] ^= 1;
    let corrupt = Err(BundleError::Corrupt("weights.bin"));
    assert_eq!(load(&manifest, &weights).map(drop), corrupt);
    weights[7] ^= 1;
    weights.pop();
    assert_eq!(load(&manifest, &weights).map(drop), corrupt);
    let cut = Bundle::from_parts(b"{\"format\": 1, \"model\":", &weights);
    assert_eq!(cut.map(drop), Err(BundleError::Corrupt("manifest.json")));
}

#[test]
fn a_later_format_is_named_whatever_else_it_holds() {
    let newer = Bundle::from_parts(b"{\"format\": 99, \"unheard_of\": true}", &[]);
    let expected = BundleError::NewerFormat { found: 99, supported: FORMAT };
    assert_eq!(newer.map(drop), Err(expected.clone()));
    assert!(expected.to_string().contains("newer format"));
}

#[test]
fn numbers_that_make_no_sense_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let (mut manifest, weights) = parts();
        change(&mut manifest);
        load(&manifest, &weights).map(drop)
    };
    for (change, name) in [
        (
            &(|m: &mut Manifest| m.features.version += 1) as &dyn Fn(&mut Manifest),
            "features.version",
        ),
        (&|m| m.features.bits = 40, "features.bits"),
        (&|m| m.windows.tokens.clear(), "windows.tokens"),
        (&|m| m.calibration.slope = -1.0, "calibration"),
        (&|m| m.windows.penalty_per_doubling = -1.0, "windows.penalty_per_doubling"),
        (&|m| m.thresholds.block = 2.0, "thresholds"),
    ] {
        assert_eq!(refused(change), Err(BundleError::Unfit(name)));
    }
}

#[test]
fn the_hottest_window_holds_the_attack_wherever_it_stands() {
    let model = model();
    assert!(model.score("xyzzy plugh") > 0.9 && model.score("the lamp works") < 0.2);
    for before in [0, 3, 50, 400, 997] {
        let filler = |words: usize| "lamp ".repeat(words);
        let text = format!("{}xyzzy plugh {}", filler(before), filler(997 - before));
        let judged = model.judge(&text, &mut || true);
        let at = before * 5;
        let hottest = judged.hottest.unwrap();
        assert!(hottest.start <= at && at + 11 <= hottest.end, "{hottest:?} for {at}");
        assert!(judged.score > model.score(&filler(999)));
        assert_eq!(judged.scanned, text.len());
    }
}

#[test]
fn a_caller_that_says_stop_gets_the_number_of_bytes_that_were_read() {
    let text = "lamp ".repeat(10_000);
    let mut turns = 0;
    let judged = model().judge(&text, &mut || {
        turns += 1;
        turns <= 3
    });
    assert!(0 < judged.scanned && judged.scanned < text.len(), "{}", judged.scanned);
}

#[test]
fn nothing_to_read_is_no_attack() {
    for text in ["", " \n", "\u{200b}\u{e0041}"] {
        let judged = model().judge(text, &mut || true);
        assert_eq!((judged.score, judged.scanned), (0.0, text.len()));
    }
}
