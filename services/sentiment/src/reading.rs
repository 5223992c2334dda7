//! What one look through a text finds: polarity, moods, and the phrases of people in need.

use portcullis_core::{Budget, Moods, Span};

use crate::distress::{Distress, Phrases, Told};
use crate::model::Model;
use crate::moods::Signs;
use crate::pieces::is_ended;
use crate::read::Words;
use crate::score::Mood;
use crate::walk::{Sink, walk};

/// Sentences between two looks at the budget.
const BETWEEN_LOOKS: usize = 32;
/// A passage as far from neutral as this counts alone, where there is one: plain passages do not water down
/// a clear one.
const CLEAR: f64 = 0.3;

/// Bytes before a sentence in which one of its phrases may begin, where they are no sentence of their own: the
/// longest phrase has 40.
const BEFORE: usize = 128;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) polarity: f64,
    pub(crate) moods: Moods,
    pub(crate) grief: bool,
    pub(crate) overwhelmed: bool,
    /// The first sentence that tells of it.
    pub(crate) self_harm: Option<Span>,
    pub(crate) scanned: usize,
}

/// Reads a text until the budget is spent.
pub(crate) fn read(text: &str, model: &Model, phrases: &Phrases, budget: &Budget) -> Reading {
    let mut reader = Reader {
        text,
        model,
        phrases,
        budget,
        room: String::new(),
        open: None,
        sums: [0; 2],
        grams: 0,
        clear: (0.0, 0.0),
        all: (0.0, 0),
        signs: Signs::default(),
        reading: Reading::default(),
    };
    walk(text, &mut reader);
    let (sum, weight) = reader.clear;
    let (total, passages) = reader.all;
    let polarity = if weight > 0.0 { sum / weight } else { total / f64::from(passages.max(1)) };
    Reading {
        polarity: (polarity * 1e4).round().clamp(-1e4, 1e4) / 1e4,
        moods: reader.signs.moods(),
        ..reader.reading
    }
}

struct Reader<'a> {
    text: &'a str,
    model: &'a Model,
    phrases: &'a Phrases,
    budget: &'a Budget,
    room: String,
    /// Where what goes on in the next sentence begins, and whether it has a word that stands in phrases.
    open: Option<(usize, bool)>,
    /// Of the passage so far.
    sums: [i64; 2],
    grams: usize,
    /// Of the clear passages: the sum of each polarity times its size, and the sum of the sizes.
    clear: (f64, f64),
    /// Of all passages: the sum of their polarities, and their number.
    all: (f64, u32),
    signs: Signs,
    reading: Reading,
}

impl Sink for Reader<'_> {
    fn go_on(&mut self, sentence: usize) -> bool {
        !sentence.is_multiple_of(BETWEEN_LOOKS) || !self.budget.is_spent()
    }

    fn sentence(&mut self, at: usize, sentence: &str, words: &Words, mood: &Mood) {
        let (open, hints) = self.open.unwrap_or((at, false));
        let hints = hints || words.hints;
        // A sentence without one of the words that stand in phrases holds none: a test holds that.
        let told = match hints {
            true => {
                let before = self.text.get(open..at).unwrap_or_default();
                self.phrases.look(before, sentence, &mut self.room)
            }
            false => Told::default(),
        };
        let end = at + sentence.len();
        self.open = (!is_ended(sentence)).then(|| (word_near(self.text, open, end), hints));
        match told.distress {
            Some(Distress::SelfHarm) => {
                let start = if told.is_over_lines { open } else { at };
                self.reading.self_harm.get_or_insert(Span { start, end });
            }
            Some(Distress::Grief) => self.reading.grief = true,
            None => {}
        }
        self.reading.overwhelmed |= told.overwhelmed > 0;
        self.signs.add(words, mood, &told);
        self.reading.scanned = end;
    }

    fn gram(&mut self, bucket: usize) {
        let [negative, positive] = self.model.weights(bucket);
        let [a, b] = &mut self.sums;
        *a += i64::from(negative);
        *b += i64::from(positive);
        self.grams += 1;
    }

    fn passage(&mut self, lexicon: Option<f64>) {
        let polarity = self.model.polarity(lexicon, self.sums, self.grams);
        (self.sums, self.grams) = ([0; 2], 0);
        self.all.0 += polarity;
        self.all.1 += 1;
        if polarity.abs() >= CLEAR {
            self.clear.0 += polarity * polarity.abs();
            self.clear.1 += polarity.abs();
        }
    }
}

/// The first word of `from..end` that begins in its last [`BEFORE`] bytes.
fn word_near(text: &str, from: usize, end: usize) -> usize {
    if end - from <= BEFORE {
        return from;
    }
    let near = (end - BEFORE..end).find(|at| text.is_char_boundary(*at)).unwrap_or(end);
    let rest = text.get(near..end).unwrap_or_default();
    rest.find(char::is_whitespace).map_or(near, |at| near + at)
}
