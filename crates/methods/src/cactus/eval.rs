//! The paper's claims as rows.

use super::outcome::{Arm, Asked, Later, Order, Outcome, SourceOutcome};
use super::quality::BEST;
use crate::blocks::exclusive::argmax;
use crate::blocks::measure::{claim_row, measured_by};
use crate::blocks::multiclass::{
    ClassScore, Said, as_weights, confusion, measured_gain, measured_runs, shown,
};
use crate::claims::ClaimRow;
use hilum_metrics::classification::{KappaWeights, cohen_kappa};

/// Accuracies of which one is lower by no more than this are called equal.
const EQUAL: f64 = 0.02;
/// Accuracy on old views that may be lost when a view is added.
const FORGOTTEN: f64 = 0.05;
/// The paper's figures.
const PAPER_ACCURACY: f64 = 0.9943;
const PAPER_ERROR: f64 = 0.3067;

/// The rows, the paper's claims first; each source stands alone.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let sources = &outcome.sources;
    let mut rows = Vec::new();
    for s in sources {
        rows.push(error_row(s, Order::Scratch, true));
        rows.push(accuracy_gain_row(s));
        rows.push(forgetting_row(s, true));
    }
    for s in sources {
        rows.push(error_row(s, Order::ScratchShort, false));
        rows.push(error_row(s, Order::MultiTask, false));
        rows.push(forgetting_row(s, false));
        rows.extend([true, false].map(|rehearsed| found_row(s, rehearsed)));
        rows.push(later_grades_row(s));
    }
    for s in sources {
        for order in Order::ALL {
            if order.names_views() {
                rows.push(views_row(s, order));
            }
            if order.grades() {
                rows.push(grades_row(s, order));
            }
        }
    }
    rows
}

fn arms(s: &SourceOutcome, order: Order) -> Vec<&Arm> {
    s.arms.iter().filter(|a| a.order == order).collect()
}

fn named(s: &SourceOutcome, order: Order) -> Vec<&Said> {
    arms(s, order).into_iter().map(|a| &a.views).collect()
}

/// Mean over runs, drawn cases and criteria of what `of` makes of a gap.
fn mean_gap(
    runs: &[&Vec<Vec<f32>>],
    truth: &[Vec<f32>],
    counts: &[u32],
    of: impl Fn(f64) -> f64,
) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0.0);
    for run in runs {
        for ((said, wanted), &count) in run.iter().zip(truth).zip(counts) {
            let each = said.iter().zip(wanted).map(|(a, b)| of(f64::from(a - b)));
            sum += f64::from(count) * each.sum::<f64>() / wanted.len() as f64;
            n += f64::from(count);
        }
    }
    (n > 0.0).then(|| sum / n)
}

fn squared(gap: f64) -> f64 {
    gap * gap
}

fn graded(s: &SourceOutcome, order: Order) -> Vec<&Vec<Vec<f32>>> {
    arms(s, order).into_iter().map(|a| &a.grades).collect()
}

/// Squared error of another order minus that of transfer.
fn error_row(s: &SourceOutcome, other: Order, claimed: bool) -> ClaimRow {
    let (ours, theirs) = (graded(s, Order::Transfer), graded(s, other));
    let gain = |of: fn(f64) -> f64| {
        measured_by(&s.old.groups, |c| {
            let gap = |runs| mean_gap(runs, &s.old.grades, c, of);
            Some(gap(&theirs)? - gap(&ours)?)
        })
    };
    let seen = gain(squared);
    claim_row(
        format!(
            "{}: squared error of grades, {} minus transfer",
            s.source.name(),
            other.name()
        ),
        seen,
        seen.filter(|_| claimed).map(|m| m.interval.0 > 0.0),
        format!("absolute error {}", shown(gain(f64::abs))),
    )
}

/// View accuracy of the first component, from which transfer begins, minus that of multi-task training.
fn accuracy_gain_row(s: &SourceOutcome) -> ClaimRow {
    let (one, other) = (named(s, Order::Views), named(s, Order::MultiTask));
    let seen = measured_gain(ClassScore::Accuracy, &s.old.y, &s.old.groups, &one, &other);
    claim_row(
        format!(
            "{}: accuracy of views, views alone minus multi-task",
            s.source.name()
        ),
        seen,
        seen.map(|m| m.interval.0 > -EQUAL),
        format!("holds when not lower by {EQUAL}"),
    )
}

fn added(s: &SourceOutcome, rehearsed: bool) -> Vec<&Later> {
    s.later
        .iter()
        .filter(|l| l.rehearsed == rehearsed)
        .collect()
}

fn way(rehearsed: bool) -> &'static str {
    match rehearsed {
        true => "old views rehearsed",
        false => "new pictures alone",
    }
}

