//! Decoded readings of any text: their maps lead back, and the limits hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::Budget;
use portcullis_decode::{Limits, decode};

fuzz_target!(|text: &str| {
    let limits = Limits { depth: 3, bytes: 64 * 1024, runs: 4096 };
    let decoded = decode(text, limits, &Budget::default());
    // two for each level: the surest stretches, and those that overlap them
    assert!(decoded.readings.len() <= 2 * limits.depth);
    assert!(
        decoded.readings.iter().map(|reading| reading.text.len()).sum::<usize>() <= limits.bytes
    );
    for reading in decoded.readings {
        let mut at = 0;
        for run in &reading.map {
            assert!(run.view >= at && run.view_len > 0 && run.source_len > 0);
            at = run.view + run.view_len;
            assert!(reading.text.get(run.view..at).is_some());
            assert!(text.get(run.source..run.source + run.source_len).is_some());
        }
        for place in reading.places {
            assert!(text.get(place.start..place.end).is_some());
        }
    }
});
