//! The paper's claims as rows: the grid, with scores that know that densities are ordered.

use super::chains::Chain;
use super::grid::{DENSITIES, Domain, Outcome};
use crate::blocks::exclusive::argmax;
use crate::blocks::figures::heat_table;
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{Arm, ClassScore, Said, as_weights, auroc_of, confusion};
use crate::blocks::stored;
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::scores::{Score, numbered, of_classes};
use hilum_metrics::classification::{KappaWeights, cohen_kappa};
use std::path::PathBuf;

/// AUROCs of which one is lower by no more than this are called tied.
const TIED: f64 = 0.02;

/// What the networks of all chains said of every film through each chain, as the mean over the seeds.
pub fn scores(outcome: &Outcome) -> Vec<Score> {
    let patients = numbered(&outcome.groups);
    let of = |chain: Chain| {
        let said = said(outcome, Domain::All, chain);
        of_classes(chain.name(), &DENSITIES, &outcome.y, &patients, &said)
    };
    Chain::ALL.into_iter().flat_map(of).collect()
}

fn said(outcome: &Outcome, train: Domain, test: Chain) -> Vec<&Said> {
    let own = outcome
        .cells
        .iter()
        .filter(|c| c.train == train && c.test == test);
    own.map(|c| &c.said).collect()
}

fn arm(outcome: &Outcome, train: Domain, test: Chain) -> Option<Arm<'_>> {
    Arm::new(
        ClassScore::MacroAuroc,
        &outcome.y,
        &said(outcome, train, test),
    )
}

/// Mean over the chains tested of one training domain's AUROC minus another's, which may hang on the chain.
fn gain(
    outcome: &Outcome,
    one: impl Fn(Chain) -> Domain,
    other: impl Fn(Chain) -> Domain,
    over: &[Chain],
) -> Option<Measured> {
    let pairs: Vec<(Arm, Arm)> = over
        .iter()
        .map(|&c| Some((arm(outcome, one(c), c)?, arm(outcome, other(c), c)?)))
        .collect::<Option<_>>()?;
    measured_by(&outcome.groups, |counts| {
        let w = as_weights(counts);
        let each = pairs.iter().map(|(a, b)| Some(a.mean(&w)? - b.mean(&w)?));
        Some(each.sum::<Option<f64>>()? / pairs.len() as f64)
    })
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let over = |m: Option<Measured>| m.map(|m| m.interval.0 > 0.0);
    let all = gain(outcome, |_| Domain::All, Domain::One, &Chain::ALL);
    let matched = gain(outcome, |_| Domain::Matched, Domain::One, &Chain::ALL);
    let volume = gain(outcome, |_| Domain::All, |_| Domain::Matched, &Chain::ALL);
    let mut rows = vec![
        claim_row(
            "macro AUROC, mean over the chains tested: trained on all minus on the chain tested"
                .to_owned(),
            all,
            over(all),
            String::new(),
        ),
        claim_row(
            "the same with as many pictures as one chain has: is it diversity?".to_owned(),
            matched,
            over(matched),
            String::new(),
        ),
        claim_row(
            "trained on all minus on all with as many pictures as one chain has: is it volume?"
                .to_owned(),
            volume,
            None,
            String::new(),
        ),
    ];
    for test in Chain::ALL {
        rows.push(column_row(outcome, test));
    }
    let away = off_diagonal(outcome);
    rows.push(claim_row(
        "macro AUROC on the chain trained on minus on the other chains".to_owned(),
        away,
        None,
        "what a network of one chain loses elsewhere".to_owned(),
    ));
    for train in Domain::all() {
        for test in Chain::ALL {
            rows.push(cell_row(outcome, train, test));
        }
    }
    rows
}

/// The grid as a picture, and how densities were confused as a table, summed over seeds; gives their paths.
///
/// # Errors
/// A folder that cannot be written.
pub fn show(ctx: &Context<'_>, name: &str, outcome: &Outcome) -> Result<Vec<PathBuf>> {
    let folder = ctx.run_folder(name);
    let ones = vec![1.0; outcome.y.len()];
    let mut grid = Vec::new();
    let mut table = format!("trained_on,tested_on,density,{}\n", DENSITIES.join(","));
    for train in Domain::all() {
        let cell = |c: &Chain| arm(outcome, train, *c)?.mean(&ones);
        grid.push(Chain::ALL.iter().map(cell).collect());
        for test in Chain::ALL {
            let mut sum = vec![0.0; DENSITIES.len() * DENSITIES.len()];
            for said in said(outcome, train, test) {
                let own = confusion(&outcome.y, said, &ones, DENSITIES.len());
                sum.iter_mut().zip(own).for_each(|(s, v)| *s += v);
            }
            for (density, row) in DENSITIES.iter().zip(sum.chunks(DENSITIES.len())) {
                let row: Vec<String> = row.iter().map(|v| format!("{v:.0}")).collect();
                let (train, test) = (train.name().replace(',', ";"), test.name());
                table.push_str(&format!("{train},{test},{density},{}\n", row.join(",")));
            }
        }
    }
    let rows: Vec<String> = Domain::all().iter().map(|d| d.name().to_owned()).collect();
    let columns = Chain::ALL.map(|c| c.name().to_owned());
    let title = "macro AUROC: trained on (rows), tested on";
    let picture = heat_table(title, &rows, &columns, &grid, (0.5, 1.0));
    let paths = vec![folder.join("grid.svg"), folder.join("confusion.csv")];
    stored::write_text(&paths[0], &picture)?;
    stored::write_text(&paths[1], &table)?;
    Ok(paths)
}

