//! The paper's claims as rows.

use super::outcome::{Arm, Model, Outcome};
use super::propose::recalled;
use crate::blocks::confounded::{Nuisance, Ties, confusions};
use crate::blocks::films::FINDINGS;
use crate::blocks::measure::{Measured, claim_row, measured_auroc, measured_by};
use crate::blocks::multiclass::{as_weights, shown};
use crate::claims::ClaimRow;
use crate::curves::Curve;

/// A score of a classifier over the two tests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Test {
    /// Nuisance as in training.
    Inside,
    /// Nuisance turned round.
    Outside,
    /// Mean of both.
    Average,
    /// Inside minus outside, whichever is larger.
    Gap,
}

/// Mean over seeds of a score of a model under drawn test films.
fn level(
    outcome: &Outcome,
    model: Model,
    nuisance: Nuisance,
    shots: Option<usize>,
    test: Test,
    weights: &[f64],
) -> Option<f64> {
    let at = outcome
        .config
        .nuisances
        .iter()
        .position(|n| *n == nuisance)?;
    let ties = &outcome.ties[at];
    let mut sum = 0.0;
    for run in &outcome.runs {
        let is = |a: &&Arm| a.model == model && a.nuisance == nuisance && a.shots == shots;
        let arm = run.arms.iter().find(is)?;
        let inside = ties.accuracy(&arm.said, weights, true)?;
        let outside = ties.accuracy(&arm.said, weights, false)?;
        sum += match test {
            Test::Inside => inside,
            Test::Outside => outside,
            Test::Average => (inside + outside) / 2.0,
            Test::Gap => (inside - outside).abs(),
        };
    }
    Some(sum / outcome.runs.len() as f64)
}

/// The mean over the nuisances.
fn over_all(
    outcome: &Outcome,
    model: Model,
    shots: Option<usize>,
    test: Test,
    w: &[f64],
) -> Option<f64> {
    let each = outcome.config.nuisances.iter();
    let sum: Option<f64> = each
        .map(|n| level(outcome, model, *n, shots, test, w))
        .sum();
    Some(sum? / outcome.config.nuisances.len() as f64)
}

fn minus(
    outcome: &Outcome,
    one: Model,
    other: Model,
    shots: Option<usize>,
    test: Test,
) -> Option<Measured> {
    measured_by(&outcome.groups, |c| {
        let w = as_weights(c);
        Some(over_all(outcome, one, shots, test, &w)? - over_all(outcome, other, shots, test, &w)?)
    })
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = main_rows(outcome);
    rows.extend(prior_rows(outcome));
    rows.push(signs_row(outcome));
    rows.push(proposal_row(outcome));
    rows.extend(concept_rows(outcome));
    for &nuisance in &outcome.config.nuisances {
        rows.extend(Model::ALL.map(|m| model_row(outcome, m, nuisance)));
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
        let is = |a: &&Arm| a.nuisance == *nuisance && a.model == Model::KnoBo && a.shots.is_none();
        let arm = run.arms.iter().find(is)?;
        let title = format!("KnoBo, tied to {}, seed {}", nuisance.name(), run.seed);
        Some(confusions(&title, ties, &arm.said))
    };
    nuisances.filter_map(of).flatten().collect()
}

fn main_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let over = |m: Option<Measured>| m.map(|m| m.interval.0 > 0.0);
    let average = minus(outcome, Model::KnoBo, Model::EndToEnd, None, Test::Average);
    let probe = minus(outcome, Model::KnoBo, Model::Probe, None, Test::Average);
    let gap = minus(outcome, Model::EndToEnd, Model::KnoBo, None, Test::Gap);
    let collapse = measured_by(&outcome.groups, |c| {
        let w = as_weights(c);
        let of = |t| over_all(outcome, Model::EndToEnd, None, t, &w);
        Some(of(Test::Inside)? - of(Test::Outside)?)
    });
    let mut first = claim_row(
        "accuracy, mean of both tests and all confounders: KnoBo minus end to end".to_owned(),
        average,
        over(average),
        format!("KnoBo minus linear probe {}", shown(probe)),
    );
    // The abstract's mean over 20 data sets.
    first.paper = Some(0.324);
    vec![
        first,
        claim_row(
            "end to end: accuracy with the tie as in training minus with the tie turned".to_owned(),
            collapse,
            over(collapse),
            "the shortcut is taken".to_owned(),
        ),
        claim_row(
            "gap between the tests: end to end minus KnoBo".to_owned(),
            gap,
            over(gap),
            String::new(),
        ),
    ]
}

