//! Tables of counts: McNemar, chi-square, Fisher, odds and risk ratio.

use super::normal::{normal_two_sided, two_sided_z};
use crate::error::{MetricError, Result, open_unit, same_length};
use crate::score::ConfidenceInterval;
use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_binomial;
use statrs::function::gamma::checked_gamma_ur;

/// A chi-square statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChiSquare {
    /// Statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub dof: usize,
    /// p-value.
    pub p: f64,
}

/// What to do when a cell is 0 and a ratio would be 0 or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroCells {
    /// Add 0.5 to every cell (Haldane and Anscombe), the usual correction.
    AddToAll,
    /// Put 0.5 into the empty cells only, as statsmodels does.
    FillEmpty,
}

/// A ratio with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatioEstimate {
    /// The ratio.
    pub value: f64,
    /// Wald interval on the log scale.
    pub interval: ConfidenceInterval,
    /// Two-sided p-value of "the ratio is 1".
    pub p: f64,
}

/// `[[a, b], [c, d]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoByTwo(
    /// Rows of the table.
    pub [[u64; 2]; 2],
);

/// P(χ² with `dof` degrees of freedom ≥ statistic).
pub(crate) fn chi_square_tail(statistic: f64, dof: usize) -> f64 {
    if statistic <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur(dof as f64 / 2.0, statistic / 2.0).unwrap_or(f64::NAN)
}

fn discordant(only_a: u64, only_b: u64) -> Result<f64> {
    if only_a + only_b == 0 {
        return Err(MetricError::Undefined {
            metric: "mcnemar",
            reason: "the two systems never differ",
        });
    }
    Ok((only_a + only_b) as f64)
}

/// McNemar's exact test; `only_a` pairs were right with A alone, `only_b` with B alone. Two-sided p.
///
/// # Errors
/// [`MetricError::Undefined`] when there is no such pair.
pub fn mcnemar_exact(only_a: u64, only_b: u64) -> Result<f64> {
    discordant(only_a, only_b)?;
    let n = only_a + only_b;
    let below: f64 = (0..=only_a.min(only_b))
        .map(|k| (ln_binomial(n, k) - n as f64 * std::f64::consts::LN_2).exp())
        .sum();
    Ok((2.0 * below).min(1.0))
}

/// McNemar's chi-square test, with Edwards' continuity correction if asked for.
///
/// # Errors
/// [`MetricError::Undefined`] when there is no discordant pair.
pub fn mcnemar_chi_square(only_a: u64, only_b: u64, corrected: bool) -> Result<ChiSquare> {
    let n = discordant(only_a, only_b)?;
    let gap = only_a.abs_diff(only_b) as f64 - f64::from(u8::from(corrected));
    let statistic = gap * gap / n;
    Ok(ChiSquare {
        statistic,
        dof: 1,
        p: chi_square_tail(statistic, 1),
    })
}

/// Pearson's chi-square of a row-major table; Yates' correction only applies to one degree of freedom.
///
/// # Errors
/// A shape that does not fit; [`MetricError::Undefined`] when a row or column is empty.
pub fn chi_square(table: &[u64], rows: usize, columns: usize, yates: bool) -> Result<ChiSquare> {
    same_length("table", table.len(), "rows times columns", rows * columns)?;
    let dof = rows.saturating_sub(1) * columns.saturating_sub(1);
    let row: Vec<f64> = (0..rows)
        .map(|i| table[i * columns..(i + 1) * columns].iter().sum::<u64>() as f64)
        .collect();
    let column: Vec<f64> = (0..columns)
        .map(|j| (0..rows).map(|i| table[i * columns + j]).sum::<u64>() as f64)
        .collect();
    if dof == 0 || row.iter().chain(&column).any(|v| *v == 0.0) {
        return Err(MetricError::Undefined {
            metric: "chi_square",
            reason: "a row or column of the table is empty",
        });
    }
    let total: f64 = row.iter().sum();
    let mut statistic = 0.0;
    for i in 0..rows {
        for j in 0..columns {
            let expected = row[i] * column[j] / total;
            let mut gap = (table[i * columns + j] as f64 - expected).abs();
            if yates && dof == 1 {
                gap -= gap.min(0.5);
            }
            statistic += gap * gap / expected;
        }
    }
    Ok(ChiSquare {
        statistic,
        dof,
        p: chi_square_tail(statistic, dof),
    })
}

