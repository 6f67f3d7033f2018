//! The objective of supervised dictionary learning, its gradients, and the state they are taken at.
//!
//! ξ‖X − W H‖² + Σ −log p(yᵢ | aᵢ) + ν(‖A‖² + ‖Γ‖²) with activations aᵢ = b₀ + B uᵢ + Γ zᵢ. Filter (SDL-W):
//! uᵢ = Wᵀ(xᵢ − x̄) and A = W Bᵀ; feature (SDL-H): uᵢ = hᵢ and A = B H. Taking the mean x̄ away changes only what b₀
//! means, and conditions the problem. The penalty is on A, so that both solvers minimise the same.

use crate::error::{MethodError, Result};
use hilum_tabular::factor::{
    Signs, Softmax, SoftmaxOptions, SvdOptions, negative_log_likelihood, residuals, truncated_svd,
};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// What the labels are predicted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Responses of the dictionary's columns as filters (SDL-W).
    Filter,
    /// Codes (SDL-H).
    Feature,
}

/// Cases as columns, with labels and covariates.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases {
    /// p x n.
    pub x: DMatrix<f64>,
    /// Class of each column, 0 to classes − 1.
    pub y: Vec<usize>,
    /// Covariates, q x n; q may be 0.
    pub z: DMatrix<f64>,
}

/// Weights of the terms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// ξ, of the reconstruction.
    pub xi: f64,
    /// ν, of the squared slopes.
    pub ridge: f64,
}

/// A dictionary, its codes, and the regression on them.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// p x r.
    pub w: DMatrix<f64>,
    /// r x n.
    pub h: DMatrix<f64>,
    /// Slopes K x (r + q): B beside Γ.
    pub head: Softmax,
}

/// The problem on given cases.
pub struct Problem<'a> {
    /// Cases.
    pub cases: &'a Cases,
    /// Number of classes.
    pub classes: usize,
    /// Which variant.
    pub variant: Variant,
    /// Weights.
    pub weights: Weights,
    /// Mean of the cases.
    pub mean: DVector<f64>,
    /// Cases without their mean; filter only, else without columns.
    pub centred: DMatrix<f64>,
    /// ‖X‖².
    pub energy: f64,
    /// Largest curvature of the log loss in A.
    pub curvature: f64,
}

impl<'a> Problem<'a> {
    /// Checks the cases and prepares what every step needs.
    ///
    /// # Errors
    /// Sizes that differ, fewer than two classes, weights out of range.
    pub fn new(
        cases: &'a Cases,
        classes: usize,
        variant: Variant,
        weights: Weights,
    ) -> Result<Self> {
        let n = cases.x.ncols();
        if cases.y.len() != n || cases.z.ncols() != n || n == 0 || classes < 2 {
            return Err(MethodError::Config(format!(
                "{n} cases, {} labels of {classes} classes and {} rows of covariates do not fit",
                cases.y.len(),
                cases.z.ncols()
            )));
        }
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if !positive(weights.xi) || !positive(weights.ridge) {
            return Err(MethodError::Config(format!(
                "xi = {} and ridge = {} must be positive",
                weights.xi, weights.ridge
            )));
        }
        let mean = cases.x.column_mean();
        // Largest eigenvalue of the log loss' Hessian in the activations of one case.
        let loss = if classes == 2 { 0.25 } else { 0.5 };
        let (centred, curvature) = match variant {
            Variant::Feature => (DMatrix::zeros(cases.x.nrows(), 0), loss),
            Variant::Filter => {
                let mut centred = cases.x.clone();
                centred.column_iter_mut().for_each(|mut c| c -= &mean);
                let options = SvdOptions {
                    rounds: 10,
                    ..SvdOptions::default()
                };
                let top = truncated_svd(&centred, 1, &options, None)?.s[0];
                // The subspace finds it from below.
                (centred, loss * 1.02 * top * top)
            }
        };
        Ok(Problem {
            cases,
            classes,
            variant,
            weights,
            mean,
            centred,
            energy: cases.x.norm_squared(),
            curvature,
        })
    }

