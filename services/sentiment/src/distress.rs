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

    /// What a sentence tells. `room` is overwritten.
    pub(crate) fn look(&self, sentence: &str, room: &mut String) -> Told {
        plain_words(sentence, room);
        let (mut told, mut unhurried) = (Told::default(), false);
        let (mut harm, mut figures, mut grief) = (Vec::new(), Vec::new(), false);
        for found in self.finder.find_overlapping_iter(room.as_str()) {
            let span = found.range();
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
        if harm.iter().any(|span| !is_figure(span)) {
            told.distress = Some(Distress::SelfHarm);
        } else if grief || tells_of_a_death(room) {
            told.distress = Some(Distress::Grief);
        }
        if unhurried {
            told.urgent = 0;
        }
        told
    }
}

/// Lower case, apostrophes gone, everything else between words one space; a space at both ends.
fn plain_words(sentence: &str, room: &mut String) {
    room.clear();
    room.push(' ');
    for c in sentence.chars() {
        if c.is_ascii_alphanumeric() {
            room.push(c.to_ascii_lowercase());
        } else if !c.is_ascii() && c.is_alphanumeric() {
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
    use proptest::prelude::*;

    use super::*;

    fn told(sentence: &str) -> Told {
        Phrases::new().look(sentence, &mut String::new())
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
