//! A calibration of one's own: fitted on labelled scores of one's own patients, judged on patients that were left out.

use crate::calibrator::{Calibrator, CalibratorKind};
use crate::conformal::{BinaryConformal, BinaryCoverage};
use crate::error::{Result, TrustError};
use crate::operating_point::{OperatingRule, TunedPoint};
use hilum_metrics::ConfidenceInterval;
use hilum_metrics::calibration::{Binning, ReliabilityBin, calibration_error, reliability_curve};
use hilum_metrics::classification::{BinaryScores, auroc, brier, log_loss};
use hilum_metrics::statistics::{BootstrapOptions, bootstrap};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bins of the expected calibration error and of the reliability curve, of equal mass.
pub const BINS: usize = 10;

/// How to refit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefitOptions {
    /// Calibrators to try; with several, that with the lowest log loss on left-out patients is taken.
    pub kinds: Vec<CalibratorKind>,
    /// Folds of patients.
    pub folds: usize,
    /// Seed of the folds and of the intervals.
    pub seed: u64,
    /// How the threshold is chosen.
    pub rule: OperatingRule,
    /// Permitted error rate of the conformal sets.
    pub alpha: f64,
    /// Bootstrap resamples over patients; 0 for no intervals.
    pub resamples: usize,
}

impl Default for RefitOptions {
    fn default() -> Self {
        RefitOptions {
            kinds: vec![
                CalibratorKind::Platt,
                CalibratorKind::Temperature,
                CalibratorKind::Isotonic,
                CalibratorKind::VennAbers,
            ],
            folds: 5,
            seed: 0,
            rule: OperatingRule::Youden,
            alpha: 0.1,
            resamples: 1000,
        }
    }
}

/// A figure with its interval over patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The figure.
    pub value: f64,
    /// 95 % percentile interval; null when it was not asked for or is not defined.
    pub interval: Option<(f64, f64)>,
}

/// What a set of probabilities is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Area under the ROC curve.
    pub auroc: Measured,
    /// Expected calibration error, ten bins of equal mass. Never 0 by chance alone: a perfect calibrator has a positive
    /// one on few cases.
    pub ece: Measured,
    /// Brier score.
    pub brier: Measured,
    /// Logarithmic loss.
    pub log_loss: Measured,
    /// Mean probability less the share of positives.
    pub in_the_large: Measured,
    /// Reliability curve.
    pub curve: Vec<ReliabilityBin>,
}

/// One calibrator on patients that it was not fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Which.
    pub kind: CalibratorKind,
    /// Its quality on left-out patients.
    pub quality: Quality,
}

/// A fitted calibration with what it was measured to be worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refit {
    /// Fitted on all cases.
    pub calibrator: Calibrator,
    /// Chosen on the left-out probabilities, and measured on them.
    pub operating_point: TunedPoint,
    /// Fitted on the left-out probabilities of all cases.
    pub conformal: BinaryConformal,
    /// Of sets fitted on the other folds, on each fold in turn.
    pub coverage: BinaryCoverage,
    /// The probabilities before; null when they were not known.
    pub before: Option<Quality>,
    /// Every calibrator tried, on left-out patients.
    pub tried: Vec<Tried>,
    /// The one taken.
    pub chosen: CalibratorKind,
    /// Labelled cases.
    pub n: usize,
    /// Present among them.
    pub positives: usize,
    /// Patients.
    pub patients: usize,
    /// Folds.
    pub folds: usize,
}

/// Labelled scores of one finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled<'a> {
    /// Whether the finding is there.
    pub labels: &'a [bool],
    /// Raw outputs.
    pub logits: &'a [f64],
    /// Patient of each case, any numbers.
    pub patients: &'a [usize],
    /// Probabilities in use before, to compare with.
    pub before: Option<&'a [f64]>,
    /// Name of the data, for the operating point's rule.
    pub name: &'a str,
}