    /// K.
    pub fn outputs(&self) -> usize {
        self.classes - 1
    }

    /// u over z, (r + q) x n.
    pub fn design(&self, s: &State) -> DMatrix<f64> {
        let u = match self.variant {
            Variant::Filter => s.w.transpose() * &self.centred,
            Variant::Feature => s.h.clone(),
        };
        stacked(&u, &self.cases.z)
    }

    /// Penalty of the head's slopes: the Gram matrix that makes ν‖A‖² of B, and ν for Γ.
    pub fn head_penalty(&self, s: &State) -> DMatrix<f64> {
        let gram = match self.variant {
            Variant::Filter => s.w.transpose() * &s.w,
            Variant::Feature => &s.h * s.h.transpose(),
        };
        let (r, q) = (gram.nrows(), self.cases.z.nrows());
        let mut penalty = DMatrix::identity(r + q, r + q) * self.weights.ridge;
        penalty
            .view_mut((0, 0), (r, r))
            .copy_from(&(gram * self.weights.ridge));
        penalty
    }

    /// B, K x r.
    pub fn slopes(s: &State) -> DMatrix<f64> {
        s.head.slopes.columns(0, s.w.ncols()).into_owned()
    }

    /// ‖X − W H‖².
    pub fn reconstruction(&self, s: &State) -> f64 {
        (&self.cases.x - &s.w * &s.h).norm_squared()
    }

    /// The objective.
    pub fn objective(&self, s: &State) -> f64 {
        let activations = s.head.activations(&self.design(s));
        let shrink = (&s.head.slopes * self.head_penalty(s)).dot(&s.head.slopes);
        self.weights.xi * self.reconstruction(s)
            + negative_log_likelihood(&activations, &self.cases.y)
            + shrink
    }

    /// P − Y, K x n.
    pub fn residuals(&self, s: &State) -> DMatrix<f64> {
        residuals(&s.head.activations(&self.design(s)), &self.cases.y)
    }

    /// Gradient in W, p x r: 2ξ(W H − X)Hᵀ, and for filters (X − x̄)(P − Y)ᵀB + 2ν W BᵀB besides.
    pub fn gradient_w(&self, s: &State) -> DMatrix<f64> {
        let ht = s.h.transpose();
        let g = (&s.w * (&s.h * &ht) - &self.cases.x * &ht) * (2.0 * self.weights.xi);
        match self.variant {
            Variant::Feature => g,
            Variant::Filter => g + self.label_gradient_w(s),
        }
    }

    /// The part of the labels and the penalty, filters only.
    pub fn label_gradient_w(&self, s: &State) -> DMatrix<f64> {
        let b = Self::slopes(s);
        let labels = &self.centred * self.residuals(s).transpose() * &b;
        labels + &s.w * (b.transpose() * &b) * (2.0 * self.weights.ridge)
    }

    /// Gradient in H, r x n: 2ξ Wᵀ(W H − X), and for features Bᵀ(P − Y) + 2ν BᵀB H besides.
    pub fn gradient_h(&self, s: &State) -> DMatrix<f64> {
        let wt = s.w.transpose();
        let g = ((&wt * &s.w) * &s.h - &wt * &self.cases.x) * (2.0 * self.weights.xi);
        match self.variant {
            Variant::Filter => g,
            Variant::Feature => {
                let bt = Self::slopes(s).transpose();
                let shrink = &bt * (bt.transpose() * &s.h) * (2.0 * self.weights.ridge);
                g + &bt * self.residuals(s) + shrink
            }
        }
    }

    /// Newton steps on the head alone.
    ///
    /// # Errors
    /// A class without a case, values that are not finite.
    pub fn improve_head(&self, s: &mut State, steps: usize) -> Result<()> {
        let (design, penalty) = (self.design(s), self.head_penalty(s));
        let options = SoftmaxOptions {
            steps,
            ..SoftmaxOptions::default()
        };
        s.head.improve(&design, &self.cases.y, &penalty, &options)?;
        Ok(())
    }
}

