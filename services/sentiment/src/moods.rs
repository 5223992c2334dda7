//! Distress, agitation and urgency: three scores beside polarity, each from 0 to 1.
//!
//! Each sign of one has a weight; signs add up as independent ones do (1 minus the product of what each
//! leaves), so that more of them come nearer to 1 and never pass it. The weights are ours and have been
//! measured on no labelled corpus.

use portcullis_core::Moods;

use crate::distress::{Distress, Told};
use crate::read::Words;
use crate::score::Mood;

/// Distress of a person who may harm themselves, and of one to whom somebody has died.
const SELF_HARM: f64 = 0.97;
const GRIEF: f64 = 0.7;
/// One phrase of somebody who can bear no more.
const OVERWHELMED: f64 = 0.55;
/// One phrase of haste.
const URGENT: f64 = 0.55;
/// One shouted word, or one exclamation mark: three of them pass a half.
const SHOUT: f64 = 0.22;
/// Of these no more are counted.
const SHOUTS: usize = 6;
/// «?!», and each question mark past the second.
const DISBELIEF: f64 = 0.2;
/// A word drawn out.
const DRAWN_OUT: f64 = 0.15;
/// A sentence that is clearly negative adds to agitation what its polarity is beyond -0.5, times this.
const NEGATIVE: f64 = 0.3;

const DISTRESSED: &[(&str, f32)] = &[
    ("afraid", 0.25),
    ("agony", 0.6),
    ("alone", 0.2),
    ("anxiety", 0.45),
    ("anxious", 0.45),
    ("ashamed", 0.35),
    ("bullied", 0.5),
    ("cried", 0.35),
    ("crying", 0.45),
    ("depressed", 0.55),
    ("depression", 0.5),
    ("despair", 0.6),
    ("desperate", 0.55),
    ("desperately", 0.5),
    ("devastated", 0.65),
    ("distraught", 0.65),
    ("distressed", 0.55),
    ("exhausted", 0.35),
    ("frightened", 0.5),
    ("frightening", 0.4),
    ("heartbroken", 0.6),
    ("helpless", 0.55),
    ("hopeless", 0.6),
    ("horrified", 0.5),
    ("lonely", 0.45),
    ("miserable", 0.45),
    ("nervous", 0.3),
    ("overwhelmed", 0.6),
    ("overwhelming", 0.4),
    ("panic", 0.5),
    ("panicking", 0.65),
    ("panicked", 0.5),
    ("scared", 0.5),
    ("shaking", 0.35),
    ("sobbing", 0.6),
    ("stressed", 0.4),
    ("suffering", 0.45),
    ("terrified", 0.65),
    ("traumatised", 0.6),
    ("traumatized", 0.6),
    ("trembling", 0.45),
    ("unbearable", 0.55),
    ("unsafe", 0.4),
    ("upset", 0.35),
    ("worried", 0.35),
    ("worthless", 0.55),
];

const AGITATED: &[(&str, f32)] = &[
    ("angry", 0.5),
    ("annoyed", 0.35),
    ("annoying", 0.3),
    ("appalled", 0.5),
    ("asshole", 0.6),
    ("bastard", 0.5),
    ("bastards", 0.55),
    ("bitch", 0.5),
    ("bloody", 0.25),
    ("bullshit", 0.5),
    ("crap", 0.3),
    ("damn", 0.3),
    ("disgrace", 0.45),
    ("disgraceful", 0.5),
    ("disgusted", 0.45),
    ("disgusting", 0.4),
    ("enraged", 0.65),
    ("fed", 0.1),
    ("frustrated", 0.3),
    ("frustrating", 0.25),
    ("fuck", 0.5),
    ("fucking", 0.5),
    ("fuming", 0.6),
    ("furious", 0.65),
    ("goddamn", 0.45),
    ("hate", 0.35),
    ("idiot", 0.5),
    ("idiots", 0.55),
    ("incompetent", 0.45),
    ("infuriated", 0.65),
    ("infuriating", 0.6),
    ("livid", 0.65),
    ("moron", 0.5),
    ("morons", 0.55),
    ("outraged", 0.6),
    ("outrageous", 0.5),
    ("pathetic", 0.35),
    ("pissed", 0.5),
    ("ridiculous", 0.35),
    ("scam", 0.4),
    ("scammers", 0.5),
    ("seething", 0.6),
    ("shit", 0.45),
    ("stupid", 0.4),
    ("sue", 0.35),
    ("thieves", 0.5),
    ("unacceptable", 0.25),
    ("useless", 0.2),
    ("wtf", 0.5),
];

const HASTY: &[(&str, f32)] = &[
    ("asap", 0.65),
    ("deadline", 0.4),
    ("emergency", 0.65),
    ("hurry", 0.5),
    ("immediate", 0.4),
    ("immediately", 0.5),
    ("instantly", 0.3),
    ("minutes", 0.15),
    ("now", 0.1),
    ("quickly", 0.3),
    ("stranded", 0.5),
    ("today", 0.15),
    ("tonight", 0.25),
    ("urgent", 0.65),
    ("urgently", 0.65),
];

