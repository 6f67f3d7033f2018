//! Retrieval: precision and recall at k, average precision, reciprocal rank, nDCG; and between two sets of
//! features whose i-th entries belong together.

use super::Features;
use crate::error::{MetricError, Result, all_finite, not_empty, same_length};
use serde::{Deserialize, Serialize};

/// Scores of one ranked list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Share of relevant entries among the first k.
    pub precision_at: f64,
    /// Share of the relevant entries that are among the first k.
    pub recall_at: f64,
    /// Mean precision at the relevant entries.
    pub average_precision: f64,
    /// One over the place of the first relevant entry.
    pub reciprocal_rank: f64,
}

/// Scores of a list by falling score, equal scores in the order given.
///
/// # Errors
/// Nothing given, lengths that differ, scores that are not finite, a `k` of 0; [`MetricError::Undefined`]
/// without a relevant entry.
pub fn ranked(relevant: &[bool], scores: &[f64], k: usize) -> Result<Ranked> {
    let order = by_score(relevant.len(), scores)?;
    if k == 0 {
        return Err(MetricError::Parameter {
            name: "k",
            value: 0.0,
            rule: "1 or more",
        });
    }
    let total = relevant.iter().filter(|r| **r).count() as f64;
    if total == 0.0 {
        return Err(MetricError::Undefined {
            metric: "retrieval",
            reason: "no entry is relevant",
        });
    }
    let places: Vec<usize> = order
        .iter()
        .enumerate()
        .filter(|(_, i)| relevant[**i])
        .map(|(place, _)| place + 1)
        .collect();
    let hits = places.iter().filter(|p| **p <= k).count() as f64;
    let precisions = places
        .iter()
        .enumerate()
        .map(|(found, place)| (found + 1) as f64 / *place as f64);
    Ok(Ranked {
        precision_at: hits / k as f64,
        recall_at: hits / total,
        average_precision: precisions.sum::<f64>() / total,
        reciprocal_rank: 1.0 / places[0] as f64,
    })
}

/// Normalised discounted cumulative gain with linear gain over the first `k` (all when `None`); the gain of
/// equal scores is shared evenly, as scikit-learn does.
///
/// # Errors
/// As [`ranked`]; gains that are negative.
pub fn ndcg(gains: &[f64], scores: &[f64], k: Option<usize>) -> Result<f64> {
    let order = by_score(gains.len(), scores)?;
    all_finite("gains", gains)?;
    if let Some(index) = gains.iter().position(|g| *g < 0.0) {
        return Err(MetricError::OutOfRange {
            what: "gains",
            index,
            value: gains[index],
            low: 0.0,
            high: f64::INFINITY,
        });
    }
    let k = k.unwrap_or(gains.len());
    let discount = |place: usize| {
        if place < k {
            1.0 / (place as f64 + 2.0).log2()
        } else {
            0.0
        }
    };
    let mut best = gains.to_vec();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = best.iter().enumerate().map(|(i, g)| g * discount(i)).sum();
    if ideal == 0.0 {
        return Err(MetricError::Undefined {
            metric: "ndcg",
            reason: "no entry has a gain",
        });
    }
    let (mut sum, mut start) = (0.0, 0);
    while start < order.len() {
        let same = |i: &&usize| scores[**i] == scores[order[start]];
        let length = order[start..].iter().take_while(same).count();
        let gain: f64 = order[start..start + length]
            .iter()
            .map(|i| gains[*i])
            .sum::<f64>()
            / length as f64;
        sum += gain * (start..start + length).map(discount).sum::<f64>();
        start += length;
    }
    Ok(sum / ideal)
}

fn by_score(n: usize, scores: &[f64]) -> Result<Vec<usize>> {
    not_empty("entries", n)?;
    same_length("entries", n, "scores", scores.len())?;
    all_finite("scores", scores)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    Ok(order)
}

/// Retrieval in one direction between two sets that belong together entry by entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossModal {
    /// Place of the partner in each query's ranking by cosine, from 1.
    pub ranks: Vec<usize>,
    /// Median of the places.
    pub median_rank: f64,
}

impl CrossModal {
    /// Share of queries whose partner is among the first `k`.
    pub fn recall_at(&self, k: usize) -> f64 {
        self.ranks.iter().filter(|r| **r <= k).count() as f64 / self.ranks.len() as f64
    }
}

/// Ranks `candidates` for each of `queries`; of equal cosines the earlier candidate comes first.
///
/// # Errors
/// Sets that do not pair up, vectors of different length.
pub fn cross_modal(queries: &Features, candidates: &Features) -> Result<CrossModal> {
    queries.require_same_width(candidates)?;
    same_length("queries", queries.len(), "candidates", candidates.len())?;
    let rank = |(i, row): (usize, &Vec<f64>)| {
        1 + row
            .iter()
            .enumerate()
            .filter(|(j, c)| **c > row[i] || (**c == row[i] && *j < i))
            .count()
    };
    let ranks: Vec<usize> = queries
        .cosines(candidates)
        .iter()
        .enumerate()
        .map(rank)
        .collect();
    let mut sorted = ranks.clone();
    sorted.sort_unstable();
    let n = sorted.len();
    let median_rank = (sorted[(n - 1) / 2] + sorted[n / 2]) as f64 / 2.0;
    Ok(CrossModal { ranks, median_rank })
}

/// CLIPScore (Hessel 2021) of each pair: 2.5 times the cosine, 0 when it is negative.
///
/// # Errors
/// As [`cross_modal`].
pub fn clip_score(images: &Features, texts: &Features) -> Result<Vec<f64>> {
    images.require_same_width(texts)?;
    same_length("images", images.len(), "texts", texts.len())?;
    Ok(images
        .cosines(texts)
        .iter()
        .enumerate()
        .map(|(i, row)| 2.5 * row[i].max(0.0))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_list_by_hand() {
        let r = ranked(&[false, true, true, false], &[0.9, 0.8, 0.1, 0.5], 2).unwrap();
        assert_eq!(
            (r.precision_at, r.recall_at, r.reciprocal_rank),
            (0.5, 0.5, 0.5)
        );
        assert_eq!(r.average_precision, 0.5);
        assert!(ranked(&[false], &[0.1], 1).unwrap_err().is_undefined());
        assert_eq!(ndcg(&[3.0, 2.0], &[0.9, 0.1], None).unwrap(), 1.0);
        assert!(ndcg(&[0.0, 2.0], &[0.9, 0.1], Some(1)).unwrap() == 0.0);
    }

    #[test]
    fn partners_rank_first_when_they_point_the_same_way() {
        let a = Features::new(&[1.0, 0.0, 0.0, 1.0], 2).unwrap();
        let c = cross_modal(&a, &a).unwrap();
        assert_eq!((c.recall_at(1), c.median_rank), (1.0, 1.0));
        assert_eq!(clip_score(&a, &a).unwrap(), [2.5, 2.5]);
    }
}
