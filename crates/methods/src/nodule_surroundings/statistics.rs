//! Association of surroundings with the class: two by two tables, odds ratios, chi-square, logistic regression, ROC.

use super::cohort::Case;
use crate::error::Result;
use hilum_chestct::Near;
use hilum_metrics::MetricError;
use hilum_metrics::classification::BinaryScores;
use hilum_metrics::statistics::{
    ChiSquare, LogisticOptions, RatioEstimate, TwoByTwo, ZeroCells, chi_square, delong_ci,
    logistic_regression, mann_whitney,
};

/// The structures, in the order of the abstract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Pleura.
    Pleura,
    /// Airways.
    Airways,
    /// Vessels.
    Vessels,
}

impl Structure {
    /// All of them.
    pub const ALL: [Structure; 3] = [Structure::Pleura, Structure::Airways, Structure::Vessels];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Structure::Pleura => "pleurae",
            Structure::Airways => "airways",
            Structure::Vessels => "vessels",
        }
    }

    fn near(self, case: &Case) -> Option<Near> {
        match self {
            Structure::Pleura => None,
            Structure::Airways => case.features.airways,
            Structure::Vessels => Some(case.features.vessels),
        }
    }

    /// Distance in mm.
    pub fn mm(self, case: &Case) -> Option<f64> {
        match self {
            Structure::Pleura => case.features.pleura_mm,
            _ => self.near(case).and_then(|n| n.mm),
        }
    }

    /// Branches that touch.
    pub fn touching(self, case: &Case) -> Option<usize> {
        self.near(case).map(|n| n.touching)
    }

    /// Share of the shell.
    pub fn share(self, case: &Case) -> Option<f64> {
        self.near(case).map(|n| n.share)
    }

    /// Everything that the regression sees.
    fn predictors(self, case: &Case) -> Option<Vec<f64>> {
        let mm = self.mm(case)?;
        Some(match self.near(case) {
            None => vec![mm],
            Some(n) => vec![mm, n.touching as f64, n.projecting as f64, n.share],
        })
    }
}

/// Odds ratio and chi-square of "has it" against "is malignant".
pub struct Association {
    /// Malignant with and without, benign with and without.
    pub table: [[u64; 2]; 2],
    /// Odds ratio; with half a case added to each cell where one is empty.
    pub ratio: RatioEstimate,
    /// Without continuity correction.
    pub chi: ChiSquare,
}

/// The table of a yes or no feature.
///
/// # Errors
/// [`MetricError`] when the feature or the class is the same for all.
pub fn association(
    cases: &[Case],
    has: impl Fn(&Case) -> Option<bool>,
) -> std::result::Result<Association, MetricError> {
    let mut table = [[0u64; 2]; 2];
    for case in cases {
        if let Some(has) = has(case) {
            table[usize::from(!case.malignant)][usize::from(!has)] += 1;
        }
    }
    Ok(Association {
        table,
        ratio: TwoByTwo(table).odds_ratio(0.95, ZeroCells::AddToAll)?,
        chi: chi_square(&table.concat(), 2, 2, false)?,
    })
}

/// Median of some values.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (n > 0).then(|| 0.5 * (values[(n - 1) / 2] + values[n / 2]))
}

/// Mean of a value by class: benign, malignant.
pub fn means(cases: &[Case], value: impl Fn(&Case) -> Option<f64>) -> [Option<f64>; 2] {
    [false, true].map(|class| {
        let all: Vec<f64> = cases
            .iter()
            .filter(|c| c.malignant == class)
            .filter_map(&value)
            .collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    })
}

/// AUC and its interval.
pub struct Auc {
    /// Area under the curve of the cross-validated predictions.
    pub value: f64,
    /// DeLong, 95 %.
    pub interval: (f64, f64),
    /// Nodules.
    pub n: usize,
}

/// ROC of one structure: logistic regression on its measures, each nodule predicted by a fit of the other folds.
///
/// # Errors
/// [`MetricError`]: one class, no fit.
pub fn auc(cases: &[Case], structure: Structure, folds: usize) -> Result<Auc> {
    let rows: Vec<(bool, Vec<f64>)> = cases
        .iter()
        .filter_map(|c| Some((c.malignant, structure.predictors(c)?)))
        .collect();
    let columns = rows.first().map_or(0, |r| r.1.len());
    let mut scores = vec![0.0; rows.len()];
    // Classes alternate: pairs share a fold, so that every fold has both.
    let fold = |n: usize| (n / 2) % folds;
    for f in 0..folds {
        let fitted: Vec<usize> = (0..rows.len()).filter(|&n| fold(n) != f).collect();
        let scale = Scale::of(&rows, &fitted, columns);
        let x: Vec<f64> = fitted
            .iter()
            .flat_map(|&n| scale.apply(&rows[n].1))
            .collect();
        let y: Vec<bool> = fitted.iter().map(|&n| rows[n].0).collect();
        let options = LogisticOptions {
            ridge: 1.0,
            ..LogisticOptions::default()
        };
        let fit = logistic_regression(&x, columns, &y, &options)?;
        for n in (0..rows.len()).filter(|&n| fold(n) == f) {
            let z = scale.apply(&rows[n].1);
            let sum: f64 = z.iter().zip(&fit.coefficients).map(|(a, b)| a * b).sum();
            scores[n] = fit.intercept + sum;
        }
    }
    let labels: Vec<bool> = rows.iter().map(|r| r.0).collect();
    let data = BinaryScores::new(&labels, &scores)?;
    let interval = delong_ci(&data, 0.95)?;
    Ok(Auc {
        value: hilum_metrics::classification::auroc(&data)?,
        interval: (interval.low, interval.high),
        n: rows.len(),
    })
}

/// Means and deviations of the fitted rows' columns.
struct Scale(Vec<(f64, f64)>);

impl Scale {
    fn of(rows: &[(bool, Vec<f64>)], fitted: &[usize], columns: usize) -> Self {
        let n = fitted.len().max(1) as f64;
        let column = |c: usize| {
            let mean = fitted.iter().map(|&r| rows[r].1[c]).sum::<f64>() / n;
            let square = fitted
                .iter()
                .map(|&r| (rows[r].1[c] - mean).powi(2))
                .sum::<f64>()
                / n;
            (mean, square.sqrt())
        };
        Scale((0..columns).map(column).collect())
    }

    /// A column that is the same everywhere tells nothing.
    fn apply(&self, row: &[f64]) -> Vec<f64> {
        let one = |(v, (mean, deviation)): (&f64, &(f64, f64))| {
            if *deviation > 0.0 {
                (v - mean) / deviation
            } else {
                0.0
            }
        };
        row.iter().zip(&self.0).map(one).collect()
    }
}

/// p of a difference between the classes in a measure (Mann-Whitney).
///
/// # Errors
/// [`MetricError`] when all values are equal.
pub fn p_value(
    cases: &[Case],
    labels: &[bool],
    value: impl Fn(&Case) -> Option<f64>,
) -> std::result::Result<f64, MetricError> {
    let of = |class: bool| -> Vec<f64> {
        cases
            .iter()
            .zip(labels)
            .filter(|(_, l)| **l == class)
            .filter_map(|(c, _)| value(c))
            .collect()
    };
    Ok(mann_whitney(&of(true), &of(false))?.p)
}
