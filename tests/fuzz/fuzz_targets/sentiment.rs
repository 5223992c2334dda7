//! Scores of any text: numbers in their ranges, spans on boundaries, coverage whole, time linear.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use portcullis_sentiment::Sentiment;

static STAGE: LazyLock<Sentiment> = LazyLock::new(|| Sentiment::new().expect("the built-in model"));

fuzz_target!(|text: &str| {
    let stage = &*STAGE;
    let took = || {
        let began = Instant::now();
        stage.feel(text);
        began.elapsed()
    };
    // A hundred times what it takes, for an instrumented build. On a busy machine one try may be interrupted for
    // longer; that it happens ten times in a row is no chance.
    let allowed = Duration::from_millis(200) + Duration::from_micros(10) * text.len() as u32;
    assert!((0..10).any(|_| took() < allowed));
    let (polarity, moods) = stage.feel(text);
    assert!((-1.0..=1.0).contains(&polarity));
    assert!(moods.scores().iter().all(|score| (0.0..=1.0).contains(score)));
    assert_eq!(stage.feel(text), (polarity, moods));
});
