//! The paper's claims as rows.

use super::algorithm::Algorithm;
use super::config::{Skew, TaskName};
use super::outcome::{Federation, Outcome, TaskOutcome};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{Arm as Runs, ClassScore, Said, as_weights, shown};
use crate::claims::ClaimRow;
use crate::scores::{Score, numbered, of_classes};

/// Accuracies that differ by no more than this are called equal.
const EQUAL: f64 = 0.03;

/// The federations of one task and skew, one a seed.
struct Cell<'a> {
    task: &'a TaskOutcome,
    skew: Skew,
    federations: Vec<&'a Federation>,
}

impl Cell<'_> {
    fn name(&self) -> String {
        format!("{}, {}", self.task.task.name(), self.skew.name())
    }

    fn said(&self, algorithm: Algorithm) -> Vec<&Said> {
        let arms = self.federations.iter().filter_map(|f| f.arm(algorithm));
        arms.flat_map(|a| &a.said).collect()
    }

    fn level(&self, algorithm: Algorithm, score: ClassScore) -> Option<Measured> {
        let runs = Runs::new(score, &self.task.y, &self.said(algorithm))?;
        measured_by(&self.task.groups, |c| runs.mean(&as_weights(c)))
    }

    fn gain(&self, one: Algorithm, other: Algorithm, score: ClassScore) -> Option<Measured> {
        let one = Runs::new(score, &self.task.y, &self.said(one))?;
        let other = Runs::new(score, &self.task.y, &self.said(other))?;
        measured_by(&self.task.groups, |c| {
            let w = as_weights(c);
            Some(one.mean(&w)? - other.mean(&w)?)
        })
    }

    /// Accuracy at the client where it is lowest, each on its own mix of cases; mean over the seeds.
    fn worst(&self, algorithm: Algorithm, counts: &[u32]) -> Option<f64> {
        let mut sum = 0.0;
        for federation in &self.federations {
            let arm = federation.arm(algorithm)?;
            let mut least = f64::INFINITY;
            for (k, mix) in federation.mixes.iter().enumerate() {
                let said = arm.said.get(k).or(arm.said.first())?;
                let w: Vec<f64> = mix
                    .iter()
                    .zip(counts)
                    .map(|(m, c)| m * f64::from(*c))
                    .collect();
                least = least.min(ClassScore::Accuracy.of(&self.task.y, said, &w)?);
            }
            sum += least;
        }
        Some(sum / self.federations.len() as f64)
    }

    /// The difference in accuracy at every seed, in words: intervals over patients do not hold how much the deals differ.
    fn by_seed(&self, one: Algorithm, other: Algorithm) -> String {
        let ones = vec![1.0; self.task.y.len()];
        let level = |f: &Federation, algorithm| {
            let said: Vec<&Said> = f.arm(algorithm)?.said.iter().collect();
            Runs::new(ClassScore::Accuracy, &self.task.y, &said)?.mean(&ones)
        };
        let each = self.federations.iter().filter_map(|f| {
            let gain = level(f, one)? - level(f, other)?;
            Some(format!("{gain:+.3}"))
        });
        let each: Vec<String> = each.collect();
        match each.len() {
            0 | 1 => String::new(),
            _ => format!("; by seed {}", each.join(" ")),
        }
    }

    fn worst_gain(&self, one: Algorithm, other: Algorithm) -> Option<Measured> {
        measured_by(&self.task.groups, |c| {
            Some(self.worst(one, c)? - self.worst(other, c)?)
        })
    }
}

fn cells(outcome: &Outcome) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for (task, study) in outcome.tasks.iter().zip(&outcome.config.studies) {
        for &skew in &study.skews {
            let own = task.federations.iter().filter(|f| f.skew == skew);
            cells.push(Cell {
                task,
                skew,
                federations: own.collect(),
            });
        }
    }
    cells
}

