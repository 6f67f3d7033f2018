//! Platt scaling (Platt 1999) by Newton's method (Lin, Lin and Weng 2007).

use crate::calibrator::sigmoid;
use crate::error::Result;
use hilum_metrics::MetricError;
use hilum_metrics::classification::BinaryScores;
use serde::{Deserialize, Serialize};

const MAX_STEPS: usize = 200;

/// p = 1 / (1 + exp(a·s + b)); `a` is negative for a score that rises with the finding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// Slope.
    pub a: f64,
    /// Offset.
    pub b: f64,
}

impl Platt {
    /// Fits on a calibration split, with Platt's smoothed targets, so that separated classes have a finite fit.
    ///
    /// # Errors
    /// [`MetricError::SingleClass`]; [`MetricError::NotConverged`] for a constant score.
    pub fn fit(data: &BinaryScores) -> Result<Self> {
        data.require_both("platt")?;
        let (p, n) = (data.positives() as f64, data.negatives() as f64);
        let (high, low) = ((p + 1.0) / (p + 2.0), 1.0 / (n + 2.0));
        let targets: Vec<f64> = data
            .labels()
            .iter()
            .map(|y| if *y { high } else { low })
            .collect();
        let mut fit = Platt {
            a: 0.0,
            b: ((n + 1.0) / (p + 1.0)).ln(),
        };
        for _ in 0..MAX_STEPS {
            let Some((da, db)) = fit.newton_step(data.scores(), &targets) else {
                break;
            };
            if da.abs() < 1e-11 && db.abs() < 1e-11 {
                return Ok(fit);
            }
            fit = fit.line_search(data.scores(), &targets, da, db);
        }
        Err(MetricError::NotConverged {
            what: "Platt scaling",
            iterations: MAX_STEPS,
            hint: "the score may be constant",
        }
        .into())
    }

    /// Probability of a score.
    pub fn probability(&self, score: f64) -> f64 {
        sigmoid(-(self.a * score + self.b))
    }

    fn loss(&self, scores: &[f64], targets: &[f64]) -> f64 {
        let term = |(s, t): (&f64, &f64)| {
            let f = self.a * s + self.b;
            t * f + (-f).max(0.0) + (-f.abs()).exp().ln_1p()
        };
        scores.iter().zip(targets).map(term).sum()
    }

    /// Newton's step; null when the curvature is flat in some direction.
    fn newton_step(&self, scores: &[f64], targets: &[f64]) -> Option<(f64, f64)> {
        let (mut haa, mut hab, mut hbb, mut ga, mut gb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (s, t) in scores.iter().zip(targets) {
            let p = self.probability(*s);
            let (w, d) = (p * (1.0 - p), t - p);
            (haa, hab, hbb) = (haa + s * s * w, hab + s * w, hbb + w);
            (ga, gb) = (ga + s * d, gb + d);
        }
        let determinant = haa * hbb - hab * hab;
        // Relative, so that scores in any unit are treated alike.
        (determinant > 1e-12 * haa * hbb).then(|| {
            (
                -(hbb * ga - hab * gb) / determinant,
                -(haa * gb - hab * ga) / determinant,
            )
        })
    }

    fn line_search(&self, scores: &[f64], targets: &[f64], da: f64, db: f64) -> Platt {
        let before = self.loss(scores, targets);
        // Near the optimum a good step changes the loss by less than rounding does.
        let bar = before + 1e-12 * before.abs();
        let mut step = 1.0;
        loop {
            let next = Platt {
                a: self.a + step * da,
                b: self.b + step * db,
            };
            if step < 1e-10 || next.loss(scores, targets) <= bar {
                return next;
            }
            step /= 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separated_classes_stay_finite_and_a_constant_score_fails() {
        let data = BinaryScores::new(&[0_u8, 0, 1, 1], &[-2.0, -1.0, 1.0, 2.0]).unwrap();
        let fit = Platt::fit(&data).unwrap();
        assert!(fit.a < 0.0 && fit.a.is_finite() && fit.probability(2.0) < 1.0);
        let flat = BinaryScores::new(&[0_u8, 1], &[1.0, 1.0]).unwrap();
        assert!(Platt::fit(&flat).is_err());
    }
}
