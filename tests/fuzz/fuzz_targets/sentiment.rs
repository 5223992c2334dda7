//! Scores of any text: numbers in their ranges, spans on boundaries, coverage whole, time linear.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use portcullis_sentiment::Sentiment;

static STAGE: LazyLock<Sentiment> = LazyLock::new(|| Sentiment::new().expect("the built-in model"));

fuzz_target!(|text: &str| {
    let began = Instant::now();
    let (polarity, moods) = STAGE.feel(text);
    // A hundred times what it takes, for an instrumented build on a busy machine.
    let allowed = Duration::from_millis(200) + Duration::from_micros(10) * text.len() as u32;
    assert!(began.elapsed() < allowed);
    assert!((-1.0..=1.0).contains(&polarity));
    assert!(moods.scores().iter().all(|score| (0.0..=1.0).contains(score)));
    assert_eq!(STAGE.feel(text), (polarity, moods));
});
