//! The bootstrap: percentile and BCa intervals of any score, observations or whole clusters (patients)
//! resampled, the same result for any number of threads.

use super::normal::{normal_cdf, normal_quantile};
use crate::error::{MetricError, Result, not_empty, open_unit, same_length};
use crate::score::ConfidenceInterval;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BootstrapOptions {
    /// Resamples to draw.
    pub resamples: usize,
    /// Seed; resample `b` uses stream `b` of ChaCha8 under it.
    pub seed: u64,
    /// Nominal coverage of reported intervals.
    pub level: f64,
}

impl Default for BootstrapOptions {
    /// 1,000 resamples, seed 0, level 0.95.
    fn default() -> Self {
        BootstrapOptions {
            resamples: 1000,
            seed: 0,
            level: 0.95,
        }
    }
}

/// Replicates of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The score of the data as given.
    pub estimate: f64,
    /// The score of each resample for which it is defined, in drawing order.
    pub replicates: Vec<f64>,
    /// Resamples for which it is undefined (e.g. one class only).
    pub dropped: usize,
    /// What was done, for signatures.
    pub method: String,
}

/// Resamples `n` observations with replacement and computes `score` of each resample. The score receives how
/// often each observation was drawn, and answers `None` where it is undefined. With `clusters` (one id per
/// observation, e.g. the patient) whole clusters are drawn.
///
/// # Errors
/// Nothing to resample, cluster ids that do not pair up, fewer than two clusters, zero resamples, or a score
/// that is undefined on the data themselves or on every resample.
pub fn bootstrap(
    n: usize,
    clusters: Option<&[usize]>,
    options: &BootstrapOptions,
    score: impl Fn(&[u32]) -> Option<f64> + Sync,
) -> Result<Bootstrap> {
    let units = Units::new(n, clusters)?;
    open_unit("level", options.level)?;
    if options.resamples == 0 {
        return Err(MetricError::Parameter {
            name: "resamples",
            value: 0.0,
            rule: "at least 1",
        });
    }
    let undefined = |reason| MetricError::Undefined {
        metric: "bootstrap",
        reason,
    };
    let estimate =
        score(&vec![1; n]).ok_or(undefined("the score is undefined on the data themselves"))?;
    let replicates: Vec<Option<f64>> = (0..options.resamples as u64)
        .into_par_iter()
        .map_init(
            || units.buffers(),
            |buffers, b| score(units.draw(options.seed, b, buffers)),
        )
        .collect();
    let replicates: Vec<f64> = replicates.into_iter().flatten().collect();
    if replicates.is_empty() {
        return Err(undefined("the score is undefined on every resample"));
    }
    let method = format!(
        "{}resamples:{}|seed:{}",
        units.prefix(),
        options.resamples,
        options.seed
    );
    Ok(Bootstrap {
        estimate,
        dropped: options.resamples - replicates.len(),
        replicates,
        method,
    })
}

/// What is drawn: observations, or clusters of them.
struct Units {
    n: usize,
    cluster_of: Option<Vec<u32>>,
    count: usize,
}

impl Units {
    fn new(n: usize, clusters: Option<&[usize]>) -> Result<Self> {
        not_empty("observations", n)?;
        let Some(ids) = clusters else {
            return Ok(Units {
                n,
                cluster_of: None,
                count: n,
            });
        };
        same_length("observations", n, "clusters", ids.len())?;
        let mut known = HashMap::new();
        let cluster_of: Vec<u32> = ids
            .iter()
            .map(|id| {
                let next = known.len() as u32;
                *known.entry(*id).or_insert(next)
            })
            .collect();
        if known.len() < 2 {
            return Err(MetricError::Undefined {
                metric: "bootstrap",
                reason: "there is only one cluster to resample",
            });
        }
        Ok(Units {
            n,
            cluster_of: Some(cluster_of),
            count: known.len(),
        })
    }

    fn prefix(&self) -> String {
        match self.cluster_of {
            Some(_) => format!("clusters:{}|", self.count),
            None => String::new(),
        }
    }

    fn unit_of(&self, observation: usize) -> usize {
        self.cluster_of
            .as_ref()
            .map_or(observation, |c| c[observation] as usize)
    }

    fn buffers(&self) -> (Vec<u32>, Vec<u32>) {
        let observations = if self.cluster_of.is_some() { self.n } else { 0 };
        (vec![0; self.count], vec![0; observations])
    }

