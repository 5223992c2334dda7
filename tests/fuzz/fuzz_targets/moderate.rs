//! What is found in any answer: on the boundaries of its characters, in order, with every sort of rule in force.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis_moderate::{Known, Rules};
use serde_json::json;

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let section = json!({
        "system_prompt": {"canaries": ["kx7q93mmzz41"], "shingles": portcullis_moderate::register("You are Vera, the assistant of the lamp shop in Ghent.", "s"), "salt": "s"},
        "links": {"hosts": ["example.com", "*.example.org"]},
        "guidelines": {
            "words": [{"name": "rivals", "any": ["acme", "é", "go away"]}],
            "topics": [{"name": "t", "words": ["a", "b"]}],
            "patterns": [{"name": "x", "regex": "(?i)[a-z]+@|\\s{2}|(a|b)*c"}],
            "disclaimers": [{"name": "d", "when": ["shares"], "any": ["no advice"]}],
            "languages": ["eng"],
            "json": {"schema": {"type": "object"}},
        },
    });
    Rules::of(&section).unwrap()
});

fuzz_target!(|text: &str| {
    let known = Known::default();
    let mut last = 0;
    for hit in RULES.places(text, &known) {
        let span = hit.span.unwrap();
        assert!(span.start >= last && span.start < span.end);
        assert!(text.get(span.start..span.end).is_some());
        last = span.start;
    }
    for hit in RULES.values(text, &known).into_iter().chain(RULES.whole(text, true)) {
        assert!((0.0..=1.0).contains(&hit.confidence));
    }
});
