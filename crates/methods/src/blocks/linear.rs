//! Two logits from a row of features, concepts or embeddings: cross entropy, with a prior on the weights or a start for them.

use crate::error::{MethodError, Result};
use hilum_kernels::{Init, ParamInfo, ParamRole};
use hilum_nn::optim::{Optimizer, OptimizerConfig};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Which sign each weight should have, by class and concept: -1, 0 or 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    /// Signs, a row a class.
    pub signs: Vec<Vec<f64>>,
    /// Weight in the loss.
    pub weight: f64,
}

/// How a layer is trained.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Passes.
    pub epochs: usize,
    /// Learning rate of Adam.
    pub rate: f64,
    /// Batch.
    pub batch: usize,
    /// Seed of the batches.
    pub seed: u64,
}

/// Rows, labels and activations of another source that are held fixed.
pub struct Rows<'a> {
    /// Features, a row a case.
    pub x: &'a [Vec<f64>],
    /// Labels.
    pub y: &'a [bool],
    /// Two fixed logits a case; none when empty.
    pub base: &'a [[f64; 2]],
}

/// Two logits from features.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Weights, a row a class.
    pub weights: Vec<Vec<f64>>,
    /// Offsets.
    pub offsets: [f64; 2],
}

impl Linear {
    /// All zero.
    pub fn zeros(columns: usize) -> Self {
        Linear {
            weights: vec![vec![0.0; columns]; 2],
            offsets: [0.0; 2],
        }
    }

    /// The logits of a case.
    pub fn logits(&self, x: &[f64]) -> [f64; 2] {
        [0, 1].map(|c| {
            let dot: f64 = self.weights[c].iter().zip(x).map(|(w, v)| w * v).sum();
            dot + self.offsets[c]
        })
    }

    /// Logits of all cases, with those held fixed added.
    pub fn all(&self, rows: &Rows<'_>) -> Vec<[f64; 2]> {
        let logits = |(i, x): (usize, &Vec<f64>)| {
            let base = rows.base.get(i).copied().unwrap_or([0.0; 2]);
            let own = self.logits(x);
            [own[0] + base[0], own[1] + base[1]]
        };
        rows.x.iter().enumerate().map(logits).collect()
    }

    /// Mean cross entropy and, with a prior, its weight times the mean of |tanh(w) − sign|; and the gradient,
    /// weights by class, then offsets.
    pub fn loss(&self, rows: &Rows<'_>, at: &[usize], prior: Option<&Prior>) -> (f64, Vec<f64>) {
        let d = self.weights[0].len();
        let mut grad = vec![0.0; 2 * d + 2];
        let mut value = 0.0;
        let share = 1.0 / at.len() as f64;
        for &i in at {
            let base = rows.base.get(i).copied().unwrap_or([0.0; 2]);
            let own = self.logits(&rows.x[i]);
            let z = own[1] + base[1] - own[0] - base[0];
            let p = 1.0 / (1.0 + (-z).exp());
            let y = f64::from(u8::from(rows.y[i]));
            value += share * ((-z.abs()).exp().ln_1p() + z.max(0.0) - y * z);
            let g = share * (p - y);
            for (k, v) in rows.x[i].iter().enumerate() {
                grad[k] -= g * v;
                grad[d + k] += g * v;
            }
            grad[2 * d] -= g;
            grad[2 * d + 1] += g;
        }
        if let Some(prior) = prior {
            let share = prior.weight / (2 * d) as f64;
            for (c, signs) in prior.signs.iter().enumerate() {
                for (k, sign) in signs.iter().enumerate() {
                    let t = self.weights[c][k].tanh();
                    value += share * (t - sign).abs();
                    // At the wished sign itself there is no slope to follow.
                    let side = if t == *sign { 0.0 } else { (t - sign).signum() };
                    grad[c * d + k] += share * side * (1.0 - t * t);
                }
            }
        }
        (value, grad)
    }