/// The words that tell of a mood by themselves, each with its three weights.
pub(crate) fn words() -> impl Iterator<Item = (&'static str, [f32; 3])> {
    let distressed = DISTRESSED.iter().map(|(word, weight)| (*word, [*weight, 0.0, 0.0]));
    let agitated = AGITATED.iter().map(|(word, weight)| (*word, [0.0, *weight, 0.0]));
    let hasty = HASTY.iter().map(|(word, weight)| (*word, [0.0, 0.0, *weight]));
    distressed.chain(agitated).chain(hasty)
}

/// What an emoji tells by itself.
pub(crate) fn emoji(c: char) -> [f32; 3] {
    match c {
        '😭' | '😢' | '😿' | '😰' | '😱' | '😨' | '😖' | '😣' | '😩' | '😫' | '💔' => {
            [0.35, 0.0, 0.0]
        }
        '😠' | '😡' | '🤬' | '👿' | '😤' | '🖕' => [0.0, 0.5, 0.0],
        '🚨' | '🆘' => [0.2, 0.0, 0.4],
        _ => [0.0; 3],
    }
}

/// What is left of 1 in each score after the signs so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signs {
    left: [f64; 3],
    shouts: usize,
}

impl Default for Signs {
    fn default() -> Self {
        Self { left: [1.0; 3], shouts: 0 }
    }
}

impl Signs {
    /// Adds the signs of a sentence: its words, its marks, and its phrases where they were looked for.
    pub(crate) fn add(&mut self, words: &Words, mood: &Mood, told: &Told) {
        let [distress, agitation, urgency] = &mut self.left;
        let (mut shouted, mut drawn_out) = (0, 0);
        for word in &words.list {
            shouted += usize::from(word.shouted);
            drawn_out += usize::from(word.drawn_out);
            if word.meaning.moods != [0.0; 3] && !word.negated {
                let [a, b, c] = word.meaning.moods.map(f64::from);
                *distress *= 1.0 - a;
                *agitation *= 1.0 - b;
                *urgency *= 1.0 - c;
            }
        }
        let more = (shouted + mood.exclamations).min(SHOUTS.saturating_sub(self.shouts));
        self.shouts += more;
        *agitation *= repeated(SHOUT, more) * repeated(DRAWN_OUT, drawn_out.min(2));
        let both = mood.questions > 0 && mood.exclamations > 0;
        let disbelief = usize::from(both) + mood.questions.saturating_sub(2);
        *agitation *= repeated(DISBELIEF, disbelief.min(3));
        if mood.polarity < -0.5 {
            *agitation *= 1.0 - NEGATIVE * (-0.5 - mood.polarity) / 0.5;
        }
        *distress *= match told.distress {
            Some(Distress::SelfHarm) => 1.0 - SELF_HARM,
            Some(Distress::Grief) => 1.0 - GRIEF,
            None => 1.0,
        };
        *distress *= repeated(OVERWHELMED, told.overwhelmed.min(3));
        *urgency *= repeated(URGENT, told.urgent.min(3));
    }

    /// The scores, to four digits.
    pub(crate) fn moods(&self) -> Moods {
        Moods::of(self.left.map(|left| ((1.0 - left) * 1e4).round().clamp(0.0, 1e4) / 1e4))
    }
}

/// What so many signs of one weight leave.
fn repeated(weight: f64, times: usize) -> f64 {
    (0..times).fold(1.0, |left, _| left * (1.0 - weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distress::Phrases;
    use crate::score;

    fn moods(sentence: &str) -> Moods {
        let (mut words, mut signs) = (Words::with_room(), Signs::default());
        words.read(sentence);
        let told = Phrases::new().look("", sentence, &mut String::new());
        signs.add(&words, &score::mood(sentence, &words), &told);
        signs.moods()
    }

    #[test]
    fn each_mood_is_seen_apart_from_the_others() {
        let upset = moods("I'm panicking, I don't know what to do");
        assert!(upset.distress > 0.8 && upset.agitation < 0.2 && upset.urgency < 0.2, "{upset:?}");
        let angry = moods("THIS IS RIDICULOUS!!! You are idiots");
        assert!(angry.agitation > 0.8 && angry.distress < 0.2 && angry.urgency < 0.2, "{angry:?}");
        let hasty = moods("This is urgent, please call me as soon as possible");
        assert!(hasty.urgency > 0.8 && hasty.distress < 0.2 && hasty.agitation < 0.2, "{hasty:?}");
    }

    #[test]
    fn what_is_negated_is_no_sign_and_plain_words_have_no_mood() {
        for plain in ["I am not worried", "It is not urgent", "no rush", "When does the shop open?"]
        {
            let moods = moods(plain);
            assert!(moods.scores().iter().all(|score| *score < 0.2), "{plain}: {moods:?}");
        }
    }

    #[test]
    fn grief_is_distress_and_not_anger() {
        let grief = moods("My father died yesterday and I need to cancel his ticket");
        assert!(grief.distress >= 0.7 && grief.agitation < 0.2, "{grief:?}");
    }

    #[test]
    fn every_word_is_there_once_and_its_weight_a_share() {
        let mut seen: Vec<&str> = words().map(|(word, _)| word).collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
        assert!(words().all(|(_, weights)| weights.iter().all(|w| (0.0..1.0).contains(w))));
    }
}
