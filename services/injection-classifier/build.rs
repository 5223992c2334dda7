//! Makes the bundle in `model/` part of the program: every file that its manifest names, and the manifest.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("model");
    println!("cargo::rerun-if-changed={}", folder.display());
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
    let parts = manifest.get("parts").and_then(serde_json::Value::as_object);
    let parts = parts.ok_or("model/manifest.json names no parts")?;
    let mut files = String::from("&[\n");
    for name in parts.keys().map(String::as_str).chain(["manifest.json"]) {
        let path = folder.join(name);
        writeln!(files, "    ({name:?}, include_bytes!({path:?}).as_slice()),")?;
    }
    files.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("bundle.rs");
    Ok(std::fs::write(out, files)?)
}
