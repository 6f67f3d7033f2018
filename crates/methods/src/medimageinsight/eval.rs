//! The paper's claims, restated as checks at our scale. Figures are means over seeds, intervals are over the patients of the test films.

use super::fairness;
use super::films::findings;
use super::measure::Ready;
use super::outcome::{Ask, Elsewhere, Outcome, Reader, Run};
use super::written::{recall_row, report_rows, volume_rows};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{as_weights, shown};
use crate::claims::ClaimRow;
use crate::error::Result;
use crate::scores::{Score, numbered};
use hilum_metrics::classification::{BinaryScores, auroc_weighted};

/// A reader of a run: numbers of neighbours differ from seed to seed.
pub type Which = fn(&Run) -> Reader;

/// The neighbours by the encoder of all domains.
pub fn chosen(run: &Run) -> Reader {
    Reader::Neighbours(run.k)
}

/// The other readers, with their names in tables.
const OTHERS: [(Which, &str); 6] = [
    (|_| Reader::Tuned, "a classifier tuned from the encoder"),
    (|_| Reader::Adapter, "linear adapters on the vectors"),
    (|_| Reader::Prompts, "prompts"),
    (
        |_| Reader::Alone,
        "neighbours, encoder of the adults' films alone",
    ),
    (
        |_| Reader::UntrainedNeighbours,
        "neighbours, untrained encoder",
    ),
    (
        |_| Reader::UntrainedProbe,
        "linear probe, untrained encoder",
    ),
];

/// What a reader said in a run.
pub fn said(run: &Run, reader: Reader) -> Option<&Vec<Vec<f32>>> {
    let found = run.answers.iter().find(|a| a.reader == reader)?;
    Some(&found.said)
}

/// Share of the neighbours that have each finding, of every test film, as the mean over the seeds.
pub fn scores(outcome: &Outcome) -> Vec<Score> {
    let cases = &outcome.cases;
    let runs: Vec<_> = outcome
        .runs
        .iter()
        .filter_map(|r| said(r, chosen(r)))
        .collect();
    let mut scores = Vec::new();
    if runs.is_empty() {
        return scores;
    }
    let patients = numbered(&cases.groups);
    for (k, finding) in findings()
        .iter()
        .copied()
        .chain(["any finding"])
        .enumerate()
    {
        for (i, patient) in patients.iter().enumerate() {
            let sum: f64 = runs.iter().map(|r| f64::from(r[i][k])).sum();
            let mean = sum / runs.len() as f64;
            let mut score =
                Score::new(finding.to_owned(), patient.clone(), cases.truth[i][k], mean);
            score.columns.insert("set", cases.sets[i].clone());
            if let Some(female) = cases.female[i] {
                let sex = if female { "Female" } else { "Male" };
                score.columns.insert("sex", sex.to_owned());
            }
            if let Some(age) = cases.ages[i] {
                score.columns.insert("age", age.to_string());
            }
            scores.push(score);
        }
    }
    scores
}

/// The answers of a reader in all runs, made ready by `make`; `None` where a run has none.
pub fn ready(
    outcome: &Outcome,
    which: impl Fn(&Run) -> Reader,
    make: impl Fn(&[Vec<f32>]) -> Ready,
) -> Option<Vec<Ready>> {
    let one = |run: &Run| Some(make(said(run, which(run))?));
    outcome.runs.iter().map(one).collect()
}

fn all_asks(outcome: &Outcome, which: impl Fn(&Run) -> Reader) -> Option<Vec<Ready>> {
    ready(outcome, which, |said| {
        Ready::new(&outcome.asks, &outcome.cases, said)
    })
}

/// Mean over the runs.
pub fn mean(runs: &[Ready], weights: &[f64]) -> Option<f64> {
    let sum: Option<f64> = runs.iter().map(|r| r.level(weights)).sum();
    Some(sum? / runs.len() as f64)
}

