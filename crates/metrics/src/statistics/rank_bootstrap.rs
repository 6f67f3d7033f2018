//! The bootstrap of AUROC and AP without sorting again: one sort, then one pass a resample.

use super::bootstrap::{Bootstrap, BootstrapOptions, bootstrap, jackknife};
use crate::classification::BinaryScores;
use crate::error::{MetricError, Result, same_length};

/// A score that depends on the ranking alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankScore {
    /// Area under the ROC curve.
    Auroc,
    /// Average precision, the step sum.
    AveragePrecision,
}

const POSITIVE: u8 = 1;
const LAST_OF_TIE: u8 = 2;

/// Labels in ranking order, with a mark at the end of each group of equal scores.
struct Ranking {
    flags: Vec<u8>,
}

impl Ranking {
    fn new(data: &BinaryScores) -> Self {
        let mut flags = Vec::with_capacity(data.len());
        for (_, group) in data.groups() {
            flags.extend(group.iter().map(|&i| u8::from(data.labels()[i as usize])));
            if let Some(last) = flags.last_mut() {
                *last |= LAST_OF_TIE;
            }
        }
        Ranking { flags }
    }

    fn score(&self, kind: RankScore, counts: impl Iterator<Item = u32>) -> Option<f64> {
        match kind {
            RankScore::Auroc => self.auroc(counts),
            RankScore::AveragePrecision => self.average_precision(counts),
        }
    }

    /// Calls `group` with the drawn positives and negatives of each group of equal scores.
    fn walk(&self, counts: impl Iterator<Item = u32>, mut group: impl FnMut(u64, u64)) {
        let (mut p, mut all) = (0_u64, 0_u64);
        for (flag, count) in self.flags.iter().zip(counts) {
            let count = u64::from(count);
            p += count * u64::from(flag & POSITIVE);
            all += count;
            if flag & LAST_OF_TIE != 0 {
                group(p, all - p);
                (p, all) = (0, 0);
            }
        }
    }

    fn auroc(&self, counts: impl Iterator<Item = u32>) -> Option<f64> {
        let (mut twice_wins, mut above, mut negatives) = (0_u64, 0_u64, 0_u64);
        self.walk(counts, |p, n| {
            twice_wins += n * (2 * above + p);
            above += p;
            negatives += n;
        });
        (above > 0 && negatives > 0)
            .then(|| twice_wins as f64 / 2.0 / (above as f64 * negatives as f64))
    }

    fn average_precision(&self, counts: impl Iterator<Item = u32>) -> Option<f64> {
        let (mut sum, mut tp, mut seen) = (0.0, 0_u64, 0_u64);
        self.walk(counts, |p, n| {
            tp += p;
            seen += p + n;
            if p > 0 {
                sum += p as f64 * tp as f64 / seen as f64;
            }
        });
        (tp > 0 && seen > tp).then(|| sum / tp as f64)
    }
}

