//! A value as it is reported: with its signature, its counts, and a reason when there is no value.

use crate::error::{MetricError, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a value came about, as one line of `name|key:value|...|v:version`, in the manner of sacreBLEU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(String);

impl Signature {
    /// Starts a signature with the registry name of the score.
    pub fn new(metric: &str) -> Self {
        Signature(metric.to_owned())
    }

    /// Adds one convention or count.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        use fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(self.0, "|{key}:{value}");
        self
    }

    /// Ends it with the crate's version.
    #[must_use]
    pub fn versioned(self) -> Self {
        self.with("v", env!("CARGO_PKG_VERSION"))
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An interval around an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Nominal coverage, e.g. 0.95.
    pub level: f64,
    /// How it was made, e.g. `bootstrap-percentile|resamples:1000|seed:0`.
    pub method: String,
}

/// A reported value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Registry name.
    pub metric: String,
    /// The value; null when the data do not determine it.
    pub value: Option<f64>,
    /// Why the value is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
    /// Entries that took part (null labels left out).
    pub n: usize,
    /// Positives among them, for two-class scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positives: Option<usize>,
    /// Negatives among them, for two-class scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negatives: Option<usize>,
    /// Interval, when one was asked for and is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<ConfidenceInterval>,
    /// Why an interval that was asked for is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_undefined: Option<String>,
    /// How the value came about.
    pub signature: Signature,
}

impl Score {
    /// Turns a computed result into a reported value: an undefined score becomes null with its reason.
    ///
    /// # Errors
    /// Passes on every error that says the input is wrong.
    pub fn report(
        metric: &str,
        signature: Signature,
        n: usize,
        result: Result<f64>,
    ) -> Result<Score> {
        let (value, undefined) = match result {
            Ok(value) if value.is_finite() => (Some(value), None),
            Ok(value) => (None, Some(format!("the computation gave {value}"))),
            Err(error) if error.is_undefined() => (None, Some(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok(Score {
            metric: metric.to_owned(),
            value,
            undefined,
            n,
            positives: None,
            negatives: None,
            interval: None,
            interval_undefined: None,
            signature: signature.with("n", n).versioned(),
        })
    }

    /// Adds the counts of both classes.
    #[must_use]
    pub fn with_counts(mut self, positives: usize, negatives: usize) -> Self {
        self.positives = Some(positives);
        self.negatives = Some(negatives);
        self
    }

    /// Adds an interval; an undefined one is null with its reason.
    ///
    /// # Errors
    /// Passes on every error that says the input is wrong.
    pub fn with_interval(mut self, interval: Result<ConfidenceInterval>) -> Result<Self> {
        match interval {
            Ok(interval) => self.interval = Some(interval),
            Err(error) if error.is_undefined() => self.interval_undefined = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// The value.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when it is null.
    pub fn required(&self) -> Result<f64> {
        self.value.ok_or(MetricError::Undefined {
            metric: "score",
            reason: "the reported value is null",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_becomes_null_with_a_reason() {
        let error = MetricError::SingleClass {
            metric: "auroc",
            positives: 0,
            negatives: 4,
        };
        let score = Score::report(
            "auroc",
            Signature::new("auroc").with("ties", "half"),
            4,
            Err(error),
        )
        .unwrap();
        assert_eq!(score.value, None);
        assert!(score.undefined.as_deref().unwrap().contains("0 positives"));
        assert!(
            score
                .signature
                .as_str()
                .starts_with("auroc|ties:half|n:4|v:")
        );
        assert!(score.required().is_err());
    }

    #[test]
    fn wrong_input_stays_an_error() {
        let result = Score::report(
            "auroc",
            Signature::new("auroc"),
            0,
            Err(MetricError::Empty { what: "scores" }),
        );
        assert!(result.is_err());
    }

    #[test]
    fn json_round_trip() {
        let score = Score::report("dice", Signature::new("dice"), 9, Ok(0.5))
            .unwrap()
            .with_counts(4, 5);
        let text = serde_json::to_string(&score).unwrap();
        assert_eq!(serde_json::from_str::<Score>(&text).unwrap(), score);
        assert!(!text.contains("undefined"));
    }
}