/// Fits and judges.
///
/// # Errors
/// Lengths that differ, scores that are not finite, one class only, fewer patients of a class than folds, or a
/// calibrator that cannot be fitted on some fold.
pub fn refit(data: &Labelled<'_>, options: &RefitOptions) -> Result<Refit> {
    let all = BinaryScores::new(data.labels, data.logits)?;
    all.require_both("calibration")?;
    let folds = patient_folds(data.labels, data.patients, options.folds, options.seed)?;
    let mut tried = Vec::new();
    let mut best: Option<(f64, CalibratorKind, Vec<f64>)> = None;
    for &kind in &options.kinds {
        let left_out = left_out(data, &folds, options.folds, kind)?;
        let found = quality(data.labels, &left_out, data.patients, options)?;
        let loss = found.log_loss.value;
        tried.push(Tried {
            kind,
            quality: found,
        });
        if best.as_ref().is_none_or(|(b, ..)| loss < *b) {
            best = Some((loss, kind, left_out));
        }
    }
    let (_, chosen, left_out) = best.ok_or(TrustError::Parameter {
        name: "calibrators",
        value: 0.0,
        rule: "at least one",
    })?;
    let probabilities = BinaryScores::new(data.labels, &left_out)?;
    let name = format!("left-out patients of {}", data.name);
    let before = data
        .before
        .map(|p| quality(data.labels, p, data.patients, options))
        .transpose()?;
    Ok(Refit {
        calibrator: Calibrator::fit(chosen, &all)?,
        operating_point: TunedPoint::choose(&probabilities, options.rule, &name)?,
        conformal: BinaryConformal::fit(&probabilities, options.alpha)?,
        coverage: coverage(data.labels, &left_out, &folds, options)?,
        before,
        tried,
        chosen,
        n: all.len(),
        positives: all.positives(),
        patients: count(data.patients),
        folds: options.folds,
    })
}

fn count(patients: &[usize]) -> usize {
    let mut all = patients.to_vec();
    all.sort_unstable();
    all.dedup();
    all.len()
}