fn later_name(s: &SourceOutcome) -> &str {
    s.views.last().map_or("", String::as_str)
}

/// Accuracy on old views after a view was added, minus that before.
fn forgetting_row(s: &SourceOutcome, rehearsed: bool) -> ClaimRow {
    let own = added(s, rehearsed);
    let after: Vec<&Said> = own.iter().map(|l| &l.old).collect();
    let before = named(s, Order::Views);
    let accuracy =
        |runs: &[&Said]| measured_runs(ClassScore::Accuracy, &s.old.y, &s.old.groups, runs);
    let seen = measured_gain(
        ClassScore::Accuracy,
        &s.old.y,
        &s.old.groups,
        &after,
        &before,
    );
    claim_row(
        format!(
            "{}: accuracy of old views after adding `{}` from {} pictures minus before, {}",
            s.source.name(),
            later_name(s),
            own.first().map_or(0, |l| l.shown),
            way(rehearsed)
        ),
        seen,
        seen.filter(|_| rehearsed)
            .map(|m| m.interval.0 > -FORGOTTEN),
        format!(
            "{}after {}, before {}",
            match rehearsed {
                true => format!("holds when no more than {FORGOTTEN} is forgotten; "),
                false => String::new(),
            },
            shown(accuracy(&after)),
            shown(accuracy(&before))
        ),
    )
}

/// Share of the later view's pictures that are named so.
fn found_row(s: &SourceOutcome, rehearsed: bool) -> ClaimRow {
    let later = s.views.len() - 1;
    let own = added(s, rehearsed);
    let seen = measured_by(&s.new.groups, |c| {
        let n: f64 = c.iter().map(|&c| f64::from(c)).sum();
        let hits = own
            .iter()
            .flat_map(|l| l.new.iter().zip(c))
            .filter(|(p, _)| argmax(p) == later)
            .fold(0.0, |sum, (_, &c)| sum + f64::from(c));
        (n > 0.0).then(|| hits / n / own.len() as f64)
    });
    claim_row(
        format!(
            "{}: share of `{}` that is named so, {}",
            s.source.name(),
            later_name(s),
            way(rehearsed)
        ),
        seen,
        None,
        String::new(),
    )
}

/// The later view's grades after the grader was tuned on the same few pictures.
fn later_grades_row(s: &SourceOutcome) -> ClaimRow {
    let own = added(s, true);
    let error = |at: usize| {
        let runs: Vec<&Vec<Vec<f32>>> = own.iter().map(|l| &l.graded[at]).collect();
        measured_by(&s.new.groups, |c| {
            mean_gap(&runs, &s.new.grades, c, squared)
        })
    };
    claim_row(
        format!(
            "{}: squared error of the grades of `{}`, tuned on few",
            s.source.name(),
            later_name(s)
        ),
        error(1),
        None,
        format!("before {}", shown(error(0))),
    )
}

fn views_row(s: &SourceOutcome, order: Order) -> ClaimRow {
    let runs = named(s, order);
    let score = |score| measured_runs(score, &s.old.y, &s.old.groups, &runs);
    ClaimRow {
        paper: (order == Order::Views).then_some(PAPER_ACCURACY),
        ..claim_row(
            format!("{}: accuracy of views, {}", s.source.name(), order.name()),
            score(ClassScore::Accuracy),
            None,
            format!(
                "macro-F1 {}; confusion by true view {}; learned from {} pictures",
                shown(score(ClassScore::MacroF1)),
                table_in_words(s, &runs),
                s.learned
            ),
        )
    }
}

/// Counts summed over seeds, a bracket for each true view.
fn table_in_words(s: &SourceOutcome, runs: &[&Said]) -> String {
    let views = s.views.len() - 1;
    let table = summed(s, runs);
    let row = |k: usize| {
        let cells: Vec<String> = table[k * views..(k + 1) * views]
            .iter()
            .map(|n| format!("{n:.0}"))
            .collect();
        format!("{} [{}]", s.views[k], cells.join(" "))
    };
    (0..views).map(row).collect::<Vec<_>>().join(", ")
}

fn summed(s: &SourceOutcome, runs: &[&Said]) -> Vec<f64> {
    let views = s.views.len() - 1;
    let ones = vec![1.0; s.old.y.len()];
    let mut sum = vec![0.0; views * views];
    for said in runs {
        let table = confusion(&s.old.y, said, &ones, views);
        sum.iter_mut().zip(table).for_each(|(s, t)| *s += t);
    }
    sum
}

