//! Values found in any text: in order, apart, on boundaries of characters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_detect::Detector;

fuzz_target!(|text: &str| {
    let mut last = 0;
    for hit in Detector::shared().detect(text) {
        assert!(hit.span.start >= last && !hit.span.is_empty());
        assert!(text.get(hit.span.start..hit.span.end).is_some());
        assert!((0.0..=1.0).contains(&hit.confidence));
        last = hit.span.end;
    }
});
