//! What is counted of labelled messages, and the figures that come of it.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::Decision;
use portcullis_model::metrics::{
    Confusion, Scored, auc, expected_calibration_error, threshold_at_fpr,
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
    /// Kinds of the findings, each once.
    pub found: BTreeSet<String>,
    /// What it is like: see [`Groups`].
    pub groups: Groups,
}

/// By what a message is grouped. What a file does not say is in no group.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    /// Its kind.
    pub kind: Option<String>,
    /// Its language.
    pub lang: Option<String>,
    /// How it hides what it says.
    pub obfuscation: Option<String>,
    /// Where it comes from.
    pub source: Option<String>,
    /// Whose words it is: the person's, third-party content, or both.
    pub channel: Option<&'static str>,
    /// Which of the classifier's models answered.
    pub answered: Option<&'static str>,
    /// Its length in Unicode scalar values, context among them.
    pub chars: usize,
}

impl Groups {
    fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("channel", self.channel),
            ("answered", self.answered),
            ("kind", self.kind.as_deref()),
            ("lang", self.lang.as_deref()),
            ("length", Some(length(self.chars))),
            ("obfuscation", self.obfuscation.as_deref()),
            ("source", self.source.as_deref()),
        ]
        .into_iter()
        .filter_map(|(by, name)| name.map(|name| (by, name)))
    }
}

impl Judged {
    fn is_reported(&self) -> bool {
        matches!(self.decision, Decision::Block | Decision::Hold | Decision::Unknown)
    }

    fn is_attack(&self) -> bool {
        self.label == Label::Injection
    }
}

/// What is counted of a group of messages.
#[derive(Default)]
struct Counts {
    decided: Confusion,
    scored: Vec<Scored>,
}

impl Counts {
    fn add(&mut self, judged: &Judged) {
        let counts = &mut self.decided;
        let reported = judged.is_reported();
        *match (judged.is_attack(), reported) {
            (true, true) => &mut counts.true_positives,
            (true, false) => &mut counts.false_negatives,
            (false, true) => &mut counts.false_positives,
            (false, false) => &mut counts.true_negatives,
        } += 1;
        let score = judged.score.map_or(f32::from(u8::from(reported)), |score| score as f32);
        self.scored.push(Scored { score, attack: judged.is_attack() });
    }

    /// `at` are the scores that 1 % and 0.1 % of all harmless messages exceed, of this group or not.
    fn group(&self, at: [Option<f32>; 2]) -> Group {
        let Confusion { true_positives, false_positives, true_negatives, false_negatives } =
            self.decided;
        let attacks = true_positives + false_negatives;
        let [percent, per_mille] = at.map(|at| at.map(|at| Confusion::at(at, &self.scored)));
        Group {
            n: attacks + false_positives + true_negatives,
            attacks,
            accuracy: self.decided.accuracy(),
            recall: self.decided.recall(),
            false_positive_rate: self.decided.false_positive_rate(),
            auc: auc(&self.scored),
            recall_at_1_percent_fpr: percent.and_then(|counts| counts.recall()),
            recall_at_0_1_percent_fpr: per_mille.and_then(|counts| counts.recall()),
            false_positive_rate_at_1_percent: percent
                .and_then(|counts| counts.false_positive_rate()),
            expected_calibration_error: expected_calibration_error(&self.scored),
        }
    }
}

/// The counts of one file, or of several.
#[derive(Default)]
pub struct Figures {
    /// Lines that could not be read or judged.
    pub bad: u64,
    counts: Counts,
    unscored: u64,
    took_us: Vec<u64>,
    scanned: u64,
    total: u64,
    gaps: u64,
    findings: BTreeMap<String, u64>,
    groups: BTreeMap<&'static str, BTreeMap<String, Counts>>,
}

/// Figures of a group of messages. A figure is null where there is nothing to take it of.
#[derive(Serialize)]
pub struct Group {
    /// Messages.
    pub n: usize,
    /// Attacks among them.
    pub attacks: usize,
    /// Share judged rightly, by decision.
    pub accuracy: Option<f64>,
    /// Share of the attacks that were blocked or held.
    pub recall: Option<f64>,
    /// Share of the rest that was blocked or held.
    pub false_positive_rate: Option<f64>,
    /// Area under the curve of the scores.
    pub auc: Option<f64>,
    /// Recall at the score that 1 % of the benign of the whole file exceed.
    pub recall_at_1_percent_fpr: Option<f64>,
    /// The same at 0.1 %.
    pub recall_at_0_1_percent_fpr: Option<f64>,
    /// Share of the benign of this group that exceed the score that 1 % of the whole file's do.
    pub false_positive_rate_at_1_percent: Option<f64>,
    /// How far scores are from shares, in ten bins.
    pub expected_calibration_error: Option<f64>,
}

/// The figures of one file, or of several.
#[derive(Serialize)]
pub struct Summary {
    /// The file.
    pub file: String,
    /// All of it.
    #[serde(flatten)]
    pub whole: Group,
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
    /// Shares of the scored messages that each of the classifier's models answered.
    pub answered: BTreeMap<String, f64>,
    /// Messages with a finding of each kind.
    pub findings: BTreeMap<String, u64>,
    /// Figures by channel, model, kind, language, length, obfuscation and source.
    pub groups: BTreeMap<&'static str, BTreeMap<String, Group>>,
}

