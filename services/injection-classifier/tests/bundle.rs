//! The model in use and the one that would take its place.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with a place")]

use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use portcullis_injection_classifier::{
    InjectionClassifier, LoadError, ModelConfig, embedded, judges_rightly,
};
use portcullis_model::{BundleError, MANIFEST, Rten, Runtime};

fn runtimes() -> Vec<Arc<dyn Runtime>> {
    vec![Arc::new(Rten)]
}

fn model_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/model"))
}

/// A folder with the shipped bundle in it.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bundle = embedded().unwrap();
    for name in bundle.manifest().parts.keys().map(String::as_str).chain([MANIFEST]) {
        std::fs::copy(model_folder().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn configured(folder: &Path) -> Result<InjectionClassifier, LoadError> {
    let bundle = Some(folder.to_owned());
    ModelConfig { bundle, threads: Some(1), ..ModelConfig::default() }.classifier(&runtimes())
}

#[test]
fn the_bundle_in_the_program_is_the_one_in_the_repository_and_is_small_enough() {
    let bundle = embedded().unwrap();
    assert_eq!(configured(copied().path()).unwrap().model().digest(), bundle.digest());
    let bytes: usize = bundle.manifest().parts.values().map(|part| part.bytes).sum();
    assert!(bytes <= 25_000_000, "{bytes} bytes are committed");
}

#[test]
fn a_corrupt_half_written_or_newer_bundle_is_refused_and_the_old_one_stays() {
    let stage = InjectionClassifier::new().unwrap();
    let before = stage.model().digest().to_owned();
    let name = embedded().unwrap().manifest().user.linear.weights.clone();
    for damage in ["changed", "half", "gone"] {
        let folder = copied();
        let file = folder.path().join(&name);
        let mut bytes = std::fs::read(&file).unwrap();
        match damage {
            "changed" => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            _ => bytes.truncate(bytes.len() / 2),
        }
        std::fs::write(&file, bytes).unwrap();
        if damage == "gone" {
            std::fs::remove_file(&file).unwrap();
        }
        let refused = configured(folder.path()).map(drop);
        assert_eq!(refused, Err(LoadError::Bundle(BundleError::CorruptPart(name.clone()))));
    }
    let newer = copied();
    std::fs::write(newer.path().join(MANIFEST), "{\"format\": 3}").unwrap();
    let refused = configured(newer.path()).unwrap_err();
    assert!(refused.to_string().contains("newer format: 3"), "{refused}");
    assert_eq!(stage.model().digest(), before);
    assert_eq!(block_on(judges_rightly(&stage.model())), Ok(()));
}

#[test]
fn a_runtime_that_the_program_has_not_is_named_with_those_it_has() {
    let config = ModelConfig { runtime: "abacus".to_owned(), ..ModelConfig::default() };
    let error = config.classifier(&runtimes()).unwrap_err();
    assert_eq!(error.to_string(), "runtime abacus is not part of this program, which has: rten");
}

#[test]
fn a_model_is_swapped_for_another_and_back() {
    let stage = InjectionClassifier::new().unwrap();
    let first = stage.model();
    let second = ModelConfig::default().cascade(embedded().unwrap(), &runtimes()).unwrap();
    let second = Arc::new(second);
    assert!(Arc::ptr_eq(&stage.swap(second.clone()), &first));
    assert!(Arc::ptr_eq(&stage.model(), &second));
    assert!(Arc::ptr_eq(&stage.swap(first.clone()), &second));
    assert!(Arc::ptr_eq(&stage.model(), &first));
}
