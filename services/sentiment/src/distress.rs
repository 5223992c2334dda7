//! Words of people who are in danger or in grief.
//!
//! Phrases, not moods: a calm sentence may be the most serious one. Both lists are ours, and the
//! README says what they do not see.

use aho_corasick::AhoCorasick;

/// What a sentence tells of its writer, or of somebody the writer worries about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distress {
    /// Somebody has died.
    Grief,
    /// Somebody may harm or kill themselves.
    SelfHarm,
}

/// In words without apostrophes, lower case, a single space between.
const SELF_HARM: &[&str] = &[
    "kill myself",
    "killing myself",
    "end my life",
    "ending my life",
    "end it all",
    "ending it all",
    "take my own life",
    "taking my own life",
    "take my life",
    "taking my life",
    "suicidal",
    "commit suicide",
    "committing suicide",
    "thinking about suicide",
    "thinking of suicide",
    "thoughts of suicide",
    "hurt myself",
    "hurting myself",
    "harm myself",
    "harming myself",
    "self harming",
    "cutting myself",
    "hang myself",
    "shoot myself",
    "overdose on",
    "better off dead",
    "better off without me",
    "want to die",
    "wanna die",
    "ready to die",
    "wish i was dead",
    "wish i were dead",
    "wish i was never born",
    "no reason to live",
    "nothing to live for",
    "nothing left to live for",
    "dont want to live",
    "do not want to live",
    "dont want to be alive",
    "do not want to be alive",
    "dont want to wake up",
    "do not want to wake up",
    "dont want to be here anymore",
    "do not want to be here anymore",
    "cant go on living",
    "tired of living",
    "tired of being alive",
];

/// Ways of speaking that hold one of the phrases above and mean something else.
const FIGURES: &[&str] = &[
    "want to die laughing",
    "want to die of laughter",
    "want to die of embarrassment",
    "want to die from laughing",
    "dont want to die",
    "do not want to die",
    "didnt want to die",
    "dont want to live in",
    "do not want to live in",
    "dont want to live at",
    "dont want to live near",
    "dont want to live with",
    "dont want to wake up at",
    "dont want to wake up the",
    "suicidal empathy",
    "end it all at",
];

const KIN: &[&str] = &[
    "father",
    "mother",
    "dad",
    "mum",
    "mom",
    "daddy",
    "mummy",
    "mommy",
    "parents",
    "wife",
    "husband",
    "partner",
    "spouse",
    "fiance",
    "fiancee",
    "boyfriend",
    "girlfriend",
    "son",
    "daughter",
    "child",
    "children",
    "baby",
    "brother",
    "sister",
    "twin",
    "grandfather",
    "grandmother",
    "grandpa",
    "grandma",
    "granddad",
    "nan",
    "nana",
    "uncle",
    "aunt",
    "cousin",
    "nephew",
    "niece",
    "friend",
    "colleague",
    "dog",
    "cat",
];

/// What may stand between kin and their death.
const BETWEEN: &[&str] = &[
    "has",
    "have",
    "had",
    "just",
    "recently",
    "suddenly",
    "unexpectedly",
    "sadly",
    "was",
    "were",
    "is",
    "are",
    "who",
    "also",
    "both",
    "all",
    "very",
    "unfortunately",
    "tragically",
    "now",
    "in",
    "law",
];

const GRIEF: &[&str] =
    &["funeral", "bereaved", "bereavement", "grieving", "in mourning", "passed away", "stillborn"];

/// Knows the phrases.
pub(crate) struct Phrases {
    /// First the phrases of self-harm, then the figures of speech, then those of grief.
    finder: AhoCorasick,
}

