//! The figures by which a classifier is judged. The trainer's card and `portcullis eval` share them.

/// The score of one text whose label is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Calibrated probability of an attack.
    pub score: f32,
    /// Whether it is one.
    pub attack: bool,
}

/// Counts at a threshold: a text is reported where its score is at or above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Attacks reported.
    pub true_positives: usize,
    /// Harmless texts reported.
    pub false_positives: usize,
    /// Harmless texts let through.
    pub true_negatives: usize,
    /// Attacks let through.
    pub false_negatives: usize,
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Confusion {
    /// Counts `scored` at `threshold`.
    pub fn at(threshold: f32, scored: &[Scored]) -> Self {
        let mut counts = Self::default();
        for one in scored {
            match (one.attack, one.score >= threshold) {
                (true, true) => counts.true_positives += 1,
                (true, false) => counts.false_negatives += 1,
                (false, true) => counts.false_positives += 1,
                (false, false) => counts.true_negatives += 1,
            }
        }
        counts
    }

    /// Share judged rightly; absent where there is nothing to judge.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        share(right, right + self.false_positives + self.false_negatives)
    }

    /// Share of the attacks that were reported; absent without attacks.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the harmless texts that were reported; absent without harmless texts.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.false_positives + self.true_negatives)
    }
}

/// Area under the ROC curve: the chance that an attack scores above a harmless text, ties counting
/// half (Mann-Whitney U by ranks). Absent where one of the two is missing.
pub fn auc(scored: &[Scored]) -> Option<f64> {
    let mut sorted: Vec<&Scored> = scored.iter().collect();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let attacks = sorted.iter().filter(|one| one.attack).count();
    let harmless = sorted.len() - attacks;
    if attacks == 0 || harmless == 0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut below = 0usize;
    for ties in sorted.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        let middle = below as f64 + (ties.len() as f64 + 1.0) / 2.0;
        rank_sum += middle * ties.iter().filter(|one| one.attack).count() as f64;
        below += ties.len();
    }
    let attacks = attacks as f64;
    Some((rank_sum - attacks * (attacks + 1.0) / 2.0) / (attacks * harmless as f64))
}

/// The lowest threshold at which at most `rate` of the harmless texts are reported; absent without
/// harmless texts. Above 1 where even the highest score would report too many.
pub fn threshold_at_fpr(rate: f64, scored: &[Scored]) -> Option<f32> {
    let mut harmless: Vec<f32> =
        scored.iter().filter(|one| !one.attack).map(|one| one.score).collect();
    harmless.sort_by(|a, b| b.total_cmp(a));
    let allowed = (rate * harmless.len() as f64).floor() as usize;
    let highest = *harmless.first()?;
    Some(harmless.get(allowed).copied().map_or(0.0, |first_out| {
        if allowed == 0 { highest.next_up() } else { first_out.next_up() }
    }))
}

/// Recall at the threshold of [`threshold_at_fpr`]; absent where attacks or harmless texts are
/// missing.
pub fn recall_at_fpr(rate: f64, scored: &[Scored]) -> Option<f64> {
    Confusion::at(threshold_at_fpr(rate, scored)?, scored).recall()
}

/// Expected calibration error over ten bins of equal width: the mean distance between what was said
/// and what was so, weighted by the bins' sizes (Naeini, Cooper, Hauskrecht 2015). Absent without
/// scores.
pub fn expected_calibration_error(scored: &[Scored]) -> Option<f64> {
    const BINS: usize = 10;
    let mut bins = [(0usize, 0.0f64, 0usize); BINS];
    for one in scored {
        let index = ((one.score * BINS as f32) as usize).min(BINS - 1);
        if let Some((count, sum, attacks)) = bins.get_mut(index) {
            *count += 1;
            *sum += f64::from(one.score);
            *attacks += usize::from(one.attack);
        }
    }
    let error: f64 = bins.iter().map(|(_, sum, attacks)| (sum - *attacks as f64).abs()).sum();
    (!scored.is_empty()).then(|| error / scored.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(scores: &[(f32, bool)]) -> Vec<Scored> {
        scores.iter().map(|&(score, attack)| Scored { score, attack }).collect()
    }

    #[test]
    fn counts_at_a_threshold() {
        let all = scored(&[(0.9, true), (0.4, true), (0.5, false), (0.1, false), (0.2, false)]);
        let counts = Confusion::at(0.5, &all);
        assert_eq!(counts.recall(), Some(0.5));
        assert_eq!(counts.false_positive_rate(), Some(1.0 / 3.0));
        assert_eq!(counts.accuracy(), Some(0.6));
        assert_eq!(Confusion::default().accuracy(), None);
    }

    #[test]
    fn auc_is_the_chance_to_rank_rightly_and_ties_count_half() {
        assert_eq!(auc(&scored(&[(0.9, true), (0.1, false)])), Some(1.0));
        assert_eq!(auc(&scored(&[(0.1, true), (0.9, false)])), Some(0.0));
        assert_eq!(auc(&scored(&[(0.5, true), (0.5, false)])), Some(0.5));
        assert_eq!(
            auc(&scored(&[(0.8, true), (0.3, true), (0.5, false), (0.1, false)])),
            Some(0.75)
        );
        assert_eq!(auc(&scored(&[(0.5, true)])), None);
    }

    #[test]
    fn recall_at_a_rate_lets_no_more_than_that_rate_through() {
        let mut all: Vec<Scored> =
            (0..100).map(|n| Scored { score: n as f32 / 100.0, attack: false }).collect();
        all.extend(scored(&[(0.985, true), (0.5, true), (0.995, true)]));
        let threshold = threshold_at_fpr(0.01, &all).unwrap();
        assert_eq!(Confusion::at(threshold, &all).false_positive_rate(), Some(0.01));
        assert_eq!(recall_at_fpr(0.01, &all), Some(2.0 / 3.0));
        assert_eq!(recall_at_fpr(0.001, &all), Some(1.0 / 3.0));
        assert_eq!(recall_at_fpr(0.01, &scored(&[(0.3, true)])), None);
    }

    #[test]
    fn a_calibrated_score_has_no_error_and_a_sure_wrong_one_has_all() {
        let even: Vec<Scored> =
            (0..100).map(|n| Scored { score: 0.25, attack: n % 4 == 0 }).collect();
        assert!(expected_calibration_error(&even).unwrap() < 1e-6);
        assert_eq!(expected_calibration_error(&scored(&[(1.0, false)])), Some(1.0));
        assert_eq!(expected_calibration_error(&[]), None);
    }
}