    fn draw<'a>(&self, seed: u64, stream: u64, buffers: &'a mut (Vec<u32>, Vec<u32>)) -> &'a [u32] {
        let (units, observations) = buffers;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        units.fill(0);
        let count = self.count as u64;
        for _ in 0..self.count {
            // Multiply and shift: the bias is at most count / 2^32 of a probability.
            units[((u64::from(rng.next_u32()) * count) >> 32) as usize] += 1;
        }
        let Some(cluster_of) = &self.cluster_of else {
            return units;
        };
        for (slot, cluster) in observations.iter_mut().zip(cluster_of) {
            *slot = units[*cluster as usize];
        }
        observations
    }
}

/// Leaves out one observation, cluster or block at a time. At most `max_blocks` blocks are formed (unit
/// modulo blocks), so that large data stay cheap; the acceleration of BCa is unchanged by blocking.
///
/// # Errors
/// As [`bootstrap`]; also a score that is undefined with any block left out.
pub fn jackknife(
    n: usize,
    clusters: Option<&[usize]>,
    max_blocks: usize,
    score: impl Fn(&[u32]) -> Option<f64> + Sync,
) -> Result<Vec<f64>> {
    let units = Units::new(n, clusters)?;
    let blocks = units.count.min(max_blocks);
    if blocks < 2 {
        return Err(MetricError::Parameter {
            name: "max_blocks",
            value: max_blocks as f64,
            rule: "at least 2",
        });
    }
    let left_out = |block: usize| {
        let counts: Vec<u32> = (0..n)
            .map(|i| u32::from(units.unit_of(i) % blocks != block))
            .collect();
        score(&counts)
    };
    (0..blocks)
        .into_par_iter()
        .map(|block| {
            left_out(block).ok_or(MetricError::Undefined {
                metric: "jackknife",
                reason: "the score is undefined when one block is left out",
            })
        })
        .collect()
}

impl Bootstrap {
    /// Standard deviation of the replicates (n − 1).
    pub fn standard_error(&self) -> f64 {
        let n = self.replicates.len() as f64;
        let mean = self.replicates.iter().sum::<f64>() / n;
        (self
            .replicates
            .iter()
            .map(|r| (r - mean).powi(2))
            .sum::<f64>()
            / (n - 1.0))
            .sqrt()
    }

    /// Percentile interval (linear interpolation).
    ///
    /// # Errors
    /// A level outside 0 to 1.
    pub fn percentile(&self, level: f64) -> Result<ConfidenceInterval> {
        open_unit("level", level)?;
        self.interval(
            "percentile",
            level,
            (1.0 - level) / 2.0,
            (1.0 + level) / 2.0,
        )
    }

    /// Bias-corrected and accelerated interval (Efron 1987); `jackknife` from [`jackknife`] or
    /// [`super::jackknife_rank`].
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when all replicates lie on one side of the estimate, or the jackknife does
    /// not vary.
    pub fn bca(&self, level: f64, jackknife: &[f64]) -> Result<ConfidenceInterval> {
        open_unit("level", level)?;
        let undefined = |reason| MetricError::Undefined {
            metric: "bca",
            reason,
        };
        let (below, at_most) = self
            .replicates
            .iter()
            .fold((0_usize, 0_usize), |(b, a), r| {
                (
                    b + usize::from(*r < self.estimate),
                    a + usize::from(*r <= self.estimate),
                )
            });
        let share = (below + at_most) as f64 / (2 * self.replicates.len()) as f64;
        if share <= 0.0 || share >= 1.0 {
            return Err(undefined("all replicates lie on one side of the estimate"));
        }
        let a = acceleration(jackknife).ok_or(undefined("the jackknife values do not vary"))?;
        let z0 = normal_quantile(share);
        let adjusted = |q: f64| {
            let z = z0 + normal_quantile(q);
            normal_cdf(z0 + z / (1.0 - a * z))
        };
        self.interval(
            "bca",
            level,
            adjusted((1.0 - level) / 2.0),
            adjusted((1.0 + level) / 2.0),
        )
    }

    fn interval(&self, kind: &str, level: f64, low: f64, high: f64) -> Result<ConfidenceInterval> {
        let mut sorted = self.replicates.clone();
        sorted.sort_by(f64::total_cmp);
        let mut method = format!("bootstrap-{kind}|{}", self.method);
        if self.dropped > 0 {
            method += &format!("|dropped:{}", self.dropped);
        }
        Ok(ConfidenceInterval {
            low: percentile(&sorted, low)?,
            high: percentile(&sorted, high)?,
            level,
            method,
        })
    }
}

