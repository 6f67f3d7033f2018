//! The paper's claims as rows.

use super::outcome::{Arm, Model, Outcome, Run};
use crate::blocks::confounded::{Nuisance, Ties, confusions};
use crate::blocks::films::FINDINGS;
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{as_weights, shown};
use crate::claims::ClaimRow;
use crate::curves::Curve;
use hilum_metrics::classification::{BinaryScores, auroc_weighted};

/// Test films with a finding from which on its concepts' AUROC is shown.
const LEAST: usize = 8;

/// A score over the two tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// Nuisance as in training (ID).
    Inside,
    /// Nuisance turned round (OOD).
    Outside,
    /// Mean of both.
    Average,
    /// Inside minus outside.
    Gap,
}

/// Which arms are meant.
#[derive(Clone, Copy)]
struct Which {
    model: Model,
    strength: f64,
    size: Option<usize>,
    set: usize,
}

impl Which {
    fn at(model: Model, strength: f64) -> Which {
        Which {
            model,
            strength,
            size: None,
            set: 0,
        }
    }

    fn is(&self, arm: &Arm) -> bool {
        arm.model == self.model
            && arm.strength == self.strength
            && arm.size == self.size
            && arm.set == self.set
    }
}

/// Mean over seeds of a score under drawn test films; `None` where a seed has no such arm.
fn level(outcome: &Outcome, which: Which, at: usize, test: Test, weights: &[f64]) -> Option<f64> {
    let (nuisance, ties) = (outcome.config.nuisances[at], &outcome.ties[at]);
    let one = |run: &Run| {
        let is = |a: &&Arm| which.is(a) && a.nuisance == nuisance;
        let arm = run.arms.iter().find(is)?;
        let inside = ties.accuracy(&arm.said, weights, true)?;
        let outside = ties.accuracy(&arm.said, weights, false)?;
        Some(match test {
            Test::Inside => inside,
            Test::Outside => outside,
            Test::Average => (inside + outside) / 2.0,
            Test::Gap => inside - outside,
        })
    };
    let sum: Option<f64> = outcome.runs.iter().map(one).sum();
    Some(sum? / outcome.runs.len() as f64)
}

/// The mean over the nuisances.
fn over_all(outcome: &Outcome, which: Which, test: Test, weights: &[f64]) -> Option<f64> {
    let n = outcome.config.nuisances.len();
    let each = (0..n).map(|at| level(outcome, which, at, test, weights));
    Some(each.sum::<Option<f64>>()? / n as f64)
}

fn measured(outcome: &Outcome, score: impl Fn(&[f64]) -> Option<f64> + Sync) -> Option<Measured> {
    measured_by(&outcome.groups, |c| score(&as_weights(c)))
}

fn minus(outcome: &Outcome, [one, other]: [Which; 2], test: Test) -> Option<Measured> {
    measured(outcome, |w| {
        Some(over_all(outcome, one, test, w)? - over_all(outcome, other, test, w)?)
    })
}

fn positive(m: Option<Measured>) -> Option<bool> {
    m.map(|m| m.interval.0 > 0.0)
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = main_rows(outcome);
    rows.push(growth_row(outcome));
    rows.extend(set_rows(outcome));
    rows.extend(size_rows(outcome));
    rows.push(plain_row(outcome));
    rows.extend(concept_rows(outcome));
    for &strength in &outcome.config.strengths {
        rows.extend([Model::Concepts, Model::Probe].map(|m| sweep_row(outcome, m, strength)));
    }
    for at in 0..outcome.config.nuisances.len() {
        rows.extend(Model::ALL.map(|m| model_row(outcome, m, at)));
    }
    rows
}

/// Confusion of the paper's classifier on all films of the test, of the first seed: one pair a nuisance.
pub fn curves(outcome: &Outcome) -> Vec<Curve> {
    let Some(run) = outcome.runs.first() else {
        return Vec::new();
    };
    let nuisances = outcome.config.nuisances.iter().zip(&outcome.ties);
    let of = |(nuisance, ties): (&Nuisance, &Ties)| {
        let is = |a: &&Arm| {
            a.nuisance == *nuisance && Which::at(Model::Concepts, outcome.config.strongest()).is(a)
        };
        let arm = run.arms.iter().find(is)?;
        let title = format!("concepts, tied to {}, seed {}", nuisance.name(), run.seed);
        Some(confusions(&title, ties, &arm.said))
    };
    nuisances.filter_map(of).flatten().collect()
}