/// Cramér's V of a row-major table (no correction).
///
/// # Errors
/// As [`chi_square`].
pub fn cramers_v(table: &[u64], rows: usize, columns: usize) -> Result<f64> {
    let chi = chi_square(table, rows, columns, false)?;
    let total = table.iter().sum::<u64>() as f64;
    Ok((chi.statistic / (total * (rows.min(columns) - 1) as f64)).sqrt())
}

impl TwoByTwo {
    /// Fisher's exact test, two-sided: tables no likelier than this one.
    pub fn fisher_exact(&self) -> f64 {
        let [[a, b], [c, d]] = self.0;
        let (row, column, total) = (a + b, a + c, a + b + c + d);
        let ln_p = |x: u64| {
            ln_binomial(row, x) + ln_binomial(total - row, column - x) - ln_binomial(total, column)
        };
        let seen = ln_p(a);
        let (low, high) = ((row + column).saturating_sub(total), row.min(column));
        // Tables as likely as this one must count in spite of rounding.
        let sum: f64 = (low..=high)
            .map(ln_p)
            .filter(|l| *l <= seen + 1e-7)
            .map(f64::exp)
            .sum();
        sum.min(1.0)
    }

    fn shifted(&self, zeros: ZeroCells) -> [f64; 4] {
        let [[a, b], [c, d]] = self.0;
        let any = [a, b, c, d].contains(&0);
        [a, b, c, d].map(|v| match zeros {
            ZeroCells::AddToAll if any => v as f64 + 0.5,
            ZeroCells::FillEmpty if v == 0 => 0.5,
            _ => v as f64,
        })
    }

    /// Odds ratio ad / bc.
    ///
    /// # Errors
    /// A level outside 0 to 1.
    pub fn odds_ratio(&self, level: f64, zeros: ZeroCells) -> Result<RatioEstimate> {
        let [a, b, c, d] = self.shifted(zeros);
        ratio(
            a * d / (b * c),
            (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d).sqrt(),
            level,
        )
    }

    /// Risk ratio (a / (a + b)) / (c / (c + d)).
    ///
    /// # Errors
    /// A level outside 0 to 1.
    pub fn risk_ratio(&self, level: f64, zeros: ZeroCells) -> Result<RatioEstimate> {
        let [a, b, c, d] = self.shifted(zeros);
        let (r1, r2) = (a + b, c + d);
        ratio(
            (a / r1) / (c / r2),
            (1.0 / a - 1.0 / r1 + 1.0 / c - 1.0 / r2).sqrt(),
            level,
        )
    }
}

fn ratio(value: f64, se: f64, level: f64) -> Result<RatioEstimate> {
    open_unit("level", level)?;
    let (log, half) = (value.ln(), two_sided_z(level) * se);
    let interval = ConfidenceInterval {
        low: (log - half).exp(),
        high: (log + half).exp(),
        level,
        method: "log-wald".into(),
    };
    Ok(RatioEstimate {
        value,
        interval,
        p: normal_two_sided(log / se),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_that_never_differ_have_no_test() {
        assert!(mcnemar_exact(0, 0).unwrap_err().is_undefined());
        assert!(mcnemar_chi_square(0, 0, true).unwrap_err().is_undefined());
        assert!(
            chi_square(&[1, 2, 0, 0], 2, 2, false)
                .unwrap_err()
                .is_undefined()
        );
    }

    #[test]
    fn a_balanced_table_is_no_evidence() {
        assert!((TwoByTwo([[5, 5], [5, 5]]).fisher_exact() - 1.0).abs() < 1e-9);
        let table = TwoByTwo([[40, 0], [7, 9]]);
        assert!(
            (table.odds_ratio(0.95, ZeroCells::AddToAll).unwrap().value - 40.5 * 9.5 / (0.5 * 7.5))
                .abs()
                < 1e-9
        );
        assert_eq!(
            TwoByTwo([[5, 5], [5, 5]])
                .odds_ratio(0.95, ZeroCells::AddToAll)
                .unwrap()
                .value,
            1.0
        );
    }
}