    fn flat(&self) -> Vec<f32> {
        let all = self.weights.iter().flatten().chain(&self.offsets);
        all.map(|v| *v as f32).collect()
    }

    fn set(&mut self, flat: &[f32]) {
        let d = self.weights[0].len();
        for (c, row) in self.weights.iter_mut().enumerate() {
            for (w, v) in row.iter_mut().zip(&flat[c * d..]) {
                *w = f64::from(*v);
            }
        }
        self.offsets = [f64::from(flat[2 * d]), f64::from(flat[2 * d + 1])];
    }
}

/// [`fit_from`] a layer of zeros.
///
/// # Errors
/// Those of [`fit_from`].
pub fn fit(
    train: &Rows<'_>,
    val: &Rows<'_>,
    prior: Option<&Prior>,
    settings: Settings,
) -> Result<Linear> {
    let zeros = Linear::zeros(train.x.first().map_or(0, Vec::len));
    fit_from(zeros, train, val, prior, settings)
}

/// Trains by Adam from `layer`; gives the layer of the pass that is best on `val` by accuracy, then by loss.
///
/// # Errors
/// [`MethodError::Config`] when the loss is not finite: a comparison of such logits would be a figure that means nothing.
pub fn fit_from(
    mut layer: Linear,
    train: &Rows<'_>,
    val: &Rows<'_>,
    prior: Option<&Prior>,
    settings: Settings,
) -> Result<Linear> {
    let d = layer.weights[0].len();
    let infos = [ParamInfo {
        name: "weight".to_owned(),
        shape: vec![2 * d + 2],
        // Not decayed: the prior is the only pull.
        role: ParamRole::Bias,
        init: Init::Constant(0.0),
    }];
    let adam = OptimizerConfig::AdamW {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
    };
    let mut params = vec![layer.flat()];
    let mut optimizer = Optimizer::new(adam, &params);
    let mut order: Vec<usize> = (0..train.y.len()).collect();
    let mut best = (layer.clone(), f64::NEG_INFINITY, f64::INFINITY);
    for epoch in 0..settings.epochs {
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(epoch as u64);
        order.shuffle(&mut rng);
        for at in order.chunks(settings.batch) {
            let (_, grad) = layer.loss(train, at, prior);
            let grad = vec![Some(grad.iter().map(|g| *g as f32).collect())];
            optimizer.update(&infos, &mut params, &grad, settings.rate as f32);
            layer.set(&params[0]);
        }
        let all: Vec<usize> = (0..val.y.len()).collect();
        let (loss, _) = layer.loss(val, &all, None);
        if !loss.is_finite() {
            return Err(MethodError::Config(format!(
                "the loss of a linear layer is not finite after pass {}: lower its rate, or look for features that are not finite",
                epoch + 1
            )));
        }
        let said = layer.all(val);
        let right = said.iter().zip(val.y);
        let right = right.filter(|(z, y)| (z[1] > z[0]) == **y).count();
        let accuracy = right as f64 / val.y.len().max(1) as f64;
        if accuracy > best.1 || (accuracy == best.1 && loss < best.2) {
            best = (layer.clone(), accuracy, loss);
        }
    }
    Ok(best.0)
}

