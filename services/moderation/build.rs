//! Makes the encoder in `model/` part of the program, where the manifest there has one.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("model");
    println!("cargo::rerun-if-changed={}", folder.display());
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
    let parts = match manifest.get("encoder") {
        Some(encoder) => {
            let path = |name: &str| {
                let name = encoder.pointer(&format!("/parameters/{name}"));
                let name = name.and_then(serde_json::Value::as_str);
                name.map(|name| folder.join(name)).ok_or("model/manifest.json names no part")
            };
            let (weights, vocabulary) = (path("weights")?, path("vocabulary")?);
            format!("Some((include_bytes!({weights:?}), include_bytes!({vocabulary:?})))")
        }
        None => "None".to_owned(),
    };
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("encoder.rs");
    Ok(std::fs::write(out, parts)?)
}