/// Is the pooled row best or tied in this column?
fn column_row(outcome: &Outcome, test: Chain) -> ClaimRow {
    let singles: Option<Vec<Arm>> = Chain::ALL
        .iter()
        .map(|c| arm(outcome, Domain::One(*c), test))
        .collect();
    let pooled = arm(outcome, Domain::All, test);
    let seen = singles.zip(pooled).and_then(|(singles, pooled)| {
        measured_by(&outcome.groups, |counts| {
            let w = as_weights(counts);
            let each: Option<Vec<f64>> = singles.iter().map(|s| s.mean(&w)).collect();
            let best = each?.into_iter().fold(f64::NEG_INFINITY, f64::max);
            Some(pooled.mean(&w)? - best)
        })
    });
    claim_row(
        format!(
            "tested on {}: macro AUROC of all chains minus the best single one",
            test.name()
        ),
        seen,
        seen.map(|m| m.interval.0 > -TIED),
        format!("best or tied: not lower by {TIED}"),
    )
}

fn off_diagonal(outcome: &Outcome) -> Option<Measured> {
    let mut own = Vec::new();
    let mut other = Vec::new();
    for train in Chain::ALL {
        for test in Chain::ALL {
            let arm = arm(outcome, Domain::One(train), test)?;
            let side = if train == test { &mut own } else { &mut other };
            side.push(arm);
        }
    }
    measured_by(&outcome.groups, |counts| {
        let w = as_weights(counts);
        let mean = |arms: &[Arm]| {
            let sum: Option<f64> = arms.iter().map(|a| a.mean(&w)).sum();
            Some(sum? / arms.len() as f64)
        };
        Some(mean(&own)? - mean(&other)?)
    })
}

fn cell_row(outcome: &Outcome, train: Domain, test: Chain) -> ClaimRow {
    let seen = arm(outcome, train, test)
        .and_then(|a| measured_by(&outcome.groups, |c| a.mean(&as_weights(c))));
    let runs = said(outcome, train, test);
    let ones = vec![1.0; outcome.y.len()];
    let mean = |f: &dyn Fn(&Said) -> Option<f64>| {
        let sum: Option<f64> = runs.iter().map(|s| f(s)).sum();
        sum.map_or("undefined".to_owned(), |v| {
            format!("{:.3}", v / runs.len() as f64)
        })
    };
    let each: Vec<String> = (0..DENSITIES.len())
        .map(|k| {
            format!(
                "{} {}",
                DENSITIES[k],
                mean(&|s| auroc_of(k, &outcome.y, s, &ones))
            )
        })
        .collect();
    let (kappa, within) = (
        mean(&|s| quadratic_kappa(&outcome.y, s)),
        mean(&|s| within_one(&outcome.y, s)),
    );
    let accuracy = mean(&|s| ClassScore::Accuracy.of(&outcome.y, s, &ones));
    claim_row(
        format!(
            "trained on {}, tested on {}: macro AUROC",
            train.name(),
            test.name()
        ),
        seen,
        None,
        format!(
            "{}; quadratic kappa {kappa}, accuracy {accuracy}, within one class {within}",
            each.join(", ")
        ),
    )
}

fn quadratic_kappa(y: &[usize], said: &Said) -> Option<f64> {
    let ones = vec![1.0; y.len()];
    let table = confusion(y, said, &ones, DENSITIES.len());
    let table: Vec<usize> = table.iter().map(|v| *v as usize).collect();
    cohen_kappa(&table, DENSITIES.len(), KappaWeights::Quadratic).ok()
}

fn within_one(y: &[usize], said: &Said) -> Option<f64> {
    let near = y
        .iter()
        .zip(said)
        .filter(|(y, p)| argmax(p).abs_diff(**y) <= 1);
    (!y.is_empty()).then(|| near.count() as f64 / y.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_scores_forgive_neighbours() {
        let sure = |k: usize| {
            (0..3)
                .map(|c| if c == k { 0.9 } else { 0.05 })
                .collect::<Vec<f32>>()
        };
        let y = [0, 1, 2, 0, 1, 2];
        let near: Said = [1, 1, 2, 0, 2, 1].map(sure).to_vec();
        let far: Said = [2, 1, 2, 0, 1, 0].map(sure).to_vec();
        assert_eq!(within_one(&y, &near), Some(1.0));
        assert!(within_one(&y, &far).unwrap() < 0.7);
        assert!(quadratic_kappa(&y, &near).unwrap() > quadratic_kappa(&y, &far).unwrap());
        let right: Said = y.map(sure).to_vec();
        assert!((quadratic_kappa(&y, &right).unwrap() - 1.0).abs() < 1e-12);
    }
}
