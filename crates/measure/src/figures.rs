//! What is counted of labelled messages, and the figures that come of it.

use std::collections::BTreeMap;

use portcullis_core::Decision;
use portcullis_model::metrics::{
    Confusion, Scored, auc, expected_calibration_error, recall_at_fpr,
};
use serde::{Deserialize, Serialize};

/// What a message is, by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// An attack.
    Injection,
    /// Anything else.
    Benign,
}

/// A message that was judged.
pub struct Judged {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What it is, by its label.
    pub label: Label,
    /// The classifier's score, if it was asked.
    pub score: Option<f64>,
    /// What was decided.
    pub decision: Decision,
    /// Microseconds from receipt to verdict.
    pub took_us: u64,
    /// Bytes that checks looked at.
    pub scanned: u64,
    /// Bytes that checks were given.
    pub total: u64,
    /// Whether some check saw nothing, or not all.
    pub has_gap: bool,
    /// Its kind, where the file names one.
    pub kind: Option<String>,
    /// Its language, where the file names one.
    pub lang: Option<String>,
    /// Its length in Unicode scalar values.
    pub chars: usize,
}

impl Judged {
    fn is_reported(&self) -> bool {
        matches!(self.decision, Decision::Block | Decision::Hold | Decision::Unknown)
    }
}

/// Counts of one group.
#[derive(Default)]
struct Counts(Confusion);

impl Counts {
    fn add(&mut self, judged: &Judged) {
        let Self(counts) = self;
        *match (judged.label, judged.is_reported()) {
            (Label::Injection, true) => &mut counts.true_positives,
            (Label::Injection, false) => &mut counts.false_negatives,
            (Label::Benign, true) => &mut counts.false_positives,
            (Label::Benign, false) => &mut counts.true_negatives,
        } += 1;
    }

    fn group(&self) -> Group {
        let Confusion { true_positives, false_positives, true_negatives, false_negatives } = self.0;
        let attacks = true_positives + false_negatives;
        Group {
            n: attacks + false_positives + true_negatives,
            attacks,
            accuracy: self.0.accuracy(),
            recall: self.0.recall(),
            false_positive_rate: self.0.false_positive_rate(),
        }
    }
}

/// The counts of one file.
#[derive(Default)]
pub struct Figures {
    /// Lines that could not be read or judged.
    pub bad: u64,
    counts: Counts,
    scored: Vec<Scored>,
    unscored: u64,
    took_us: Vec<u64>,
    scanned: u64,
    total: u64,
    gaps: u64,
    groups: BTreeMap<&'static str, BTreeMap<String, Counts>>,
}

/// Figures by decision.
#[derive(Serialize)]
pub struct Group {
    /// Messages.
    pub n: usize,
    /// Attacks among them.
    pub attacks: usize,
    /// Share judged rightly.
    pub accuracy: Option<f64>,
    /// Share of the attacks that were blocked or held.
    pub recall: Option<f64>,
    /// Share of the rest that was blocked or held.
    pub false_positive_rate: Option<f64>,
}

/// The figures of one file. A figure is null where there is nothing to take it of.
#[derive(Serialize)]
pub struct Summary {
    /// The file.
    pub file: String,
    /// All of it.
    #[serde(flatten)]
    pub whole: Group,
    /// Area under the curve of the scores.
    pub auc: Option<f64>,
    /// Recall at the score that 1 % of the benign exceed.
    pub recall_at_1_percent_fpr: Option<f64>,
    /// Recall at the score that 0.1 % of the benign exceed.
    pub recall_at_0_1_percent_fpr: Option<f64>,
    /// How far scores are from shares, in ten bins.
    pub expected_calibration_error: Option<f64>,
    /// Milliseconds from receipt to verdict.
    pub p50_ms: Option<f64>,
    /// The same, 99 of 100 are faster.
    pub p99_ms: Option<f64>,
    /// Share of the bytes given to checks that they looked at.
    pub coverage: Option<f64>,
    /// Messages of which some check saw nothing, or not all.
    pub gaps: u64,
    /// Messages that were decided before they were scored.
    pub unscored: u64,
    /// Lines that were not judged.
    pub bad_lines: u64,
    /// Figures by kind, language and length.
    pub groups: BTreeMap<&'static str, BTreeMap<String, Group>>,
}

