//! Area under the ROC curve: the chance that a random positive scores above a random negative.

use super::BinaryScores;
use crate::error::{MetricError, Result, all_finite, same_length};

/// AUROC; a tied pair counts one half (Mann-Whitney U over n+ n-).
///
/// # Errors
/// [`MetricError::SingleClass`] when one class is missing.
pub fn auroc(data: &BinaryScores) -> Result<f64> {
    data.require_both("auroc")?;
    let pairs = data.positives() as f64 * data.negatives() as f64;
    Ok(twice_wins(data, |_| 1) as f64 / 2.0 / pairs)
}

/// AUROC with a weight per labelled entry (in the order of [`BinaryScores::labels`]).
///
/// # Errors
/// As [`auroc`]; also weights that are negative, not finite, or sum to nothing in a class.
pub fn auroc_weighted(data: &BinaryScores, weights: &[f64]) -> Result<f64> {
    check_weights(data, weights)?;
    data.require_both("auroc")?;
    let (mut area, mut above, mut positives) = (0.0, 0.0, 0.0);
    for (_, group) in data.groups() {
        let (p, n) = group_weights(data, group, weights);
        // Negatives of this group lose against every positive above and half against those tied.
        area += n * (above + p / 2.0);
        above += p;
        positives += p;
    }
    let negatives: f64 = weights.iter().sum::<f64>() - positives;
    if positives <= 0.0 || negatives <= 0.0 {
        return Err(MetricError::Undefined {
            metric: "auroc",
            reason: "the weights of one class sum to zero",
        });
    }
    Ok(area / (positives * negatives))
}

/// Twice the weighted number of won pairs, ties once: exact in integers.
pub(crate) fn twice_wins(data: &BinaryScores, count: impl Fn(usize) -> u64) -> u128 {
    let (mut wins, mut above) = (0_u128, 0_u64);
    for (_, group) in data.groups() {
        let (mut p, mut n) = (0, 0);
        for &i in group {
            let c = count(i as usize);
            if data.labels()[i as usize] {
                p += c
            } else {
                n += c
            }
        }
        wins += u128::from(n) * u128::from(2 * above + p);
        above += p;
    }
    wins
}

/// Weight of the positives and of the negatives of a group.
pub(crate) fn group_weights(data: &BinaryScores, group: &[u32], weights: &[f64]) -> (f64, f64) {
    group.iter().fold((0.0, 0.0), |(p, n), &i| {
        let w = weights[i as usize];
        if data.labels()[i as usize] {
            (p + w, n)
        } else {
            (p, n + w)
        }
    })
}

/// Weights pair up with the labelled entries, are finite and not negative.
pub(crate) fn check_weights(data: &BinaryScores, weights: &[f64]) -> Result<()> {
    same_length("labelled entries", data.len(), "weights", weights.len())?;
    all_finite("weights", weights)?;
    match weights.iter().position(|w| *w < 0.0) {
        Some(index) => Err(MetricError::OutOfRange {
            what: "weights",
            index,
            value: weights[index],
            low: 0.0,
            high: f64::INFINITY,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        let data = BinaryScores::new(&[1_u8, 0], &[0.5, 0.5]).unwrap();
        assert_eq!(auroc(&data).unwrap(), 0.5);
    }

    #[test]
    fn one_class_is_undefined_not_a_half() {
        let data = BinaryScores::new(&[1_u8, 1], &[0.5, 0.6]).unwrap();
        let error = auroc(&data).unwrap_err();
        assert_eq!(
            error,
            MetricError::SingleClass {
                metric: "auroc",
                positives: 2,
                negatives: 0
            }
        );
    }

    #[test]
    fn unit_weights_change_nothing() {
        let data = BinaryScores::new(&[1_u8, 0, 1, 0, 0], &[0.9, 0.9, 0.3, 0.1, 0.4]).unwrap();
        assert!((auroc(&data).unwrap() - auroc_weighted(&data, &[1.0; 5]).unwrap()).abs() < 1e-15);
        assert!(auroc_weighted(&data, &[-1.0; 5]).is_err());
    }
}
