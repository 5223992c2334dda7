//! The figures as a table for people.

use std::fmt::Write;

use crate::out;
use portcullis_measure::{Group, Summary};

/// Groups of one sort that are shown; the largest. JSON has all.
const SHOWN: usize = 20;

/// All files, one after the other.
pub(super) fn table(files: &[Summary]) -> String {
    let mut text = String::new();
    for summary in files {
        // Writing to a string cannot fail.
        let _ = file(&mut text, summary);
    }
    text
}

fn file(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let Group { n, attacks, accuracy, recall, false_positive_rate } = &summary.whole;
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
        plain(summary.auc, 4),
        percent(summary.recall_at_1_percent_fpr),
        percent(summary.recall_at_0_1_percent_fpr),
        plain(summary.expected_calibration_error, 4)
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
    if summary.bad_lines > 0 {
        writeln!(text, "  not judged          {} lines", summary.bad_lines)?;
    }
    for (by, groups) in &summary.groups {
        let mut sorted: Vec<_> = groups.iter().collect();
        sorted.sort_by_key(|(_, group)| std::cmp::Reverse(group.n));
        writeln!(text, "\n  {by:<28} {:>8} {:>9} {:>16}", "n", "recall", "false positives")?;
        for (name, group) in sorted.iter().take(SHOWN) {
            let name: String = out::harmless(name).chars().take(28).collect();
            writeln!(
                text,
                "  {name:<28} {:>8} {:>9} {:>16}",
                group.n,
                percent(group.recall),
                percent(group.false_positive_rate)
            )?;
        }
        if sorted.len() > SHOWN {
            writeln!(text, "  … and {} more: see --json", sorted.len() - SHOWN)?;
        }
    }
    writeln!(text)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{:.2} %", share * 100.0))
}

fn plain(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".into(), |figure| format!("{figure:.digits$}"))
}
