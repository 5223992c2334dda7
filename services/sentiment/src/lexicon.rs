//! The words: VADER's lexicon as the crate `vader_sentiment` carries it, and ours on top.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use vader_sentiment::{EMOJI_LEXICON, LEXICON};

use crate::{moods, phrases};

/// Words of service that VADER lacks or weighs as in small talk. Ours; on VADER's scale of -4 to 4,
/// anchored at its own complaints (`unacceptable` -2.0, `rude` -2.0, `complain` -1.5).
const SERVICE: &[(&str, f64)] = &[
    // Said of a service, these are a complaint by themselves.
    ("unhappy", -2.2),
    ("dissatisfied", -2.2),
    ("unsatisfied", -2.0),
    ("unhelpful", -1.9),
    ("unresponsive", -1.6),
    ("unreliable", -1.8),
    ("disgraceful", -2.6),
    ("ripoff", -2.5),
    ("rip-off", -2.5),
    ("overcharged", -1.9),
    ("overpriced", -1.5),
    ("misled", -2.0),
    ("refuses", -1.3),
    ("unanswered", -1.3),
    ("clueless", -1.8),
    ("subpar", -1.6),
    ("downhill", -1.2),
    // The names of what a service has are no praise of it.
    ("support", 0.0),
    ("supports", 0.0),
    ("help", 0.0),
    ("care", 0.0),
    ("credit", 0.0),
    ("free", 0.0),
    ("share", 0.0),
    ("security", 0.0),
    ("trust", 0.5),
    // What people ask a service to do is a request, and how they begin is a phrase; neither is a mood.
    ("please", 0.0),
    ("honestly", 0.0),
    ("cancel", 0.0),
    ("canceled", 0.0),
    ("cancelled", 0.0),
    ("canceling", 0.0),
    ("cancelling", 0.0),
    ("charged", 0.0),
    ("charges", 0.0),
    ("dispute", 0.0),
    ("fine", 0.4),
    ("fault", -1.0),
    ("kill", -2.0),
];

/// Words that strengthen or weaken the mood of a following one (VADER, table of degree adverbs).
const STRONGER: &[&str] = &[
    "absolutely",
    "amazingly",
    "awfully",
    "completely",
    "considerably",
    "decidedly",
    "deeply",
    "enormously",
    "entirely",
    "especially",
    "exceptionally",
    "extremely",
    "extreme",
    "fabulously",
    "flipping",
    "fricking",
    "frigging",
    "fucking",
    "fully",
    "greatly",
    "hella",
    "highly",
    "hugely",
    "incredibly",
    "intensely",
    "majorly",
    "more",
    "most",
    "particularly",
    "purely",
    "quite",
    "really",
    "remarkably",
    "so",
    "substantially",
    "thoroughly",
    "totally",
    "total",
    "tremendously",
    "uber",
    "unbelievably",
    "unusually",
    "utter",
    "utterly",
    "very",
];
const WEAKER: &[&str] = &[
    "almost",
    "barely",
    "hardly",
    "kinda",
    "kindof",
    "kind-of",
    "less",
    "little",
    "marginally",
    "occasionally",
    "partly",
    "scarcely",
    "slightly",
    "somewhat",
    "sorta",
    "sortof",
    "sort-of",
];

/// Words that turn a following one round. Any word with `n't` does too.
const NEGATIONS: &[&str] = &[
    "aint", "arent", "cannot", "cant", "couldnt", "didnt", "doesnt", "dont", "hadnt", "hasnt",
    "havent", "isnt", "mightnt", "mustnt", "neither", "neednt", "never", "none", "nope", "nor",
    "not", "nothing", "nowhere", "rarely", "seldom", "shouldnt", "wasnt", "werent", "without",
    "wont", "wouldnt", "despite",
];

/// A degree adverb changes the valence of a following word by this much.
const DEGREE: f64 = 0.293;

/// A word that matters for its place beside others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Other,
    But,
    Doubt,
    Kind,
    Least,
    Never,
    No,
    Of,
    So,
    This,
    Without,
}

