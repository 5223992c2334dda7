//! The mood of one sentence by the rules of VADER (Hutto and Gilbert, "VADER: A Parsimonious Rule-based
//! Model for Sentiment Analysis of Social Media Text", ICWSM 2014).
//!
//! The rules are written out here over the library's lexicon, because the library's own (0.1.1) looks
//! for adverbs of degree inside of other words ("so" in "someone"), adds them with the wrong sign to
//! negative words that stand fourth or later ("Sadly I am very unhappy" comes out milder than without
//! "very"), and adds in the order of a hash table, so that the last digits differ from run to run.

use crate::lexicon::Form;
use crate::read::{Word, Words};

/// Shouting a word among words that are not shouted adds this much.
const CAPS: f64 = 0.733;
/// Drawing a word out («sooo», «baaad») adds as much as an adverb of degree. Ours: VADER does not read such
/// words.
const DRAWN_OUT: f64 = 0.293;
/// A negation turns round, and weakens.
const NEGATION: f64 = -0.74;
/// What one exclamation mark adds, for at most four.
const EXCLAMATION: f64 = 0.292;
/// What each of two or three question marks adds; more add `QUESTIONS`.
const QUESTION: f64 = 0.18;
const QUESTIONS: f64 = 0.96;
/// Brings sums of valences into [-1, 1].
const ALPHA: f64 = 15.0;
/// The influence of a word on the one that stands one, two or three after it.
const NEARNESS: [f64; 3] = [1.0, 0.95, 0.9];
/// What a sentence says of the mood of who wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Mood {
    /// VADER's compound score, in [-1, 1]; zero where no word has a mood.
    pub(crate) polarity: f64,
    /// Exclamation marks.
    pub(crate) exclamations: usize,
    /// Question marks.
    pub(crate) questions: usize,
}

/// The mood of a sentence that was read.
pub(crate) fn mood(sentence: &str, words: &Words) -> Mood {
    let (mut exclamations, mut questions) = (0, 0);
    for byte in sentence.bytes() {
        exclamations += usize::from(byte == b'!');
        questions += usize::from(byte == b'?');
    }
    let sum = Sentence { words: &words.list }.sum();
    Mood { polarity: compound(sum, emphasis(exclamations, questions)), exclamations, questions }
}

/// A sentence in words.
struct Sentence<'a> {
    words: &'a [Word],
}

impl Sentence<'_> {
    /// The sum of what each word adds, those before a "but" halved and those after it raised by half.
    fn sum(&self) -> f64 {
        if self.words.iter().all(|word| word.meaning.valence.is_none()) {
            return 0.0;
        }
        let mixed = self.words.iter().any(|word| !word.shouted)
            && self.words.iter().any(|word| word.shouted);
        let but = self.words.iter().position(|word| word.meaning.form == Form::But);
        let weight = |at: usize| match but {
            Some(but) if at < but => 0.5,
            Some(but) if at > but => 1.5,
            _ => 1.0,
        };
        (0..self.words.len()).map(|at| weight(at) * self.valence(at, mixed)).sum()
    }

    /// The word that stands `back` before the one at `at`.
    fn before(&self, at: usize, back: usize) -> Option<&Word> {
        at.checked_sub(back).and_then(|at| self.words.get(at))
    }

    fn form(&self, at: usize, back: usize) -> Form {
        self.before(at, back).map_or(Form::Other, |word| word.meaning.form)
    }

    fn valence(&self, at: usize, mixed: bool) -> f64 {
        let Some((word, own)) =
            self.words.get(at).and_then(|word| Some((word, word.meaning.valence?)))
        else {
            return 0.0;
        };
        let next = self.words.get(at + 1).map(|next| next.meaning).unwrap_or_default();
        let is_determiner = word.meaning.form == Form::No && next.valence.is_some();
        let is_hedge = word.meaning.form == Form::Kind && next.form == Form::Of;
        if is_determiner || is_hedge {
            return 0.0;
        }
        let mut valence = own;
        if word.shouted && mixed {
            valence += CAPS.copysign(valence);
        }
        if word.drawn_out {
            valence += DRAWN_OUT.copysign(valence);
        }
        for (back, nearness) in (1..).zip(NEARNESS) {
            let Some(earlier) = self.before(at, back) else { break };
            let is_no = earlier.meaning.form == Form::No;
            if earlier.meaning.valence.is_some() && !is_no {
                continue;
            }
            let shouting = if earlier.shouted && mixed { CAPS } else { 0.0 };
            if earlier.meaning.degree != 0.0 {
                let drawn_out = if earlier.drawn_out { DRAWN_OUT } else { 0.0 };
                valence += (earlier.meaning.degree + shouting + drawn_out)
                    .copysign(earlier.meaning.degree * valence)
                    * nearness;
            }
            valence *= self.turn(at, back);
        }
        let hedged = (2..=4)
            .any(|back| self.form(at, back) == Form::Kind && self.form(at, back - 1) == Form::Of);
        if hedged {
            valence -= 0.293_f64.copysign(valence);
        }
        if self.form(at, 1) == Form::Least {
            valence *= NEGATION;
        }
        valence
    }

    /// The factor by which the word that stands `back` before turns the one at `at`.
    fn turn(&self, at: usize, back: usize) -> f64 {
        let Some(earlier) = self.before(at, back) else { return 1.0 };
        let between = (1..back).map(|back| self.form(at, back));
        match earlier.meaning.form {
            // "never so good", "never this good"
            Form::Never if between.clone().any(|form| matches!(form, Form::So | Form::This)) => {
                1.25
            }
            Form::Without if between.clone().any(|form| form == Form::Doubt) => 1.0,
            Form::No if back == 1 => NEGATION,
            _ if earlier.meaning.negates => NEGATION,
            _ => 1.0,
        }
    }
}

