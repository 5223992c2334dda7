//! Looks for the phrases of people who are in danger, in grief, overwhelmed or in haste.
//!
//! Phrases, not moods: a calm sentence may be the most serious one.

use aho_corasick::AhoCorasick;

use crate::phrases::{BETWEEN, FIGURES, GRIEF, KIN, OVERWHELMED, SELF_HARM, UNHURRIED, URGENT};

/// What a sentence tells of its writer, or of somebody the writer worries about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distress {
    /// Somebody has died.
    Grief,
    /// Somebody may harm or kill themselves.
    SelfHarm,
}

/// What the phrases of a sentence tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The gravest.
    pub(crate) distress: Option<Distress>,
    /// How many phrases of somebody who can bear no more.
    pub(crate) overwhelmed: usize,
    /// How many phrases of haste; none where it says that there is none.
    pub(crate) urgent: usize,
    /// Whether the phrase of self-harm begins before the sentence.
    pub(crate) is_over_lines: bool,
}

/// Knows the phrases.
pub(crate) struct Phrases {
    finder: AhoCorasick,
    /// For each phrase of the finder, which list it is from.
    of: Vec<Kind>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    SelfHarm,
    Figure,
    Grief,
    Overwhelmed,
    Urgent,
    Unhurried,
}

impl Phrases {
    #[expect(
        clippy::expect_used,
        reason = "built from constants; every test of the stage builds it"
    )]
    pub(crate) fn new() -> Self {
        let lists = [
            (SELF_HARM, Kind::SelfHarm),
            (FIGURES, Kind::Figure),
            (GRIEF, Kind::Grief),
            (OVERWHELMED, Kind::Overwhelmed),
            (URGENT, Kind::Urgent),
            (UNHURRIED, Kind::Unhurried),
        ];
        let (mut phrases, mut of) = (Vec::new(), Vec::new());
        for (list, kind) in lists {
            phrases.extend(list.iter().map(|phrase| format!(" {phrase} ")));
            of.extend(list.iter().map(|_| kind));
        }
        Self { finder: AhoCorasick::new(phrases).expect("a few hundred short phrases"), of }
    }

    /// What a sentence tells, with what stands `before` it and is not ended: what that tells alone does not
    /// count. `room` is overwritten.
    pub(crate) fn look(&self, before: &str, sentence: &str, room: &mut String) -> Told {
        room.clear();
        room.push(' ');
        add_plain_words(before, room);
        let begin = room.len();
        add_plain_words(sentence, room);
        if !room.ends_with(' ') {
            room.push(' ');
        }
        let (mut told, mut unhurried) = (Told::default(), false);
        let (mut harm, mut figures, mut grief) = (Vec::new(), Vec::new(), false);
        for found in self.finder.find_overlapping_iter(room.as_str()) {
            let span = found.range();
            if span.end <= begin {
                continue;
            }
            match self.of.get(found.pattern().as_usize()) {
                Some(Kind::SelfHarm) => harm.push(span),
                Some(Kind::Figure) => figures.push(span),
                Some(Kind::Grief) => grief = true,
                Some(Kind::Overwhelmed) => told.overwhelmed += 1,
                Some(Kind::Urgent) => told.urgent += 1,
                Some(Kind::Unhurried) => unhurried = true,
                None => {}
            }
        }
        let is_figure = |span: &std::ops::Range<usize>| {
            figures.iter().any(|figure| figure.start <= span.start && span.end <= figure.end)
        };
        let mut harm = harm.iter().filter(|span| !is_figure(span)).peekable();
        let is_known = || begin > 1 && tells_of_a_death(room.get(..begin).unwrap_or_default());
        if harm.peek().is_some() {
            told.distress = Some(Distress::SelfHarm);
            // the space that a phrase begins with may stand before the sentence
            told.is_over_lines = harm.all(|span| span.start + 1 < begin);
        } else if grief || tells_of_a_death(room) && !is_known() {
            told.distress = Some(Distress::Grief);
        }
        if unhurried {
            told.urgent = 0;
        }
        told
    }
}

/// Adds words in lower case, apostrophes gone, everything else between them one space.
fn add_plain_words(sentence: &str, room: &mut String) {
    for c in sentence.chars() {
        if c.is_ascii_alphanumeric() {
            room.push(c.to_ascii_lowercase());
        } else if !c.is_ascii() && c.is_alphanumeric() {
            room.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’' | '`') && !room.ends_with(' ') {
            room.push(' ');
        }
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
    use proptest::prelude::*;

    use super::*;

    fn told(sentence: &str) -> Told {
        Phrases::new().look("", sentence, &mut String::new())
    }

    fn look(sentence: &str) -> Option<Distress> {
        told(sentence).distress
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
            "Ich möchte nicht mehr leben",
            "j'ai envie de mourir",
            "НЕ ХОЧУ ЖИТЬ",
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
    fn phrases_go_over_lines_and_are_told_once() {
        let look = |before, sentence| Phrases::new().look(before, sentence, &mut String::new());
        let told = look("I just want to\n", "die.");
        assert_eq!((told.distress, told.is_over_lines), (Some(Distress::SelfHarm), true));
        assert_eq!(look("I want to\n", "die laughing").distress, None);
        assert_eq!(look("I want to die\n", "now").distress, None);
        let told = look("so\n", "I want to die");
        assert_eq!((told.distress, told.is_over_lines), (Some(Distress::SelfHarm), false));
        assert_eq!(look("my father\n", "has died").distress, Some(Distress::Grief));
        assert_eq!(look("my father has died\n", "and").distress, None);
        assert_eq!(look("right now, as soon\n", "as possible").urgent, 1);
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

    #[test]
    fn haste_and_too_much_are_counted() {
        assert_eq!(told("I need it today, right now, as soon as possible!").urgent, 3);
        assert_eq!(told("As soon as possible, but no rush").urgent, 0);
        assert_eq!(told("I can't cope, I don’t know what to do").overwhelmed, 2);
        assert_eq!(told("When does the shop open?"), Told::default());
    }

    proptest! {
        /// Whoever skips sentences without a hint misses nothing.
        #[test]
        fn no_phrase_is_without_a_hint(
            picks in prop::collection::vec((0usize..400, 0usize..6), 1..5),
        ) {
            let phrases: Vec<&str> =
                [SELF_HARM, GRIEF, OVERWHELMED, URGENT].into_iter().flatten().copied().collect();
            let said: String = picks
                .iter()
                .map(|(phrase, join)| {
                    let join = ["-", " ", "...", "/", ", ", "_"][*join];
                    format!("x{join}{}{join}", phrases[phrase % phrases.len()])
                })
                .collect();
            let mut words = crate::read::Words::with_room();
            words.read(&said.to_uppercase());
            prop_assert!(words.hints);
        }
    }
}