fn grades_row(s: &SourceOutcome, order: Order) -> ClaimRow {
    let runs = graded(s, order);
    let error =
        |of: fn(f64) -> f64| measured_by(&s.old.groups, |c| mean_gap(&runs, &s.old.grades, c, of));
    let each: Vec<String> = (0..s.criteria.len())
        .map(|k| {
            let kappa = measured_by(&s.old.groups, |c| kappa(&runs, &s.old, k, &as_weights(c)));
            format!("{} {}", s.criteria[k], shown(kappa))
        })
        .collect();
    ClaimRow {
        paper: (order == Order::Transfer).then_some(PAPER_ERROR),
        ..claim_row(
            format!(
                "{}: squared error of grades, {}",
                s.source.name(),
                order.name()
            ),
            error(squared),
            None,
            format!(
                "absolute error {}; quadratic kappa of whole grades: {}; the mean grade for all would err by {:.2}",
                shown(error(f64::abs)),
                each.join(", "),
                constant_error(&s.old)
            ),
        )
    }
}

/// Quadratic kappa of one criterion's grades, rounded to whole ones, averaged over runs.
fn kappa(runs: &[&Vec<Vec<f32>>], asked: &Asked, k: usize, weights: &[f64]) -> Option<f64> {
    let classes = BEST as usize + 1;
    let whole = |v: f32| (v.round().max(0.0) as usize).min(classes - 1);
    let mut sum = 0.0;
    for run in runs {
        let mut table = vec![0usize; classes * classes];
        for ((said, wanted), w) in run.iter().zip(&asked.grades).zip(weights) {
            table[whole(wanted[k]) * classes + whole(said[k])] += *w as usize;
        }
        sum += cohen_kappa(&table, classes, KappaWeights::Quadratic).ok()?;
    }
    (!runs.is_empty()).then(|| sum / runs.len() as f64)
}

/// Squared error of saying each criterion's own mean of the asked pictures: what no information would cost.
fn constant_error(asked: &Asked) -> f64 {
    let n = asked.grades.len().max(1) as f64;
    let criteria = asked.grades.first().map_or(0, Vec::len);
    let one = |k: usize| {
        let mean = asked.grades.iter().map(|g| f64::from(g[k])).sum::<f64>() / n;
        let gaps = asked.grades.iter().map(|g| squared(f64::from(g[k]) - mean));
        gaps.sum::<f64>() / n
    };
    (0..criteria).map(one).sum::<f64>() / criteria.max(1) as f64
}

/// Confusion tables of all networks that name views, summed over seeds.
pub fn confusions(outcome: &Outcome) -> String {
    let mut text = "source,order,true,said,pictures\n".to_owned();
    for s in &outcome.sources {
        for order in Order::ALL.into_iter().filter(|o| o.names_views()) {
            let views = s.views.len() - 1;
            for (at, n) in summed(s, &named(s, order)).into_iter().enumerate() {
                text.push_str(&format!(
                    "{},{},{},{},{n:.0}\n",
                    s.source.stem(),
                    order.name(),
                    s.views[at / views],
                    s.views[at % views]
                ));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            y: vec![0, 1],
            groups: vec![0, 1],
            grades: vec![vec![2.0, 10.0], vec![8.0, 0.0]],
        }
    }

    #[test]
    fn errors_are_means_over_runs_cases_and_criteria() {
        let asked = asked();
        let (one, other) = (
            vec![vec![2.0, 10.0], vec![8.0, 0.0]],
            vec![vec![4.0, 10.0], vec![8.0, 4.0]],
        );
        let runs = [&one, &other];
        // (0 + 0 + 4 / 2 + 16 / 2) / 4
        let got = mean_gap(&runs, &asked.grades, &[1, 1], squared).unwrap();
        assert!((got - 2.5).abs() < 1e-9, "{got}");
        let second = mean_gap(&runs, &asked.grades, &[0, 2], f64::abs).unwrap();
        assert!((second - 1.0).abs() < 1e-9, "{second}");
        assert_eq!(mean_gap(&runs, &asked.grades, &[0, 0], squared), None);
        // Means 5 and 5: 9 and 25.
        assert!((constant_error(&asked) - 17.0).abs() < 1e-9);
    }

    #[test]
    fn kappa_is_one_for_right_grades_and_undefined_for_one_grade() {
        let asked = asked();
        let right = asked.grades.clone();
        assert_eq!(kappa(&[&right], &asked, 0, &[1.0, 1.0]), Some(1.0));
        let turned = vec![vec![8.0, 0.0], vec![2.0, 0.0]];
        assert_eq!(kappa(&[&turned], &asked, 0, &[1.0, 1.0]), Some(-1.0));
        assert_eq!(kappa(&[&right], &asked, 0, &[2.0, 0.0]), None);
    }
}