/// [`bootstrap`] of AUROC or AP. `clusters` has one id per labelled entry, in the order of
/// [`BinaryScores::labels`] (use [`BinaryScores::kept`] to drop the ids of null labels).
///
/// # Errors
/// [`MetricError::SingleClass`]; those of [`bootstrap`].
pub fn bootstrap_rank(
    data: &BinaryScores,
    kind: RankScore,
    clusters: Option<&[usize]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap> {
    data.require_both("bootstrap")?;
    let ranking = Ranking::new(data);
    let ids = ranked_clusters(data, clusters)?;
    // Drawing in ranking order is the same draw under other names, and reads memory in order.
    bootstrap(data.len(), ids.as_deref(), options, |counts| {
        ranking.score(kind, counts.iter().copied())
    })
}

/// Bootstrap of the difference A − B of two scorers of the same entries, resampled together.
///
/// # Errors
/// As [`bootstrap_rank`]; [`MetricError::Parameter`] when the labels of the two differ.
pub fn bootstrap_rank_difference(
    a: &BinaryScores,
    b: &BinaryScores,
    kind: RankScore,
    clusters: Option<&[usize]>,
    options: &BootstrapOptions,
) -> Result<Bootstrap> {
    a.require_both("bootstrap")?;
    same_length("entries of A", a.len(), "entries of B", b.len())?;
    if let Some(index) = (0..a.len()).find(|&i| a.labels()[i] != b.labels()[i]) {
        return Err(MetricError::Parameter {
            name: "entry",
            value: index as f64,
            rule: "labelled alike in A and B",
        });
    }
    let rankings = [Ranking::new(a), Ranking::new(b)];
    let one = |k: usize, data: &BinaryScores, counts: &[u32]| {
        rankings[k].score(kind, data.order().iter().map(|&i| counts[i as usize]))
    };
    bootstrap(a.len(), clusters, options, |counts| {
        Some(one(0, a, counts)? - one(1, b, counts)?)
    })
}

/// Jackknife values for [`Bootstrap::bca`]: exact in one pass for the AUROC of single observations, else by
/// blocks (at most 500).
///
/// # Errors
/// [`MetricError::SingleClass`]; [`MetricError::Undefined`] when a class has one member only.
pub fn jackknife_rank(
    data: &BinaryScores,
    kind: RankScore,
    clusters: Option<&[usize]>,
) -> Result<Vec<f64>> {
    data.require_both("jackknife")?;
    if kind == RankScore::Auroc && clusters.is_none() {
        return auroc_leave_one_out(data);
    }
    let ranking = Ranking::new(data);
    jackknife(data.len(), clusters, 500, |counts| {
        ranking.score(kind, data.order().iter().map(|&i| counts[i as usize]))
    })
}

fn auroc_leave_one_out(data: &BinaryScores) -> Result<Vec<f64>> {
    let (p, n) = (data.positives() as f64, data.negatives() as f64);
    if data.positives() < 2 || data.negatives() < 2 {
        return Err(MetricError::Undefined {
            metric: "jackknife",
            reason: "a class has a single member",
        });
    }
    let wins = super::delong::wins_per_entry(data);
    let total: f64 = wins
        .iter()
        .zip(data.labels())
        .filter(|(_, y)| **y)
        .map(|(w, _)| w)
        .sum();
    let without =
        |(w, y): (&f64, &bool)| (total - w) / if *y { (p - 1.0) * n } else { p * (n - 1.0) };
    Ok(wins.iter().zip(data.labels()).map(without).collect())
}

fn ranked_clusters(data: &BinaryScores, clusters: Option<&[usize]>) -> Result<Option<Vec<usize>>> {
    let Some(ids) = clusters else {
        return Ok(None);
    };
    same_length("labelled entries", data.len(), "clusters", ids.len())?;
    Ok(Some(
        data.order().iter().map(|&i| ids[i as usize]).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::{auroc, average_precision};

    fn data() -> BinaryScores {
        let labels: Vec<bool> = (0..120).map(|i| i * 37 % 11 < 4).collect();
        let scores: Vec<f64> = (0..120)
            .map(|i| f64::from((i * 53 % 17) as u32) + if labels[i] { 4.0 } else { 0.0 })
            .collect();
        BinaryScores::new(&labels, &scores).unwrap()
    }

    #[test]
    fn the_estimate_is_the_score() {
        let options = BootstrapOptions {
            resamples: 50,
            ..Default::default()
        };
        let b = bootstrap_rank(&data(), RankScore::Auroc, None, &options).unwrap();
        assert!((b.estimate - auroc(&data()).unwrap()).abs() < 1e-15);
        let b = bootstrap_rank(&data(), RankScore::AveragePrecision, None, &options).unwrap();
        assert!((b.estimate - average_precision(&data()).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn leaving_out_in_one_pass_equals_leaving_out_one_by_one() {
        let data = data();
        let fast = jackknife_rank(&data, RankScore::Auroc, None).unwrap();
        let ids: Vec<usize> = (0..data.len()).collect();
        let slow = jackknife_rank(&data, RankScore::Auroc, Some(&ids)).unwrap();
        assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn a_scorer_does_not_differ_from_itself() {
        let d = data();
        let options = BootstrapOptions {
            resamples: 20,
            ..Default::default()
        };
        let b = bootstrap_rank_difference(&d, &d, RankScore::Auroc, None, &options).unwrap();
        assert!(b.replicates.iter().all(|r| *r == 0.0));
    }
}