/// What is known of a word.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Meaning {
    /// Its mood, from -4 to 4, where it has one.
    pub(crate) valence: Option<f64>,
    /// How it strengthens (above zero) or weakens a following word.
    pub(crate) degree: f64,
    /// Whether it turns a following word round.
    pub(crate) negates: bool,
    /// Which of the words with a rule of their own it is.
    pub(crate) form: Form,
    /// Whether it may belong to one of the phrases.
    pub(crate) hints: bool,
    /// Distress, agitation and urgency that it tells of by itself, each from 0 to 1.
    pub(crate) moods: [f32; 3],
}

static MEANINGS: LazyLock<FxHashMap<String, Meaning>> = LazyLock::new(|| {
    let mut meanings: FxHashMap<String, Meaning> = FxHashMap::default();
    for (word, valence) in LEXICON.iter() {
        meanings.entry(word.to_lowercase()).or_default().valence = Some(*valence);
    }
    for (word, valence) in SERVICE {
        meanings.entry((*word).to_owned()).or_default().valence = Some(*valence);
    }
    let degrees = STRONGER
        .iter()
        .map(|word| (*word, DEGREE))
        .chain(WEAKER.iter().map(|word| (*word, -DEGREE)));
    for (word, degree) in degrees {
        let meaning = meanings.entry(word.to_owned()).or_default();
        // VADER: an adverb of degree has no mood of its own.
        *meaning = Meaning { valence: None, degree, ..*meaning };
    }
    for word in NEGATIONS {
        meanings.entry((*word).to_owned()).or_default().negates = true;
    }
    let forms = [
        ("but", Form::But),
        ("doubt", Form::Doubt),
        ("kind", Form::Kind),
        ("sort", Form::Kind),
        ("least", Form::Least),
        ("never", Form::Never),
        ("no", Form::No),
        ("of", Form::Of),
        ("so", Form::So),
        ("this", Form::This),
        ("without", Form::Without),
    ];
    for (word, form) in forms {
        meanings.entry(word.to_owned()).or_default().form = form;
    }
    for (word, told) in moods::words() {
        meanings.entry(word.to_owned()).or_default().moods = told;
    }
    for word in phrases::hints() {
        meanings.entry(word.to_owned()).or_default().hints = true;
    }
    meanings
});

static EMOJI: LazyLock<FxHashMap<char, Meaning>> = LazyLock::new(|| {
    let of_one_char = |(emoji, words): (&&str, &&'static str)| {
        let mut chars = emoji.chars();
        let first = chars.next()?;
        let valence: f64 = words.split([' ', '-']).filter_map(|word| meaning(word)?.valence).sum();
        let known = Meaning {
            valence: (valence != 0.0).then_some(valence),
            moods: moods::emoji(first),
            ..Meaning::default()
        };
        (chars.all(|c| c == '\u{fe0f}') && known != Meaning::default()).then_some((first, known))
    };
    EMOJI_LEXICON.iter().filter_map(of_one_char).collect()
});

/// What is known of a word in lower case, if anything is.
pub(crate) fn meaning(word: &str) -> Option<Meaning> {
    MEANINGS.get(word).copied()
}

/// What is known of an emoji: the mood of the words that describe it.
pub(crate) fn emoji(c: char) -> Option<Meaning> {
    EMOJI.get(&c).copied()
}

/// Every word that something is known of.
#[cfg(test)]
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    MEANINGS.keys().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_s_words_and_ours_are_there() {
        assert_eq!(meaning("terrible").unwrap().valence, Some(-2.1));
        assert_eq!(meaning("unhappy").unwrap().valence, Some(-2.2));
        assert_eq!(meaning("very").unwrap().degree, DEGREE);
        assert!(meaning("not").unwrap().negates);
        assert!(emoji('😀').unwrap().valence > Some(0.0));
        assert!(emoji('😠').unwrap().valence < Some(0.0));
        assert_eq!(meaning("ticket"), None);
        assert!(MEANINGS.len() > 7_000);
    }

    #[test]
    fn every_word_of_ours_is_on_the_scale_and_there_once() {
        let mut words: Vec<_> = SERVICE.iter().map(|(word, _)| word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), SERVICE.len());
        assert!(SERVICE.iter().all(|(word, v)| v.abs() <= 4.0 && **word == word.to_lowercase()));
    }
}
