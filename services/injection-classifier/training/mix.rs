//! The traffic that operating points are set on: held-out benign rows, weighted by kind so that they come as often
//! as they do at a bot's door, and not as often as they were collected.

use portcullis_model::Channel;

use crate::data::Row;

/// Shares of kinds in what people write to a bot. Kinds that are not named share what is left equally.
const USER: &[(&str, f64)] = &[
    ("customer_support", 0.35),
    ("assistant_intent", 0.20),
    ("chat", 0.18),
    ("code_question", 0.08),
    ("instruction", 0.05),
    ("hard_benign_roleplay", 0.04),
    ("hard_benign", 0.02),
    ("hard_benign_multilingual", 0.01),
    ("hard_benign_quoted_attack", 0.01),
    ("hard_benign_security_text", 0.02),
    ("social_comment", 0.03),
    ("obfuscated_benign", 0.003),
];

/// Shares of kinds in what a bot reads.
const CONTEXT: &[(&str, f64)] = &[
    ("ordinary_content", 0.60),
    ("benign_document", 0.20),
    ("benign_tool_output", 0.10),
    ("hard_benign_document_instruction", 0.05),
    ("benign_email", 0.05),
];

/// A row counts at most this many times the mean row: a kind of which few rows are held out must not set a
/// threshold alone.
const MOST: f64 = 2.0;

pub(crate) fn table(channel: Channel) -> &'static [(&'static str, f64)] {
    match channel {
        Channel::User => USER,
        Channel::Context => CONTEXT,
    }
}

fn kind(row: &Row) -> &str {
    row.kind.split(':').next().unwrap_or(&row.kind)
}

/// A benign score and the share of the traffic that it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weighted {
    score: f32,
    weight: f64,
}

/// Weighs the scores of benign rows.
pub(crate) fn weighted(channel: Channel, scores: &[(&Row, f32)]) -> Vec<Weighted> {
    let table = table(channel);
    let mut kinds: Vec<&str> = scores.iter().map(|(row, _)| kind(row)).collect();
    kinds.sort_unstable();
    let counts: Vec<(&str, usize)> =
        kinds.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect();
    let named = |kind: &str| table.iter().find(|(name, _)| *name == kind).map(|(_, share)| *share);
    let left = (1.0 - table.iter().map(|(_, share)| share).sum::<f64>()).max(0.0);
    let others = counts.iter().filter(|(kind, _)| named(kind).is_none()).count().max(1);
    let mean = 1.0 / scores.len().max(1) as f64;
    let weight = |kind: &str| {
        let count = counts.iter().find(|(name, _)| *name == kind).map_or(1, |(_, count)| *count);
        let share = named(kind).unwrap_or(left / others as f64);
        (share / count as f64).min(MOST * mean)
    };
    scores
        .iter()
        .map(|(row, score)| Weighted { score: *score, weight: weight(kind(row)) })
        .collect()
}

/// Rows that must reach a threshold if it is to be read off them.
const ENOUGH: f64 = 15.0;

/// The score that `rate` of the traffic reaches: read off the rows where enough of them reach it, else by the tail of
/// the highest ones, which is exponential in the logit (peaks over a threshold: Balkema and de Haan 1974, Pickands
/// 1975, with shape zero), and never above what the rows themselves say. Few rows may hold an outlier.
pub(crate) fn operating_point(rate: f64, all: &[Weighted]) -> f32 {
    let from = ENOUGH / all.len().max(1) as f64;
    if rate >= from || from >= 0.5 {
        return threshold(rate, all);
    }
    let logit = |score: f32| {
        let p = f64::from(score).clamp(1e-9, 1.0 - 1e-9);
        (p / (1.0 - p)).ln()
    };
    let start = threshold(from, all);
    let over = || all.iter().filter(|one| one.score >= start);
    let weight: f64 = over().map(|one| one.weight).sum();
    let excess: f64 = over().map(|one| one.weight * (logit(one.score) - logit(start))).sum();
    let scale = excess / weight.max(f64::MIN_POSITIVE);
    let at = logit(start) + scale * (from / rate).ln();
    ((1.0 / (1.0 + (-at).exp())) as f32).min(threshold(rate, all))
}

/// The lowest score that at most `rate` of the traffic reaches.
pub(crate) fn threshold(rate: f64, all: &[Weighted]) -> f32 {
    let mut sorted: Vec<&Weighted> = all.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let allowed = rate * all.iter().map(|one| one.weight).sum::<f64>();
    let mut above = 0.0;
    for ties in sorted.chunk_by(|a, b| a.score == b.score) {
        above += ties.iter().map(|one| one.weight).sum::<f64>();
        if above > allowed {
            return ties[0].score.next_up().min(1.0);
        }
    }
    0.0
}

/// The share of the traffic that reaches a score.
pub(crate) fn reached(at: f32, all: &[Weighted]) -> f64 {
    let sum = |of: &mut dyn Iterator<Item = &Weighted>| of.map(|one| one.weight).sum::<f64>();
    let whole = sum(&mut all.iter());
    sum(&mut all.iter().filter(|one| one.score >= at)) / whole.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_few_rows_reach_is_told_by_the_tail() {
        // logits with an exponential tail: one in e^k is above k
        let score = |n: u32, of: u32| {
            let logit = -(f64::from(n + 1) / f64::from(of + 1)).ln();
            Weighted { score: (1.0 / (1.0 + (-logit).exp())) as f32, weight: 1.0 }
        };
        for count in [3_000, 30_000] {
            let all: Vec<Weighted> = (0..count).map(|n| score(n, count)).collect();
            for rate in [0.01, 0.003, 0.001] {
                let at = f64::from(operating_point(rate, &all));
                let logit = (at / (1.0 - at)).ln();
                assert!((logit + f64::ln(rate)).abs() < 0.5, "{count} rows, {rate}: {logit}");
            }
        }
        // nothing is known of what is rarer than one row
        let few: Vec<Weighted> = (0..300).map(|n| score(n, 300)).collect();
        assert_eq!(operating_point(0.001, &few), few[0].score.next_up());
    }

    #[test]
    fn at_most_the_rate_of_the_weight_reaches_a_threshold() {
        let all: Vec<Weighted> = (0..100)
            .map(|n| Weighted { score: n as f32 / 100.0, weight: if n == 99 { 10.0 } else { 1.0 } })
            .collect();
        for rate in [0.001, 0.01, 0.1, 0.5] {
            let at = threshold(rate, &all);
            assert!(reached(at, &all) <= rate);
            assert!(at <= 0.0 || reached(at - 0.02, &all) > rate);
        }
    }
}
