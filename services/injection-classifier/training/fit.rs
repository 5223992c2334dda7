//! Logistic regression on one or two logits: probabilities at equal numbers of attacks and harmless texts.

use portcullis_model::{Blend, Calibration};

/// A text's logits and whether it is an attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: [f64; 2],
    pub(crate) attack: bool,
}

/// Fits `slope · x + offset` by Newton's method, each step halved until it lessens the loss. Attacks and
/// harmless texts weigh the same in all, and targets lie a little inside 0 and 1 (Platt 1999), so that few
/// samples do not make sure. `free` says which slopes may be other than zero.
fn logistic(points: &[Point], free: [bool; 2]) -> [f64; 3] {
    let attacks = points.iter().filter(|point| point.attack).count() as f64;
    let harmless = points.len() as f64 - attacks;
    let (high, low) = ((attacks + 1.0) / (attacks + 2.0), 1.0 / (harmless + 2.0));
    let goal = |point: &Point| match point.attack {
        true => (high, 1.0 / attacks),
        false => (low, 1.0 / harmless),
    };
    let z = |w: &[f64; 3], point: &Point| w[0] * point.x[0] + w[1] * point.x[1] + w[2];
    let loss = |w: &[f64; 3]| -> f64 {
        let all = points.iter().map(|point| {
            let ((target, weight), z) = (goal(point), z(w, point));
            // log(1 + exp(z)) without overflow
            weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z)
        });
        all.sum()
    };
    let mut w = [if free[0] { 0.1 } else { 0.0 }, if free[1] { 0.1 } else { 0.0 }, 0.0];
    for _ in 0..100 {
        let mut gradient = [0.0; 3];
        let mut curve = [[0.0; 3]; 3];
        for point in points {
            let (target, weight) = goal(point);
            let p = 1.0 / (1.0 + (-z(&w, point)).exp());
            let x = [point.x[0], point.x[1], 1.0];
            for i in 0..3 {
                gradient[i] += (p - target) * weight * x[i];
                for j in 0..3 {
                    curve[i][j] += p * (1.0 - p) * weight * x[i] * x[j];
                }
            }
        }
        for i in 0..3 {
            curve[i][i] += 1e-6;
            if i < 2 && !free[i] {
                gradient[i] = 0.0;
                curve[i] = [0.0; 3];
                curve.iter_mut().for_each(|row| row[i] = 0.0);
                curve[i][i] = 1.0;
            }
        }
        let step = solve(curve, gradient);
        let before = loss(&w);
        let at = |share: f64| [0, 1, 2].map(|i| w[i] - share * step[i]);
        let mut share = 1.0;
        while share > 1e-6 && loss(&at(share)) > before {
            share /= 2.0;
        }
        w = at(share);
    }
    w
}

/// Gaussian elimination with pivots.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> [f64; 3] {
    for i in 0..3 {
        let pivot = (i..3).max_by(|x, y| a[*x][i].abs().total_cmp(&a[*y][i].abs())).unwrap_or(i);
        a.swap(i, pivot);
        b.swap(i, pivot);
        for j in i + 1..3 {
            let share = a[j][i] / a[i][i];
            let row = a[i];
            a[j].iter_mut().zip(row).skip(i).for_each(|(to, from)| *to -= share * from);
            b[j] -= share * b[i];
        }
    }
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

/// Platt scaling of one logit.
pub(crate) fn platt(logits: &[(f32, bool)]) -> Calibration {
    let points: Vec<Point> = logits
        .iter()
        .map(|(logit, attack)| Point { x: [f64::from(*logit), 0.0], attack: *attack })
        .collect();
    let [slope, _, offset] = logistic(&points, [true, false]);
    Calibration { slope: slope.max(1e-3) as f32, offset: offset as f32 }
}

/// The encoder's logit and the linear model's together; the latter is left out where it would count against
/// an attack.
pub(crate) fn blend(points: &[Point]) -> Blend {
    let [mut encoder, mut linear, mut offset] = logistic(points, [true, true]);
    if linear < 0.0 {
        [encoder, linear, offset] = logistic(points, [true, false]);
    }
    Blend { encoder: encoder.max(1e-3) as f32, linear: linear as f32, offset: offset as f32 }
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
    fn a_logit_that_says_nothing_gets_no_part_in_the_blend() {
        let points: Vec<Point> = (0..4_000)
            .map(|n| {
                let says = if n % 2 == 0 { 1.0 } else { -1.0 };
                let noise = if n % 4 < 2 { 1.0 } else { -1.0 };
                Point { x: [says, noise], attack: (n % 2 == 0) == (n % 16 < 12) }
            })
            .collect();
        let found = blend(&points);
        assert!(found.encoder > 0.5 && found.linear.abs() < 0.2, "{found:?}");
    }
}
