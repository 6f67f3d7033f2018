//! A fitted dictionary with its regression, asked about new cases; and the two baselines in the same form.

use super::problem::{Cases, Problem, Solution, Variant, stacked};
use crate::error::Result;
use hilum_tabular::factor::{Signs, Softmax, SoftmaxOptions, encode, probabilities};
use nalgebra::{DMatrix, DVector};

/// Coordinate sweeps of the codes of new cases.
const SWEEPS: usize = 60;

/// What it takes to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    variant: Variant,
    signs: Signs,
    /// Mean of the training cases.
    mean: DVector<f64>,
    /// Dictionary, p x r; `None` for the regression on the cases themselves.
    pub w: Option<DMatrix<f64>>,
    /// The regression on u and z.
    pub head: Softmax,
}

impl Model {
    /// Of a solved problem.
    pub fn new(problem: &Problem<'_>, solution: Solution) -> Self {
        Model {
            variant: problem.variant,
            signs: solution.signs,
            mean: problem.mean.clone(),
            w: Some(solution.state.w),
            head: solution.state.head,
        }
    }

    /// Logistic regression on the values themselves (and covariates), squared slopes times `ridge`.
    ///
    /// # Errors
    /// As [`Softmax::fit`].
    pub fn regression(cases: &Cases, classes: usize, ridge: f64) -> Result<Self> {
        let mean = cases.x.column_mean();
        let mut model = Model {
            variant: Variant::Filter,
            signs: Signs::Free,
            mean,
            w: None,
            head: Softmax::zeros(classes, 0),
        };
        model.fit_head(cases, classes, |d| DMatrix::identity(d, d) * ridge)?;
        Ok(model)
    }

    /// Logistic regression on the codes under a dictionary that was learned without labels.
    ///
    /// # Errors
    /// As [`Softmax::fit`] and [`encode`].
    pub fn on_codes(w: DMatrix<f64>, cases: &Cases, classes: usize, ridge: f64) -> Result<Self> {
        let mut model = Model {
            variant: Variant::Feature,
            signs: Signs::NonNegative,
            mean: cases.x.column_mean(),
            w: Some(w),
            head: Softmax::zeros(classes, 0),
        };
        let codes = model.u(&cases.x)?;
        let n = codes.ncols() as f64;
        // Codes have no scale of their own, so the penalty is on slopes per deviation.
        let spread: Vec<f64> = codes.row_iter().map(|r| r.variance() * n).collect();
        model.fit_head(cases, classes, |d| {
            let own = |i: usize| spread.get(i).map_or(ridge, |s| ridge * s / n);
            DMatrix::from_diagonal(&DVector::from_fn(d, |i, _| own(i).max(1e-12)))
        })?;
        Ok(model)
    }

    fn fit_head(
        &mut self,
        cases: &Cases,
        classes: usize,
        penalty: impl Fn(usize) -> DMatrix<f64>,
    ) -> Result<()> {
        let design = stacked(&self.u(&cases.x)?, &cases.z);
        let penalty = penalty(design.nrows());
        self.head = Softmax::fit(
            &design,
            &cases.y,
            classes,
            &penalty,
            &SoftmaxOptions::default(),
        )?;
        Ok(())
    }

    /// What the regression sees of `x` (p x n).
    fn u(&self, x: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let centred = || {
            let mut centred = x.clone();
            centred.column_iter_mut().for_each(|mut c| c -= &self.mean);
            centred
        };
        match (&self.w, self.variant) {
            (None, _) => Ok(centred()),
            (Some(w), Variant::Filter) => Ok(w.transpose() * centred()),
            (Some(w), Variant::Feature) => self.codes(w, x),
        }
    }

    /// Codes without labels ("naive").
    fn codes(&self, w: &DMatrix<f64>, x: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        Ok(encode(w, x, self.signs, 0.0, SWEEPS)?)
    }

    /// Probabilities, classes x n.
    ///
    /// # Errors
    /// Cases of another size, values that are not finite.
    pub fn probabilities(&self, x: &DMatrix<f64>, z: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let design = stacked(&self.u(x)?, z);
        Ok(probabilities(&self.head.activations(&design)))
    }

    /// Share of the energy of new cases that the dictionary does not rebuild; `None` without a dictionary.
    ///
    /// # Errors
    /// Cases of another size, values that are not finite.
    pub fn unexplained(&self, x: &DMatrix<f64>) -> Result<Option<f64>> {
        let Some(w) = &self.w else { return Ok(None) };
        let rest = x - w * self.codes(w, x)?;
        Ok(Some(rest.norm_squared() / x.norm_squared()))
    }

    /// Slopes of the atoms for class `k` (1 and up).
    pub fn slopes_of(&self, k: usize) -> Vec<f64> {
        let r = self.w.as_ref().map_or(0, DMatrix::ncols);
        (0..r).map(|j| self.head.slopes[(k - 1, j)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::bcd::{BcdOptions, random_start, solve};
    use super::super::problem::Weights;
    use super::super::problem::samples::small;
    use super::*;

    #[test]
    fn filters_say_of_the_training_cases_what_the_state_says() {
        let (cases, _) = small(3);
        let weights = Weights {
            xi: 1.0,
            ridge: 0.1,
        };
        let problem = Problem::new(&cases, 3, Variant::Filter, weights).unwrap();
        let start = random_start(&problem, 3, Signs::NonNegative, 1);
        let done = solve(&problem, start, &BcdOptions::default()).unwrap();
        let a = done.state.head.activations(&problem.design(&done.state));
        let model = Model::new(&problem, done);
        let p = model.probabilities(&cases.x, &cases.z).unwrap();
        assert!((p - probabilities(&a)).norm() < 1e-10);
        let left = model.unexplained(&cases.x).unwrap().unwrap();
        assert!(left > 0.0 && left < 0.5);
    }

    #[test]
    fn baselines_predict_and_the_scale_of_the_dictionary_does_not_matter() {
        let (cases, state) = small(2);
        let plain = Model::regression(&cases, 2, 0.1).unwrap();
        assert_eq!(plain.unexplained(&cases.x).unwrap(), None);
        let said = |w: DMatrix<f64>| {
            let model = Model::on_codes(w, &cases, 2, 0.1).unwrap();
            model.probabilities(&cases.x, &cases.z).unwrap()
        };
        let (a, b) = (said(state.w.clone()), said(&state.w * 5.0));
        assert!((a - b).amax() < 1e-6);
    }
}
