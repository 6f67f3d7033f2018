//! The paper's claims as rows.

use super::linear::r_squared;
use super::outcome::{Form, Outcome, Run, View, Way};
use crate::blocks::classes::PAEDIATRIC;
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{
    Arm, ClassScore, Said, as_weights, measured_gain, measured_runs, shown,
};
use crate::claims::ClaimRow;
use crate::scores::{Score, numbered, of_classes};

/// Accuracies of which one is lower by no more than this are called equal.
const EQUAL: f64 = 0.02;

/// Answers of every classifier on one form at every seed.
fn said(outcome: &Outcome, view: View, trained: bool, form: Form) -> Vec<&Said> {
    let is = |w: &Way| w.view == view && w.trained == trained && w.form == form && w.kind.is_some();
    let all = outcome.runs.iter().flat_map(|r| &r.arms);
    all.filter(|(w, _)| is(w)).map(|(_, s)| s).collect()
}

/// Mean accuracy over the classifiers on one form minus on another.
fn gain(outcome: &Outcome, one: &[&Said], other: &[&Said], score: ClassScore) -> Option<Measured> {
    measured_gain(score, &outcome.y, &outcome.groups, one, other)
}

/// What the classifiers on the code said of every case, as the mean over them and the seeds.
pub fn scores(outcome: &Outcome) -> Vec<Score> {
    let code = said(outcome, View::Quarters, true, Form::Code);
    let patients = numbered(&outcome.groups);
    of_classes("code", &PAEDIATRIC, &outcome.y, &patients, &code)
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let quarters = |form| said(outcome, View::Quarters, true, form);
    let code = quarters(Form::Code);
    let single: Vec<&Said> = outcome
        .runs
        .iter()
        .flat_map(|r| &r.arms)
        .filter(|(w, _)| w.form == Form::Task && w.kind.is_none())
        .map(|(_, s)| s)
        .collect();
    let share = outcome.config.code as f64 / outcome.widths[0] as f64;
    let mut rows = vec![
        not_below(
            outcome,
            "accuracy of the code minus a network trained for the task".to_owned(),
            &code,
            &single,
        ),
        not_below(
            outcome,
            format!(
                "accuracy of the code minus all features ({:.0} % of their number)",
                100.0 * share
            ),
            &code,
            &quarters(Form::Raw),
        ),
        not_below(
            outcome,
            "accuracy of the code minus PCA of its size".to_owned(),
            &code,
            &quarters(Form::Pca),
        ),
        not_below(
            outcome,
            "accuracy of quarters minus the whole picture, all features".to_owned(),
            &quarters(Form::Raw),
            &said(outcome, View::Whole, true, Form::Raw),
        ),
    ];
    rows.extend(subset_rows(outcome));
    let random = gain(
        outcome,
        &code,
        &said(outcome, View::Quarters, false, Form::Code),
        ClassScore::Accuracy,
    );
    rows.push(claim_row(
        "accuracy of the code, trained minus random encoders".to_owned(),
        random,
        random.map(|m| m.interval.0 > 0.0),
        "a control: where it does not hold, what the encoders learned before is not what the code lives on".to_owned(),
    ));
    rows.extend((0..outcome.config.sizes.len()).filter_map(|k| curve_row(outcome, k)));
    let ways = outcome.runs.first().map_or(0, |r| r.arms.len());
    rows.extend((0..ways).map(|k| level(outcome, k)));
    rows
}

/// What a code of the size at `k` leaves unexplained, as the mean over the seeds.
fn curve_row(outcome: &Outcome, k: usize) -> Option<ClaimRow> {
    let points = outcome.runs.iter().map(|r| r.curve.get(k));
    let points: Vec<&(usize, f64, f64)> = points.collect::<Option<_>>()?;
    let mean = |of: fn(&(usize, f64, f64)) -> f64| {
        points.iter().map(|p| of(p)).sum::<f64>() / points.len() as f64
    };
    Some(ClaimRow {
        claim: format!(
            "unexplained variance of held cases, code of {}",
            points.first()?.0
        ),
        paper: None,
        here: Some(mean(|p| p.1)),
        interval: None,
        holds: None,
        n: outcome.y.len() / outcome.config.folds,
        note: format!("PCA of the same size {:.3}", mean(|p| p.2)),
    })
}

