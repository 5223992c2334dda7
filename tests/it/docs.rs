//! The documents tell the truth about tests and files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::source;
use crate::workspace::{self, members, read, root, shown};

/// A promise in SECURITY.md without its test is worse than none.
#[test]
fn every_test_that_security_names_exists_and_runs() {
    let mut missing = Vec::new();
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = read("SECURITY.md");
    let named: Vec<(&str, &str)> =
        text.split('`').filter_map(|word| word.split_once("::")).collect();
    assert!(!named.is_empty(), "SECURITY.md names tests");
    for (file, name) in named {
        let tests = files.entry(file.to_owned()).or_insert_with(|| tests_of(file));
        if !tests.iter().any(|test| test == name) {
            missing.push(format!("{file}::{name}"));
        }
    }
    assert!(missing.is_empty(), "SECURITY.md names tests that do not run:\n{}", missing.join("\n"));
}

/// The tests of a file and of its submodules; none where there is no such file.
fn tests_of(file: &str) -> Vec<String> {
    let file = root().join(file);
    let mut sources = workspace::files(&file.with_extension(""), "rs");
    sources.extend(file.is_file().then_some(file));
    sources.iter().flat_map(|file| source::tests(&read(file))).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for file in documents() {
        let folder = file.parent().unwrap();
        let Ok(text) = std::fs::read_to_string(&file) else {
            broken.push(format!("{} is not there", shown(&file)));
            continue;
        };
        for link in links(&text) {
            seen += 1;
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !folder.join(path).exists() {
                broken.push(format!("{}: {link}", shown(&file)));
            }
        }
    }
    assert!(seen > 0, "the documents have links");
    assert!(broken.is_empty(), "documents or links that lead nowhere:\n{}", broken.join("\n"));
}

/// The documents of the house, and one README for each service.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root().join(name)).into();
    let services = members().into_iter().filter(|member| member.is_service());
    documents.extend(services.map(|service| root().join(service.path()).join("README.md")));
    documents
}

/// Targets of links that are no address of the network, outside of code.
fn links(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        for piece in prose.join("").split("](").skip(1) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[test]
fn links_are_found_outside_of_code() {
    let text =
        "see [a](b.md#c) and [d](https://e) and `[f](g)`\n```\n[h](i)\n```\n[`j`](k/l \"m\")\n";
    assert_eq!(links(text), ["b.md#c", "k/l"]);
}
