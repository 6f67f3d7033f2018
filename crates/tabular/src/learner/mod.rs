//! Classical learners of two classes behind one trait.
//!
//! Fits are single-threaded and seeded: the same table, settings and seed give the same model whatever the
//! number of threads; callers spread folds over threads instead.

mod boosting;
mod forest;
mod kind;
mod logistic;
mod svm;
mod tree;

pub use boosting::Boosting;
pub use forest::Forest;
pub use kind::LearnerKind;
pub use logistic::Logistic;
pub use svm::{Kernel, Svm};
pub use tree::Tree;

use crate::error::{Result, TabularError};
use crate::matrix::{Matrix, check};
use crate::scale::Standardiser;

/// Settings from which a model can be fitted.
pub trait Learner: Send + Sync {
    /// Name in tables.
    fn name(&self) -> &'static str;

    /// Fits on rows and labels.
    ///
    /// # Errors
    /// Sizes that differ, one class only, settings out of range, or a fit that the library gives up.
    fn fit(&self, x: &Matrix, y: &[bool], seed: u64) -> Result<Box<dyn Fitted>>;
}

/// A fitted model.
pub trait Fitted: Send + Sync {
    /// A real number a row that rises with the positive class, and whose sigmoid is [`Self::probabilities`]
    /// up to clipping: what calibrators are fitted on.
    ///
    /// # Errors
    /// Another number of columns than it was fitted on.
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>>;

    /// Probability of the positive class a row, not calibrated: for a support vector machine, which has none
    /// of its own, the sigmoid of its margin.
    ///
    /// # Errors
    /// As [`Self::scores`].
    fn probabilities(&self, x: &Matrix) -> Result<Vec<f64>> {
        Ok(self.scores(x)?.into_iter().map(sigmoid).collect())
    }
}

/// Standardises by the rows given, then fits.
///
/// # Errors
/// As [`Learner::fit`].
pub fn fit_standardised(
    learner: &dyn Learner,
    x: &Matrix,
    y: &[bool],
    seed: u64,
) -> Result<Box<dyn Fitted>> {
    check(learner.name(), x, y)?;
    let scale = Standardiser::fit(x)?;
    let inner = learner.fit(&scale.apply(x)?, y, seed)?;
    Ok(Box::new(Standardised { scale, inner }))
}

struct Standardised {
    scale: Standardiser,
    inner: Box<dyn Fitted>,
}

impl Fitted for Standardised {
    fn scores(&self, x: &Matrix) -> Result<Vec<f64>> {
        self.inner.scores(&self.scale.apply(x)?)
    }

    fn probabilities(&self, x: &Matrix) -> Result<Vec<f64>> {
        self.inner.probabilities(&self.scale.apply(x)?)
    }
}

pub(crate) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

pub(crate) fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

pub(crate) fn failed(learner: &'static str) -> impl Fn(&dyn std::fmt::Display) -> TabularError {
    move |reason| TabularError::Learner {
        learner,
        reason: reason.to_string(),
    }
}

/// Fails unless `value` is positive and finite.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(TabularError::Parameter {
        name,
        value,
        rule: "positive",
    })
}

/// Fails unless the columns are those that the model was fitted on.
pub(crate) fn same_columns(x: &Matrix, expected: usize) -> Result<()> {
    if x.columns() == expected {
        return Ok(());
    }
    Err(TabularError::Shape {
        what: "columns",
        got: x.columns(),
        expected,
    })
}

/// The library's matrix.
pub(crate) fn dense(x: &Matrix) -> Result<smartcore::linalg::basic::matrix::DenseMatrix<f64>> {
    let values = x.values().to_vec();
    smartcore::linalg::basic::matrix::DenseMatrix::new(x.rows(), x.columns(), values, false)
        .map_err(|e| failed("matrix")(&e))
}