fn emphasis(exclamations: usize, questions: usize) -> f64 {
    let asked = match questions {
        0 | 1 => 0.0,
        2 => 2.0 * QUESTION,
        3 => 3.0 * QUESTION,
        _ => QUESTIONS,
    };
    exclamations.min(4) as f64 * EXCLAMATION + asked
}

fn compound(sum: f64, emphasis: f64) -> f64 {
    if sum == 0.0 {
        return 0.0;
    }
    let sum = sum + emphasis.copysign(sum);
    (sum / (sum * sum + ALPHA).sqrt()).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polarity(sentence: &str) -> f64 {
        let mut words = Words::with_room();
        words.read(sentence);
        mood(sentence, &words).polarity
    }

    #[test]
    fn scores_are_those_of_the_reference_where_the_words_are_the_same() {
        // Compound scores printed in the documentation of the Python reference.
        for (sentence, expected) in [
            ("VADER is smart, handsome, and funny.", 0.8316),
            ("VADER is smart, handsome, and funny!", 0.8439),
            ("VADER is very smart, handsome, and funny.", 0.8545),
            ("VADER is not smart, handsome, nor funny.", -0.7424),
            ("The book was good.", 0.4404),
            ("Today sucks", -0.3612),
            ("Not bad at all", 0.431),
        ] {
            let got = polarity(sentence);
            assert!((got - expected).abs() < 5e-5, "{sentence}: {got}, not {expected}");
        }
    }

    #[test]
    fn an_adverb_strengthens_wherever_it_stands() {
        let plain = polarity("Sadly someone here is unhappy");
        assert!(polarity("Sadly someone here is very unhappy") < plain);
        assert!(polarity("Sadly someone here is slightly unhappy") > plain);
        assert!(polarity("This is VERY bad") < polarity("This is very bad"));
        assert!(polarity("This is sooo bad") < polarity("This is so bad"));
        assert!(polarity("This is baaaad") < polarity("This is bad"));
    }

    #[test]
    fn a_but_moves_the_weight_to_what_follows() {
        assert!(
            polarity("It is good but it is terrible") < polarity("It is good and it is terrible")
        );
    }

    #[test]
    fn emoji_and_emoticons_have_a_mood() {
        assert!(polarity("great 😀") > polarity("great"));
        assert!(polarity("arrived:( :(") < 0.0);
        assert!(polarity("😠😠") < -0.3);
    }
}
