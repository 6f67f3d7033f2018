//! Clusters of vectors: k-means with restarts, how many there are, and how well two partitions agree.

use crate::error::{MethodError, Result};
use smartcore::cluster::kmeans::{KMeans, KMeansParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

/// A partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// Number of clusters.
    pub k: usize,
    /// Cluster of each row.
    pub of: Vec<usize>,
    /// Mean silhouette (Rousseeuw 1987).
    pub silhouette: f64,
}

/// The best of `restarts` runs of k-means by the sum of squared distances to the means. Clusters are numbered by their
/// first row.
///
/// # Errors
/// Rows of other lengths, fewer rows than clusters, `k` under 2, values that are not finite.
pub fn k_means(rows: &[Vec<f64>], k: usize, restarts: u64, seed: u64) -> Result<Clusters> {
    check(rows, k)?;
    let x = DenseMatrix::from_2d_vec(&rows.to_vec()).map_err(|e| failed(&e))?;
    let mut best: Option<(f64, Vec<usize>)> = None;
    for restart in 0..restarts.max(1) {
        let parameters = KMeansParameters {
            k,
            max_iter: 200,
            seed: Some(seed.wrapping_add(restart)),
        };
        let fitted: KMeans<f64, usize, DenseMatrix<f64>, Vec<usize>> =
            KMeans::fit(&x, parameters).map_err(|e| failed(&e))?;
        let of = in_order(&fitted.predict(&x).map_err(|e| failed(&e))?);
        let within = within(rows, &of);
        if best.as_ref().is_none_or(|(least, _)| within < *least) {
            best = Some((within, of));
        }
    }
    let of = best.map(|(_, of)| of).unwrap_or_default();
    Ok(Clusters {
        k: of.iter().max().map_or(0, |m| m + 1),
        silhouette: silhouette(&distances(rows), &of).unwrap_or(f64::NAN),
        of,
    })
}

/// The number of clusters in `ks` with the largest mean silhouette, and the silhouette of each.
///
/// # Errors
/// As [`k_means`]; none of the numbers gives two clusters.
pub fn choose_k(
    rows: &[Vec<f64>],
    ks: std::ops::RangeInclusive<usize>,
    restarts: u64,
    seed: u64,
) -> Result<(Clusters, Vec<(usize, f64)>)> {
    let mut tried = Vec::new();
    let mut best: Option<Clusters> = None;
    for k in ks {
        if k >= rows.len() {
            break;
        }
        let found = k_means(rows, k, restarts, seed)?;
        if !found.silhouette.is_finite() {
            continue;
        }
        tried.push((k, found.silhouette));
        if best
            .as_ref()
            .is_none_or(|b| found.silhouette > b.silhouette)
        {
            best = Some(found);
        }
    }
    let best = best.ok_or_else(|| MethodError::TooFew {
        what: "distinct rows to be clustered".to_owned(),
        found: rows.len(),
        needed: 3,
    })?;
    Ok((best, tried))
}

fn check(rows: &[Vec<f64>], k: usize) -> Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    if k < 2 || rows.len() < k || columns == 0 {
        return Err(MethodError::TooFew {
            what: format!("rows for {k} clusters"),
            found: rows.len(),
            needed: k.max(2),
        });
    }
    let fits = rows
        .iter()
        .all(|r| r.len() == columns && r.iter().all(|v| v.is_finite()));
    match fits {
        true => Ok(()),
        false => Err(MethodError::Config(
            "rows to be clustered differ in length or are not finite".to_owned(),
        )),
    }
}

fn failed(e: &smartcore::error::Failed) -> MethodError {
    MethodError::Config(format!("k-means: {e}"))
}

/// Clusters numbered in the order of their first rows.
fn in_order(of: &[usize]) -> Vec<usize> {
    let mut names: Vec<usize> = Vec::new();
    of.iter()
        .map(|c| {
            names.iter().position(|n| n == c).unwrap_or_else(|| {
                names.push(*c);
                names.len() - 1
            })
        })
        .collect()
}