pub(crate) fn zero_one(y: &[bool]) -> Vec<f64> {
    y.iter().map(|v| f64::from(u8::from(*v))).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    /// Two blobs, `gap` apart along both columns.
    pub(crate) fn blobs(n: usize, gap: f64, seed: u64) -> (Matrix, Vec<bool>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::new();
        let y: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
        for y in &y {
            let centre = if *y { gap } else { 0.0 };
            values.push(centre + rng.random_range(-1.0..1.0));
            values.push(centre + rng.random_range(-1.0..1.0));
        }
        (Matrix::new(values, 2).unwrap(), y)
    }

    /// Positive where the signs of the two columns agree: no line separates it.
    pub(crate) fn checkers(n: usize, seed: u64) -> (Matrix, Vec<bool>) {
        let (x, _) = blobs(n, 0.0, seed);
        let y = x
            .iter_rows()
            .map(|r| (r[0] > 0.0) == (r[1] > 0.0))
            .collect();
        (x, y)
    }

    pub(crate) fn accuracy(model: &dyn Fitted, x: &Matrix, y: &[bool]) -> f64 {
        let p = model.probabilities(x).unwrap();
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
        let right = p.iter().zip(y).filter(|(p, y)| (**p >= 0.5) == **y);
        right.count() as f64 / y.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{accuracy, blobs, checkers};
    use super::*;

    #[test]
    fn every_learner_separates_blobs_and_is_the_same_twice() {
        let (x, y) = blobs(120, 1.2, 1);
        let (new, truth) = blobs(80, 1.2, 2);
        for kind in LearnerKind::ALL {
            let learner = kind.baseline();
            let a = fit_standardised(&*learner, &x, &y, 7).unwrap();
            assert!(accuracy(&*a, &new, &truth) > 0.8, "{}", learner.name());
            let b = fit_standardised(&*learner, &x, &y, 7).unwrap();
            assert_eq!(a.scores(&new).unwrap(), b.scores(&new).unwrap());
            let (s, p) = (a.scores(&new).unwrap(), a.probabilities(&new).unwrap());
            let mut order: Vec<usize> = (0..s.len()).collect();
            order.sort_by(|i, j| s[*i].total_cmp(&s[*j]));
            assert!(order.windows(2).all(|w| p[w[0]] <= p[w[1]]));
        }
    }

    #[test]
    fn the_non_linear_learners_find_what_no_line_separates() {
        let (x, y) = checkers(300, 1);
        let (new, truth) = checkers(200, 2);
        for (kind, finds) in [
            (LearnerKind::Logistic, false),
            (LearnerKind::LinearSvm, false),
            (LearnerKind::RbfSvm, true),
            (LearnerKind::Forest, true),
            (LearnerKind::Boosting, true),
        ] {
            let model = fit_standardised(&*kind.baseline(), &x, &y, 1).unwrap();
            let seen = accuracy(&*model, &new, &truth);
            assert_eq!(seen > 0.8, finds, "{kind:?}: {seen}");
        }
    }

    #[test]
    fn fits_do_not_depend_on_the_number_of_threads() {
        let (x, y) = checkers(120, 3);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                LearnerKind::ALL.map(|kind| {
                    let model = fit_standardised(&*kind.baseline(), &x, &y, 5).unwrap();
                    model.scores(&x).unwrap()
                })
            })
        };
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn one_class_and_other_columns_are_errors() {
        let (x, y) = blobs(20, 1.0, 1);
        let other = Matrix::new(vec![0.0; 6], 3).unwrap();
        for kind in LearnerKind::ALL {
            let learner = kind.baseline();
            let one = learner.fit(&x, &[true; 20], 1);
            assert!(matches!(one, Err(TabularError::SingleClass { .. })));
            let short = learner.fit(&x, &y[..19], 1);
            assert!(matches!(short, Err(TabularError::Shape { .. })));
            let model = learner.fit(&x, &y, 1).unwrap();
            assert!(model.scores(&other).is_err(), "{kind:?}");
        }
    }
}
