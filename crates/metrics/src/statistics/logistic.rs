//! Logistic regression by Newton's method, with an optional ridge penalty.

use super::normal::normal_two_sided;
use crate::error::{MetricError, Result, all_finite, same_length};
use nalgebra::{DMatrix, DVector};

/// Options of the fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticOptions {
    /// Ridge penalty λ/2·|w|² on the summed loss (scikit-learn's 1/C); the intercept is free.
    pub ridge: f64,
    /// Largest number of Newton steps.
    pub max_iterations: usize,
    /// Stop when no coefficient moves by more.
    pub tolerance: f64,
}

impl Default for LogisticOptions {
    /// No penalty, 100 steps, 1e-10.
    fn default() -> Self {
        LogisticOptions {
            ridge: 0.0,
            max_iterations: 100,
            tolerance: 1e-10,
        }
    }
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// One per column.
    pub coefficients: Vec<f64>,
    /// Intercept.
    pub intercept: f64,
    /// Standard errors, intercept first; only meaningful without a penalty.
    pub standard_errors: Vec<f64>,
    /// Log-likelihood.
    pub log_likelihood: f64,
}

impl LogisticFit {
    /// Two-sided Wald p-values, intercept first.
    pub fn p_values(&self) -> Vec<f64> {
        let values = std::iter::once(&self.intercept).chain(&self.coefficients);
        values
            .zip(&self.standard_errors)
            .map(|(b, se)| normal_two_sided(b / se))
            .collect()
    }

    /// Akaike's criterion.
    pub fn aic(&self) -> f64 {
        2.0 * (self.standard_errors.len() as f64 - self.log_likelihood)
    }
}

/// Fits `y ~ 1 + x`, `x[i * columns + j]`.
///
/// # Errors
/// Shapes that do not fit, values that are not finite, [`MetricError::SingleClass`], or
/// [`MetricError::NotConverged`] (separated classes, collinear columns).
pub fn logistic_regression(
    x: &[f64],
    columns: usize,
    y: &[bool],
    options: &LogisticOptions,
) -> Result<LogisticFit> {
    same_length("x", x.len(), "rows times columns", y.len() * columns)?;
    all_finite("x", x)?;
    let design = DMatrix::from_fn(y.len(), columns + 1, |i, j| {
        if j == 0 { 1.0 } else { x[i * columns + j - 1] }
    });
    let fit = newton(&design, &DVector::zeros(y.len()), &target(y)?, options)?;
    Ok(LogisticFit {
        intercept: fit.beta[0],
        coefficients: fit.beta.iter().skip(1).copied().collect(),
        standard_errors: fit.standard_errors,
        log_likelihood: fit.log_likelihood,
    })
}

/// Fits the intercept alone, the linear predictor `offset` held fixed.
///
/// # Errors
/// As [`logistic_regression`].
pub fn logistic_offset(offset: &[f64], y: &[bool], options: &LogisticOptions) -> Result<f64> {
    same_length("offset", offset.len(), "labels", y.len())?;
    all_finite("offset", offset)?;
    let design = DMatrix::from_element(y.len(), 1, 1.0);
    Ok(newton(
        &design,
        &DVector::from_column_slice(offset),
        &target(y)?,
        options,
    )?
    .beta[0])
}

fn target(y: &[bool]) -> Result<DVector<f64>> {
    let positives = y.iter().filter(|v| **v).count();
    if positives == 0 || positives == y.len() {
        return Err(MetricError::SingleClass {
            metric: "logistic",
            positives,
            negatives: y.len() - positives,
        });
    }
    Ok(DVector::from_iterator(
        y.len(),
        y.iter().map(|v| f64::from(u8::from(*v))),
    ))
}

struct Newton {
    beta: DVector<f64>,
    standard_errors: Vec<f64>,
    log_likelihood: f64,
}

fn newton(
    x: &DMatrix<f64>,
    offset: &DVector<f64>,
    y: &DVector<f64>,
    options: &LogisticOptions,
) -> Result<Newton> {
    let failed = |iterations| MetricError::NotConverged {
        what: "logistic regression",
        iterations,
        hint: "the classes may be separated or columns collinear; add a ridge penalty",
    };
    let mut beta = DVector::zeros(x.ncols());
    for iteration in 0..options.max_iterations {
        let (gradient, hessian) = derivatives(x, offset, y, &beta, options.ridge);
        let factor = hessian.cholesky().ok_or(failed(iteration))?;
        let step = factor.solve(&gradient);
        let loss = objective(x, offset, y, &beta, options.ridge);
        let mut scale = 1.0;
        while objective(x, offset, y, &(&beta + &step * scale), options.ridge) > loss + 1e-12
            && scale > 1e-8
        {
            scale /= 2.0;
        }
        beta += &step * scale;
        if !beta.iter().all(|b| b.is_finite()) {
            return Err(failed(iteration));
        }
        if step.amax() < options.tolerance {
            let inverse = factor.inverse();
            let standard_errors = inverse.diagonal().iter().map(|v| v.sqrt()).collect();
            let log_likelihood = -objective(x, offset, y, &beta, 0.0);
            return Ok(Newton {
                beta,
                standard_errors,
                log_likelihood,
            });
        }
    }
    Err(failed(options.max_iterations))
}

fn derivatives(
    x: &DMatrix<f64>,
    offset: &DVector<f64>,
    y: &DVector<f64>,
    beta: &DVector<f64>,
    ridge: f64,
) -> (DVector<f64>, DMatrix<f64>) {
    let p = (x * beta + offset).map(|z| 1.0 / (1.0 + (-z).exp()));
    let mut gradient = x.tr_mul(&(y - &p));
    let mut weighted = x.clone();
    for (mut row, p) in weighted.row_iter_mut().zip(p.iter()) {
        row *= p * (1.0 - p);
    }
    let mut hessian = x.tr_mul(&weighted);
    for j in 1..x.ncols() {
        gradient[j] -= ridge * beta[j];
        hessian[(j, j)] += ridge;
    }
    (gradient, hessian)
}

/// Negative log-likelihood with the penalty.
fn objective(
    x: &DMatrix<f64>,
    offset: &DVector<f64>,
    y: &DVector<f64>,
    beta: &DVector<f64>,
    ridge: f64,
) -> f64 {
    let z = x * beta + offset;
    let loss: f64 = z
        .iter()
        .zip(y.iter())
        .map(|(z, y)| softplus(*z) - y * z)
        .sum();
    loss + ridge / 2.0 * beta.iter().skip(1).map(|b| b * b).sum::<f64>()
}

/// ln(1 + e^z) without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separated_classes_do_not_converge_without_a_penalty() {
        let (x, y) = ([-2.0, -1.0, 1.0, 2.0], [false, false, true, true]);
        let none = LogisticOptions::default();
        assert!(matches!(
            logistic_regression(&x, 1, &y, &none),
            Err(MetricError::NotConverged { .. })
        ));
        let ridge = LogisticOptions { ridge: 1.0, ..none };
        assert!(logistic_regression(&x, 1, &y, &ridge).unwrap().coefficients[0] > 0.0);
    }

    #[test]
    fn the_intercept_alone_is_the_log_odds() {
        let y = [true, false, false, false];
        let b = logistic_offset(&[0.0; 4], &y, &LogisticOptions::default()).unwrap();
        assert!((b - (1.0_f64 / 3.0).ln()).abs() < 1e-10);
        assert!(
            logistic_offset(&[0.0], &[true], &LogisticOptions::default())
                .unwrap_err()
                .is_undefined()
        );
    }
}
