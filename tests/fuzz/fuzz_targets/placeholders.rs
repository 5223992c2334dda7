//! Placeholders in any text: escaping is undone by restoring, nothing escaped is a placeholder, and the parts of a
//! stream are restored like the whole.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use portcullis_pipeline::placeholders::{Values, any_to_restore, escape, restore, settled};

fuzz_target!(|input: (&str, u8)| {
    let (text, step) = input;
    let values: Values = HashMap::from([(("EMAIL".to_owned(), 1), "<B_2>".to_owned())]);
    let escaped = escape(text).unwrap_or_else(|| text.to_owned());
    // An escape is followed up to a length that nobody types.
    let typed = !text.contains("________________");
    if typed {
        assert!(!any_to_restore(&escaped));
        assert_eq!(restore(&escaped, &values).unwrap_or(escaped), text);
    }
    let (mut held, mut out) = (String::new(), String::new());
    for c in text.chars() {
        held.push(c);
        if held.len() % usize::from(step.max(1)) == 0 {
            let part: String = held.drain(..settled(&held)).collect();
            out.push_str(&restore(&part, &values).unwrap_or(part));
        }
    }
    out.push_str(&restore(&held, &values).unwrap_or(held));
    assert_eq!(out, restore(text, &values).unwrap_or_else(|| text.to_owned()));
});