/// What FedLD said of every test case under each skew, as the mean over the seeds.
pub fn scores(outcome: &Outcome) -> Vec<Score> {
    let of = |cell: &Cell<'_>| {
        let (patients, said) = (numbered(&cell.task.groups), cell.said(Algorithm::FedLd));
        let classes = cell.task.task.class_names();
        of_classes(&cell.name(), classes, &cell.task.y, &patients, &said)
    };
    cells(outcome).iter().flat_map(of).collect()
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let cells = cells(outcome);
    let label = |wanted: f64| {
        cells.iter().find(|c| {
            matches!(c.skew, Skew::Label { alpha } if alpha == wanted)
                && c.task.task == TaskName::Paediatric
        })
    };
    let mut rows = Vec::new();
    if let Some(cell) = label(0.1) {
        rows.extend(skewed_rows(cell));
    }
    if let Some(cell) = label(10.0) {
        rows.push(equal_row(cell));
    }
    if let Some(cell) = cells.iter().find(|c| c.skew == Skew::Natural) {
        rows.push(gain_row(cell, Algorithm::FedLd, Algorithm::FedAvg));
    }
    for cell in &cells {
        rows.extend(
            outcome
                .config
                .algorithms
                .iter()
                .map(|&a| level_row(cell, a)),
        );
    }
    rows
}

fn gain_row(cell: &Cell<'_>, one: Algorithm, other: Algorithm) -> ClaimRow {
    let seen = cell.gain(one, other, ClassScore::Accuracy);
    let auroc = cell.gain(one, other, ClassScore::MacroAuroc);
    let worst = cell.worst_gain(one, other);
    claim_row(
        format!(
            "{}: accuracy of {} minus {}",
            cell.name(),
            one.name(),
            other.name()
        ),
        seen,
        seen.filter(|_| one.is_personal() == other.is_personal())
            .map(|m| m.interval.0 > 0.0),
        format!(
            "AUROC {}; worst client {}{}{}",
            shown(auroc),
            shown(worst),
            cell.by_seed(one, other),
            match other.is_personal() {
                true =>
                    "; not judged: clients' own models are for their own mix, not for all cases",
                false => "",
            }
        ),
    )
}

/// The paper's claims where the skew is strongest.
fn skewed_rows(cell: &Cell<'_>) -> Vec<ClaimRow> {
    let mut rows = vec![gain_row(cell, Algorithm::FedLd, Algorithm::FedAvg)];
    let worst = cell.worst_gain(Algorithm::FedLd, Algorithm::FedAvg);
    rows.push(claim_row(
        format!(
            "{}: accuracy at the worst client, FedLD minus FedAvg",
            cell.name()
        ),
        worst,
        worst.map(|m| m.interval.0 > 0.0),
        String::new(),
    ));
    for other in [Algorithm::FedProx, Algorithm::FedBn, Algorithm::FedGh] {
        rows.push(gain_row(cell, Algorithm::FedLd, other));
    }
    for without in [Algorithm::WithoutMargin, Algorithm::WithoutPrincipal] {
        rows.push(gain_row(cell, Algorithm::FedLd, without));
    }
    // The control: is it the direction, or only the length of the server's step?
    rows.push(gain_row(
        cell,
        Algorithm::WithoutMargin,
        Algorithm::NormMatched,
    ));
    rows
}

fn equal_row(cell: &Cell<'_>) -> ClaimRow {
    let seen = cell.gain(Algorithm::FedLd, Algorithm::FedAvg, ClassScore::Accuracy);
    claim_row(
        format!(
            "{}: accuracy of FedLD minus FedAvg, equal where clients are alike",
            cell.name()
        ),
        seen,
        seen.map(|m| m.interval.0 > -EQUAL && m.interval.1 < EQUAL),
        format!("holds when the interval lies within {EQUAL} of 0"),
    )
}

fn level_row(cell: &Cell<'_>, algorithm: Algorithm) -> ClaimRow {
    let seen = cell.level(algorithm, ClassScore::Accuracy);
    let ones = vec![1; cell.task.y.len()];
    let plain = |score| {
        Runs::new(score, &cell.task.y, &cell.said(algorithm))
            .and_then(|r| r.mean(&as_weights(&ones)))
    };
    let number = |v: Option<f64>| v.map_or("undefined".to_owned(), |v| format!("{v:.3}"));
    let bytes: u64 = cell
        .federations
        .iter()
        .filter_map(|f| f.arm(algorithm))
        .map(|a| a.bytes.0 + a.bytes.1)
        .sum();
    let megabytes = bytes as f64 / cell.federations.len().max(1) as f64 / 1e6;
    claim_row(
        format!("{}: accuracy, {}", cell.name(), algorithm.name()),
        seen,
        None,
        format!(
            "macro-F1 {}, AUROC {}, worst client {}; {megabytes:.1} MB of messages",
            number(plain(ClassScore::MacroF1)),
            number(plain(ClassScore::MacroAuroc)),
            number(cell.worst(algorithm, &ones)),
        ),
    )
}
