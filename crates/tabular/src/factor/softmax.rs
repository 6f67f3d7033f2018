//! Logistic regression of two or more classes with any quadratic penalty, by Newton's method.
//!
//! Class 0 is the baseline with activation 0, so K = classes − 1 activations describe a case, and two classes
//! are plain logistic regression.

use super::{finite, same};
use crate::error::{Result, TabularError};
use nalgebra::{DMatrix, DVector};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftmaxOptions {
    /// Newton steps at most.
    pub steps: usize,
    /// Half the Newton decrement, a case, below which it has converged.
    pub tolerance: f64,
}

impl Default for SoftmaxOptions {
    /// A hundred steps, 1e-10.
    fn default() -> Self {
        SoftmaxOptions {
            steps: 100,
            tolerance: 1e-10,
        }
    }
}

/// Slopes (K x d) and offsets (K).
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// Slopes.
    pub slopes: DMatrix<f64>,
    /// Offsets, never penalised.
    pub offsets: DVector<f64>,
}

impl Softmax {
    /// All zero.
    pub fn zeros(classes: usize, columns: usize) -> Self {
        let k = classes.saturating_sub(1);
        Softmax {
            slopes: DMatrix::zeros(k, columns),
            offsets: DVector::zeros(k),
        }
    }

    /// Minimises Σ −log p(yᵢ) + tr(B Q Bᵀ) over B and the offsets; `design` is d x n, `penalty` is Q (d x d).
    ///
    /// # Errors
    /// As [`Self::improve`], and a fit that has not converged after all steps: classes that a plane separates
    /// have no finite fit without a penalty.
    pub fn fit(
        design: &DMatrix<f64>,
        y: &[usize],
        classes: usize,
        penalty: &DMatrix<f64>,
        options: &SoftmaxOptions,
    ) -> Result<Self> {
        let mut model = Self::zeros(classes, design.nrows());
        if model.improve(design, y, penalty, options)? {
            return Ok(model);
        }
        Err(TabularError::Learner {
            learner: "softmax regression",
            reason: format!(
                "no convergence after {} Newton steps; raise the penalty",
                options.steps
            ),
        })
    }

    /// Newton steps from where it stands; whether it converged. The objective never rises.
    ///
    /// # Errors
    /// Sizes that differ, labels out of range, a class without a case, values that are not finite.
    pub fn improve(
        &mut self,
        design: &DMatrix<f64>,
        y: &[usize],
        penalty: &DMatrix<f64>,
        options: &SoftmaxOptions,
    ) -> Result<bool> {
        let base = DMatrix::zeros(self.offsets.len(), design.ncols());
        self.improve_beside(&base, design, y, penalty, options)
    }

    /// The same where each case has activations of another source besides, `base` (K x n), held fixed.
    ///
    /// # Errors
    /// As [`Self::improve`].
    pub fn improve_beside(
        &mut self,
        base: &DMatrix<f64>,
        design: &DMatrix<f64>,
        y: &[usize],
        penalty: &DMatrix<f64>,
        options: &SoftmaxOptions,
    ) -> Result<bool> {
        let (d, n, k) = (design.nrows(), design.ncols(), self.offsets.len());
        same("columns of the slopes", self.slopes.ncols(), d)?;
        same("rows of the penalty", penalty.nrows(), d)?;
        check_labels(y, n, k + 1)?;
        finite("design", design)?;
        same("columns of the base", base.ncols(), n)?;
        same("rows of the base", base.nrows(), k)?;
        finite("base", base)?;
        let lifted = design.clone().insert_row(d, 1.0);
        let objective = |m: &Self| m.objective(base, design, y, penalty);
        let mut value = objective(self);
        for _ in 0..options.steps {
            let activations = base + self.lifted_activations(&lifted);
            let gradient = self.gradient(&activations, &lifted, y, penalty);
            let hessian = hessian(&probabilities(&activations), &lifted, penalty);
            let step = newton(hessian, &gradient)?;
            let decrement = gradient.dot(&step);
            if decrement <= 2.0 * options.tolerance * n as f64 {
                return Ok(true);
            }
            let Some((next, lower)) = self.search(&step, decrement, value, objective) else {
                // No lower value within rounding.
                return Ok(true);
            };
            (*self, value) = (next, lower);
        }
        Ok(false)
    }

    /// Halves the step until the value falls enough (Armijo).
    fn search(
        &self,
        step: &DVector<f64>,
        decrement: f64,
        value: f64,
        objective: impl Fn(&Self) -> f64,
    ) -> Option<(Self, f64)> {
        let mut share = 1.0;
        for _ in 0..40 {
            let next = self.moved(step, share);
            let lower = objective(&next);
            if lower <= value - 1e-4 * share * decrement {
                return Some((next, lower));
            }
            share /= 2.0;
        }
        None
    }

