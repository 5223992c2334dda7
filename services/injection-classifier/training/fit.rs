//! Logistic regression on a logit: probabilities at equal numbers of attacks and harmless texts.

use portcullis_model::Calibration;

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
}
