//! The paper's claims as rows.

use super::config::{TaskName, Variant};
use super::outcome::{Arm, Outcome, TaskOutcome};
use super::patches::{Corner, covers, fixed, random};
use crate::blocks::exclusive::argmax;
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{
    ClassScore, Said, as_weights, measured_gain, measured_runs, shown,
};
use crate::claims::ClaimRow;
use crate::scores::{Score, numbered, of_classes};
use hilum_metrics::calibration::{Binning, multiclass_brier, multiclass_calibration};
use hilum_metrics::classification::{BinaryScores, MulticlassScores, auroc_weighted};

/// Accuracies of which one is lower by no more than this are called equal.
const EQUAL: f64 = 0.02;
/// AUROC that uncertainty must reach to be said to tell errors.
const TELLS: f64 = 0.6;
/// Draws of random patches that the random hit rate is the mean of.
const DRAWS: u64 = 25;

fn arms(task: &TaskOutcome, variant: Variant) -> Vec<&Arm> {
    task.arms.iter().filter(|a| a.variant == variant).collect()
}

fn fused(task: &TaskOutcome, variant: Variant) -> Vec<&Said> {
    arms(task, variant).into_iter().map(|a| &a.fused).collect()
}

/// What UGPL said of every case, as the mean over the seeds.
pub fn scores(task: &TaskOutcome) -> Vec<Score> {
    let patients = numbered(&task.groups);
    let said = fused(task, Variant::Corrected);
    of_classes(
        task.task.name(),
        task.task.class_names(),
        &task.y,
        &patients,
        &said,
    )
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    // Real pictures first: their rows are the paper's claim.
    let mut tasks: Vec<&TaskOutcome> = outcome.tasks.iter().collect();
    tasks.sort_by_key(|t| match t.task {
        TaskName::Paediatric => 0,
        TaskName::Iqoth => 1,
        TaskName::Phantom => 2,
    });
    for task in &tasks {
        rows.push(gain_row(task, Variant::Corrected, Variant::Global, true));
        rows.push(error_row(task));
    }
    for task in &tasks {
        for other in [Variant::Released, Variant::Random, Variant::Fixed] {
            if !arms(task, other).is_empty() {
                rows.push(gain_row(task, Variant::Corrected, other, false));
            }
        }
    }
    for task in tasks.iter().filter(|t| t.task == TaskName::Phantom) {
        rows.extend(hit_rows(outcome, task));
    }
    for task in &tasks {
        let mut seen = Vec::new();
        for arm in &task.arms {
            if !seen.contains(&arm.variant) {
                seen.push(arm.variant);
                rows.push(level_row(task, arm.variant));
            }
        }
    }
    rows
}

fn gain_row(task: &TaskOutcome, one: Variant, other: Variant, claimed: bool) -> ClaimRow {
    let (a, b) = (fused(task, one), fused(task, other));
    let gain = |score| measured_gain(score, &task.y, &task.groups, &a, &b);
    let seen = gain(ClassScore::Accuracy);
    let verdict = seen.map(|m| m.interval.0 > -EQUAL);
    claim_row(
        format!(
            "{}: accuracy of {} minus {}",
            task.task.name(),
            one.name(),
            other.name()
        ),
        seen,
        if claimed { verdict } else { None },
        format!(
            "AUROC {}{}",
            shown(gain(ClassScore::MacroAuroc)),
            if claimed {
                format!("; holds when not lower by {EQUAL}")
            } else {
                String::new()
            }
        ),
    )
}

