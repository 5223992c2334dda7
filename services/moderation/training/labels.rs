//! What a row is an example of. Only hate and abuse are labelled by people; the other categories are told by words,
//! and only in rows that people have called unsafe or harmful.

use portcullis_moderation::content::OUTPUTS;

/// For each category: an example of it, none of it, or not known.
pub(crate) type Labels = [Option<bool>; OUTPUTS];

/// Places in [`Labels`], in the order of `Category::ALL`.
pub(crate) const HATE: usize = 0;
pub(crate) const ABUSE: usize = 1;
pub(crate) const SEXUAL: usize = 2;
pub(crate) const VIOLENCE: usize = 3;
pub(crate) const SELF_HARM: usize = 4;
pub(crate) const ILLEGAL: usize = 5;

/// Beginnings of words (after a space or a sign) that tell a category in a row that is known to be harmful.
const WORDS: [(usize, &[&str]); 5] = [
    (
        HATE,
        &[
            "racis",
            "racial",
            "supremac",
            "antisemit",
            "anti-semit",
            "homophob",
            "islamophob",
            "xenophob",
            "transphob",
            "misogyn",
            "ethnic",
            "slur",
            "bigot",
            "inferior",
            "minorit",
            "hate speech",
            "hateful",
            "discriminat",
            "stereotyp",
            "genocid",
            "nazi",
            "holocaust",
        ],
    ),
    (
        SEXUAL,
        &[
            "porn",
            "sex ",
            "sexual",
            "sexy",
            "erotic",
            "nude",
            "incest",
            "orgasm",
            "masturbat",
            "genital",
            "intercourse",
            "fetish",
            "bestiality",
            "prostitut",
            "rape",
            "lewd",
        ],
    ),
    (
        VIOLENCE,
        &[
            "kill ",
            "killing ",
            "kill someone",
            "murder",
            "bomb",
            "tortur",
            "stab",
            "strangl",
            "assassin",
            "massacre",
            "terroris",
            "shooting",
            "explosive",
            "behead",
            "poison ",
            "mutilat",
            "assault",
            "violen",
            "kidnap",
            "physically abus",
            "lynch",
            "arson",
            "set fire",
            "hitman",
            "weapon",
        ],
    ),
    (
        SELF_HARM,
        &[
            "suicid",
            "self-harm",
            "self harm",
            "kill yourself",
            "kill myself",
            "cut yourself",
            "cutting yourself",
            "end your life",
            "anorexi",
            "bulimi",
            "pro-ana",
            "starve yourself",
            "starving yourself",
            "overdose on",
        ],
    ),
    (
        ILLEGAL,
        &[
            "illegal",
            "steal",
            "stolen",
            "fraud",
            "launder",
            "counterfeit",
            "malware",
            "virus that",
            "ransom",
            "phish",
            "smuggl",
            "forge",
            "hack",
            "meth",
            "cocaine",
            "heroin",
            "drug",
            "bomb",
            "weapon",
            "firearm",
            "explosive",
            "identity theft",
            "credit card",
            "bypass",
            "without getting caught",
            "without being caught",
            "traffick",
            "evade",
            "blackmail",
            "extort",
            "scam",
            "break into",
            "shoplift",
            "insider",
            "ponzi",
            "fake ",
            "spyware",
            "keylog",
            "ddos",
            "botnet",
            "trojan",
            "exploit",
            "embezzl",
            "brib",
            "tax",
            "stalk",
            "wiretap",
            "pirat",
            "swat",
        ],
    ),
];

/// Whether a text holds a word that begins so. `text` is in lower case.
fn begins(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
    })
}

/// The labels of a row that is known to be harmful. Where no words tell more it is help with a crime.
pub(crate) fn of_harmful(text: &str) -> Labels {
    let text = text.to_lowercase();
    let mut labels: Labels = [Some(false); OUTPUTS];
    labels[ABUSE] = None;
    for (category, words) in WORDS {
        if words.iter().any(|word| begins(&text, word)) {
            labels[category] = Some(true);
        }
    }
    if labels.iter().all(|label| *label != Some(true)) {
        labels[ILLEGAL] = Some(true);
    }
    labels
}

/// Whether words tell that a question of a broad collection is about something harmful at all.
pub(crate) fn is_told(text: &str) -> bool {
    let text = text.to_lowercase();
    WORDS.iter().any(|(_, words)| words.iter().any(|word| begins(&text, word)))
}

/// None of any category.
pub(crate) const HARMLESS: Labels = [Some(false); OUTPUTS];