fn main_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let strongest = outcome.config.strongest();
    let of = |model| Which::at(model, strongest);
    let pair = |other| [of(Model::Concepts), of(other)];
    let turned = minus(outcome, pair(Model::Probe), Test::Outside);
    let average = minus(outcome, pair(Model::Probe), Test::Average);
    let drop = measured(outcome, |w| {
        over_all(outcome, of(Model::Probe), Test::Gap, w)
    });
    let tuned = minus(outcome, pair(Model::Tuned), Test::Average);
    let tuned_turned = minus(outcome, pair(Model::Tuned), Test::Outside);
    let less = minus(outcome, [of(Model::Probe), of(Model::Concepts)], Test::Gap);
    vec![
        claim_row(
            "accuracy with the tie turned: concepts minus linear probe".to_owned(),
            turned,
            positive(turned),
            format!("mean of both tests {}", shown(average)),
        ),
        claim_row(
            "linear probe: accuracy with the tie as in training minus with the tie turned"
                .to_owned(),
            drop,
            positive(drop),
            "the shortcut is taken".to_owned(),
        ),
        claim_row(
            "gap between the tests: linear probe minus concepts".to_owned(),
            less,
            positive(less),
            String::new(),
        ),
        claim_row(
            "accuracy, mean of both tests: concepts minus fine-tuned encoder".to_owned(),
            tuned,
            positive(tuned),
            format!("with the tie turned {}", shown(tuned_turned)),
        ),
    ]
}

/// Does the probe fall further behind the stronger the tie?
fn growth_row(outcome: &Outcome) -> ClaimRow {
    let strengths = &outcome.config.strengths;
    let ahead = |s: f64, w: &[f64]| {
        let gap = |m| over_all(outcome, Which::at(m, s), Test::Gap, w);
        Some(gap(Model::Probe)? - gap(Model::Concepts)?)
    };
    let slope = measured(outcome, |w| {
        let each: Option<Vec<f64>> = strengths.iter().map(|&s| ahead(s, w)).collect();
        line_slope(strengths, &each?)
    });
    let named: Vec<String> = strengths
        .iter()
        .map(|&s| {
            let seen = measured(outcome, |w| ahead(s, w));
            format!("{s}: {}", shown(seen))
        })
        .collect();
    claim_row(
        "growth of that difference as the tie goes from none to whole".to_owned(),
        slope.map(halved),
        positive(slope),
        format!("least squares over strengths; {}", named.join(", ")),
    )
}

/// From a slope a unit of strength to one over the half unit from 0.5, no tie, to 1, a whole one.
fn halved(m: Measured) -> Measured {
    Measured {
        value: m.value / 2.0,
        interval: (m.interval.0 / 2.0, m.interval.1 / 2.0),
        ..m
    }
}

/// Slope of the least-squares line.
fn line_slope(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let over: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let with: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    (over > 0.0).then(|| with / over)
}

/// Numbers of concepts that were set in every seed, rising.
fn set_counts(outcome: &Outcome) -> Vec<usize> {
    let mut all: Vec<usize> = outcome
        .runs
        .iter()
        .flat_map(|r| r.arms.iter().map(|a| a.set))
        .filter(|n| *n > 0)
        .collect();
    all.sort_unstable();
    all.dedup();
    let everywhere = |n: &usize| {
        let has = |r: &Run| r.arms.iter().any(|a| a.set == *n);
        outcome.runs.iter().all(has)
    };
    all.into_iter().filter(everywhere).collect()
}

/// Setting concepts to their true values: the largest number is the claim, the others are reported.
fn set_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let plain = Which::at(Model::Concepts, outcome.config.strongest());
    let counts = set_counts(outcome);
    let most = counts.last().copied();
    counts
        .iter()
        .rev()
        .map(|&n| {
            let fixed = Which { set: n, ..plain };
            let seen = minus(outcome, [fixed, plain], Test::Outside);
            let level = measured(outcome, |w| over_all(outcome, fixed, Test::Outside, w));
            claim_row(
                format!(
                    "accuracy with the tie turned: concepts set to their true values ({n}) minus none"
                ),
                seen,
                if most == Some(n) {
                    positive(seen)
                } else {
                    None
                },
                format!("accuracy {}", shown(level)),
            )
        })
        .collect()
}

/// Accuracy by number of concepts.
fn size_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let plain = Which::at(Model::Concepts, outcome.config.strongest());
    let mut sizes: Vec<Option<usize>> = outcome.config.sizes.iter().map(|s| Some(*s)).collect();
    sizes.push(None);
    let kept: Vec<String> = outcome
        .runs
        .iter()
        .map(|r| r.kept.len().to_string())
        .collect();
    sizes
        .into_iter()
        .map(|size| {
            let which = Which { size, ..plain };
            let of = |t| measured(outcome, |w| over_all(outcome, which, t, w));
            let many = size.map_or(format!("all ({})", kept.join(", ")), |n| n.to_string());
            claim_row(
                format!("accuracy with {many} concepts, mean of both tests"),
                of(Test::Average),
                None,
                format!("with the tie turned {}", shown(of(Test::Outside))),
            )
        })
        .collect()
}

