//! The figures as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use portcullis_out as out;

use crate::{Group, Summary};

/// Groups of one sort that are shown; the largest. JSON has all.
const SHOWN: usize = 20;

/// All files, one after the other.
pub fn table(files: &[Summary]) -> String {
    let mut text = String::new();
    for summary in files {
        // Writing to a string cannot fail.
        let _ = file(&mut text, summary);
    }
    text
}

fn file(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let Group { n, attacks, accuracy, recall, false_positive_rate, auc, .. } = &summary.whole;
    writeln!(text, "{}", out::harmless(&summary.file))?;
    writeln!(text, "  messages            {n} ({attacks} attacks, {} benign)", n - attacks)?;
    writeln!(
        text,
        "  by decision         accuracy {}   recall {}   false positives {}",
        percent(*accuracy),
        percent(*recall),
        percent(*false_positive_rate)
    )?;
    writeln!(
        text,
        "  by score            AUC {}   recall at 1 % FPR {}   at 0.1 % FPR {}   ECE {}",
        plain(*auc, 4),
        percent(summary.whole.recall_at_1_percent_fpr),
        percent(summary.whole.recall_at_0_1_percent_fpr),
        plain(summary.whole.expected_calibration_error, 4)
    )?;
    writeln!(
        text,
        "  a message           p50 {} ms   p99 {} ms",
        plain(summary.p50_ms, 3),
        plain(summary.p99_ms, 3)
    )?;
    writeln!(
        text,
        "  coverage            {} of the bytes   {} messages with a gap   {} decided before a score",
        percent(summary.coverage),
        summary.gaps,
        summary.unscored
    )?;
    if !summary.answered.is_empty() {
        let shares =
            shares(summary.answered.iter().map(|(name, share)| (name, percent(Some(*share)))));
        writeln!(text, "  answered by         {shares}")?;
    }
    if !summary.findings.is_empty() {
        let counts = shares(summary.findings.iter().map(|(kind, n)| (kind, n.to_string())));
        writeln!(text, "  findings            {counts}")?;
    }
    if summary.bad_lines > 0 {
        writeln!(text, "  not judged          {} lines", summary.bad_lines)?;
    }
    for (by, groups) in &summary.groups {
        group(text, by, groups)?;
    }
    writeln!(text)
}

/// A name with something behind it, several of them.
fn shares<'a>(pairs: impl Iterator<Item = (&'a String, String)>) -> String {
    let pairs: Vec<_> =
        pairs.map(|(name, value)| format!("{} {value}", out::harmless(name))).collect();
    pairs.join("   ")
}

/// Groups of one sort, the largest first.
fn group(text: &mut String, by: &str, groups: &BTreeMap<String, Group>) -> std::fmt::Result {
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|(_, group)| std::cmp::Reverse(group.n));
    writeln!(
        text,
        "\n  {by:<28} {:>8} {:>8} {:>9} {:>9} {:>11} {:>9}",
        "n", "attacks", "recall", "false +", "recall@1%", "false +@1%"
    )?;
    for (name, group) in sorted.iter().take(SHOWN) {
        let name: String = out::harmless(name).chars().take(28).collect();
        writeln!(
            text,
            "  {name:<28} {:>8} {:>8} {:>9} {:>9} {:>11} {:>9}",
            group.n,
            group.attacks,
            percent(group.recall),
            percent(group.false_positive_rate),
            percent(group.recall_at_1_percent_fpr),
            percent(group.false_positive_rate_at_1_percent)
        )?;
    }
    if sorted.len() > SHOWN {
        writeln!(text, "  … and {} more: see --json", sorted.len() - SHOWN)?;
    }
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{:.2} %", share * 100.0))
}

fn plain(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".into(), |figure| format!("{figure:.digits$}"))
}