impl Figures {
    /// Counts a message.
    pub fn add(&mut self, judged: Judged) {
        let reported = judged.is_reported();
        self.unscored += u64::from(judged.score.is_none());
        let score = judged.score.map_or(f32::from(u8::from(reported)), |score| score as f32);
        self.scored.push(Scored { score, attack: judged.label == Label::Injection });
        self.took_us.push(judged.took_us);
        self.scanned += judged.scanned;
        self.total += judged.total;
        self.gaps += u64::from(judged.has_gap);
        self.counts.add(&judged);
        let length = length(judged.chars).to_owned();
        let groups = [
            ("kind", judged.kind.clone()),
            ("lang", judged.lang.clone()),
            ("length", Some(length)),
        ];
        for (by, name) in groups {
            if let Some(name) = name {
                self.groups.entry(by).or_default().entry(name).or_default().add(&judged);
            }
        }
    }

    /// The figures of everything counted.
    pub fn summary(mut self, file: &str) -> Summary {
        self.took_us.sort_unstable();
        let scored = &self.scored;
        Summary {
            file: file.to_owned(),
            whole: self.counts.group(),
            auc: auc(scored),
            recall_at_1_percent_fpr: recall_at_fpr(0.01, scored),
            recall_at_0_1_percent_fpr: recall_at_fpr(0.001, scored),
            expected_calibration_error: expected_calibration_error(scored),
            p50_ms: quantile(&self.took_us, 0.5),
            p99_ms: quantile(&self.took_us, 0.99),
            coverage: (self.total > 0).then(|| self.scanned as f64 / self.total as f64),
            gaps: self.gaps,
            unscored: self.unscored,
            bad_lines: self.bad,
            groups: self
                .groups
                .iter()
                .map(|(by, groups)| {
                    let groups = groups.iter().map(|(name, counts)| (name.clone(), counts.group()));
                    (*by, groups.collect())
                })
                .collect(),
        }
    }
}

/// The group of a length in characters.
fn length(chars: usize) -> &'static str {
    match chars {
        0..=99 => "0-99",
        100..=499 => "100-499",
        500..=1999 => "500-1999",
        2000..=9999 => "2000-9999",
        _ => "over 9999",
    }
}

/// A quantile by nearest rank, in milliseconds.
fn quantile(sorted_us: &[u64], q: f64) -> Option<f64> {
    let rank = (q * sorted_us.len() as f64).ceil() as usize;
    sorted_us.get(rank.max(1) - 1).map(|us| *us as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_and_scores_are_counted_apart() {
        let mut figures = Figures::default();
        for (line, (label, score, decision)) in [
            (Label::Injection, Some(0.9), Decision::Block),
            (Label::Injection, Some(0.2), Decision::Allow),
            (Label::Injection, None, Decision::Hold),
            (Label::Benign, Some(0.1), Decision::Rewrite),
            (Label::Benign, Some(0.8), Decision::Block),
        ]
        .into_iter()
        .enumerate()
        {
            figures.add(Judged {
                line: line as u64 + 1,
                label,
                score,
                decision,
                took_us: 1000 * (line as u64 + 1),
                scanned: 5,
                total: 10,
                has_gap: line == 0,
                kind: (line < 2).then(|| "direct".into()),
                lang: None,
                chars: 100,
            });
        }
        let summary = figures.summary("f");
        assert_eq!((summary.whole.n, summary.whole.attacks), (5, 3));
        assert_eq!(summary.whole.recall, Some(2.0 / 3.0));
        assert_eq!(summary.whole.false_positive_rate, Some(0.5));
        // Pairs won of 3 x 2: 0.9 beats both, 0.2 beats one, 1 (held without a score) beats both.
        assert_eq!(summary.auc, Some(5.0 / 6.0));
        assert_eq!((summary.p50_ms, summary.p99_ms), (Some(3.0), Some(5.0)));
        assert_eq!((summary.coverage, summary.gaps, summary.unscored), (Some(0.5), 1, 1));
        assert_eq!(summary.groups["kind"]["direct"].recall, Some(0.5));
        assert_eq!(summary.groups["length"]["100-499"].n, 5);
    }
}
