//! How well a model does on labelled texts.

use portcullis_sentiment::{Label, Sentiment, Settings};

use crate::data::Row;

pub(crate) const LABELS: [Label; 3] = [Label::Negative, Label::Neutral, Label::Positive];

/// Counts of labels given against labels that are right.
pub(crate) struct Figures {
    pub(crate) name: String,
    /// By right label, then by given label.
    counts: [[usize; 3]; 3],
}

fn index(label: Label) -> usize {
    LABELS.iter().position(|known| *known == label).unwrap_or_default()
}

impl Figures {
    /// Judges each text at the thresholds of the default settings.
    pub(crate) fn of(name: &str, judge: &Sentiment, rows: &[&Row]) -> Self {
        let settings = Settings::default();
        let mut counts = [[0; 3]; 3];
        for row in rows {
            let given = settings.label(judge.polarity(&row.text));
            counts[index(row.label)][index(given)] += 1;
        }
        Self { name: name.to_owned(), counts }
    }

    pub(crate) fn texts(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    pub(crate) fn accuracy(&self) -> f64 {
        let right: usize = (0..3).map(|at| self.counts[at][at]).sum();
        share(right, self.texts())
    }

    /// Precision, recall and F1 of a label.
    pub(crate) fn of_label(&self, label: Label) -> (f64, f64, f64) {
        let at = index(label);
        let given: usize = (0..3).map(|right| self.counts[right][at]).sum();
        let right: usize = self.counts[at].iter().sum();
        let hit = self.counts[at][at];
        (share(hit, given), share(hit, right), share(2 * hit, given + right))
    }

    /// The mean of the labels' F1.
    pub(crate) fn macro_f1(&self) -> f64 {
        LABELS.iter().map(|label| self.of_label(*label).2).sum::<f64>() / 3.0
    }

    /// All of them together.
    pub(crate) fn sum(figures: &[Self]) -> Self {
        let mut counts = [[0; 3]; 3];
        for one in figures {
            for (row, more) in counts.iter_mut().zip(one.counts) {
                for (count, more) in row.iter_mut().zip(more) {
                    *count += more;
                }
            }
        }
        Self { name: "all".to_owned(), counts }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
