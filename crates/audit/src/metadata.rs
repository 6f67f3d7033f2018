//! What a finding's labels can be told from without any pixel: age, sex, view, site. A model of images that does no better
//! may have learnt just that.

use crate::error::Result;
use crate::table::Labelled;
use hilum_metrics::statistics::{LogisticOptions, logistic_regression};
use hilum_trust::refit::patient_folds;
use std::collections::BTreeSet;

/// Ridge penalty of the logistic regression (scikit-learn's C = 1).
const RIDGE: f64 = 1.0;
/// A column with more different words says who somebody is, not what group they belong to.
const MOST_WORDS: usize = 30;

/// Log odds of every case by a ridge logistic regression on `columns`, fitted on other patients. Columns of numbers are
/// standardised, words become one column each; what is missing is a word of its own, or the mean with a flag.
///
/// # Errors
/// A column that no case has; fewer patients of a class than folds.
pub fn metadata_scores(
    data: &Labelled,
    columns: &[String],
    folds: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    let features = columns
        .iter()
        .map(|c| Ok(encode(&data.column(c)?)))
        .collect::<Result<Vec<_>>>()?;
    let features: Vec<Vec<f64>> = features.into_iter().flatten().collect();
    let fold_of = patient_folds(&data.labels, &data.patients, folds, seed)?;
    let row = |i: usize| features.iter().map(move |f| f[i]);
    let options = LogisticOptions {
        ridge: RIDGE,
        ..LogisticOptions::default()
    };
    let mut out = vec![0.0; data.labels.len()];
    for fold in 0..folds {
        let train: Vec<usize> = (0..fold_of.len()).filter(|i| fold_of[*i] != fold).collect();
        let x: Vec<f64> = train.iter().flat_map(|i| row(*i)).collect();
        let y: Vec<bool> = train.iter().map(|i| data.labels[*i]).collect();
        let fit = logistic_regression(&x, features.len(), &y, &options)?;
        for i in (0..fold_of.len()).filter(|i| fold_of[*i] == fold) {
            let sum: f64 = row(i).zip(&fit.coefficients).map(|(v, b)| v * b).sum();
            out[i] = fit.intercept + sum;
        }
    }
    Ok(out)
}

/// Columns of numbers for one column of words or numbers; none for one that is the same everywhere.
fn encode(values: &[Option<&str>]) -> Vec<Vec<f64>> {
    let number = |v: &str| {
        let plain = v.trim_end_matches(['Y', 'y']);
        plain.parse::<f64>().ok().filter(|v| v.is_finite())
    };
    let numbers: Vec<Option<f64>> = values.iter().map(|v| v.and_then(number)).collect();
    let known = values.iter().flatten().count();
    if numbers.iter().flatten().count() == known {
        return standardised(&numbers);
    }
    let words: BTreeSet<&str> = values.iter().map(|v| v.unwrap_or("")).collect();
    if words.len() > MOST_WORDS {
        return Vec::new();
    }
    let flags = |word: &&str| {
        let own = |v: &Option<&str>| f64::from(u8::from(v.unwrap_or("") == *word));
        values.iter().map(own).collect()
    };
    // One word is told by the absence of the others.
    words.iter().skip(1).map(flags).collect()
}

fn standardised(numbers: &[Option<f64>]) -> Vec<Vec<f64>> {
    let known: Vec<f64> = numbers.iter().flatten().copied().collect();
    let n = known.len() as f64;
    let mean = known.iter().sum::<f64>() / n;
    let deviation = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut out = Vec::new();
    if deviation > 0.0 {
        let scaled = |v: &Option<f64>| v.map_or(0.0, |v| (v - mean) / deviation);
        out.push(numbers.iter().map(scaled).collect());
    }
    if known.len() < numbers.len() {
        let missing = |v: &Option<f64>| f64::from(u8::from(v.is_none()));
        out.push(numbers.iter().map(missing).collect());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Case;
    use hilum_metrics::classification::{BinaryScores, auroc};

    fn cases(view: impl Fn(usize, bool) -> &'static str) -> Labelled {
        let mut out = Labelled {
            finding: "mass".into(),
            cases: Vec::new(),
            labels: Vec::new(),
            scores: Vec::new(),
            patients: Vec::new(),
        };
        for i in 0..200 {
            let y = i % 3 == 0;
            let mut columns = vec![("view".to_owned(), view(i, y).to_owned())];
            if i % 5 != 0 {
                columns.push(("age".to_owned(), (20 + (i * 7) % 60).to_string()));
            }
            out.cases.push(Case {
                id: i.to_string(),
                patient: i.to_string(),
                finding: "mass".into(),
                label: Some(y),
                score: 0.5,
                columns: columns.into_iter().collect(),
            });
            out.labels.push(y);
            out.scores.push(0.5);
            out.patients.push(i);
        }
        out
    }

    fn area(data: &Labelled) -> f64 {
        let columns = ["view".to_owned(), "age".to_owned()];
        let scores = metadata_scores(data, &columns, 5, 0).unwrap();
        auroc(&BinaryScores::new(&data.labels, &scores).unwrap()).unwrap()
    }

    #[test]
    fn a_confounded_view_tells_the_label_and_a_random_one_does_not() {
        let told = area(&cases(|i, y| match (y, i % 10) {
            (true, 1..) | (false, 0) => "AP",
            _ => "PA",
        }));
        assert!(told > 0.8, "{told}");
        let even = area(&cases(|i, _| if (i / 3) % 2 == 0 { "AP" } else { "PA" }));
        assert!((0.3..0.7).contains(&even), "{even}");
    }

    #[test]
    fn columns_become_numbers() {
        assert_eq!(encode(&[Some("045Y"), Some("55")]), [[-1.0, 1.0]]);
        assert_eq!(encode(&[Some("1"), None, Some("3")]).len(), 2);
        assert_eq!(
            encode(&[Some("F"), Some("M"), None]),
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        );
        assert!(encode(&[Some("x"), Some("x")]).is_empty());
        let data = cases(|_, _| "PA");
        assert!(metadata_scores(&data, &["site".to_owned()], 5, 0).is_err());
    }
}
