//! The claims: convergence, the gain of labels in the factorisation, and what covariates add.

use super::convergence::{Contrast, Convergence};
use super::tasks::TaskName;
use super::train::{Kind, Outcome, Run, TaskOutcome};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::claims::ClaimRow;
use hilum_metrics::classification::{BinaryScores, Confusion, MulticlassConfusion, auroc_weighted};

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = gain_rows(outcome);
    rows.extend(contrast_rows(&outcome.contrasts));
    rows.extend(convergence_rows(&outcome.convergence));
    rows.extend(covariate_rows(outcome));
    for task in &outcome.tasks {
        rows.extend(model_rows(task));
    }
    rows
}

/// A figure without an interval: the worst of several sets.
fn worst(claim: &str, value: Option<f64>, holds: Option<bool>, n: usize, note: String) -> ClaimRow {
    ClaimRow {
        claim: claim.to_owned(),
        paper: None,
        here: value,
        interval: None,
        holds,
        n,
        note,
    }
}

/// Mean of values with its interval, each value a unit.
fn mean(values: &[f64]) -> Option<Measured> {
    let units: Vec<usize> = (0..values.len()).collect();
    measured_by(&units, |counts| {
        let n: u32 = counts.iter().sum();
        let sum: f64 = values
            .iter()
            .zip(counts)
            .map(|(v, c)| v * f64::from(*c))
            .sum();
        (n > 0).then(|| sum / f64::from(n))
    })
}

/// AUROC of drawn cases; the mean over classes, each against the rest, where there are three.
fn auroc(task: &TaskOutcome, run: &Run, counts: &[u32]) -> Option<f64> {
    let weights: Vec<f64> = counts.iter().map(|c| f64::from(*c)).collect();
    let classes = task.task.classes();
    let asked = if classes == 2 { 1..2 } else { 0..classes };
    let (mut sum, n) = (0.0, asked.len() as f64);
    for class in asked {
        let truth: Vec<bool> = task.y.iter().map(|y| *y == class).collect();
        let scores: Vec<f64> = run.said.iter().map(|p| p[class]).collect();
        sum += auroc_weighted(&BinaryScores::new(&truth, &scores).ok()?, &weights).ok()?;
    }
    Some(sum / n)
}

fn runs(task: &TaskOutcome, kind: Kind, covariates: bool) -> Vec<&Run> {
    let own = task.runs.iter();
    own.filter(|r| r.kind == kind && r.covariates == covariates)
        .collect()
}

/// Mean AUROC over the seeds of a model.
fn level(task: &TaskOutcome, kind: Kind, covariates: bool, counts: &[u32]) -> Option<f64> {
    let own = runs(task, kind, covariates);
    if own.is_empty() {
        return None;
    }
    let each = own.iter().map(|r| auroc(task, r, counts));
    Some(each.sum::<Option<f64>>()? / own.len() as f64)
}

/// One model's mean AUROC minus another's.
fn difference(task: &TaskOutcome, one: (Kind, bool), other: (Kind, bool)) -> Option<Measured> {
    measured_by(&task.groups, |counts| {
        Some(level(task, one.0, one.1, counts)? - level(task, other.0, other.1, counts)?)
    })
}

fn shown(m: Option<Measured>) -> String {
    m.map_or("undefined".to_owned(), |m| {
        format!(
            "{:+.3} ({:+.3} to {:+.3})",
            m.value, m.interval.0, m.interval.1
        )
    })
}

fn gain_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for task in &outcome.tasks {
        for kind in [Kind::Filter, Kind::Feature] {
            let seen = difference(task, (kind, false), (Kind::Nmf, false));
            let beside = difference(task, (kind, false), (Kind::Regression, false));
            rows.push(claim_row(
                format!(
                    "{}: AUROC of {} minus NMF, then logistic regression",
                    task.task.name(),
                    kind.name()
                ),
                seen,
                seen.map(|m| m.interval.0 > 0.0),
                format!("minus logistic regression: {}", shown(beside)),
            ));
        }
    }
    rows
}