/// Does the map's mean tell the errors of the fused answer?
fn error_row(task: &TaskOutcome) -> ClaimRow {
    let tell = |of: &dyn Fn(&Arm, usize) -> f64| {
        let each: Option<Vec<BinaryScores>> = arms(task, Variant::Corrected)
            .into_iter()
            .map(|a| {
                let wrong: Vec<bool> = a
                    .fused
                    .iter()
                    .zip(&task.y)
                    .map(|(p, y)| argmax(p) != *y)
                    .collect();
                let scores: Vec<f64> = (0..wrong.len()).map(|i| of(a, i)).collect();
                BinaryScores::new(&wrong, &scores).ok()
            })
            .collect();
        each.and_then(|each| {
            measured_by(&task.groups, |c| {
                let w = as_weights(c);
                // A seed without errors among the drawn cases has nothing to tell.
                let known: Vec<f64> = each
                    .iter()
                    .filter_map(|d| auroc_weighted(d, &w).ok().filter(|v| v.is_finite()))
                    .collect();
                (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
            })
        })
    };
    let top = |p: &[f32]| f64::from(p[argmax(p)]);
    let seen = tell(&|a, i| f64::from(a.uncertainty[i]));
    let plain = tell(&|a, i| 1.0 - top(&a.fused[i]));
    claim_row(
        format!("{}: AUROC of the map's mean for errors", task.task.name()),
        seen,
        seen.map(|m| m.interval.0 > TELLS),
        format!(
            "holds above {TELLS}; one minus the largest probability {}; error among all, the half and the quarter with the lowest map: {}",
            shown(plain),
            selective(task)
        ),
    )
}

/// Errors among all cases and among the half and the quarter with the lowest map.
fn selective(task: &TaskOutcome) -> String {
    let risks: Vec<String> = [1.0, 0.5, 0.25]
        .iter()
        .map(|share| format!("{:.3}", risk(task, *share)))
        .collect();
    risks.join(", ")
}

/// The selective risk: share of errors among this share of the cases, those with the lowest map; mean over the seeds.
pub fn risk(task: &TaskOutcome, share: f64) -> f64 {
    let own = arms(task, Variant::Corrected);
    let each = own.iter().map(|a| {
        let mut order: Vec<usize> = (0..task.y.len()).collect();
        order.sort_by(|i, j| {
            a.uncertainty[*i]
                .total_cmp(&a.uncertainty[*j])
                .then(i.cmp(j))
        });
        let n = ((share * order.len() as f64).ceil() as usize).max(1);
        let wrong = order[..n]
            .iter()
            .filter(|&&i| argmax(&a.fused[i]) != task.y[i]);
        wrong.count() as f64 / n as f64
    });
    each.sum::<f64>() / own.len().max(1) as f64
}

/// Share of lesions that a patch covers.
fn hits(
    task: &TaskOutcome,
    patch: usize,
    side: usize,
    of: impl Fn(usize) -> Vec<Vec<Corner>>,
) -> Vec<f64> {
    (0..task.y.len())
        .map(|i| {
            let each = of(i);
            let hit = each
                .iter()
                .filter(|c| covers(c, patch, &task.lesions[i], side));
            hit.count() as f64 / each.len().max(1) as f64
        })
        .collect()
}

fn hit_rows(outcome: &Outcome, task: &TaskOutcome) -> Vec<ClaimRow> {
    let c = &outcome.config;
    let guided = |variant: Variant, patch: usize| {
        let own = arms(task, variant);
        hits(task, patch, c.side, |i| {
            own.iter().map(|a| a.patches[i].clone()).collect()
        })
    };
    let cam = {
        let own = arms(task, Variant::Corrected);
        hits(task, c.patch, c.side, |i| {
            own.iter().map(|a| a.cam[i].clone()).collect()
        })
    };
    let chance = hits(task, c.patch, c.side, |i| {
        let draw = |k: u64| random(c.side, c.patch, c.patches, k ^ ((i as u64) << 16));
        (0..DRAWS).map(draw).collect()
    });
    let same = hits(task, c.patch, c.side, |_| {
        vec![fixed(c.side, c.patch, c.patches)]
    });
    let with = |w: &[f64]| -> Vec<f64> {
        let lesion = |i: usize| {
            if task.lesions[i].is_empty() {
                0.0
            } else {
                w[i]
            }
        };
        (0..w.len()).map(lesion).collect()
    };
    let mean = |rates: &[f64], w: &[f64]| {
        let all: f64 = w.iter().sum();
        (all > 0.0).then(|| rates.iter().zip(w).map(|(r, w)| r * w).sum::<f64>() / all)
    };
    let rate = |rates: &[f64]| -> Option<Measured> {
        measured_by(&task.groups, |c| mean(rates, &with(&as_weights(c))))
    };
    let over = |one: &[f64], other: &[f64]| -> Option<Measured> {
        measured_by(&task.groups, |c| {
            let w = with(&as_weights(c));
            Some(mean(one, &w)? - mean(other, &w)?)
        })
    };
    let ours = guided(Variant::Corrected, c.patch);
    let seen = over(&ours, &chance);
    let mut rows = vec![claim_row(
        "phantom CT: share of nodules that a patch covers, guided minus random".to_owned(),
        seen,
        seen.map(|m| m.interval.0 > 0.0),
        format!(
            "phantom data; guided minus class activation map {}",
            shown(over(&ours, &cam))
        ),
    )];
    let dirichlet = guided(Variant::Dirichlet, c.patch);
    let released = guided(Variant::Released, 4);
    for (name, rates) in [
        ("guided by the map", ours),
        ("guided by the Dirichlet map", dirichlet),
        ("as released", released),
        ("guided by the class activation map", cam),
        ("random", chance),
        ("fixed", same),
    ] {
        rows.push(claim_row(
            format!("phantom CT: share of nodules that a patch covers, {name}"),
            rate(&rates),
            None,
            String::new(),
        ));
    }
    rows
}

fn level_row(task: &TaskOutcome, variant: Variant) -> ClaimRow {
    let runs = fused(task, variant);
    let seen = measured_runs(ClassScore::Accuracy, &task.y, &task.groups, &runs);
    let auroc = measured_runs(ClassScore::MacroAuroc, &task.y, &task.groups, &runs);
    let ones = vec![1.0; task.y.len()];
    let classes = task.task.classes();
    let mean = |f: &dyn Fn(&Arm) -> Option<f64>| {
        let own = arms(task, variant);
        let sum: Option<f64> = own.iter().map(|a| f(a)).sum();
        sum.map_or("undefined".to_owned(), |v| {
            format!("{:.3}", v / own.len() as f64)
        })
    };
    let scores = |said: &Said| {
        let flat: Vec<f64> = said.iter().flatten().map(|p| f64::from(*p)).collect();
        MulticlassScores::new(&task.y, &flat, classes).ok()
    };
    let brier = mean(&|a| multiclass_brier(&scores(&a.fused)?).ok());
    let ece = mean(&|a| {
        let found = multiclass_calibration(&scores(&a.fused)?, Binning::EqualWidth(15)).ok()?;
        Some(found.top_label)
    });
    let global = mean(&|a| ClassScore::Accuracy.of(&task.y, &a.global, &ones));
    claim_row(
        format!("{}: accuracy, {}", task.task.name(), variant.name()),
        seen,
        None,
        format!(
            "AUROC {}, Brier {brier}, ECE {ece}; its global network {global}",
            shown(auroc)
        ),
    )
}