fn level(outcome: &Outcome, runs: Option<Vec<Ready>>) -> Option<Measured> {
    let runs = runs?;
    measured_by(&outcome.cases.groups, |c| mean(&runs, &as_weights(c)))
}

fn difference(outcome: &Outcome, one: Which, other: Which) -> Option<Measured> {
    let (one, other) = (all_asks(outcome, one)?, all_asks(outcome, other)?);
    measured_by(&outcome.cases.groups, |c| {
        let w = as_weights(c);
        Some(mean(&one, &w)? - mean(&other, &w)?)
    })
}

/// The rows, the paper's claims first.
///
/// # Errors
/// A report that cannot be labelled.
pub fn rows(outcome: &Outcome) -> Result<Vec<ClaimRow>> {
    let mut rows = main_rows(outcome);
    rows.extend(point_rows(outcome));
    rows.extend(age_rows(outcome));
    rows.extend(fairness::gap_rows(outcome));
    rows.extend(report_rows(outcome)?);
    rows.extend(volume_rows(outcome));
    rows.push(recall_row(outcome));
    rows.extend(neighbour_rows(outcome));
    rows.extend(OTHERS.map(|(which, name)| {
        let seen = level(outcome, all_asks(outcome, which));
        claim_row(format!("macro AUROC, {name}"), seen, None, String::new())
    }));
    rows.extend(outcome.asks.iter().map(|ask| ask_row(outcome, ask)));
    rows.extend(fairness::group_rows(outcome));
    rows.extend(domain_rows(outcome));
    Ok(rows)
}

fn main_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let [wide, none] = outcome.config.margins;
    let untrained = difference(outcome, chosen, |_| Reader::UntrainedProbe);
    let tuned = difference(outcome, chosen, |_| Reader::Tuned);
    let alone = difference(outcome, chosen, |_| Reader::Alone);
    let each: Vec<String> = outcome.runs.iter().map(|r| r.k.to_string()).collect();
    let losses = |which: usize| -> String {
        let each = outcome
            .runs
            .iter()
            .map(|r| format!("{:.2}", r.losses[which]));
        each.collect::<Vec<_>>().join(", ")
    };
    let counts: Vec<String> = outcome
        .trained
        .iter()
        .map(|(d, n)| format!("{n} {}", d.name()))
        .collect();
    let within = |m: Measured| m.interval.0 > -none;
    vec![
        claim_row(
            "macro AUROC: neighbours minus a linear probe of an untrained encoder".to_owned(),
            untrained,
            untrained.map(|m| m.interval.0 > 0.0 && m.value >= wide),
            format!(
                "holds above 0 by at least {wide}; neighbours: {}; questions: {}",
                each.join(", "),
                outcome.asks.len()
            ),
        ),
        claim_row(
            "macro AUROC: neighbours minus a classifier tuned from the encoder".to_owned(),
            tuned,
            tuned.map(within),
            format!("holds when no more than {none} is lost"),
        ),
        claim_row(
            "macro AUROC: neighbours, encoder of all domains minus that of the adults' films"
                .to_owned(),
            alone,
            alone.map(within),
            format!(
                "holds when no more than {none} is lost; training films: {}; last losses {} and {} nats",
                counts.join(", "),
                losses(0),
                losses(1)
            ),
        ),
    ]
}

/// What the thresholds chosen on the validation films do on the test films.
fn point_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let target = outcome.config.target;
    let row = |sensitivity: bool| {
        let share = |positive: bool| {
            measured_by(&outcome.cases.groups, |c| {
                let each = outcome.runs.iter();
                let sum: Option<f64> = each
                    .map(|run| reached(outcome, run, sensitivity, positive, c))
                    .sum();
                Some(sum? / outcome.runs.len() as f64)
            })
        };
        let seen = share(sensitivity);
        let [name, other] = match sensitivity {
            true => ["sensitivity", "specificity"],
            false => ["specificity", "sensitivity"],
        };
        claim_row(
            format!("any finding: {name} where {target} was chosen on the validation films"),
            seen,
            seen.map(|m| m.interval.1 >= target),
            format!(
                "holds unless the whole interval lies below; {other} there {}",
                shown(share(!sensitivity))
            ),
        )
    };
    vec![row(true), row(false)]
}