fn contrast_rows(contrasts: &[Contrast]) -> Vec<ClaimRow> {
    let gains = |agree: bool, f: fn(&Contrast) -> f64| -> Vec<f64> {
        let own = contrasts.iter().filter(|c| c.agree == agree);
        own.map(|c| f(c) - c.nmf).collect()
    };
    let mut rows = Vec::new();
    type Accuracy = fn(&Contrast) -> f64;
    let models: [(&str, Accuracy); 2] = [("SDL-W", |c| c.filter), ("SDL-H", |c| c.feature)];
    for (name, f) in models {
        let seen = mean(&gains(false, f));
        rows.push(claim_row(
            format!("made-up sets, dictionaries differ: accuracy of {name} minus NMF, then logistic regression"),
            seen,
            seen.map(|m| m.interval.0 > 0.0),
            String::new(),
        ));
        let seen = mean(&gains(true, f));
        rows.push(claim_row(
            format!("made-up sets, dictionaries agree: accuracy of {name} minus NMF, then logistic regression"),
            seen,
            seen.map(|m| m.interval.1 < 0.02),
            "holds when the gain is below 0.02".to_owned(),
        ));
    }
    rows
}

fn convergence_rows(all: &[Convergence]) -> Vec<ClaimRow> {
    let most =
        |f: &dyn Fn(&Convergence) -> f64| all.iter().map(f).fold(f64::NEG_INFINITY, f64::max);
    let rise = most(&Convergence::largest_rise);
    let lines: Option<Vec<(f64, f64)>> = all.iter().map(Convergence::straightness).collect();
    let least = lines
        .as_ref()
        .map(|l| l.iter().map(|p| p.0).fold(f64::INFINITY, f64::min));
    let slowest = lines
        .as_ref()
        .map(|l| l.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max));
    let gap = most(&|c: &Convergence| c.gap().abs());
    let slopes: Option<Vec<f64>> = all.iter().map(Convergence::gradient_slope).collect();
    let slope = slopes.map(|s| s.into_iter().fold(f64::NEG_INFINITY, f64::max));
    let recovered = mean(&all.iter().map(|c| c.recovered).collect::<Vec<_>>());
    let sets = all.len();
    vec![
        worst(
            "LPGD, low-rank sets: largest rise of the objective in an iteration, share of the first value",
            Some(rise),
            Some(rise < 1e-9),
            sets,
            format!("{rise:.1e}; holds below 1e-9"),
        ),
        worst(
            "LPGD, low-rank sets: R² of a straight line through log error by iteration, second half, the least",
            least,
            least.zip(slowest).map(|(r, s)| r > 0.99 && s < 0.0),
            sets,
            slowest.map_or("undefined: too few iterations".to_owned(), |s| {
                format!(
                    "the slowest set's error falls by {:.1} % an iteration",
                    100.0 * (1.0 - s.exp())
                )
            }),
        ),
        worst(
            "BCD against LPGD, low-rank sets: difference of the last objectives, the largest share",
            Some(gap),
            Some(gap < 0.01),
            sets,
            format!("{gap:.1e}; signs free, random starts"),
        ),
        worst(
            "BCD, low-rank sets: slope of log least squared gradient by log iteration, the flattest",
            slope,
            slope.map(|s| s <= -1.0),
            sets,
            "at most -1 as the bound on iterations says".to_owned(),
        ),
        claim_row(
            "BCD, low-rank sets: matched cosine of the planted atoms with those found".to_owned(),
            recovered,
            recovered.map(|m| m.interval.0 > 0.95),
            "nothing negative, reconstruction weighed 100".to_owned(),
        ),
    ]
}