fn within(rows: &[Vec<f64>], of: &[usize]) -> f64 {
    let k = of.iter().max().map_or(0, |m| m + 1);
    let width = rows[0].len();
    let (mut means, mut counts) = (vec![vec![0.0; width]; k], vec![0.0; k]);
    for (row, &c) in rows.iter().zip(of) {
        counts[c] += 1.0;
        means[c].iter_mut().zip(row).for_each(|(m, v)| *m += v);
    }
    for (mean, n) in means.iter_mut().zip(&counts) {
        mean.iter_mut().for_each(|m| *m /= n);
    }
    rows.iter()
        .zip(of)
        .map(|(row, &c)| squared(row, &means[c]))
        .sum()
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Euclidean distances of all pairs.
fn distances(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    rows.iter()
        .map(|a| rows.iter().map(|b| squared(a, b).sqrt()).collect())
        .collect()
}

/// Mean silhouette over rows, from the distances of all pairs; a row alone in its cluster counts 0, as in scikit-learn.
/// `None` for fewer than two clusters.
pub fn silhouette(distances: &[Vec<f64>], of: &[usize]) -> Option<f64> {
    let k = of.iter().max().map_or(0, |m| m + 1);
    let mut sizes = vec![0usize; k];
    of.iter().for_each(|&c| sizes[c] += 1);
    if sizes.iter().filter(|&&s| s > 0).count() < 2 {
        return None;
    }
    let mut sum = 0.0;
    for (i, row) in distances.iter().enumerate() {
        let mut total = vec![0.0; k];
        row.iter().zip(of).for_each(|(d, &c)| total[c] += d);
        let own = of[i];
        if sizes[own] < 2 {
            continue;
        }
        let a = total[own] / (sizes[own] - 1) as f64;
        let b = (0..k)
            .filter(|&c| c != own && sizes[c] > 0)
            .map(|c| total[c] / sizes[c] as f64)
            .fold(f64::INFINITY, f64::min);
        let most = a.max(b);
        if most > 0.0 {
            sum += (b - a) / most;
        }
    }
    Some(sum / of.len() as f64)
}

/// Adjusted Rand index of two partitions (Hubert and Arabie 1985), each row counted as often as `counts` says; `None`
/// where it is undefined: fewer than two rows, or both partitions trivial in the same way.
pub fn adjusted_rand(a: &[usize], b: &[usize], counts: &[u32]) -> Option<f64> {
    let rows = a.iter().max()? + 1;
    let columns = b.iter().max()? + 1;
    let mut table = vec![0u64; rows * columns];
    for ((&i, &j), &n) in a.iter().zip(b).zip(counts) {
        table[i * columns + j] += u64::from(n);
    }
    let pairs = |n: u64| (n * n.saturating_sub(1)) as f64 / 2.0;
    let total: u64 = table.iter().sum();
    if total < 2 {
        return None;
    }
    let both: f64 = table.iter().map(|&n| pairs(n)).sum();
    let by_row: f64 = table.chunks(columns).map(|r| pairs(r.iter().sum())).sum();
    let by_column: f64 = (0..columns)
        .map(|j| pairs((0..rows).map(|i| table[i * columns + j]).sum()))
        .sum();
    let expected = by_row * by_column / pairs(total);
    let most = (by_row + by_column) / 2.0;
    ((most - expected).abs() > 1e-12).then(|| (both - expected) / (most - expected))
}

/// Share of the variance of `values` that lies within the clusters, each row counted as often as `counts` says: 0 when
/// clusters tell all, 1 when they tell nothing. `None` without variance.
pub fn variance_within(values: &[f64], of: &[usize], counts: &[u32]) -> Option<f64> {
    let weights = || counts.iter().map(|&c| f64::from(c));
    let n: f64 = weights().sum();
    if n == 0.0 {
        return None;
    }
    let mean = values
        .iter()
        .zip(weights())
        .map(|(v, w)| v * w)
        .sum::<f64>()
        / n;
    let total: f64 = values
        .iter()
        .zip(weights())
        .map(|(v, w)| w * (v - mean).powi(2))
        .sum();
    let k = of.iter().max()? + 1;
    let (mut sums, mut sizes) = (vec![0.0; k], vec![0.0; k]);
    for ((v, &c), w) in values.iter().zip(of).zip(weights()) {
        sums[c] += v * w;
        sizes[c] += w;
    }
    let inside: f64 = values
        .iter()
        .zip(of)
        .zip(weights())
        .filter(|(_, w)| *w > 0.0)
        .map(|((v, &c), w)| w * (v - sums[c] / sizes[c]).powi(2))
        .sum();
    (total > 0.0).then(|| inside / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three clouds that do not touch.
    fn clouds() -> (Vec<Vec<f64>>, Vec<usize>) {
        let centres = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]];
        let mut rows = Vec::new();
        let mut truth = Vec::new();
        for i in 0..30 {
            let c = i % 3;
            let wobble = ((i * 7) % 5) as f64 / 5.0;
            rows.push(vec![centres[c][0] + wobble, centres[c][1] - wobble]);
            truth.push(c);
        }
        (rows, truth)
    }

    #[test]
    fn clouds_are_found_and_counted() {
        let (rows, truth) = clouds();
        let (found, tried) = choose_k(&rows, 2..=6, 8, 1).unwrap();
        assert_eq!(found.k, 3);
        assert_eq!(tried.len(), 5);
        assert_eq!(adjusted_rand(&found.of, &truth, &[1; 30]), Some(1.0));
        assert_eq!(found, choose_k(&rows, 2..=6, 8, 1).unwrap().0);
    }

    /// Pairs together in both 2, in either 3 and 4, of 15: (2 - 0.8) / (3.5 - 0.8). The second pair of partitions is the
    /// example in scikit-learn's documentation of `adjusted_rand_score`, 0.57.
    #[test]
    fn agreement_is_that_of_the_definition() {
        let a = [0, 0, 1, 1, 2, 2];
        let b = [0, 0, 1, 2, 2, 2];
        let ari = adjusted_rand(&a, &b, &[1; 6]).unwrap();
        assert!((ari - 0.444_444_444_444_444_4).abs() < 1e-12, "{ari}");
        let documented = adjusted_rand(&[0, 0, 1, 2], &[0, 0, 1, 1], &[1; 4]).unwrap();
        assert!((documented - 4.0 / 7.0).abs() < 1e-12, "{documented}");
        assert_eq!(adjusted_rand(&[0; 4], &[0; 4], &[1; 4]), None);
    }

    /// Points 0, 1 and 4, 6 of a line.
    #[test]
    fn silhouettes_are_those_of_the_definition() {
        let x = [0.0f64, 1.0, 4.0, 6.0];
        let d: Vec<Vec<f64>> = x
            .iter()
            .map(|a| x.iter().map(|b| (a - b).abs()).collect())
            .collect();
        let expected = [
            (5.0 - 1.0) / 5.0,
            (4.0 - 1.0) / 4.0,
            (3.5 - 2.0) / 3.5,
            (5.5 - 2.0) / 5.5,
        ]
        .iter()
        .sum::<f64>()
            / 4.0;
        let got = silhouette(&d, &[0, 0, 1, 1]).unwrap();
        assert!((got - expected).abs() < 1e-12);
        assert_eq!(silhouette(&d, &[0; 4]), None);
    }

    #[test]
    fn variance_within_is_a_share() {
        let of = [0, 0, 1, 1];
        assert_eq!(
            variance_within(&[1.0, 1.0, 3.0, 3.0], &of, &[1; 4]),
            Some(0.0)
        );
        let one = variance_within(&[1.0, 3.0, 1.0, 3.0], &of, &[1; 4]).unwrap();
        assert!((one - 1.0).abs() < 1e-12);
        assert_eq!(variance_within(&[2.0; 4], &of, &[1; 4]), None);
    }

    #[test]
    fn rows_that_cannot_be_clustered_are_refused() {
        assert!(k_means(&[vec![1.0]], 2, 1, 0).is_err());
        assert!(k_means(&[vec![1.0], vec![f64::NAN]], 2, 1, 0).is_err());
        assert!(k_means(&[vec![1.0], vec![1.0, 2.0]], 2, 1, 0).is_err());
    }
}
