//! Inception score (Salimans 2016): exp of the mean divergence of p(y|x) from p(y).

use crate::error::{MetricError, Result, all_probabilities, not_empty, same_length};

/// Scores of `splits` contiguous parts; `probabilities[i * classes + k]`. Rows should sum to one; what is
/// left over at the end of a division without remainder goes to no part.
///
/// # Errors
/// Shapes that do not fit, values that are no probabilities, no part or more parts than rows.
pub fn inception_score(probabilities: &[f64], classes: usize, splits: usize) -> Result<Vec<f64>> {
    not_empty("probabilities", probabilities.len())?;
    not_empty("classes", classes)?;
    all_probabilities("probabilities", probabilities)?;
    let rows = probabilities.len() / classes;
    same_length(
        "probabilities",
        probabilities.len(),
        "rows times classes",
        rows * classes,
    )?;
    if splits == 0 || splits > rows {
        return Err(MetricError::Parameter {
            name: "splits",
            value: splits as f64,
            rule: "1 or more, and at most the rows",
        });
    }
    Ok(probabilities
        .chunks_exact(rows / splits * classes)
        .take(splits)
        .map(|part| one(part, classes))
        .collect())
}

fn one(part: &[f64], classes: usize) -> f64 {
    let n = (part.len() / classes) as f64;
    let marginal: Vec<f64> = (0..classes)
        .map(|k| part.iter().skip(k).step_by(classes).sum::<f64>() / n)
        .collect();
    let divergence = |row: &[f64]| -> f64 {
        let term = |(p, q): (&f64, &f64)| if *p > 0.0 { p * (p / q).ln() } else { 0.0 };
        row.iter().zip(&marginal).map(term).sum()
    };
    (part.chunks_exact(classes).map(divergence).sum::<f64>() / n).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sure_and_varied_reaches_the_number_of_classes() {
        assert!((inception_score(&[1.0, 0.0, 0.0, 1.0], 2, 1).unwrap()[0] - 2.0).abs() < 1e-12);
        assert_eq!(
            inception_score(&[0.5, 0.5, 0.5, 0.5], 2, 2).unwrap(),
            [1.0, 1.0]
        );
        assert!(inception_score(&[0.5, 0.5], 2, 2).is_err());
    }
}