fn covariate_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for task in &outcome.tasks {
        if runs(task, Kind::Metadata, true).is_empty() {
            continue;
        }
        for kind in [Kind::Filter, Kind::Feature] {
            let gain = difference(task, (kind, true), (kind, false));
            let excess = measured_by(&task.groups, |counts| {
                let of = |k, c| level(task, k, c, counts);
                let gained = of(kind, true)? - of(kind, false)?;
                Some(gained - (of(Kind::Metadata, true)? - 0.5))
            });
            let above = difference(task, (kind, true), (Kind::Metadata, true));
            rows.push(claim_row(
                format!(
                    "{}: AUROC gained by covariates, {}, minus what they reach alone over 0.5",
                    task.task.name(),
                    kind.name()
                ),
                excess,
                // Where covariates gain nothing there is nothing to bound.
                excess
                    .filter(|_| gain.is_some_and(|g| g.value > 0.0))
                    .map(|m| m.interval.1 <= 0.0),
                format!(
                    "gain {}; with covariates minus covariates alone {}",
                    shown(gain),
                    shown(above)
                ),
            ));
        }
    }
    rows
}

/// What each model reaches, for reading beside the claims.
fn model_rows(task: &TaskOutcome) -> Vec<ClaimRow> {
    let kinds = [
        Kind::Metadata,
        Kind::Regression,
        Kind::Nmf,
        Kind::Filter,
        Kind::Feature,
        Kind::LiftedFilter,
        Kind::LiftedFeature,
    ];
    let mut rows = Vec::new();
    for covariates in [false, true] {
        for kind in kinds {
            let own = runs(task, kind, covariates);
            if own.is_empty() {
                continue;
            }
            let seen = measured_by(&task.groups, |c| level(task, kind, covariates, c));
            let with = if covariates && kind != Kind::Metadata {
                " with covariates"
            } else {
                ""
            };
            let what = if task.task.classes() > 2 {
                "mean AUROC of the classes"
            } else {
                "AUROC"
            };
            rows.push(claim_row(
                format!("{}: {what}, {}{with}", task.task.name(), kind.name()),
                seen,
                None,
                notes(task, &own),
            ));
        }
    }
    rows
}

fn notes(task: &TaskOutcome, own: &[&Run]) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, values: Vec<f64>| {
        if !values.is_empty() {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            parts.push(format!("{name} {mean:.3}"));
        }
    };
    if task.task == TaskName::PneumoniaKind {
        add(
            "accuracy",
            own.iter().filter_map(|r| top_class(task, r)).collect(),
        );
    } else {
        let tables: Vec<Confusion> = own.iter().filter_map(|r| at_threshold(task, r)).collect();
        let each = |f: fn(&Confusion) -> hilum_metrics::Result<f64>| {
            tables.iter().filter_map(|c| f(c).ok()).collect::<Vec<_>>()
        };
        add("accuracy", each(Confusion::accuracy));
        add("F1", each(Confusion::f1));
    }
    add(
        "unexplained",
        own.iter().filter_map(|r| r.unexplained).collect(),
    );
    let objectives = own.iter().filter_map(|r| r.trace.last().copied());
    add("objective", objectives.collect());
    if let Some(first) = own.first() {
        let ridge = format!("ν {}", first.ridge);
        parts.push(
            first
                .xi
                .map_or(ridge.clone(), |xi| format!("ξ {xi}, {ridge}")),
        );
    }
    parts.join(", ")
}

fn at_threshold(task: &TaskOutcome, run: &Run) -> Option<Confusion> {
    let truth: Vec<bool> = task.y.iter().map(|y| *y == 1).collect();
    let scores: Vec<f64> = run.said.iter().map(|p| p[1]).collect();
    let data = BinaryScores::new(&truth, &scores).ok()?;
    Some(Confusion::at_threshold(&data, run.threshold?))
}

fn top_class(task: &TaskOutcome, run: &Run) -> Option<f64> {
    let top = |p: &Vec<f64>| (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b]));
    let predicted: Option<Vec<usize>> = run.said.iter().map(top).collect();
    let table = MulticlassConfusion::new(&task.y, &predicted?, task.task.classes()).ok()?;
    Some(table.accuracy())
}
