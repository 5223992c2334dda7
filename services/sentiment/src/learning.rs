//! What the trainer needs of the stage: a text as the model will see it.

use crate::read::Words;
use crate::score::Mood;
use crate::walk::{Sink, walk};

/// One passage as the model sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passage {
    /// Polarity by the lexicon; absent where no word has a mood.
    pub lexicon: Option<f64>,
    /// The bucket of each n-gram, below [`crate::model::WEIGHTS`] / 2.
    pub grams: Vec<u32>,
}

/// The passages of a text.
pub fn passages(text: &str) -> Vec<Passage> {
    let mut collect = Collect::default();
    walk(text, &mut collect);
    collect.done
}

#[derive(Default)]
struct Collect {
    now: Passage,
    done: Vec<Passage>,
}

impl Sink for Collect {
    fn go_on(&mut self, _: usize) -> bool {
        true
    }
    fn sentence(&mut self, _: usize, _: &str, _: &Words, _: &Mood) {}
    fn gram(&mut self, bucket: usize) {
        self.now.grams.push(bucket as u32);
    }
    fn passage(&mut self, lexicon: Option<f64>) {
        self.now.lexicon = lexicon;
        self.done.push(std::mem::take(&mut self.now));
    }
}
