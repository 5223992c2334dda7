//! Any split of any answer gives the same result, and everything is released where nothing stops it.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use portcullis_moderate::{Act, Bounds, Known, Overflow, Rules, Stream};
use serde_json::json;

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let section = json!({
        "system_prompt": {"canaries": ["kx7q93mmzz41"]},
        "links": {"hosts": ["example.com"]},
        "guidelines": {
            "words": [{"name": "rivals", "any": ["acme"]}],
            "patterns": [{"name": "x", "regex": "(?i)ticket [a-z]+-[0-9]{2}", "mask": true}],
        },
    });
    Rules::of(&section).unwrap()
});

fn released<'a>(pieces: impl Iterator<Item = &'a str>) -> (String, Option<String>, usize) {
    let bounds = Bounds { bytes: 256, time: Duration::from_secs(2), overflow: Overflow::Pause };
    let judge = |hit: &portcullis_moderate::Hit| match hit.kind.starts_with("guideline.word") {
        true => Act::Stop,
        false => Act::Go,
    };
    let mut stream = Stream::new(RULES.clone(), Known::default(), bounds, Box::new(judge));
    let mut out = String::new();
    for piece in pieces {
        out.push_str(&stream.feed(piece, Duration::ZERO).text);
    }
    out.push_str(&stream.finish().text);
    (out, stream.stopped().map(str::to_owned), stream.released())
}

fuzz_target!(|text: &str| {
    // The first characters say where the rest is cut.
    let (head, text) = text.split_at(text.floor_char_boundary(4.min(text.len())));
    let mut cuts: Vec<usize> = head
        .bytes()
        .map(|byte| text.floor_char_boundary(usize::from(byte) * text.len() / 256))
        .collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    let mut from = 0;
    let split: Vec<&str> = cuts
        .into_iter()
        .map(|cut| {
            let piece = &text[from..cut];
            from = cut;
            piece
        })
        .collect();
    let whole = released(std::iter::once(text));
    assert_eq!(released(split.into_iter()), whole);
    assert!(whole.1.is_some() || whole.2 == text.len());
});
