//! A model that never sees the image: what view, sex, age or the film's shape tell.

use super::cases::CaseSet;
use crate::context::Context;
use crate::error::Result;
use hilum_data::Split;
use hilum_tabular::{LearnerKind, Matrix, fit_standardised};
use serde::{Deserialize, Serialize};

/// Scores of the metadata alone on the test split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blind {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Patient of each case with a label.
    pub patients: Vec<String>,
    /// Label of the first output.
    pub labels: Vec<bool>,
    /// Score.
    pub scores: Vec<f64>,
}

/// Logistic regression on the metadata; `None` for a set without any.
///
/// # Errors
/// One class only.
pub fn blind(ctx: &Context<'_>, set: &CaseSet) -> Result<Option<Blind>> {
    let columns = match set.metadata.iter().flatten().next().map(Vec::len) {
        Some(3) => ["view", "sex", "age"].as_slice(),
        Some(2) => &["width to height", "size of the film"],
        _ => return Ok(None),
    };
    let at = |test: bool| -> Vec<usize> {
        (0..set.samples.len())
            .filter(|&i| (set.samples[i].split == Some(Split::Test)) == test)
            .filter(|&i| set.metadata[i].is_some())
            .collect()
    };
    let matrix = |at: &[usize]| {
        let values = at
            .iter()
            .filter_map(|&i| set.metadata[i].clone())
            .flatten()
            .collect();
        Matrix::new(values, columns.len())
    };
    let labels =
        |at: &[usize]| -> Vec<bool> { at.iter().map(|&i| set.data.targets[i][0] >= 0.5).collect() };
    let (learn, test) = (at(false), at(true));
    let learner = LearnerKind::Logistic.baseline();
    let fitted = fit_standardised(
        learner.as_ref(),
        &matrix(&learn)?,
        &labels(&learn),
        ctx.seed,
    )?;
    Ok(Some(Blind {
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        patients: test.iter().map(|&i| set.data.patients[i].clone()).collect(),
        labels: labels(&test),
        scores: fitted.scores(&matrix(&test)?)?,
    }))
}
