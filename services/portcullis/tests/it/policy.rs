//! `portcullis policy` and `portcullis schema`.

use crate::run::run;

fn check(source: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    std::fs::write(&file, source).unwrap();
    let ran = run(&["policy", "check", file.to_str().unwrap()]);
    let name = format!("{}/", folder.path().display());
    (ran.code, ran.out.replace(&name, ""))
}

#[test]
fn line_and_column_of_what_is_wrong() {
    let (code, out) = check("mode = 'shadow'\n");
    assert_eq!(code, 0);
    assert!(out.starts_with("shop.toml: ok (digest "), "{out}");
    for (source, place) in [
        ("mode = 'shadow'\nreview = 'maybe'\n", "shop.toml:2:10: "),
        ("[limits]\ntotal_bytes = 0\n", "shop.toml:2:1: "),
        ("[stages.sentiment.settings]\nnegative = -2.0\n", "shop.toml:2:12: "),
        ("[stages.sanitizer.settings]\n\n  typo = 1\n", "shop.toml:3:3: "),
        ("[[rules]\n", "shop.toml:1:"),
    ] {
        let (code, out) = check(source);
        assert_eq!(code, 1, "{out}");
        assert!(out.starts_with(place), "{out}");
    }
}

#[test]
fn one_broken_document_among_good_ones_is_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.toml"), "").unwrap();
    std::fs::write(path("bad.toml"), "x = 1").unwrap();
    let ran = run(&["policy", "check", &path("bad.toml"), &path("good.toml"), &path("none.toml")]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.out.lines().count(), 3);
    assert!(ran.out.lines().nth(1).unwrap().contains("good.toml: ok"));
}

#[test]
fn the_sample_is_a_document_and_the_schemas_are_schemas() {
    let sample = run(&["policy", "sample"]);
    assert_eq!(check(&sample.out).0, 0, "{}", sample.out);
    assert_eq!(run(&["policy", "schema"]).json()["properties"]["mode"]["default"], "enforce");
    assert_eq!(run(&["schema", "verdict"]).json()["title"], "Verdict");
    assert!(run(&["schema"]).json()["held-case"].is_object());
    assert_eq!(run(&["schema", "nothing"]).code, 2);
}

#[test]
fn a_folder_of_policies_judges_each_bot_by_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.toml"), "version = 'mine'\nmode = 'bypass'").unwrap();
    let name = folder.path().to_str().unwrap();
    let of = |bot: &str| run(&["check", "--policy", name, "--bot", bot, "Hello"]).json();
    assert_eq!(of("shop")["policy"]["version"], "mine");
    assert_eq!(of("bank")["policy"]["version"], "built-in");
    std::fs::write(folder.path().join("tram.toml"), "mode = 1").unwrap();
    let ran = run(&["check", "--policy", name, "--bot", "shop", "Hello"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("tram.toml:1:8"), "{}", ran.err);
}