/// Fold of every case: patients with a positive case are dealt out first, then the others, so that every fold has of
/// both.
///
/// # Errors
/// Fewer than two folds; fewer patients of a class than folds.
pub fn patient_folds(
    labels: &[bool],
    patients: &[usize],
    folds: usize,
    seed: u64,
) -> Result<Vec<usize>> {
    crate::error::shape("patients", patients.len(), labels.len())?;
    if folds < 2 {
        return Err(TrustError::Parameter {
            name: "folds",
            value: folds as f64,
            rule: "at least 2",
        });
    }
    let mut positive: BTreeMap<usize, bool> = BTreeMap::new();
    for (&patient, &label) in patients.iter().zip(labels) {
        *positive.entry(patient).or_default() |= label;
    }
    for class in [true, false] {
        // A patient may count for both classes.
        let own = patients.iter().zip(labels).filter(|(_, y)| **y == class);
        let with = own.map(|(p, _)| *p).collect::<BTreeSet<_>>().len();
        if with < folds {
            return Err(TrustError::TooFewPatients {
                class: if class { "present" } else { "absent" },
                patients: with,
                folds,
            });
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut next = 0;
    for class in [true, false] {
        let mut group: Vec<usize> = positive
            .iter()
            .filter(|(_, v)| **v == class)
            .map(|(p, _)| *p)
            .collect();
        group.shuffle(&mut rng);
        for patient in group {
            of.insert(patient, next % folds);
            next += 1;
        }
    }
    Ok(patients.iter().map(|p| of[p]).collect())
}

/// Probabilities of every case by a calibrator fitted on the other folds.
fn left_out(
    data: &Labelled<'_>,
    folds: &[usize],
    count: usize,
    kind: CalibratorKind,
) -> Result<Vec<f64>> {
    let mut out = vec![0.0; data.labels.len()];
    for fold in 0..count {
        let kept: Vec<usize> = (0..folds.len()).filter(|i| folds[*i] != fold).collect();
        let labels: Vec<bool> = kept.iter().map(|i| data.labels[*i]).collect();
        let logits: Vec<f64> = kept.iter().map(|i| data.logits[*i]).collect();
        let fitted = Calibrator::fit(kind, &BinaryScores::new(&labels, &logits)?)?;
        for i in (0..folds.len()).filter(|i| folds[*i] == fold) {
            out[i] = fitted.probability(data.logits[i]);
        }
    }
    Ok(out)
}

/// Sets fitted on the other folds' probabilities, measured on each fold; counts are summed over the folds.
fn coverage(
    labels: &[bool],
    probabilities: &[f64],
    folds: &[usize],
    options: &RefitOptions,
) -> Result<BinaryCoverage> {
    let answers: Vec<(usize, bool, f64)> = (0..labels.len())
        .map(|i| (folds[i], labels[i], probabilities[i]))
        .collect();
    let mut kept = [0usize; 2];
    let (mut decided, mut wrong) = (0, 0);
    for fold in 0..options.folds {
        let (inside, outside): (Vec<_>, Vec<_>) = answers.iter().partition(|(f, ..)| *f == fold);
        let split = |part: &[&(usize, bool, f64)]| -> (Vec<bool>, Vec<f64>) {
            part.iter().map(|(_, y, p)| (*y, *p)).unzip()
        };
        let (y, p) = split(&outside);
        let fitted = BinaryConformal::fit(&BinaryScores::new(&y, &p)?, options.alpha)?;
        for (_, y, p) in inside {
            let (present, absent) = fitted.labels(*p);
            kept[usize::from(*y)] += usize::from(if *y { present } else { absent });
            decided += usize::from(present != absent);
            wrong += usize::from(present != absent && present != *y);
        }
    }
    BinaryCoverage::of_counts(
        1.0 - options.alpha,
        (kept[1], labels.iter().filter(|y| **y).count()),
        (kept[0], labels.iter().filter(|y| !**y).count()),
        (decided, wrong),
    )
}

/// What probabilities are worth, with intervals over patients.
///
/// # Errors
/// Values outside 0 to 1 or not finite; one class only.
pub fn quality(
    labels: &[bool],
    probabilities: &[f64],
    patients: &[usize],
    options: &RefitOptions,
) -> Result<Quality> {
    let data = BinaryScores::new(labels, probabilities)?;
    data.require_both("quality")?;
    let measured = |score: &(dyn Fn(&BinaryScores) -> Option<f64> + Sync)| -> Option<Measured> {
        let value = score(&data)?;
        Some(Measured {
            value,
            interval: interval(labels, probabilities, patients, options, score),
        })
    };
    let ece = |d: &BinaryScores| Some(calibration_error(d, Binning::EqualMass(BINS)).ok()?.ece);
    let large = |d: &BinaryScores| {
        let mean = d.scores().iter().sum::<f64>() / d.len() as f64;
        Some(mean - d.positives() as f64 / d.len() as f64)
    };
    // The first score that is undefined says why.
    brier(&data)?;
    let need = |m: Option<Measured>| {
        m.ok_or(TrustError::Data(hilum_metrics::MetricError::Undefined {
            metric: "quality",
            reason: "a score is undefined on these probabilities",
        }))
    };
    Ok(Quality {
        auroc: need(measured(&|d| auroc(d).ok()))?,
        ece: need(measured(&ece))?,
        brier: need(measured(&|d| brier(d).ok()))?,
        log_loss: need(measured(&|d| log_loss(d).ok()))?,
        in_the_large: need(measured(&large))?,
        curve: reliability_curve(&data, Binning::EqualMass(BINS))?,
    })
}

fn interval(
    labels: &[bool],
    probabilities: &[f64],
    patients: &[usize],
    options: &RefitOptions,
    score: &(dyn Fn(&BinaryScores) -> Option<f64> + Sync),
) -> Option<(f64, f64)> {
    if options.resamples == 0 {
        return None;
    }
    let settings = BootstrapOptions {
        resamples: options.resamples,
        seed: options.seed,
        ..BootstrapOptions::default()
    };
    let drawn = bootstrap(labels.len(), Some(patients), &settings, |counts| {
        let (mut y, mut p) = (Vec::new(), Vec::new());
        for (i, &times) in counts.iter().enumerate() {
            for _ in 0..times {
                y.push(labels[i]);
                p.push(probabilities[i]);
            }
        }
        score(&BinaryScores::new(&y, &p).ok()?)
    });
    let found: ConfidenceInterval = drawn.ok()?.percentile(0.95).ok()?;
    Some((found.low, found.high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrator::sigmoid;
    use rand::Rng;

    /// Scores that are twice too sure; two images a patient.
    fn cases(n: usize) -> (Vec<bool>, Vec<f64>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (mut y, mut z, mut who) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..n {
            let true_logit = rng.random::<f64>() * 4.0 - 2.0;
            y.push(rng.random::<f64>() < sigmoid(true_logit));
            z.push(2.0 * true_logit + 1.0);
            who.push(i / 2);
        }
        (y, z, who)
    }

    fn options() -> RefitOptions {
        RefitOptions {
            resamples: 100,
            ..RefitOptions::default()
        }
    }

    #[test]
    fn an_overconfident_score_is_mended_on_patients_that_were_left_out() {
        let (y, z, who) = cases(600);
        let before: Vec<f64> = z.iter().map(|v| sigmoid(*v)).collect();
        let data = Labelled {
            labels: &y,
            logits: &z,
            patients: &who,
            before: Some(&before),
            name: "test",
        };
        let fit = refit(&data, &options()).unwrap();
        let old = fit.before.as_ref().unwrap();
        let new = &fit
            .tried
            .iter()
            .find(|t| t.kind == fit.chosen)
            .unwrap()
            .quality;
        assert!(new.ece.value < old.ece.value / 2.0, "{new:?} {old:?}");
        assert!(new.brier.value < old.brier.value);
        let (low, high) = new.brier.interval.unwrap();
        assert!(low < new.brier.value && new.brier.value < high);
        assert!((fit.coverage.overall - 0.9).abs() < 0.05, "{fit:?}");
        assert_eq!((fit.n, fit.patients, fit.folds), (600, 300, 5));
        assert_eq!(refit(&data, &options()).unwrap(), fit);
    }

    #[test]
    fn folds_keep_patients_together_and_have_both_classes() {
        let (y, _, who) = cases(200);
        let folds = patient_folds(&y, &who, 5, 3).unwrap();
        for pair in folds.chunks(2) {
            assert_eq!(pair[0], pair[1]);
        }
        for fold in 0..5 {
            let inside = |class| (0..200).any(|i| folds[i] == fold && y[i] == class);
            assert!(inside(true) && inside(false));
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        let data = |labels, logits, patients| Labelled {
            labels,
            logits,
            patients,
            before: None,
            name: "x",
        };
        let one = refit(
            &data(&[true; 8], &[0.5; 8], &[0, 1, 2, 3, 4, 5, 6, 7]),
            &options(),
        );
        assert!(one.unwrap_err().to_string().contains("0 negatives"));
        let nan = refit(&data(&[true, false], &[f64::NAN, 0.0], &[0, 1]), &options());
        assert!(nan.unwrap_err().to_string().contains("NaN"));
        // Ten cases, but all positives are of one patient.
        let y: Vec<bool> = (0..10).map(|i| i < 4).collect();
        let z: Vec<f64> = (0..10).map(f64::from).collect();
        let who: Vec<usize> = (0..10).map(|i| if i < 4 { 0 } else { i }).collect();
        let few = refit(&data(&y, &z, &who), &options()).unwrap_err();
        assert!(
            matches!(few, TrustError::TooFewPatients { patients: 1, .. }),
            "{few}"
        );
    }
}