/// Efron's acceleration: skewness of the influence over six.
fn acceleration(jackknife: &[f64]) -> Option<f64> {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    let (square, cube) = jackknife.iter().fold((0.0, 0.0), |(s, c), v| {
        let d = mean - v;
        (s + d * d, c + d * d * d)
    });
    (square > 0.0).then(|| cube / (6.0 * square.powf(1.5)))
}

/// Quantile `q` of sorted values, linear between neighbours (NumPy's default).
///
/// # Errors
/// Nothing given; `q` outside 0 to 1.
pub fn percentile(sorted: &[f64], q: f64) -> Result<f64> {
    not_empty("values", sorted.len())?;
    if !(0.0..=1.0).contains(&q) {
        return Err(MetricError::Parameter {
            name: "q",
            value: q,
            rule: "between 0 and 1",
        });
    }
    let position = q * (sorted.len() - 1) as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    let share = position - low as f64;
    Ok(sorted[low] + share * (sorted[high] - sorted[low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: &[f64]) -> impl Fn(&[u32]) -> Option<f64> + Sync {
        move |counts: &[u32]| {
            let n: u32 = counts.iter().sum();
            let sum: f64 = counts
                .iter()
                .zip(values)
                .map(|(c, v)| f64::from(*c) * v)
                .sum();
            (n > 0).then(|| sum / f64::from(n))
        }
    }

    fn sample() -> Vec<f64> {
        (0..200).map(|i| f64::from(i * 7919 % 200) / 10.0).collect()
    }

    #[test]
    fn the_same_for_any_number_of_threads() {
        let values = sample();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                bootstrap(200, None, &BootstrapOptions::default(), mean_of(&values)).unwrap()
            })
        };
        assert_eq!(run(1), run(5));
    }

    #[test]
    fn the_standard_error_of_a_mean() {
        let values = sample();
        let b = bootstrap(
            200,
            None,
            &BootstrapOptions {
                resamples: 4000,
                ..Default::default()
            },
            mean_of(&values),
        )
        .unwrap();
        // Standard deviation of 0.0, 0.1, ... 19.9 over the square root of 200.
        assert!(
            (b.standard_error() - 0.408).abs() < 0.02,
            "{}",
            b.standard_error()
        );
        let jack = jackknife(200, None, 200, mean_of(&values)).unwrap();
        let (p, bca) = (b.percentile(0.95).unwrap(), b.bca(0.95, &jack).unwrap());
        assert!(
            (p.low - bca.low).abs() < 0.1 && (p.high - bca.high).abs() < 0.1,
            "{p:?} {bca:?}"
        );
        assert!(
            bca.method
                .starts_with("bootstrap-bca|resamples:4000|seed:0")
        );
    }

    #[test]
    fn clusters_of_copies_widen_the_interval() {
        let values: Vec<f64> = sample().iter().flat_map(|v| [*v; 4]).collect();
        let ids: Vec<usize> = (0..values.len()).map(|i| 1000 + i / 4).collect();
        let options = BootstrapOptions::default();
        let loose = bootstrap(800, None, &options, mean_of(&values))
            .unwrap()
            .standard_error();
        let clustered = bootstrap(800, Some(&ids), &options, mean_of(&values))
            .unwrap()
            .standard_error();
        assert!((clustered / loose - 2.0).abs() < 0.2, "{clustered} {loose}");
    }

    #[test]
    fn what_cannot_be_resampled_is_refused() {
        let options = BootstrapOptions::default();
        assert!(bootstrap(0, None, &options, |_| Some(1.0)).is_err());
        assert!(bootstrap(3, Some(&[7, 7, 7]), &options, |_| Some(1.0)).is_err());
        assert!(bootstrap(3, Some(&[7, 7]), &options, |_| Some(1.0)).is_err());
        assert!(
            bootstrap(3, None, &options, |_| None)
                .unwrap_err()
                .is_undefined()
        );
        let constant = bootstrap(3, None, &options, |_| Some(1.0)).unwrap();
        assert!(
            constant
                .bca(0.95, &[1.0, 1.0, 1.0])
                .unwrap_err()
                .is_undefined()
        );
    }
}
