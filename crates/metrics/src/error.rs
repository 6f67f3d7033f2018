//! Why a score could not be computed.

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, MetricError>;

/// Why a score could not be computed. [`is_undefined`](MetricError::is_undefined) tells a score that the
/// data do not determine from an input that is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Nothing was given.
    #[error("{what} is empty; give at least one entry")]
    Empty {
        /// Name of the argument.
        what: &'static str,
    },
    /// Two arguments that belong together differ in length.
    #[error(
        "{left} has {left_len} entries but {right} has {right_len}; they must pair up one to one"
    )]
    LengthMismatch {
        /// Name of the first argument.
        left: &'static str,
        /// Its length.
        left_len: usize,
        /// Name of the second argument.
        right: &'static str,
        /// Its length.
        right_len: usize,
    },
    /// A NaN or an infinity.
    #[error(
        "{what}[{index}] is {value}, not a finite number; drop the entry or mark its label null"
    )]
    NonFinite {
        /// Name of the argument.
        what: &'static str,
        /// Where.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// A number outside its range.
    #[error("{what}[{index}] = {value} lies outside {low} to {high}")]
    OutOfRange {
        /// Name of the argument.
        what: &'static str,
        /// Where.
        index: usize,
        /// What stands there.
        value: f64,
        /// Lowest permitted value.
        low: f64,
        /// Highest permitted value.
        high: f64,
    },
    /// A label code that means nothing here.
    #[error(
        "label {index} is {value}; labels are 0, 1 or null (decide on uncertain labels before scoring)"
    )]
    BadLabel {
        /// Where.
        index: usize,
        /// What stands there.
        value: i64,
    },
    /// Every label is null.
    #[error("all {n} labels are null: nothing to score; the data set does not label this finding")]
    AllNull {
        /// Number of labels.
        n: usize,
    },
    /// The score needs both classes.
    #[error(
        "{metric} needs positives and negatives, but there are {positives} positives and {negatives} \
         negatives; use a larger split or leave this finding out"
    )]
    SingleClass {
        /// Registry name of the score.
        metric: &'static str,
        /// Positives seen.
        positives: usize,
        /// Negatives seen.
        negatives: usize,
    },
    /// The data do not determine the score.
    #[error("{metric} is undefined: {reason}")]
    Undefined {
        /// Registry name of the score.
        metric: &'static str,
        /// Why, and what would make it defined.
        reason: &'static str,
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
    /// An iteration did not settle.
    #[error("{what} did not converge in {iterations} iterations; {hint}")]
    NotConverged {
        /// What was fitted.
        what: &'static str,
        /// Iterations done.
        iterations: usize,
        /// What usually causes it.
        hint: &'static str,
    },
}

impl MetricError {
    /// True when the input is well formed but does not determine the score (one class, all null, ...).
    /// Such a score is reported as null with this error's text as its reason.
    pub fn is_undefined(&self) -> bool {
        matches!(
            self,
            MetricError::AllNull { .. }
                | MetricError::SingleClass { .. }
                | MetricError::Undefined { .. }
        )
    }
}

/// Fails unless the two lengths are equal.
pub(crate) fn same_length(
    left: &'static str,
    left_len: usize,
    right: &'static str,
    right_len: usize,
) -> Result<()> {
    if left_len == right_len {
        Ok(())
    } else {
        Err(MetricError::LengthMismatch {
            left,
            left_len,
            right,
            right_len,
        })
    }
}

/// Fails at the first NaN or infinity.
pub(crate) fn all_finite(what: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(MetricError::NonFinite {
            what,
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

/// Fails when there is nothing.
pub(crate) fn not_empty(what: &'static str, len: usize) -> Result<()> {
    if len == 0 {
        Err(MetricError::Empty { what })
    } else {
        Ok(())
    }
}

/// Fails unless `value` lies strictly between 0 and 1 (levels, error rates).
pub(crate) fn open_unit(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        Ok(())
    } else {
        Err(MetricError::Parameter {
            name,
            value,
            rule: "strictly between 0 and 1",
        })
    }
}

/// Fails at the first value outside 0 to 1.
pub(crate) fn all_probabilities(what: &'static str, values: &[f64]) -> Result<()> {
    all_finite(what, values)?;
    match values.iter().position(|v| !(0.0..=1.0).contains(v)) {
        Some(index) => Err(MetricError::OutOfRange {
            what,
            index,
            value: values[index],
            low: 0.0,
            high: 1.0,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_and_wrong_are_told_apart() {
        assert!(
            MetricError::SingleClass {
                metric: "auroc",
                positives: 3,
                negatives: 0
            }
            .is_undefined()
        );
        assert!(!MetricError::Empty { what: "scores" }.is_undefined());
    }

    #[test]
    fn checks_name_the_place() {
        let error = all_finite("scores", &[0.0, f64::NAN]).unwrap_err();
        assert!(error.to_string().starts_with("scores[1]"));
        assert!(all_probabilities("p", &[0.0, 1.0]).is_ok());
        assert!(matches!(
            all_probabilities("p", &[1.5]),
            Err(MetricError::OutOfRange { index: 0, .. })
        ));
        assert!(open_unit("level", 1.0).is_err());
    }
}
