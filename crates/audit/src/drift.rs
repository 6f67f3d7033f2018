//! Since when, or where, does a model say too much or too little: calibration by time or site.

use crate::error::{AuditError, Result};
use crate::groups::{Against, Grouping};
use crate::resample::Measure;
use crate::table::{Labelled, ScoreKind};
use hilum_metrics::statistics::spearman;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
}

/// What drift is looked for in.
pub const MEASURES: [Measure; 3] = [Measure::InTheLarge, Measure::Brier, Measure::Auroc];

/// Whether probability less label rises or falls with time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// Spearman's correlation of the date and probability less label.
    pub rho: f64,
    /// Its p value, each case counted on its own.
    pub p: f64,
}

/// A date: year, month and day, 1 where they are not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Date(u32, u32, u32);

/// Reads `2024`, `2024-05`, `2024-05-17`, `20240517`, and what follows a `T` or a space is passed over.
fn date(text: &str) -> Option<Date> {
    let text = text.split(['T', ' ']).next()?;
    let parts: Vec<u32> = match text.len() {
        8 if text.bytes().all(|b| b.is_ascii_digit()) => [&text[..4], &text[4..6], &text[6..]]
            .iter()
            .map(|p| p.parse())
            .collect::<std::result::Result<_, _>>()
            .ok()?,
        _ => text
            .split(['-', '/'])
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()
            .ok()?,
    };
    let found = match parts[..] {
        [y] => Date(y, 1, 1),
        [y, m] => Date(y, m, 1),
        [y, m, d] => Date(y, m, d),
        _ => return None,
    };
    let sound = (1800..=9999).contains(&found.0)
        && (1..=12).contains(&found.1)
        && (1..=31).contains(&found.2);
    sound.then_some(found)
}

impl Date {
    fn period(self, every: Every) -> String {
        match every {
            Every::Year => format!("{:04}", self.0),
            Every::Quarter => format!("{:04}-Q{}", self.0, (self.1 - 1) / 3 + 1),
            Every::Month => format!("{:04}-{:02}", self.0, self.1),
        }
    }

    /// Days, near enough to rank dates.
    fn rank(self) -> f64 {
        f64::from(self.0) * 372.0 + f64::from(self.1) * 31.0 + f64::from(self.2)
    }
}

fn dates(data: &Labelled, column: &str) -> Result<Vec<Option<Date>>> {
    let values = data.column(column)?;
    values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            value
                .map(|v| {
                    date(v).ok_or_else(|| AuditError::NoDate {
                        column: column.to_owned(),
                        id: data.cases[at].id.clone(),
                        value: v.to_owned(),
                    })
                })
                .transpose()
        })
        .collect()
}

/// Periods of a column of dates, in time, compared with `reference`, else with the first.
///
/// # Errors
/// A column that no case has; a value that is no date.
pub fn by_period(
    data: &Labelled,
    column: &str,
    every: Every,
    reference: Option<&str>,
) -> Result<Grouping> {
    let periods: Vec<Option<String>> = dates(data, column)?
        .into_iter()
        .map(|d| d.map(|d| d.period(every)))
        .collect();
    let values: Vec<String> = periods
        .iter()
        .flatten()
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let of = periods
        .iter()
        .map(|p| p.as_ref().and_then(|p| values.iter().position(|v| v == p)))
        .collect();
    let first = values.first().cloned().unwrap_or_default();
    Ok(Grouping {
        attribute: column.to_owned(),
        of,
        against: Against::Group(reference.map_or(first, str::to_owned)),
        values,
    })
}

/// The trend over a column of dates.
///
/// # Errors
/// As [`by_period`]; a correlation that is not defined.
pub fn trend(data: &Labelled, kind: ScoreKind, column: &str) -> Result<Trend> {
    let probabilities = data.probabilities(kind);
    let (mut time, mut residual) = (Vec::new(), Vec::new());
    for (at, date) in dates(data, column)?.into_iter().enumerate() {
        if let Some(date) = date {
            time.push(date.rank());
            residual.push(probabilities[at] - f64::from(u8::from(data.labels[at])));
        }
    }
    let found = spearman(&time, &residual)?;
    Ok(Trend {
        rho: found.statistic,
        p: found.p,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::{GroupOptions, audit};
    use crate::table::Case;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Four years; from `since` on the label is as common as before but the score says more.
    fn cases(since: usize) -> Labelled {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut out = Labelled {
            finding: "mass".into(),
            cases: Vec::new(),
            labels: Vec::new(),
            scores: Vec::new(),
            patients: Vec::new(),
        };
        for i in 0..800 {
            let year = i / 200;
            let p: f64 = rng.random::<f64>() * 0.6;
            let y = rng.random::<f64>() < p;
            let score = p + if year >= since { 0.3 } else { 0.0 };
            let date = format!("{}-{:02}-11", 2020 + year, 1 + i % 12);
            out.cases.push(Case {
                id: i.to_string(),
                patient: i.to_string(),
                finding: "mass".into(),
                label: Some(y),
                score,
                columns: [("date".to_owned(), date)].into(),
            });
            out.labels.push(y);
            out.scores.push(score);
            out.patients.push(i);
        }
        out
    }

    fn flagged(data: &Labelled) -> Vec<String> {
        let grouping = by_period(data, "date", Every::Year, None).unwrap();
        let options = GroupOptions {
            measures: MEASURES.to_vec(),
            resamples: 500,
            ..GroupOptions::default()
        };
        let found = audit(data, ScoreKind::Probability, &[grouping], &options).unwrap();
        let gaps = found
            .gaps
            .into_iter()
            .filter(|g| g.significant && g.measure == Measure::InTheLarge);
        gaps.map(|g| g.value).collect()
    }

    #[test]
    fn a_score_that_says_more_since_a_year_is_found() {
        assert_eq!(flagged(&cases(2)), ["2022", "2023"]);
        let trend = trend(&cases(2), ScoreKind::Probability, "date").unwrap();
        assert!(trend.rho > 0.1 && trend.p < 1e-4, "{trend:?}");
    }

    #[test]
    fn steady_scores_raise_no_alarm() {
        assert!(flagged(&cases(9)).is_empty());
    }

    #[test]
    fn dates_in_the_usual_forms_are_read() {
        let quarter = |t| date(t).map(|d| d.period(Every::Quarter));
        assert_eq!(quarter("20240517").as_deref(), Some("2024-Q2"));
        assert_eq!(quarter("2024-12-01T08:00").as_deref(), Some("2024-Q4"));
        assert_eq!(quarter("2024").as_deref(), Some("2024-Q1"));
        for bad in ["", "17.5.2024", "2024-13", "abcdefgh", "2024-1-1-1", "äöüß"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        let mut data = cases(9);
        data.cases[3].columns.insert("date".into(), "soon".into());
        assert!(
            by_period(&data, "date", Every::Year, None)
                .unwrap_err()
                .to_string()
                .contains("`soon`")
        );
    }
}
