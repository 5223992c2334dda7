//! The workspace as cargo sees it, and the generated files in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a member's manifest says that it needs, for whatever purpose.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `null` for code, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Member>,
}

impl Member {
    /// The member's folder, from the root of the workspace, with `/`.
    pub(crate) fn path(&self) -> String {
        let folder = self.manifest_path.parent().unwrap();
        let path = folder.strip_prefix(root()).unwrap();
        path.to_str().unwrap().replace('\\', "/")
    }

    pub(crate) fn is_service(&self) -> bool {
        self.path().starts_with("services/")
    }
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every member of the workspace.
pub(crate) fn members() -> Vec<Member> {
    let metadata = cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&metadata).unwrap();
    assert!(metadata.packages.len() > 10, "cargo tells of the whole workspace");
    metadata.packages
}

/// Folders of crates and services that the workspace excludes: workspaces of their own, which need what nobody who
/// builds the rest should need.
pub(crate) fn excluded() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("exclude = [")).unwrap();
    let paths = line.split('"').skip(1).step_by(2).filter(|path| !path.starts_with("tests/"));
    let paths: Vec<_> = paths.map(str::to_owned).collect();
    assert!(!paths.is_empty(), "one line names them: {line}");
    for path in &paths {
        let own = read(format!("{path}/Cargo.toml"));
        assert!(own.contains("[workspace]"), "{path} is a workspace of its own");
    }
    paths
}

/// What cargo prints.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All files with this extension in a folder of the workspace, sorted; none where there is no such folder.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // What builds beside the workspace leave is not of it.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as it is shown: from the root of the workspace.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A text file of the workspace.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", shown(&path)))
}

/// With `UPDATE=1`, writes a generated file.
pub(crate) fn update(path: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        let file = root().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, expected).unwrap();
    }
}

/// Compares a generated file with what it should be; with `UPDATE=1` writes it first.
pub(crate) fn generated(path: &str, expected: &str) {
    update(path, expected);
    let found = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is stale: look at what changed on the wire or in a configuration, then run \
         `UPDATE=1 cargo test -p portcullis-tests`"
    );
}