/// Share of the films with the finding (of those without) that are called right at a run's threshold.
fn reached(
    outcome: &Outcome,
    run: &Run,
    for_sensitivity: bool,
    positive: bool,
    counts: &[u32],
) -> Option<f64> {
    let is = |t: &&super::outcome::Threshold| t.sensitivity == for_sensitivity;
    let threshold = run.thresholds.iter().find(is)?.at;
    let answers = said(run, chosen(run))?;
    let (mut right, mut all) = (0u64, 0u64);
    for ((truth, said), &count) in outcome.cases.truth.iter().zip(answers).zip(counts) {
        if truth.last() == Some(&positive) {
            let called = said.last().is_some_and(|s| f64::from(*s) >= threshold);
            all += u64::from(count);
            right += u64::from(count) * u64::from(called == positive);
        }
    }
    (all > 0).then(|| right as f64 / all as f64)
}

/// Whose ages.
type Said = fn(&Run) -> &[f64];

/// Mean over films of known age of the first error minus the second.
fn fewer_years(outcome: &Outcome, first: AgeOf, second: AgeOf) -> Option<Measured> {
    let known: Vec<usize> = (0..outcome.cases.ages.len())
        .filter(|&i| outcome.cases.ages[i].is_some())
        .collect();
    let groups: Vec<usize> = known.iter().map(|&i| outcome.cases.groups[i]).collect();
    let gain =
        |&i: &usize| -> Option<f64> { Some(first.error(outcome, i)? - second.error(outcome, i)?) };
    let gains: Vec<f64> = known.iter().map(gain).collect::<Option<_>>()?;
    measured_by(&groups, |counts| {
        let total: u32 = counts.iter().sum();
        let sum: f64 = gains
            .iter()
            .zip(counts)
            .map(|(g, c)| g * f64::from(*c))
            .sum();
        (total > 0).then(|| sum / f64::from(total))
    })
}

/// Ages from somewhere.
#[derive(Clone, Copy)]
enum AgeOf {
    /// The mean of the training films, 0, or of those of the same set, 1.
    Mean(usize),
    /// A reader, mean error over the runs.
    Said(Said),
    /// Nobody: no error, so that a difference is the other's error.
    Truth,
}

impl AgeOf {
    fn error(self, outcome: &Outcome, case: usize) -> Option<f64> {
        let truth = f64::from(outcome.cases.ages[case]?);
        Some(match self {
            AgeOf::Mean(which) => (outcome.cases.mean_ages[case][which] - truth).abs(),
            AgeOf::Truth => 0.0,
            AgeOf::Said(of) => {
                let each = outcome.runs.iter().map(|r| (of(r)[case] - truth).abs());
                each.sum::<f64>() / outcome.runs.len() as f64
            }
        })
    }
}

fn age_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let by: [(Said, &str); 2] = [
        (|r| &r.ages.neighbours, "the neighbours"),
        (|r| &r.ages.adapter, "a linear adapter"),
    ];
    let error = |of: AgeOf| shown(fewer_years(outcome, of, AgeOf::Truth));
    let mut rows: Vec<ClaimRow> = by
        .into_iter()
        .map(|(of, name)| {
            let seen = fewer_years(outcome, AgeOf::Mean(0), AgeOf::Said(of));
            claim_row(
                format!("age: mean absolute error of the mean minus that of {name}, years"),
                seen,
                seen.map(|m| m.interval.0 > 0.0),
                format!(
                    "errors {} and {}",
                    error(AgeOf::Mean(0)),
                    error(AgeOf::Said(of))
                ),
            )
        })
        .collect();
    rows.extend(by.map(|(of, name)| {
        let seen = fewer_years(outcome, AgeOf::Mean(1), AgeOf::Said(of));
        claim_row(
            format!("age: error of the mean of the film's own set minus that of {name}, years"),
            seen,
            None,
            format!(
                "the sets differ in age and in resolution; error of the set's mean {}, of the neighbours by an untrained encoder {}",
                error(AgeOf::Mean(1)),
                error(AgeOf::Said(|r| &r.ages.untrained))
            ),
        )
    }));
    rows
}

