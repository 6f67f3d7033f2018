//! Many measures of many groups from the same resamples of patients.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Cases with a score between 0 and 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data<'a> {
    pub labels: &'a [bool],
    pub probabilities: &'a [f64],
    /// Patient numbers from 0 on.
    pub patients: &'a [usize],
}

/// What is measured of a group.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Area under the ROC curve.
    Auroc,
    /// Sensitivity at the threshold.
    Sensitivity,
    /// Specificity at the threshold.
    Specificity,
    /// Mean probability less the share of positives: above 0 the model says too much.
    InTheLarge,
    /// Brier score.
    Brier,
}

impl Measure {
    /// Name to show.
    pub fn title(self) -> &'static str {
        match self {
            Measure::Auroc => "AUROC",
            Measure::Sensitivity => "sensitivity",
            Measure::Specificity => "specificity",
            Measure::InTheLarge => "mean probability - prevalence",
            Measure::Brier => "Brier score",
        }
    }
}

/// The cases of a group from the highest score down.
#[derive(Debug, Clone)]
pub(crate) struct Ranked(Vec<usize>);

impl Ranked {
    pub fn new(data: Data<'_>, members: &[bool]) -> Self {
        let mut order: Vec<usize> = (0..members.len()).filter(|i| members[*i]).collect();
        order.sort_by(|a, b| data.probabilities[*b].total_cmp(&data.probabilities[*a]));
        Ranked(order)
    }

    /// A measure with each case counted as often as `weights` says; null where it is not defined.
    pub fn measure(
        &self,
        data: Data<'_>,
        weights: &[u32],
        measure: Measure,
        threshold: f64,
    ) -> Option<f64> {
        let (mut positives, mut negatives) = (0.0, 0.0);
        let (mut wins, mut hits, mut rejections) = (0.0, 0.0, 0.0);
        let (mut p_sum, mut square) = (0.0, 0.0);
        let mut at = 0;
        while at < self.0.len() {
            let score = data.probabilities[self.0[at]];
            let (mut tied_p, mut tied_n) = (0.0, 0.0);
            while at < self.0.len() && data.probabilities[self.0[at]] == score {
                let case = self.0[at];
                let w = f64::from(weights[case]);
                if data.labels[case] {
                    tied_p += w;
                } else {
                    tied_n += w;
                }
                at += 1;
            }
            // A negative loses against every positive above it, and half against the tied ones.
            wins += tied_n * (positives + tied_p / 2.0);
            if score >= threshold {
                hits += tied_p;
            } else {
                rejections += tied_n;
            }
            p_sum += score * (tied_p + tied_n);
            square += tied_p * (1.0 - score).powi(2) + tied_n * score.powi(2);
            (positives, negatives) = (positives + tied_p, negatives + tied_n);
        }
        let n = positives + negatives;
        let over = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        match measure {
            Measure::Auroc => over(wins, positives * negatives),
            Measure::Sensitivity => over(hits, positives),
            Measure::Specificity => over(rejections, negatives),
            Measure::InTheLarge => over(p_sum - positives, n),
            Measure::Brier => over(square, n),
        }
    }
}

/// How often each case is drawn in resample `b`: whole patients with replacement.
fn draw(patients: &[usize], count: usize, seed: u64, b: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(b);
    let mut times = vec![0u32; count];
    for _ in 0..count {
        times[rng.random_range(0..count)] += 1;
    }
    patients.iter().map(|p| times[*p]).collect()
}

/// `ask` of every resample, in drawing order.
pub(crate) fn resamples<T: Send>(
    patients: &[usize],
    number: usize,
    seed: u64,
    ask: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let count = patients.iter().max().map_or(0, |m| m + 1);
    (0..number as u64)
        .into_par_iter()
        .map(|b| ask(&draw(patients, count, seed, b)))
        .collect()
}

/// 95 % percentile interval of the resamples for which a figure is defined; null for fewer than half of them.
pub(crate) fn interval(values: &[Option<f64>]) -> Option<(f64, f64)> {
    let mut defined: Vec<f64> = values.iter().flatten().copied().collect();
    if defined.len() * 2 < values.len() || defined.len() < 20 {
        return None;
    }
    defined.sort_by(f64::total_cmp);
    let at = |q| hilum_metrics::statistics::percentile(&defined, q).ok();
    Some((at(0.025)?, at(0.975)?))
}

/// Two-sided p of "the difference is 0": the difference over the deviation of its resamples, as a normal deviate. Shares of
/// resamples would be too coarse for Holm's correction of many comparisons.
pub(crate) fn p_of_difference(seen: f64, values: &[Option<f64>]) -> Option<f64> {
    let defined: Vec<f64> = values.iter().flatten().copied().collect();
    if defined.len() * 2 < values.len() || defined.len() < 20 {
        return None;
    }
    let n = defined.len() as f64;
    let mean = defined.iter().sum::<f64>() / n;
    let square = defined.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // Equal values differ in their last bits once a mean was taken of them.
    let deviation = square.sqrt();
    (deviation > 1e-12).then(|| hilum_metrics::statistics::normal_two_sided(seen / deviation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_metrics::classification::{BinaryScores, auroc};

    #[test]
    fn the_weighted_area_is_that_of_the_repeated_cases() {
        let labels = [true, false, true, false, false, true];
        let scores = [0.9, 0.9, 0.4, 0.4, 0.1, 0.2];
        let patients = [0, 1, 2, 3, 4, 5];
        let data = Data {
            labels: &labels,
            probabilities: &scores,
            patients: &patients,
        };
        let weights = [2, 1, 1, 3, 1, 0];
        let (mut y, mut s) = (Vec::new(), Vec::new());
        for i in 0..6 {
            for _ in 0..weights[i] {
                y.push(labels[i]);
                s.push(scores[i]);
            }
        }
        let wanted = auroc(&BinaryScores::new(&y, &s).unwrap()).unwrap();
        let ranked = Ranked::new(data, &[true; 6]);
        let got = ranked.measure(data, &weights, Measure::Auroc, 0.5).unwrap();
        assert!((got - wanted).abs() < 1e-12);
        let sensitivity = ranked.measure(data, &weights, Measure::Sensitivity, 0.9);
        assert_eq!(sensitivity, Some(2.0 / 3.0));
        let none = ranked.measure(data, &[0, 1, 0, 1, 1, 0], Measure::Auroc, 0.5);
        assert_eq!(none, None);
    }

    #[test]
    fn resamples_keep_patients_together_and_do_not_depend_on_threads() {
        let patients = [0, 0, 1, 2, 2, 3];
        let seen = resamples(&patients, 50, 1, <[u32]>::to_vec);
        assert!(seen.iter().all(|w| w[0] == w[1] && w[3] == w[4]));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(
            pool.install(|| resamples(&patients, 50, 1, <[u32]>::to_vec)),
            seen
        );
    }

    #[test]
    fn a_difference_far_from_zero_beside_its_deviation_is_significant() {
        let around = |centre: f64| -> Vec<Option<f64>> {
            (0..999)
                .map(|i| Some(centre + (f64::from(i) - 499.0) * 1e-4))
                .collect()
        };
        assert!(p_of_difference(0.3, &around(0.3)).unwrap() < 1e-10);
        assert_eq!(p_of_difference(0.0, &around(0.0)), Some(1.0));
        assert_eq!(p_of_difference(0.1, &[None; 100]), None);
        assert_eq!(p_of_difference(0.1, &[Some(0.1); 100]), None);
        assert_eq!(interval(&[None; 100]), None);
    }
}
