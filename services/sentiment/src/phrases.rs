//! The phrases that tell how somebody is, whatever the mood of their single words. All lists are ours; the
//! README says what they do not see. In words without apostrophes, lower case, a single space between.

/// Somebody may harm or kill themselves. English first, then the plainest ways to say it elsewhere.
pub(crate) const SELF_HARM: &[&str] = &[
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
    // German
    "ich will sterben",
    "ich möchte sterben",
    "nicht mehr leben",
    "mich umbringen",
    "bringe mich um",
    "mir das leben nehmen",
    "selbstmord begehen",
    // French
    "je veux mourir",
    "envie de mourir",
    "me suicider",
    "mettre fin à mes jours",
    // Spanish
    "quiero morir",
    "quiero morirme",
    "quitarme la vida",
    "suicidarme",
    // Portuguese
    "quero morrer",
    "me matar",
    "tirar minha vida",
    // Italian
    "voglio morire",
    "voglio uccidermi",
    "farla finita",
    // Dutch
    "ik wil dood",
    "niet meer leven",
    "zelfmoord plegen",
    // Polish
    "chcę umrzeć",
    "chcę się zabić",
    "nie chcę żyć",
    // Russian
    "хочу умереть",
    "не хочу жить",
    "покончить с собой",
];

/// Ways of speaking that hold one of the phrases above and mean something else.
pub(crate) const FIGURES: &[&str] = &[
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
    "nicht mehr leben in",
];

/// Somebody has died.
pub(crate) const GRIEF: &[&str] =
    &["funeral", "bereaved", "bereavement", "grieving", "in mourning", "passed away", "stillborn"];

/// More than somebody can bear or take in.
pub(crate) const OVERWHELMED: &[&str] = &[
    "cant cope",
    "cannot cope",
    "cant take it",
    "cant take this",
    "cant do this anymore",
    "cant breathe",
    "dont know what to do",
    "do not know what to do",
    "at my wits end",
    "falling apart",
    "breaking down",
    "panic attack",
    "too much for me",
    "nobody to turn to",
    "no one to turn to",
    "nowhere to go",
    "losing my mind",
    "in tears",
    "freaking out",
    "so confused",
    "completely lost",
    "all alone",
];

/// Time presses.
pub(crate) const URGENT: &[&str] = &[
    "as soon as possible",
    "right now",
    "right away",
    "straight away",
    "at once",
    "without delay",
    "last minute",
    "running out of time",
    "out of time",
    "no time left",
    "cannot wait any longer",
    "cant wait any longer",
    "need this today",
    "need it today",
    "by tonight",
    "before midnight",
    "within the hour",
    "time sensitive",
    "in a hurry",
];

/// Time does not press.
pub(crate) const UNHURRIED: &[&str] = &[
    "no rush",
    "no hurry",
    "not urgent",
    "isnt urgent",
    "nothing urgent",
    "take your time",
    "whenever you can",
    "whenever you have time",
    "when you have time",
    "at your convenience",
];

pub(crate) const KIN: &[&str] = &[
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
pub(crate) const BETWEEN: &[&str] = &[
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

/// One of these stands in every sentence that tells of a death without one of the phrases above.
pub(crate) const DEATH: &[&str] =
    &["died", "dead", "dying", "killed", "death", "loss", "lost", "buried", "late"];

/// Words that stand in many sentences, and so are no hint of a phrase.
const COMMON: &[&str] = &[
    "a", "all", "and", "any", "as", "at", "be", "before", "being", "by", "can", "cannot", "cant",
    "could", "de", "do", "dont", "didnt", "for", "from", "get", "go", "have", "here", "i", "ich",
    "in", "is", "isnt", "it", "know", "me", "my", "need", "no", "not", "nothing", "now", "of",
    "on", "out", "so", "that", "the", "this", "time", "to", "up", "want", "was", "what", "when",
    "will", "with", "without", "you", "your",
];

/// The words by one of which each phrase is known to be possible, before any phrase is looked for.
pub(crate) fn hints() -> impl Iterator<Item = &'static str> {
    [SELF_HARM, GRIEF, OVERWHELMED, URGENT, UNHURRIED]
        .into_iter()
        .flatten()
        .map(|phrase| hint(phrase))
        .chain(DEATH.iter().copied())
}

/// The longest of a phrase's words that are not common; where all are, the longest.
fn hint(phrase: &'static str) -> &'static str {
    let words = || phrase.split(' ');
    words()
        .filter(|word| !COMMON.contains(word))
        .max_by_key(|word| word.len())
        .or_else(|| words().filter(|word| *word != "cant").max_by_key(|word| word.len()))
        .unwrap_or(phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hint_is_a_word_with_an_apostrophe_written_without_one() {
        let shortened = ["cant", "dont", "didnt", "isnt"];
        assert!(hints().all(|hint| !shortened.contains(&hint)));
        let phrases = [SELF_HARM, GRIEF, OVERWHELMED, URGENT, UNHURRIED].map(<[_]>::len);
        assert_eq!(hints().count(), phrases.iter().sum::<usize>() + DEATH.len());
    }
}
