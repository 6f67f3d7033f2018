//! What a search may change, and points in it.

use crate::error::{Result, TabularError};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that may change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// A real number.
    Float {
        /// Least.
        low: f64,
        /// Below this.
        high: f64,
        /// Even on the logarithmic scale.
        log: bool,
    },
    /// A whole number.
    Whole {
        /// Least.
        low: i64,
        /// Most.
        high: i64,
        /// Even on the logarithmic scale.
        log: bool,
    },
    /// One of so many, 0 first.
    Choice(usize),
}

impl Dimension {
    /// Range on the scale that is searched, and whether its places have no order.
    fn range(self) -> (f64, f64, bool) {
        let scale = |v: f64, log: bool| if log { v.ln() } else { v };
        match self {
            Dimension::Float { low, high, log } => (scale(low, log), scale(high, log), false),
            // Half a step beyond the ends, so that they are as likely as the others.
            Dimension::Whole { low, high, log } => (
                scale(low as f64 - 0.5, log),
                scale(high as f64 + 0.5, log),
                false,
            ),
            Dimension::Choice(n) => (0.0, n as f64, true),
        }
    }

    /// The value at a place of the scale that is searched.
    fn value(self, raw: f64) -> f64 {
        match self {
            Dimension::Float { low, high, log } => {
                let v = if log { raw.exp() } else { raw };
                v.clamp(low, high)
            }
            Dimension::Whole { low, high, log } => {
                let v = if log { raw.exp() } else { raw };
                v.round().clamp(low as f64, high as f64)
            }
            Dimension::Choice(n) => raw.floor().clamp(0.0, n.saturating_sub(1) as f64),
        }
    }
}

/// Named dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    dimensions: Vec<(&'static str, Dimension)>,
}

impl Space {
    /// Of these dimensions.
    pub fn new(dimensions: Vec<(&'static str, Dimension)>) -> Self {
        Space { dimensions }
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.dimensions.is_empty() {
            return Err(TabularError::Search(
                "there is nothing to change".to_owned(),
            ));
        }
        match self.dimensions.iter().find(|(_, d)| {
            let (low, high, _) = d.range();
            !(low.is_finite() && high.is_finite() && low < high)
        }) {
            Some((name, _)) => Err(TabularError::Search(format!("`{name}` has no range"))),
            None => Ok(()),
        }
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = (f64, f64, bool)> + '_ {
        self.dimensions.iter().map(|(_, d)| d.range())
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        self.ranges()
            .map(|(low, high, _)| rng.random_range(low..high))
            .collect()
    }

    pub(super) fn point(&self, raw: &[f64]) -> Point {
        let named = self.dimensions.iter().zip(raw);
        Point(
            named
                .map(|((name, d), r)| ((*name).to_owned(), d.value(*r)))
                .collect(),
        )
    }
}

/// A value for each dimension; whole numbers and choices as whole floats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point(Vec<(String, f64)>);

impl Point {
    /// The value of a dimension.
    ///
    /// # Errors
    /// A name that the space does not have.
    pub fn get(&self, name: &str) -> Result<f64> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| *v)
            .ok_or_else(|| TabularError::Search(format!("the point has no `{name}`")))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
        write!(f, "{}", parts.join(", "))
    }
}