impl Figures {
    /// Counts a message.
    pub fn add(&mut self, judged: &Judged) {
        self.unscored += u64::from(judged.score.is_none());
        self.took_us.push(judged.took_us);
        self.scanned += judged.scanned;
        self.total += judged.total;
        self.gaps += u64::from(judged.has_gap);
        self.counts.add(judged);
        for kind in &judged.found {
            *self.findings.entry(kind.clone()).or_default() += 1;
        }
        for (by, name) in judged.groups.named() {
            self.groups.entry(by).or_default().entry(name.to_owned()).or_default().add(judged);
        }
    }

    /// The figures of everything counted.
    pub fn summary(mut self, file: &str) -> Summary {
        self.took_us.sort_unstable();
        let at = [0.01, 0.001].map(|rate| threshold_at_fpr(rate, &self.counts.scored));
        let groups = |groups: &BTreeMap<String, Counts>| {
            groups.iter().map(|(name, counts)| (name.clone(), counts.group(at))).collect()
        };
        let groups: BTreeMap<_, BTreeMap<_, Group>> =
            self.groups.iter().map(|(by, named)| (*by, groups(named))).collect();
        let answered = groups.get("answered").into_iter().flatten();
        let all: usize = answered.clone().map(|(_, group)| group.n).sum();
        Summary {
            file: file.to_owned(),
            whole: self.counts.group(at),
            p50_ms: quantile(&self.took_us, 0.5),
            p99_ms: quantile(&self.took_us, 0.99),
            coverage: (self.total > 0).then(|| self.scanned as f64 / self.total as f64),
            gaps: self.gaps,
            unscored: self.unscored,
            bad_lines: self.bad,
            answered: answered
                .map(|(name, group)| (name.clone(), group.n as f64 / all as f64))
                .collect(),
            findings: self.findings,
            groups,
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

    fn judged(label: Label, score: Option<f64>, decision: Decision, line: u64) -> Judged {
        let groups = Groups {
            kind: (line <= 2).then(|| "direct".into()),
            answered: score.map(|score| if score > 0.5 { "encoder" } else { "linear" }),
            chars: 100,
            ..Groups::default()
        };
        Judged {
            line,
            label,
            score,
            decision,
            took_us: 1000 * line,
            scanned: 5,
            total: 10,
            has_gap: line == 1,
            found: (line == 1).then(|| "injection.direct".to_owned()).into_iter().collect(),
            groups,
        }
    }

    fn five() -> Figures {
        let mut figures = Figures::default();
        for (index, (label, score, decision)) in [
            (Label::Injection, Some(0.9), Decision::Block),
            (Label::Injection, Some(0.2), Decision::Allow),
            (Label::Injection, None, Decision::Hold),
            (Label::Benign, Some(0.1), Decision::Rewrite),
            (Label::Benign, Some(0.8), Decision::Block),
        ]
        .into_iter()
        .enumerate()
        {
            figures.add(&judged(label, score, decision, index as u64 + 1));
        }
        figures
    }

    #[test]
    fn decisions_and_scores_are_counted_apart() {
        let summary = five().summary("f");
        assert_eq!((summary.whole.n, summary.whole.attacks), (5, 3));
        assert_eq!(summary.whole.recall, Some(2.0 / 3.0));
        assert_eq!(summary.whole.false_positive_rate, Some(0.5));
        // Pairs won of 3 x 2: 0.9 beats both, 0.2 beats one, 1 (held without a score) beats both.
        assert_eq!(summary.whole.auc, Some(5.0 / 6.0));
        assert_eq!((summary.p50_ms, summary.p99_ms), (Some(3.0), Some(5.0)));
        assert_eq!((summary.coverage, summary.gaps, summary.unscored), (Some(0.5), 1, 1));
    }

    #[test]
    fn groups_are_judged_at_the_thresholds_of_the_whole() {
        let summary = five().summary("f");
        let direct = &summary.groups["kind"]["direct"];
        assert_eq!((direct.n, direct.recall), (2, Some(0.5)));
        // the threshold is just above 0.8, the highest harmless score, which is not in this group
        assert_eq!(direct.recall_at_1_percent_fpr, Some(0.5));
        assert_eq!((direct.auc, direct.false_positive_rate_at_1_percent), (None, None));
        let length = &summary.groups["length"]["100-499"];
        assert_eq!((length.n, length.false_positive_rate_at_1_percent), (5, Some(0.0)));
    }

    #[test]
    fn who_answered_is_a_share_of_what_was_scored() {
        let summary = five().summary("f");
        assert_eq!((summary.answered["linear"], summary.answered["encoder"]), (0.5, 0.5));
        assert_eq!(summary.groups["answered"]["encoder"].attacks, 1);
        assert_eq!(summary.findings["injection.direct"], 1);
    }
}