/// Without a tie, is the bottleneck paid for?
fn plain_row(outcome: &Outcome) -> ClaimRow {
    let weakest = outcome.config.strengths[0];
    let of = |m| Which::at(m, weakest);
    let seen = minus(
        outcome,
        [of(Model::Concepts), of(Model::Probe)],
        Test::Average,
    );
    let tuned = minus(
        outcome,
        [of(Model::Concepts), of(Model::Tuned)],
        Test::Average,
    );
    let start = minus(
        outcome,
        [Model::Concepts, Model::FromZero].map(|m| Which::at(m, outcome.config.strongest())),
        Test::Outside,
    );
    claim_row(
        format!("accuracy at strength {weakest}: concepts minus linear probe"),
        seen,
        None,
        format!(
            "minus fine-tuned encoder {}; at the strongest tie, turned, start from the association minus from zero {}",
            shown(tuned),
            shown(start)
        ),
    )
}

/// Mean scores of a finding's concepts over test films with a label, for each seed.
fn scores_of(outcome: &Outcome, finding: usize, whole: bool) -> Option<Vec<BinaryScores>> {
    let y: Vec<bool> = outcome
        .findings
        .iter()
        .map(|f| f[finding])
        .collect::<Option<_>>()?;
    if y.iter().filter(|v| **v).count() < LEAST {
        return None;
    }
    let one = |run: &Run| {
        let asks = |k: &usize| outcome.bank[run.kept[*k]].finding == Some(finding);
        let own: Vec<usize> = (0..run.kept.len()).filter(asks).collect();
        let rows = if whole { &run.whole } else { &run.patch };
        let mean = |r: &Vec<f32>| own.iter().map(|&k| f64::from(r[k])).sum::<f64>();
        let scores: Vec<f64> = rows.iter().map(mean).collect();
        (!own.is_empty()).then(|| BinaryScores::new(&y, &scores).ok())?
    };
    outcome.runs.iter().map(one).collect()
}

fn mean_auroc(runs: &[BinaryScores], weights: &[f64]) -> Option<f64> {
    let each = runs
        .iter()
        .map(|r| auroc_weighted(r, weights).ok().filter(|v| v.is_finite()));
    Some(each.sum::<Option<f64>>()? / runs.len() as f64)
}

fn concept_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let all: Vec<(usize, [Vec<BinaryScores>; 2])> = (0..FINDINGS.len())
        .filter_map(|f| {
            let both = [scores_of(outcome, f, false)?, scores_of(outcome, f, true)?];
            Some((f, both))
        })
        .collect();
    let mean = |side: usize| {
        measured(outcome, |w| {
            // A draw may leave a rare finding out; the others speak.
            let each: Vec<f64> = all
                .iter()
                .filter_map(|(_, s)| mean_auroc(&s[side], w))
                .collect();
            (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
        })
    };
    let seen = mean(0);
    let mut rows = vec![claim_row(
        "mean AUROC of the concepts for the findings that they name".to_owned(),
        seen,
        seen.map(|m| m.interval.0 > 0.5),
        format!(
            "holds above 0.5; by the whole film {}; {} sentences of reports, {} words, {:.2} of the bank's words known",
            shown(mean(1)),
            outcome.text[0],
            outcome.text[1],
            outcome.known
        ),
    )];
    for (finding, scores) in &all {
        let by = |side: usize| measured(outcome, |w| mean_auroc(&scores[side], w));
        rows.push(claim_row(
            format!("concept AUROC, {}", FINDINGS[*finding]),
            by(0),
            None,
            format!("by the whole film {}", shown(by(1))),
        ));
    }
    rows
}

fn sweep_row(outcome: &Outcome, model: Model, strength: f64) -> ClaimRow {
    let of = |t| {
        measured(outcome, |w| {
            over_all(outcome, Which::at(model, strength), t, w)
        })
    };
    claim_row(
        format!(
            "strength {strength}: gap between the tests, {}",
            model.name()
        ),
        of(Test::Gap),
        None,
        format!(
            "tie as in training {}, turned {}",
            shown(of(Test::Inside)),
            shown(of(Test::Outside))
        ),
    )
}

fn model_row(outcome: &Outcome, model: Model, at: usize) -> ClaimRow {
    let which = Which::at(model, outcome.config.strongest());
    let nuisance: Nuisance = outcome.config.nuisances[at];
    let of = |t| measured(outcome, |w| level(outcome, which, at, t, w));
    let trained: Vec<usize> = outcome
        .runs
        .iter()
        .flat_map(|r| &r.arms)
        .filter(|a| which.is(a) && a.nuisance == nuisance)
        .map(|a| a.trained)
        .collect();
    let mean = trained.iter().sum::<usize>() as f64 / trained.len().max(1) as f64;
    claim_row(
        format!(
            "tied to {}: mean of both tests, {}",
            nuisance.name(),
            model.name()
        ),
        of(Test::Average),
        None,
        format!(
            "tie as in training {}, turned {}, gap {}; {mean:.0} training films",
            shown(of(Test::Inside)),
            shown(of(Test::Outside)),
            shown(of(Test::Gap)),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        let slope = line_slope(&[0.5, 0.7, 1.0], &[1.0, 1.4, 2.0]).unwrap();
        assert!((slope - 2.0).abs() < 1e-12);
        assert_eq!(line_slope(&[0.5, 0.5], &[1.0, 2.0]), None);
    }
}