    fn moved(&self, step: &DVector<f64>, share: f64) -> Self {
        let mut next = self.clone();
        let width = self.slopes.ncols() + 1;
        for k in 0..self.offsets.len() {
            for j in 0..width - 1 {
                next.slopes[(k, j)] -= share * step[k * width + j];
            }
            next.offsets[k] -= share * step[k * width + width - 1];
        }
        next
    }

    /// Activations (K x n).
    pub fn activations(&self, design: &DMatrix<f64>) -> DMatrix<f64> {
        let mut a = &self.slopes * design;
        for mut column in a.column_iter_mut() {
            column += &self.offsets;
        }
        a
    }

    fn objective(
        &self,
        base: &DMatrix<f64>,
        design: &DMatrix<f64>,
        y: &[usize],
        penalty: &DMatrix<f64>,
    ) -> f64 {
        let shrink = (&self.slopes * penalty).dot(&self.slopes);
        negative_log_likelihood(&(base + self.activations(design)), y) + shrink
    }

    fn lifted_activations(&self, lifted: &DMatrix<f64>) -> DMatrix<f64> {
        let mut weights = self.slopes.clone().insert_column(self.slopes.ncols(), 0.0);
        weights.set_column(self.slopes.ncols(), &self.offsets);
        weights * lifted
    }

    fn gradient(
        &self,
        activations: &DMatrix<f64>,
        lifted: &DMatrix<f64>,
        y: &[usize],
        penalty: &DMatrix<f64>,
    ) -> DVector<f64> {
        let residual = residuals(activations, y);
        // (d + 1) x K, column by column, is the order of the parameters.
        let mut g = lifted * residual.transpose();
        let shrink = penalty * self.slopes.transpose() * 2.0;
        let mut slopes = g.rows_mut(0, self.slopes.ncols());
        slopes += shrink;
        DVector::from_column_slice(g.as_slice())
    }
}

fn hessian(p: &DMatrix<f64>, lifted: &DMatrix<f64>, penalty: &DMatrix<f64>) -> DMatrix<f64> {
    let (width, k) = (lifted.nrows(), p.nrows() - 1);
    let transposed = lifted.transpose();
    let mut hessian = DMatrix::zeros(width * k, width * k);
    for a in 0..k {
        for b in a..k {
            let mut weighted = lifted.clone();
            for (i, mut column) in weighted.column_iter_mut().enumerate() {
                let (pa, pb) = (p[(a + 1, i)], p[(b + 1, i)]);
                column *= pa * (f64::from(u8::from(a == b)) - pb);
            }
            let mut block = weighted * &transposed;
            if a == b {
                let mut slopes = block.view_mut((0, 0), penalty.shape());
                slopes += penalty * 2.0;
            }
            let (i, j) = (a * width, b * width);
            hessian.view_mut((i, j), (width, width)).copy_from(&block);
            let other = block.transpose();
            hessian.view_mut((j, i), (width, width)).copy_from(&other);
        }
    }
    hessian
}

/// Solves for the step; a singular Hessian is lifted until it is not.
fn newton(hessian: DMatrix<f64>, gradient: &DVector<f64>) -> Result<DVector<f64>> {
    let n = hessian.nrows();
    let mean = hessian.trace() / n as f64;
    let mut lift = 1e-12 * mean.max(f64::MIN_POSITIVE);
    while lift.is_finite() && lift <= mean.max(1.0) * 1e3 {
        let lifted = &hessian + DMatrix::identity(n, n) * lift;
        if let Some(factor) = lifted.cholesky() {
            return Ok(factor.solve(gradient));
        }
        lift *= 100.0;
    }
    Err(TabularError::Learner {
        learner: "softmax regression",
        reason: "the Hessian is not finite; scale the columns".to_owned(),
    })
}

fn check_labels(y: &[usize], n: usize, classes: usize) -> Result<()> {
    same("labels", y.len(), n)?;
    if classes < 2 {
        return Err(TabularError::Parameter {
            name: "classes",
            value: classes as f64,
            rule: "2 or more",
        });
    }
    for class in 0..classes {
        if !y.contains(&class) {
            return Err(TabularError::Learner {
                learner: "softmax regression",
                reason: format!("class {class} of {classes} has no case"),
            });
        }
    }
    match y.iter().find(|c| **c >= classes) {
        None => Ok(()),
        Some(c) => Err(TabularError::Parameter {
            name: "label",
            value: *c as f64,
            rule: "below the number of classes",
        }),
    }
}

/// log(1 + Σ exp aₖ), and the largest of 0 and aₖ, without overflow.
fn log_partition(a: &[f64]) -> f64 {
    let top = a.iter().copied().fold(0.0, f64::max);
    let sum: f64 = a.iter().map(|v| (v - top).exp()).sum();
    top + ((-top).exp() + sum).ln()
}

/// Σ −log p(yᵢ) of activations (K x n).
pub fn negative_log_likelihood(activations: &DMatrix<f64>, y: &[usize]) -> f64 {
    let k = activations.nrows();
    let columns = activations.as_slice().chunks_exact(k).zip(y);
    columns
        .map(|(a, y)| log_partition(a) - if *y == 0 { 0.0 } else { a[*y - 1] })
        .sum()
}

