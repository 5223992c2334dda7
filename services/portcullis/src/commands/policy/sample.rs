//! A sample document: every field with its meaning and its default.

use portcullis_policy::Document;

/// What the defaults cannot show: tables that are empty at first.
const EXAMPLES: &str = "
# Settings of one stage. Every field is optional.
#
# [stages.injection-classifier]
# enabled = true
# timeout_ms = 200             # time for its answer
# timeout_ms_per_kib = 0       # added for each 1024 bytes
# on_gap = \"hold\"              # no answer: pass, hold, block (rate-limit: local)
# on_partial = \"hold\"          # an answer that covers only a part
# always = false               # run it also where the decision has fallen
# reads = [\"text\", \"context\", \"views\"]
#
# [stages.injection-classifier.settings]   # the stage's own; see its README
# block_above = 0.9
#
# What findings mean; given, these replace the built-in rules.
#
# [[rules]]
# kind = \"injection.*\"
# min_severity = \"high\"        # info, low, medium, high, critical
# min_confidence = 0.0
# direction = \"inbound\"        # absent: both
# then = \"block\"               # allow, throttle, hold, block
";

/// A document that reads as the default.
///
/// # Errors
/// Where the default cannot be written.
pub(super) fn sample() -> Result<String, serde_json::Error> {
    let mut text = String::new();
    let mut comment = String::new();
    for line in portcullis_config::sample::<Document>()?.lines() {
        if line.starts_with("# ") {
            comment += line;
            comment += "\n";
            continue;
        }
        // An empty table in its place would stand in the way of the examples.
        if line != "stages = {}" {
            text += &comment;
            text += line;
            text += "\n";
        }
        comment.clear();
    }
    Ok(text + EXAMPLES)
}

#[cfg(test)]
mod tests {
    use portcullis_core::BotId;
    use portcullis_policy::{Document, Policy};

    use super::*;

    fn read(source: &str) -> Document {
        Policy::parse(&BotId::fallback(), "1", source).unwrap().document().clone()
    }

    #[test]
    fn the_sample_reads_as_the_default_and_its_examples_hold() {
        let sample = sample().unwrap();
        assert_eq!(read(&sample), Document::default());
        let (_, examples) = sample.split_once("# [stages").unwrap();
        let examples: String = format!("# [stages{examples}")
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or_default())
            .filter(|line| line.contains(['=', '[']))
            .fold(String::new(), |text, line| text + line + "\n");
        let document = read(&examples);
        assert_eq!(document.stages.len(), 1);
        assert_eq!(document.rules.unwrap().len(), 1);
        super::super::settings::check(&examples, &read(&examples)).unwrap();
    }
}
