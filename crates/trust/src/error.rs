//! Why something could not be fitted or applied.

use hilum_metrics::MetricError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, TrustError>;

/// Why something could not be fitted or applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrustError {
    /// The labels and scores are wrong or do not determine the fit.
    #[error(transparent)]
    Data(#[from] MetricError),
    /// A vector or matrix has the wrong size.
    #[error("{what} has {got} entries, expected {expected}")]
    Shape {
        /// Which argument.
        what: &'static str,
        /// Entries given.
        got: usize,
        /// Entries expected.
        expected: usize,
    },
    /// An option outside its range.
    #[error("{name} = {value} must be {rule}")]
    Parameter {
        /// Name of the option.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// Too few samples for what was asked.
    #[error("{what} needs at least {needed} samples, got {got}")]
    TooFew {
        /// What was fitted.
        what: &'static str,
        /// Samples needed.
        needed: usize,
        /// Samples given.
        got: usize,
    },
    /// A covariance matrix that cannot be inverted.
    #[error(
        "the covariance of {dimensions} features from {samples} samples is singular; use shrinkage"
    )]
    Singular {
        /// Features.
        dimensions: usize,
        /// Samples.
        samples: usize,
    },
    /// Folds need patients of both classes.
    #[error(
        "{patients} patients have the finding {class}, but {folds} folds need one each; use fewer folds (--folds) or more \
         labelled patients"
    )]
    TooFewPatients {
        /// `present` or `absent`.
        class: &'static str,
        /// Patients of the class.
        patients: usize,
        /// Folds asked for.
        folds: usize,
    },
    /// No temperature minimises the loss.
    #[error("no finite temperature minimises the loss: {reason}")]
    NoTemperature {
        /// Why.
        reason: &'static str,
    },
}

/// Fails unless `value` lies strictly between 0 and 1.
pub(crate) fn open_unit(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(TrustError::Parameter {
        name,
        value,
        rule: "strictly between 0 and 1",
    })
}

/// Fails unless the sizes agree.
pub(crate) fn shape(what: &'static str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        Ok(())
    } else {
        Err(TrustError::Shape {
            what,
            got,
            expected,
        })
    }
}

/// Fails at the first NaN or infinity.
pub(crate) fn finite(what: &'static str, values: impl IntoIterator<Item = f64>) -> Result<()> {
    match values.into_iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, value)) => Err(MetricError::NonFinite { what, index, value }.into()),
        None => Ok(()),
    }
}
