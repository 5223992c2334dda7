//! The one way through a text, for judging and for learning alike: sentences, their words, their n-grams,
//! and passages of a few sentences that are judged as one.

use crate::pieces::Pieces;
use crate::read::Words;
use crate::score::{self, Mood};

/// Sentences are joined into a passage up to so many bytes: what a short message has, so that a long text
/// is judged in parts that are like what was learnt from.
const PASSAGE: usize = 256;
/// Binary logarithm of the number of buckets.
pub(crate) const BITS: u32 = 16;

/// Finishing multiplier (2^64 / golden ratio, odd).
const FINISH: u64 = 0x9e37_79b9_7f4a_7c15;
/// Factor of the hash (the prime of FNV-1a).
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Kinds of n-grams, and the mark of a word under a negation.
const BIGRAM: u64 = 0x51;
const NEGATED: u64 = 0xa5a5_0000_5a5a_0000;
/// The n-grams of a sentence with exclamation marks, and with question marks.
const EXCLAIMED: u64 = 0x21;
const ASKED: u64 = 0x3f;

/// Takes what [`walk`] finds, in the order of the text.
pub(crate) trait Sink {
    /// Whether to go on before the sentence with this index.
    fn go_on(&mut self, sentence: usize) -> bool;
    /// A sentence begins at this byte. Its n-grams come after it.
    fn sentence(&mut self, at: usize, sentence: &str, words: &Words, mood: &Mood);
    /// One n-gram of the passage.
    fn gram(&mut self, bucket: usize);
    /// The passage whose n-grams came before is over. `polarity` is by the lexicon alone, absent where no
    /// word has a mood.
    fn passage(&mut self, polarity: Option<f64>);
}

/// Walks through a text.
pub(crate) fn walk(text: &str, into: &mut impl Sink) {
    let mut words = Words::with_room();
    let (mut bytes, mut sum, mut weight) = (0, 0.0, 0.0);
    for (index, (at, piece)) in Pieces::of(text).enumerate() {
        if !into.go_on(index) {
            break;
        }
        if bytes > 0 && bytes + piece.len() > PASSAGE {
            into.passage((weight > 0.0).then(|| sum / weight));
            (bytes, sum, weight) = (0, 0.0, 0.0);
        }
        words.read(piece);
        let mood = score::mood(piece, &words);
        // Each sentence weighs as much as it is far from neutral: plain ones do not water down a clear one.
        sum += mood.polarity * mood.polarity.abs();
        weight += mood.polarity.abs();
        bytes += piece.len();
        into.sentence(at, piece, &words, &mood);
        grams(&words, &mood, |bucket| into.gram(bucket));
    }
    if bytes > 0 {
        into.passage((weight > 0.0).then(|| sum / weight));
    }
}

/// Tells the n-grams of a sentence: its words, those under a negation apart, its pairs of words, and that
/// it exclaims or asks.
fn grams(words: &Words, mood: &Mood, mut tell: impl FnMut(usize)) {
    let mut last = None;
    for word in &words.list {
        let hash = if word.negated { word.hash ^ NEGATED } else { word.hash };
        tell(bucket(hash));
        if let Some(last) = last {
            tell(bucket(pair(last, word.hash)));
        }
        last = Some(word.hash);
    }
    if mood.exclamations > 0 {
        tell(bucket(EXCLAIMED));
    }
    if mood.questions > 0 {
        tell(bucket(ASKED));
    }
}

fn pair(first: u64, second: u64) -> u64 {
    ((first.rotate_left(21) ^ second).wrapping_mul(PRIME) ^ BIGRAM).wrapping_mul(PRIME)
}

fn bucket(hash: u64) -> usize {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(FINISH);
    (mixed >> (64 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        grams: Vec<usize>,
        passages: Vec<Option<f64>>,
        sentences: usize,
    }

    impl Sink for Seen {
        fn go_on(&mut self, _: usize) -> bool {
            true
        }
        fn sentence(&mut self, _: usize, _: &str, _: &Words, _: &Mood) {
            self.sentences += 1;
        }
        fn gram(&mut self, bucket: usize) {
            self.grams.push(bucket);
        }
        fn passage(&mut self, polarity: Option<f64>) {
            self.passages.push(polarity);
        }
    }

    fn seen(text: &str) -> Seen {
        let mut seen = Seen::default();
        walk(text, &mut seen);
        seen
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        // If this fails, the trained weights have lost their meaning: train them anew.
        assert_eq!(seen("Not so good!").grams, GOLDEN);
    }
    const GOLDEN: [usize; 6] = [55_214, 4_689, 22_941, 13_049, 8_078, 25_894];

    #[test]
    fn a_text_is_cut_into_passages_of_whole_sentences() {
        let seen = seen(&"The parcel is blue. ".repeat(50));
        assert_eq!((seen.sentences, seen.passages.len()), (50, 50_usize.div_ceil(12)));
        assert!(seen.passages.iter().all(Option::is_none));
        assert_eq!(self::seen("").passages.len(), 0);
        assert!(self::seen("Good. Bad. Great!").passages.len() == 1);
    }
}