/// Probabilities (classes x n) of activations (K x n).
pub fn probabilities(activations: &DMatrix<f64>) -> DMatrix<f64> {
    let (k, n) = activations.shape();
    let mut p = DMatrix::zeros(k + 1, n);
    for (a, mut p) in activations.column_iter().zip(p.column_iter_mut()) {
        let log = log_partition(a.as_slice());
        p[0] = (-log).exp();
        for j in 0..k {
            p[j + 1] = (a[j] - log).exp();
        }
    }
    p
}

/// P − Y (K x n): the gradient of the negative log-likelihood in the activations.
pub fn residuals(activations: &DMatrix<f64>, y: &[usize]) -> DMatrix<f64> {
    let p = probabilities(activations);
    let mut d = p.rows(1, activations.nrows()).into_owned();
    for (i, y) in y.iter().enumerate().filter(|(_, y)| **y > 0) {
        d[(*y - 1, i)] -= 1.0;
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::uniform;
    use crate::{Learner, Matrix, learner::Logistic};
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    fn cases(classes: usize) -> (DMatrix<f64>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let y: Vec<usize> = (0..90).map(|i| i % classes).collect();
        let mut x = uniform(3, 90, -1.0, 1.0, &mut rng);
        for (i, y) in y.iter().enumerate() {
            x[(*y % 3, i)] += 0.8;
        }
        (x, y)
    }

    #[test]
    fn two_classes_are_the_librarys_logistic_regression() {
        let (x, y) = cases(2);
        let penalty = DMatrix::identity(3, 3) * 0.25;
        let mine = Softmax::fit(&x, &y, 2, &penalty, &SoftmaxOptions::default()).unwrap();
        let rows = Matrix::new(x.as_slice().to_vec(), 3).unwrap();
        let truth: Vec<bool> = y.iter().map(|y| *y == 1).collect();
        let theirs = Logistic { penalty: 0.5 }.fit(&rows, &truth, 0).unwrap();
        let said = theirs.scores(&rows).unwrap();
        let a = mine.activations(&x);
        assert!(a.iter().zip(&said).all(|(a, s)| (a - s).abs() < 1e-3));
    }

    #[test]
    fn gradients_are_those_of_finite_differences_and_vanish_at_the_fit() {
        let (x, y) = cases(3);
        let penalty = DMatrix::from_fn(3, 3, |i, j| if i == j { 0.5 } else { 0.1 });
        let model = Softmax {
            slopes: DMatrix::from_fn(2, 3, |i, j| 0.3 * i as f64 - 0.2 * j as f64),
            offsets: DVector::from_vec(vec![0.1, -0.4]),
        };
        let lifted = x.clone().insert_row(3, 1.0);
        let base = DMatrix::from_fn(2, 90, |i, j| 0.01 * (i + j) as f64);
        let activations = &base + model.activations(&x);
        let gradient = model.gradient(&activations, &lifted, &y, &penalty);
        for at in 0..8 {
            let mut step = DVector::zeros(8);
            step[at] = 1.0;
            let value = |h: f64| model.moved(&step, h).objective(&base, &x, &y, &penalty);
            let numeric = (value(-1e-5) - value(1e-5)) / 2e-5;
            assert!((numeric - gradient[at]).abs() < 1e-6, "{at}");
        }
        let fit = Softmax::fit(&x, &y, 3, &penalty, &SoftmaxOptions::default()).unwrap();
        let gradient = fit.gradient(&fit.activations(&x), &lifted, &y, &penalty);
        assert!(gradient.amax() < 1e-4);
    }

    #[test]
    fn separated_classes_without_penalty_and_missing_classes_are_errors() {
        let x = DMatrix::from_row_slice(1, 4, &[-2.0, -1.0, 1.0, 2.0]);
        let none = DMatrix::zeros(1, 1);
        let options = SoftmaxOptions {
            steps: 12,
            ..SoftmaxOptions::default()
        };
        let err = Softmax::fit(&x, &[0, 0, 1, 1], 2, &none, &options).unwrap_err();
        assert!(err.to_string().contains("raise the penalty"), "{err}");
        assert!(Softmax::fit(&x, &[0, 0, 0, 0], 2, &none, &options).is_err());
        assert!(Softmax::fit(&x, &[0, 1, 2, 3], 3, &none, &options).is_err());
        assert!(Softmax::fit(&x, &[0, 1], 2, &none, &options).is_err());
    }

    #[test]
    fn large_activations_do_not_overflow() {
        let a = DMatrix::from_row_slice(1, 2, &[900.0, -900.0]);
        assert_eq!(negative_log_likelihood(&a, &[1, 0]), 0.0);
        assert_eq!(negative_log_likelihood(&a, &[0, 1]), 1800.0);
        assert!(probabilities(&a).iter().all(|p| p.is_finite()));
    }
}
