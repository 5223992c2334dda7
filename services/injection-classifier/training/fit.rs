//! Logistic regression on a logit: probabilities at equal numbers of attacks and harmless texts. And how much the linear
//! model has to say beside the encoder.

use std::collections::BTreeSet;

use portcullis_model::metrics::{Scored, recall_at_fpr};
use portcullis_model::{Blend, Calibration};

/// A text's logits, the encoder's and the linear model's, whether it is an attack, and the source that it follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point<'a> {
    pub(crate) encoder: f32,
    pub(crate) linear: f32,
    pub(crate) attack: bool,
    pub(crate) family: &'a str,
}

/// Shares of the encoder's word that the linear model's may have: at most half, since it knows wordings and not meaning.
const SHARES: &[f32] = &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5];
/// Recall that may be given up for a smaller share: what knows wordings helps least where wordings are new.
const SPARE: f64 = 0.01;

/// The encoder's logit and a share of the linear model's as one probability. The share is the smallest with which about
/// as many attacks are told at 1 % of false positives as with the best, in the mean over sources of attacks: on the
/// calibration sources, which neither has learnt from.
pub(crate) fn blend(points: &[Point<'_>]) -> Blend {
    let recalls: Vec<f64> = SHARES.iter().map(|share| recall(points, *share)).collect();
    let best = recalls.iter().copied().fold(0.0, f64::max);
    let chosen = SHARES.iter().zip(&recalls).find(|(_, recall)| **recall >= best - SPARE);
    let share = chosen.map_or(0.0, |(share, _)| *share);
    eprintln!("linear model's share {share}: recall {recalls:.3?} at {SHARES:?}");
    let logits: Vec<(f32, bool)> =
        points.iter().map(|point| (together(point, share), point.attack)).collect();
    let Calibration { slope, offset } = platt(&logits);
    Blend { encoder: slope, linear: slope * share, offset }
}

fn together(point: &Point<'_>, share: f32) -> f32 {
    point.encoder + share * point.linear
}

fn recall(points: &[Point<'_>], share: f32) -> f64 {
    let attacks = points.iter().filter(|point| point.attack);
    let sources: BTreeSet<&str> = attacks.map(|point| point.family).collect();
    let recalls = sources.iter().filter_map(|source| {
        let asked = points.iter().filter(|point| !point.attack || point.family == *source);
        let scored: Vec<Scored> = asked
            .map(|point| Scored { score: together(point, share), attack: point.attack })
            .collect();
        recall_at_fpr(0.01, &scored)
    });
    recalls.sum::<f64>() / sources.len().max(1) as f64
}

/// Platt scaling of a logit: `slope · x + offset` by Newton's method, each step halved until it lessens the loss.
/// Attacks and harmless texts weigh the same in all, and targets lie a little inside 0 and 1 (Platt 1999), so that few
/// samples do not make sure.
pub(crate) fn platt(logits: &[(f32, bool)]) -> Calibration {
    let attacks = logits.iter().filter(|(_, attack)| *attack).count() as f64;
    let harmless = logits.len() as f64 - attacks;
    let (high, low) = ((attacks + 1.0) / (attacks + 2.0), 1.0 / (harmless + 2.0));
    let goal = |attack: bool| match attack {
        true => (high, 1.0 / attacks),
        false => (low, 1.0 / harmless),
    };
    let loss = |[slope, offset]: [f64; 2]| -> f64 {
        let all = logits.iter().map(|(x, attack)| {
            let ((target, weight), z) = (goal(*attack), slope * f64::from(*x) + offset);
            // log(1 + exp(z)) without overflow
            weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
        });
        all.sum()
    };
    let mut w = [0.1, 0.0];
    for _ in 0..100 {
        let mut gradient = [0.0; 2];
        let [mut steep, mut mixed, mut flat] = [1e-6, 0.0, 1e-6];
        for (x, attack) in logits {
            let ((target, weight), x) = (goal(*attack), f64::from(*x));
            let p = 1.0 / (1.0 + (-(w[0] * x + w[1])).exp());
            gradient[0] += (p - target) * weight * x;
            gradient[1] += (p - target) * weight;
            let curve = p * (1.0 - p) * weight;
            steep += curve * x * x;
            mixed += curve * x;
            flat += curve;
        }
        let volume = steep * flat - mixed * mixed;
        let step = [
            (flat * gradient[0] - mixed * gradient[1]) / volume,
            (steep * gradient[1] - mixed * gradient[0]) / volume,
        ];
        let before = loss(w);
        let at = |share: f64| [w[0] - share * step[0], w[1] - share * step[1]];
        let mut share = 1.0;
        while share > 1e-6 && loss(at(share)) > before {
            share /= 2.0;
        }
        w = at(share);
    }
    Calibration { slope: w[0].max(1e-3) as f32, offset: w[1] as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platt_finds_the_slope_that_made_the_labels() {
        // at logit ±1, the label is right three times in four: sigmoid(ln 3) = 0.75
        let logits: Vec<(f32, bool)> = (0..4_000)
            .map(|n| match n % 2 {
                0 => (1.0, n % 8 != 0),
                _ => (-1.0, n % 8 == 1),
            })
            .collect();
        let found = platt(&logits);
        assert!((found.slope - 3.0f32.ln()).abs() < 0.02, "{found:?}");
        assert!(found.offset.abs() < 0.02, "{found:?}");
    }

    #[test]
    fn a_share_that_helps_is_found_and_one_that_does_not_is_left() {
        let points = |helps: bool| -> Vec<Point<'static>> {
            (0..4_000)
                .map(|n| {
                    let attack = n % 2 == 0;
                    let family = ["a", "b", "c"][n / 7 % 3];
                    // the encoder misses one attack in five, the linear model another one in five
                    let seen = |of: usize| attack && n / 2 % 5 != of;
                    let noise = n / 3 % 2 == 0;
                    let linear = if helps { seen(1) } else { noise };
                    let logit = |is: bool| if is { 2.0 } else { -2.0 };
                    Point { encoder: logit(seen(0)), linear: logit(linear), attack, family }
                })
                .collect()
        };
        assert!(blend(&points(true)).linear > 0.0);
        assert_eq!(blend(&points(false)).linear, 0.0);
    }
}