impl Phrases {
    #[expect(
        clippy::expect_used,
        reason = "built from constants; every test of the stage builds it"
    )]
    pub(crate) fn new() -> Self {
        let whole_words = |phrase: &&str| format!(" {phrase} ");
        let phrases = SELF_HARM.iter().chain(FIGURES).chain(GRIEF).map(whole_words);
        Self { finder: AhoCorasick::new(phrases).expect("a few dozen short phrases") }
    }

    /// The gravest that a sentence tells. `room` is overwritten.
    pub(crate) fn look(&self, sentence: &str, room: &mut String) -> Option<Distress> {
        plain_words(sentence, room);
        let (mut harm, mut figures, mut grief) = (Vec::new(), Vec::new(), false);
        for found in self.finder.find_overlapping_iter(room.as_str()) {
            let span = found.range();
            match found.pattern().as_usize() {
                index if index < SELF_HARM.len() => harm.push(span),
                index if index < SELF_HARM.len() + FIGURES.len() => figures.push(span),
                _ => grief = true,
            }
        }
        let is_figure = |span: &std::ops::Range<usize>| {
            figures.iter().any(|figure| figure.start <= span.start && span.end <= figure.end)
        };
        if harm.iter().any(|span| !is_figure(span)) {
            return Some(Distress::SelfHarm);
        }
        (grief || tells_of_a_death(room)).then_some(Distress::Grief)
    }
}

/// Lower case, apostrophes gone, everything else between words one space; a space at both ends.
fn plain_words(sentence: &str, room: &mut String) {
    room.clear();
    room.push(' ');
    for c in sentence.chars() {
        if c.is_alphanumeric() {
            room.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’' | '`') && !room.ends_with(' ') {
            room.push(' ');
        }
    }
    if !room.ends_with(' ') {
        room.push(' ');
    }
}

/// "My father died", "our dog is dead", "the death of my wife", "I lost my mother": kin, with a death
/// beside them. What is somebody's ("my father's phone died") is not kin.
fn tells_of_a_death(plain: &str) -> bool {
    let mut words = plain.split_ascii_whitespace().peekable();
    let (mut two_before, mut before) = ("", "");
    while let Some(word) = words.next() {
        if matches!(word, "my" | "our") {
            let mut after =
                words.clone().skip_while(|word| matches!(*word, "dear" | "best" | "old"));
            let is_late = words.peek().is_some_and(|next| *next == "late");
            if is_late {
                after.next();
            }
            if after.next().is_some_and(|next| KIN.contains(&next)) {
                let lost = matches!((two_before, before), ("death" | "loss", "of"))
                    || matches!(before, "lost" | "buried");
                let fate = after.by_ref().take(5).find(|word| !BETWEEN.contains(word));
                if lost || is_late || matches!(fate, Some("died" | "dead" | "dying" | "killed")) {
                    return true;
                }
            }
        }
        (two_before, before) = (before, word);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(sentence: &str) -> Option<Distress> {
        Phrases::new().look(sentence, &mut String::new())
    }

    #[test]
    fn self_harm_is_seen_in_the_ways_it_is_said() {
        for said in [
            "I want to kill myself",
            "I don’t want to live anymore",
            "i dont want to be alive",
            "Sometimes I think everyone would be better off without me.",
            "I've been hurting myself again...",
            "feeling SUICIDAL",
            "my friend is suicidal, what do I do",
            "I want to die. I want to die laughing.",
        ] {
            assert_eq!(look(said), Some(Distress::SelfHarm), "{said}");
        }
    }

    #[test]
    fn figures_of_speech_and_machines_are_not_distress() {
        for said in [
            "I want to die laughing at this",
            "I don't want to live in Berlin",
            "how do I kill the process myself",
            "Skilling myself up is fun",
            "my laptop died",
            "my father's phone died",
            "my dad said the battery died",
            "my son passed the exam",
            "I lost my ticket",
            "the dead line of my friend's project",
            "",
            "!!!",
        ] {
            assert_eq!(look(said), None, "{said}");
        }
    }

    #[test]
    fn grief_is_seen() {
        for said in [
            "My father died yesterday and I need to cancel his ticket",
            "my best friend has just died",
            "after the death of my wife",
            "I lost my mother in May",
            "our dog is dead",
            "My grandmother passed away",
            "I need a flight for a funeral",
            "the account of my late husband",
        ] {
            assert_eq!(look(said), Some(Distress::Grief), "{said}");
        }
    }
}