fn not_below(outcome: &Outcome, claim: String, one: &[&Said], other: &[&Said]) -> ClaimRow {
    let seen = gain(outcome, one, other, ClassScore::Accuracy);
    let auroc = gain(outcome, one, other, ClassScore::MacroAuroc);
    claim_row(
        claim,
        seen,
        seen.map(|m| m.interval.0 > -EQUAL),
        format!(
            "holds when not lower by {EQUAL}; AUROC {}; mean over the classifiers",
            shown(auroc)
        ),
    )
}

/// Squared errors and lengths of every case, summed over the seeds.
fn pooled(outcome: &Outcome, of: fn(&Run) -> &Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let mut all = vec![[0.0; 2]; outcome.y.len()];
    for run in &outcome.runs {
        for (sum, own) in all.iter_mut().zip(of(run)) {
            sum[0] += own[0];
            sum[1] += own[1];
        }
    }
    all
}

/// Discriminative features are a subset of reproductive ones: the code tells task features, not the other way round,
/// and classifies as well.
fn subset_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let r2 = |of: fn(&Run) -> &Vec<[f64; 2]>| {
        let squares = pooled(outcome, of);
        measured_by(&outcome.groups, move |c| {
            r_squared(&squares, &as_weights(c))
        })
    };
    let forth = r2(|r| &r.task_from_code);
    let back = r2(|r| &r.bank_from_task);
    let (there, here) = (
        pooled(outcome, |r| &r.task_from_code),
        pooled(outcome, |r| &r.bank_from_task),
    );
    let over = measured_by(&outcome.groups, |c| {
        let w = as_weights(c);
        Some(r_squared(&there, &w)? - r_squared(&here, &w)?)
    });
    let whole = r2(|r| &r.bank_from_code);
    vec![
        claim_row(
            "R² of task features from the code minus R² of the bank's features from task features"
                .to_owned(),
            over,
            over.map(|m| m.interval.0 > 0.0),
            format!(
                "forth {}, back {}; the bank's features from the code {}",
                shown(forth),
                shown(back),
                shown(whole)
            ),
        ),
        not_below(
            outcome,
            "accuracy of the code minus task features".to_owned(),
            &said(outcome, View::Quarters, true, Form::Code),
            &said(outcome, View::Whole, true, Form::Task),
        ),
    ]
}

/// What the way at `k` reaches, as the mean over the seeds.
fn level(outcome: &Outcome, k: usize) -> ClaimRow {
    let way = outcome.runs[0].arms[k].0;
    let said: Vec<&Said> = outcome.runs.iter().map(|r| &r.arms[k].1).collect();
    let seen = measured_runs(ClassScore::Accuracy, &outcome.y, &outcome.groups, &said);
    let ones = vec![1.0; outcome.y.len()];
    let plain = |score| {
        let value = Arm::new(score, &outcome.y, &said).and_then(|a| a.mean(&ones));
        value.map_or("undefined".to_owned(), |v| format!("{v:.3}"))
    };
    let numbers = match (way.form, way.view) {
        (Form::Raw, View::Quarters) => Some(outcome.widths[0]),
        (Form::Raw, View::Whole) => Some(outcome.widths[1]),
        (Form::Task, _) => None,
        _ => Some(outcome.config.code),
    };
    let numbers = numbers.map_or(String::new(), |n| format!("; {n} numbers"));
    claim_row(
        format!("accuracy: {}", way.name()),
        seen,
        None,
        format!(
            "macro-F1 {}, AUROC {}{numbers}",
            plain(ClassScore::MacroF1),
            plain(ClassScore::MacroAuroc)
        ),
    )
}

/// Used by tests: how many rows a table has.
#[cfg(test)]
pub fn expected_rows(config: &super::Config) -> usize {
    let ways =
        (3 + 3 + 2) * super::classify::Kind::ALL.len() + 1 + super::classify::Kind::ALL.len();
    7 + config.sizes.len() + ways
}