fn prior_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut sizes: Vec<Option<usize>> = outcome.config.shots.iter().map(|s| Some(*s)).collect();
    sizes.push(None);
    sizes
        .into_iter()
        .map(|shots| {
            let seen = minus(outcome, Model::KnoBo, Model::NoPrior, shots, Test::Outside);
            let inside = minus(outcome, Model::KnoBo, Model::NoPrior, shots, Test::Inside);
            let many = shots.map_or("all training cases".to_owned(), |s| {
                format!("{s} cases a class")
            });
            claim_row(
                format!("accuracy with the tie turned, {many}: with the prior minus without"),
                seen,
                // The card claims it for few cases only.
                shots.and(seen).map(|m| m.interval.0 > 0.0),
                format!("tie as in training {}", shown(inside)),
            )
        })
        .collect()
}

/// Do weights learned without the prior point where the prior would have them?
fn signs_row(outcome: &Outcome) -> ClaimRow {
    let (mut agree, mut all) = (0, 0);
    let mut sums = vec![(0.0, 0); outcome.bank.len()];
    for run in &outcome.runs {
        for arm in run.arms.iter().filter(|a| a.shots.is_none()) {
            for (&k, &w) in run.grounded.iter().zip(&arm.weights) {
                let wished = outcome.bank[k].signs[1] - outcome.bank[k].signs[0];
                if arm.model == Model::NoPrior && wished != 0.0 && w != 0.0 {
                    all += 1;
                    agree += usize::from((w > 0.0) == (wished > 0.0));
                }
                if arm.model == Model::KnoBo {
                    sums[k].0 += w;
                    sums[k].1 += 1;
                }
            }
        }
    }
    let mut top: Vec<(&str, f64)> = outcome
        .bank
        .iter()
        .zip(&sums)
        .filter(|(_, (_, n))| *n > 0)
        .map(|(c, (s, n))| (c.code.as_str(), s / f64::from(*n)))
        .collect();
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = top
        .iter()
        .take(5)
        .map(|(c, w)| format!("{c} {w:+.2}"))
        .collect();
    ClaimRow {
        claim: "share of weights learned without the prior that have the prior's sign".to_owned(),
        paper: None,
        here: (all > 0).then(|| f64::from(agree as u32) / f64::from(all as u32)),
        interval: None,
        holds: None,
        n: all,
        note: format!(
            "KnoBo's largest weights for a finding: {}",
            named.join(", ")
        ),
    }
}

fn proposal_row(outcome: &Outcome) -> ClaimRow {
    let n = outcome.bank.len();
    let found = recalled(&outcome.proposals, &outcome.bank);
    let first: Vec<&str> = outcome
        .proposals
        .iter()
        .take(6)
        .map(|p| p.code.as_str())
        .collect();
    ClaimRow {
        claim: "share of the bank's concepts that retrieval from reports proposes".to_owned(),
        paper: None,
        here: (n > 0).then(|| found as f64 / n as f64),
        interval: None,
        holds: None,
        n,
        note: format!(
            "{} proposals, first {}; {} of the {} questions ask for a finding with labelled films",
            outcome.proposals.len(),
            first.join(", "),
            outcome
                .bank
                .iter()
                .map(|c| c.questions.len())
                .sum::<usize>(),
            outcome.questions,
        ),
    }
}

fn concept_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let names: Vec<String> = outcome.groups.iter().map(|g| g.to_string()).collect();
    let row = |k: usize| {
        let code = FINDINGS.iter().position(|c| *c == outcome.bank[k].code)?;
        // The first seed that grounded it speaks; every seed has an encoder of its own.
        let run = outcome.runs.iter().find(|r| r.grounded.contains(&k))?;
        let column = run.grounded.iter().position(|g| *g == k)?;
        let labelled = outcome.findings.iter().zip(&run.concepts).zip(&names);
        let (mut y, mut p, mut who) = (Vec::new(), Vec::new(), Vec::new());
        for ((findings, concepts), name) in labelled {
            if let Some(v) = findings[code] {
                y.push(v);
                p.push(f64::from(concepts[column]));
                who.push(name.as_str());
            }
        }
        let seen = measured_auroc(&y, &p, &who);
        let signs = outcome.bank[k].signs;
        Some(claim_row(
            format!("concept AUROC, {}", outcome.bank[k].code),
            seen,
            None,
            format!(
                "{} questions; signs for none {:+}, for a finding {:+}",
                outcome.bank[k].questions.len(),
                signs[0],
                signs[1]
            ),
        ))
    };
    (0..outcome.bank.len()).filter_map(row).collect()
}

fn model_row(outcome: &Outcome, model: Model, nuisance: Nuisance) -> ClaimRow {
    let of = |test| {
        measured_by(&outcome.groups, |c| {
            level(outcome, model, nuisance, None, test, &as_weights(c))
        })
    };
    let trained: Vec<usize> = outcome
        .runs
        .iter()
        .flat_map(|r| &r.arms)
        .filter(|a| a.model == model && a.nuisance == nuisance && a.shots.is_none())
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
