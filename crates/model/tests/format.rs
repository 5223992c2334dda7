//! A cascade's bundle is checked before use; what cannot be used is refused by name.

mod support;

use std::sync::Arc;

use portcullis_model::{
    BundleError, CASCADE_FORMAT, Cascade, CascadeBundle, CascadeManifest, MANIFEST, Rten,
};

use support::{Files, bundle, files, manifest, options, parts};

fn whole() -> Files {
    files(manifest(), parts())
}

#[test]
fn a_changed_a_missing_and_a_half_written_part_are_named() {
    for name in ["linear.bin", "known.bits", "encoder.onnx", "vocab.txt"] {
        let corrupt = Err(BundleError::CorruptPart(name.to_owned()));
        let mut changed = whole();
        changed.get_mut(name).unwrap()[3] ^= 1;
        assert_eq!(bundle(changed).map(drop), corrupt);
        let mut half = whole();
        half.get_mut(name).unwrap().pop();
        assert_eq!(bundle(half).map(drop), corrupt);
        let mut missing = whole();
        missing.remove(name);
        assert_eq!(bundle(missing).map(drop), corrupt);
    }
    let mut more = whole();
    more.insert("more.bin".into(), vec![1]);
    assert_eq!(bundle(more).map(drop), Err(BundleError::CorruptPart("more.bin".into())));
}

#[test]
fn a_manifest_that_is_cut_or_missing_is_corrupt() {
    let mut cut = whole();
    cut.get_mut(MANIFEST).unwrap().truncate(100);
    assert_eq!(bundle(cut).map(drop), Err(BundleError::Corrupt(MANIFEST)));
    assert_eq!(bundle(parts()).map(drop), Err(BundleError::Corrupt(MANIFEST)));
}

#[test]
fn a_newer_format_is_named_whatever_else_it_holds() {
    let newer = Files::from([(MANIFEST.into(), b"{\"format\": 99, \"unheard_of\": 1}".to_vec())]);
    let error = bundle(newer).unwrap_err();
    assert_eq!(error, BundleError::NewerFormat { found: 99, supported: CASCADE_FORMAT });
    assert!(error.to_string().contains("newer format"));
    let older = Files::from([(MANIFEST.into(), b"{\"format\": 1}".to_vec())]);
    assert_eq!(bundle(older).map(drop), Err(BundleError::Unfit("format")));
}

#[test]
fn numbers_that_make_no_sense_are_refused_by_name() {
    type Change = fn(&mut CascadeManifest);
    let changes: [(Change, &str); 12] = [
        (|m| m.features.version += 1, "features.version"),
        (|m| m.features.bits = 40, "features.bits"),
        (|m| m.base_rate = 0.0, "base_rate"),
        (|m| m.encoder.as_mut().unwrap().max_tokens = 3, "encoder.max_tokens"),
        (|m| m.encoder.as_mut().unwrap().stride = 0, "encoder.stride"),
        (|m| m.user.linear.calibration.slope = 0.0, "linear"),
        (|m| m.user.linear.windows.tokens.clear(), "linear.windows.tokens"),
        (|m| m.user.exits.benign_below = -1.0, "exits.benign_below"),
        (|m| m.user.operating_points.strict = 0.99, "operating_points"),
        (|m| m.context.head.as_mut().unwrap().output = "other".into(), "head.output"),
        (|m| m.context.head.as_mut().unwrap().blend.encoder = 0.0, "head.blend"),
        (|m| m.encoder = None, "head.output"),
    ];
    for (change, name) in changes {
        let mut manifest = manifest();
        change(&mut manifest);
        assert_eq!(bundle(files(manifest, parts())).map(drop), Err(BundleError::Unfit(name)));
    }
}

#[test]
fn parts_that_are_no_model_or_no_vocabulary_are_refused_when_the_encoder_is_loaded() {
    for (name, bytes, field) in [
        ("encoder.onnx", b"no model".to_vec(), "encoder.weights"),
        ("vocab.txt", b"lamp\nxyzzy\n".to_vec(), "encoder.vocabulary"),
    ] {
        let mut parts = parts();
        parts.insert(name.into(), bytes);
        let bundle = bundle(files(manifest(), parts)).unwrap();
        let cascade = Cascade::load(bundle, Arc::new(Rten), options(1)).unwrap();
        assert_eq!(cascade.prepare(), Err(BundleError::Unfit(field)));
    }
}

#[test]
fn a_folder_is_read_and_names_do_not_reach_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in whole() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::write(folder.path().join("CARD.md"), "a card").unwrap();
    let read = CascadeBundle::from_folder(folder.path()).unwrap();
    assert_eq!(read.digest(), bundle(whole()).unwrap().digest());
    std::fs::remove_file(folder.path().join("vocab.txt")).unwrap();
    let missing = CascadeBundle::from_folder(folder.path()).map(drop);
    assert_eq!(missing, Err(BundleError::CorruptPart("vocab.txt".into())));
    let mut out = parts();
    out.insert("../secret".into(), vec![1]);
    let manifest = files(manifest(), out).remove(MANIFEST).unwrap();
    std::fs::write(folder.path().join(MANIFEST), manifest).unwrap();
    let reaching = CascadeBundle::from_folder(folder.path()).map(drop);
    assert_eq!(reaching, Err(BundleError::Unfit("parts")));
}