fn neighbour_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let row = |&k: &usize| {
        let each: Vec<String> = outcome
            .asks
            .iter()
            .map(|ask| {
                let one = of_ask(outcome, ask, |_| Reader::Neighbours(k));
                let value = one.and_then(|r| mean(&r, &vec![1.0; outcome.cases.sets.len()]));
                let value = value.map_or("undefined".to_owned(), |v| format!("{v:.3}"));
                format!("{} ({}) {value}", ask.finding, ask.set)
            })
            .collect();
        claim_row(
            format!("macro AUROC, neighbours: {k}"),
            level(outcome, all_asks(outcome, |_| Reader::Neighbours(k))),
            None,
            each.join(", "),
        )
    };
    outcome.config.neighbours.iter().map(row).collect()
}

fn of_ask(outcome: &Outcome, ask: &Ask, which: impl Fn(&Run) -> Reader) -> Option<Vec<Ready>> {
    ready(outcome, which, |said| {
        Ready::new(std::slice::from_ref(ask), &outcome.cases, said)
    })
}

fn ask_row(outcome: &Outcome, ask: &Ask) -> ClaimRow {
    let of = |which: Which| level(outcome, of_ask(outcome, ask, which));
    let is = |i: &usize| outcome.cases.sets[*i] == ask.set;
    let own: Vec<usize> = (0..outcome.cases.sets.len()).filter(is).collect();
    let positives = own.iter().filter(|&&i| outcome.cases.truth[i][ask.column]);
    let mut row = claim_row(
        format!("AUROC of {} in {}, neighbours", ask.finding, ask.set),
        of(chosen),
        None,
        format!(
            "{} films with it; tuned {}, prompts {}",
            positives.count(),
            shown(of(|_| Reader::Tuned)),
            shown(of(|_| Reader::Prompts))
        ),
    );
    row.n = own.len();
    row
}

/// The question of every domain, and whether films find their own kind.
fn domain_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let domains = outcome.runs.first().map_or(&[][..], |r| &r.elsewhere);
    let row = |(at, first): (usize, &Elsewhere)| {
        let each: Option<Vec<BinaryScores>> = outcome
            .runs
            .iter()
            .map(|r| BinaryScores::new(&first.truth, &r.elsewhere.get(at)?.said).ok())
            .collect();
        let seen = each.and_then(|each| {
            measured_by(&first.groups, |c| {
                let w = as_weights(c);
                let values = each.iter().map(|d| auroc_weighted(d, &w).ok());
                let sum: Option<f64> = values.map(|v| v.filter(|v| v.is_finite())).sum();
                Some(sum? / each.len() as f64)
            })
        });
        let own: usize = outcome
            .runs
            .iter()
            .filter_map(|r| r.elsewhere.get(at))
            .map(|e| e.own.iter().filter(|o| **o).count())
            .sum();
        let films = first.own.len() * outcome.runs.len();
        let positives = first.truth.iter().filter(|t| **t).count();
        claim_row(
            format!(
                "{}: AUROC of {}, neighbours of the domain",
                first.domain.name(),
                first.domain.question()
            ),
            seen,
            None,
            format!(
                "{positives} films with it; the nearest film of all domains is of this one for {:.3}",
                own as f64 / films.max(1) as f64
            ),
        )
    };
    domains.iter().enumerate().map(row).collect()
}
