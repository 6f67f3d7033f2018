//! What is planted and how much of it.

use crate::error::{MethodError, Result};
use serde::{Deserialize, Serialize};

/// Settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Nodules of each class in a cohort.
    pub nodules: usize,
    /// Share of nodules that an airway touches, benign and malignant: an odds ratio of 23, as in the abstract.
    pub airway: [f64; 2],
    /// Share of nodules that a vessel touches: an odds ratio of 7, as in the abstract.
    pub vessel: [f64; 2],
    /// Mean distance to the pleura in mm, as in the abstract.
    pub pleura_mm: [f64; 2],
    /// Mean distance to the bronchus that passes, mm; the abstract's 37 and 26 do not fit a block.
    pub bronchus_mm: [f64; 2],
    /// Spacing of the CT in mm.
    pub spacing: [f64; 3],
    /// Half side of a block in mm.
    pub half: f64,
    /// Deviation of the noise in HU.
    pub noise: f64,
    /// Times that labels are shuffled for the null hypothesis.
    pub shuffles: usize,
    /// Blocks for the exactness of the geometry.
    pub exact: usize,
    /// Whole phantom chests for the segmentation.
    pub chests: usize,
    /// Folds of the logistic regressions.
    pub folds: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            nodules: 150,
            airway: [0.03, 0.415],
            vessel: [0.65, 0.929],
            pleura_mm: [6.56, 5.19],
            bronchus_mm: [20.0, 16.0],
            spacing: [1.2, 1.2, 1.5],
            half: 45.0,
            noise: 20.0,
            shuffles: 400,
            exact: 24,
            chests: 3,
            folds: 5,
        }
    }
}

impl Config {
    /// Enough to see that everything works.
    pub fn tiny() -> Self {
        Config {
            nodules: 5,
            spacing: [1.2; 3],
            shuffles: 20,
            exact: 1,
            chests: 0,
            folds: 2,
            ..Config::default()
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`MethodError::Config`].
    pub fn validate(&self) -> Result<()> {
        let share = |v: &f64| *v > 0.0 && *v < 1.0;
        let fine = self.nodules >= self.folds
            && self.folds >= 2
            && self.airway.iter().chain(&self.vessel).all(share)
            && self.spacing.iter().all(|s| *s > 0.2 && *s < 4.0)
            && self.half > 35.0;
        if fine {
            return Ok(());
        }
        Err(MethodError::Config(format!(
            "nodules at least the folds, folds at least 2, shares inside 0 to 1, spacing 0.2 to 4 mm, half side over 35 mm: {self:?}"
        )))
    }
}