/// One matrix over the other.
pub fn stacked(top: &DMatrix<f64>, bottom: &DMatrix<f64>) -> DMatrix<f64> {
    let mut all = DMatrix::zeros(top.nrows() + bottom.nrows(), top.ncols());
    all.rows_mut(0, top.nrows()).copy_from(top);
    all.rows_mut(top.nrows(), bottom.nrows()).copy_from(bottom);
    all
}

/// How a fit went.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The last state.
    pub state: State,
    /// Objective at the start and after every iteration.
    pub trace: Vec<f64>,
    /// Signs that the factors were held to.
    pub signs: Signs,
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    pub(crate) fn random(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |_, _| rng.random_range(0.0..1.0))
    }

    /// Forty cases of six values, one covariate, and a state of rank 3.
    pub(crate) fn small(classes: usize) -> (Cases, State) {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let cases = Cases {
            x: random(6, 40, &mut rng),
            y: (0..40).map(|i| (i * i + i / 3) % classes).collect(),
            z: random(1, 40, &mut rng),
        };
        let mut head = Softmax::zeros(classes, 4);
        head.slopes = random(classes - 1, 4, &mut rng).map(|v| v - 0.5);
        let state = State {
            w: random(6, 3, &mut rng),
            h: random(3, 40, &mut rng),
            head,
        };
        (cases, state)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::small;
    use super::*;

    const WEIGHTS: Weights = Weights {
        xi: 0.7,
        ridge: 0.3,
    };

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for classes in [2, 3] {
            let (cases, state) = small(classes);
            for variant in [Variant::Filter, Variant::Feature] {
                let problem = Problem::new(&cases, classes, variant, WEIGHTS).unwrap();
                let (gw, gh) = (problem.gradient_w(&state), problem.gradient_h(&state));
                let value = |change: &dyn Fn(&mut State)| {
                    let mut s = state.clone();
                    change(&mut s);
                    problem.objective(&s)
                };
                for at in 0..state.w.len() {
                    let step = |d: f64| value(&|s: &mut State| s.w[at] += d);
                    let numeric = (step(1e-5) - step(-1e-5)) / 2e-5;
                    assert!((numeric - gw[at]).abs() < 1e-5, "{variant:?} W {at}");
                }
                for at in 0..state.h.len() {
                    let step = |d: f64| value(&|s: &mut State| s.h[at] += d);
                    let numeric = (step(1e-5) - step(-1e-5)) / 2e-5;
                    assert!((numeric - gh[at]).abs() < 1e-5, "{variant:?} H {at}");
                }
            }
        }
    }

    #[test]
    fn the_mean_changes_only_the_offset() {
        let (cases, state) = small(2);
        let problem = Problem::new(&cases, 2, Variant::Filter, WEIGHTS).unwrap();
        let mut plain = state.head.clone();
        let b = Problem::slopes(&state);
        plain.offsets -= &b * state.w.transpose() * &problem.mean;
        let raw = stacked(&(state.w.transpose() * &cases.x), &cases.z);
        let a = state.head.activations(&problem.design(&state));
        assert!((a - plain.activations(&raw)).norm() < 1e-10);
    }

    #[test]
    fn sizes_and_weights_that_do_not_fit_are_errors() {
        let (mut cases, _) = small(2);
        let wrong = Weights {
            xi: 0.0,
            ridge: 1.0,
        };
        assert!(Problem::new(&cases, 2, Variant::Filter, wrong).is_err());
        assert!(Problem::new(&cases, 1, Variant::Filter, WEIGHTS).is_err());
        cases.y.pop();
        assert!(Problem::new(&cases, 2, Variant::Filter, WEIGHTS).is_err());
    }
}