/// All rows, standardised by the training cases.
pub fn scaled(rows: &[Vec<f64>], train: &[usize]) -> Vec<Vec<f64>> {
    let n = train.len() as f64;
    let d = rows.first().map_or(0, Vec::len);
    let moments: Vec<(f64, f64)> = (0..d)
        .map(|k| {
            let mean = train.iter().map(|&i| rows[i][k]).sum::<f64>() / n;
            let var = train
                .iter()
                .map(|&i| (rows[i][k] - mean).powi(2))
                .sum::<f64>()
                / n;
            (mean, var.sqrt().max(1e-6))
        })
        .collect();
    let scale = |r: &Vec<f64>| {
        r.iter()
            .zip(&moments)
            .map(|(v, (m, s))| (v - m) / s)
            .collect()
    };
    rows.iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> (Vec<Vec<f64>>, Vec<bool>) {
        let y: Vec<bool> = (0..60).map(|i| i % 2 == 0).collect();
        let x = (0..60).map(|i| {
            let sign = if y[i] { 1.0 } else { -1.0 };
            vec![sign * 0.5 + (i as f64 * 0.7).sin(), (i as f64 * 1.3).cos()]
        });
        (x.collect(), y)
    }

    fn settings() -> Settings {
        Settings {
            epochs: 60,
            rate: 0.05,
            batch: 16,
            seed: 1,
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (x, y) = cases();
        let base: Vec<[f64; 2]> = (0..60).map(|i| [0.1 * i as f64 % 0.7, -0.2]).collect();
        let rows = Rows {
            x: &x,
            y: &y,
            base: &base,
        };
        let prior = Prior {
            signs: vec![vec![-1.0, 0.0], vec![1.0, -1.0]],
            weight: 0.7,
        };
        let mut layer = Linear::zeros(2);
        layer.set(&[0.3, -0.2, 0.5, 0.1, 0.05, -0.4]);
        let at: Vec<usize> = (0..60).collect();
        let (_, grad) = layer.loss(&rows, &at, Some(&prior));
        let flat = layer.flat();
        for k in 0..6 {
            let value = |step: f32| {
                let mut moved = flat.clone();
                moved[k] += step;
                let mut l = layer.clone();
                l.set(&moved);
                l.loss(&rows, &at, Some(&prior)).0
            };
            let slope = (value(1e-3) - value(-1e-3)) / 2e-3;
            assert!((slope - grad[k]).abs() < 1e-4, "{k}: {slope} {}", grad[k]);
        }
    }

    #[test]
    fn it_learns_and_a_strong_prior_turns_the_signs() {
        let (x, y) = cases();
        let rows = Rows {
            x: &x,
            y: &y,
            base: &[],
        };
        let free = fit(&rows, &rows, None, settings()).unwrap();
        let said = free.all(&rows);
        let right = said.iter().zip(&y).filter(|(z, y)| (z[1] > z[0]) == **y);
        assert!(right.count() > 36 && free.weights[1][0] > 0.0);
        let against = Prior {
            signs: vec![vec![1.0, 1.0], vec![-1.0, -1.0]],
            weight: 50.0,
        };
        let bent = fit(&rows, &rows, Some(&against), settings()).unwrap();
        assert!(bent.weights[1][0] < free.weights[1][0]);
        assert_eq!(free, fit(&rows, &rows, None, settings()).unwrap());
    }

    #[test]
    fn features_that_are_not_finite_give_no_layer() {
        let (mut x, y) = cases();
        x[7][0] = f64::NAN;
        let rows = Rows {
            x: &x,
            y: &y,
            base: &[],
        };
        let error = fit(&rows, &rows, None, settings()).unwrap_err().to_string();
        assert!(error.contains("not finite after pass 1"), "{error}");
    }

    #[test]
    fn training_goes_on_from_the_start_that_is_given() {
        let (x, y) = cases();
        let rows = Rows {
            x: &x,
            y: &y,
            base: &[],
        };
        let short = Settings {
            epochs: 1,
            rate: 1e-6,
            ..settings()
        };
        let mut start = Linear::zeros(2);
        start.weights[1][0] = 3.0;
        let fitted = fit_from(start, &rows, &rows, None, short).unwrap();
        assert!((fitted.weights[1][0] - 3.0).abs() < 1e-3);
    }

    #[test]
    fn training_cases_have_mean_zero_and_deviation_one() {
        let rows = vec![vec![1.0, 5.0], vec![3.0, 5.0], vec![100.0, 7.0]];
        let scaled = scaled(&rows, &[0, 1]);
        assert_eq!((scaled[0][0], scaled[1][0]), (-1.0, 1.0));
        assert!(scaled[2][0] > 90.0 && scaled[0][1] == 0.0);
    }
}
