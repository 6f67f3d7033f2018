//! Scores of exclusive classes over drawn cases, averaged over seeds, with intervals over patients.

use super::exclusive::argmax;
use super::measure::{Measured, measured_by};
use hilum_metrics::classification::{BinaryScores, auroc_weighted};

/// Probabilities of one model, a row a case and a column a class.
pub type Said = Vec<Vec<f32>>;

/// A score of exclusive classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassScore {
    /// Share of cases whose likeliest class is theirs.
    Accuracy,
    /// Mean over the classes that occur of their F1.
    MacroF1,
    /// Mean over the classes of the AUROC against the rest; the second class's AUROC where there are two.
    MacroAuroc,
}

impl ClassScore {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            ClassScore::Accuracy => "accuracy",
            ClassScore::MacroF1 => "macro-F1",
            ClassScore::MacroAuroc => "AUROC",
        }
    }

    /// The score of weighted cases; `None` where it is undefined.
    pub fn of(self, y: &[usize], said: &[Vec<f32>], weights: &[f64]) -> Option<f64> {
        let classes = said.first()?.len();
        match self {
            ClassScore::MacroAuroc => {
                let asked = if classes == 2 { 1..2 } else { 0..classes };
                let n = asked.len() as f64;
                let each = asked.map(|k| auroc_of(k, y, said, weights));
                Some(each.sum::<Option<f64>>()? / n)
            }
            _ => {
                let table = confusion(y, said, weights, classes);
                match self {
                    ClassScore::Accuracy => accuracy(&table, classes),
                    _ => macro_f1(&table, classes),
                }
            }
        }
    }
}

/// AUROC of one class against the rest.
pub fn auroc_of(class: usize, y: &[usize], said: &[Vec<f32>], weights: &[f64]) -> Option<f64> {
    defined(&ranked(class, y, said)?, weights)
}

fn ranked(class: usize, y: &[usize], said: &[Vec<f32>]) -> Option<BinaryScores> {
    let truth: Vec<bool> = y.iter().map(|y| *y == class).collect();
    let scores: Vec<f64> = said.iter().map(|p| f64::from(p[class])).collect();
    BinaryScores::new(&truth, &scores).ok()
}

/// A draw may leave a class out; it then has no AUROC.
fn defined(data: &BinaryScores, weights: &[f64]) -> Option<f64> {
    auroc_weighted(data, weights).ok().filter(|v| v.is_finite())
}

/// Weighted counts, a row a true class and a column a said one.
pub fn confusion(y: &[usize], said: &[Vec<f32>], weights: &[f64], classes: usize) -> Vec<f64> {
    let mut table = vec![0.0; classes * classes];
    for ((y, p), w) in y.iter().zip(said).zip(weights) {
        table[y * classes + argmax(p)] += w;
    }
    table
}

fn accuracy(table: &[f64], classes: usize) -> Option<f64> {
    let total: f64 = table.iter().sum();
    let right: f64 = (0..classes).map(|k| table[k * classes + k]).sum();
    (total > 0.0).then(|| right / total)
}

fn macro_f1(table: &[f64], classes: usize) -> Option<f64> {
    let each: Vec<f64> = (0..classes)
        .filter_map(|k| {
            let hit = table[k * classes + k];
            let row: f64 = table[k * classes..(k + 1) * classes].iter().sum();
            let column: f64 = (0..classes).map(|r| table[r * classes + k]).sum();
            (row + column > 0.0).then(|| 2.0 * hit / (row + column))
        })
        .collect();
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

/// How often each case was drawn, as weights.
pub fn as_weights(counts: &[u32]) -> Vec<f64> {
    counts.iter().map(|c| f64::from(*c)).collect()
}

/// One run made ready for many draws: what does not hang on the weights is done once.
enum Ready<'a> {
    Tops(&'a [Vec<f32>]),
    Ranks(Vec<BinaryScores>),
}

impl<'a> Ready<'a> {
    fn new(score: ClassScore, y: &[usize], said: &'a [Vec<f32>]) -> Option<Self> {
        if score != ClassScore::MacroAuroc {
            return Some(Ready::Tops(said));
        }
        let classes = said.first()?.len();
        let asked = if classes == 2 { 1..2 } else { 0..classes };
        Some(Ready::Ranks(
            asked.map(|k| ranked(k, y, said)).collect::<Option<_>>()?,
        ))
    }

    fn score(&self, score: ClassScore, y: &[usize], weights: &[f64]) -> Option<f64> {
        match self {
            Ready::Tops(said) => score.of(y, said, weights),
            Ready::Ranks(each) => {
                let sum = each
                    .iter()
                    .map(|r| defined(r, weights))
                    .sum::<Option<f64>>()?;
                Some(sum / each.len() as f64)
            }
        }
    }
}

/// The runs of an arm, made ready; their mean score is asked for each draw.
pub struct Arm<'a> {
    score: ClassScore,
    y: &'a [usize],
    runs: Vec<Ready<'a>>,
}

impl<'a> Arm<'a> {
    /// Makes the runs ready; `None` without runs or where a class is missing.
    pub fn new(score: ClassScore, y: &'a [usize], runs: &[&'a Said]) -> Option<Self> {
        let runs: Vec<Ready<'a>> = runs
            .iter()
            .map(|said| Ready::new(score, y, said))
            .collect::<Option<_>>()?;
        (!runs.is_empty()).then_some(Arm { score, y, runs })
    }

    /// Mean over the runs of the score of weighted cases.
    pub fn mean(&self, weights: &[f64]) -> Option<f64> {
        let each = self
            .runs
            .iter()
            .map(|r| r.score(self.score, self.y, weights));
        Some(each.sum::<Option<f64>>()? / self.runs.len() as f64)
    }
}

/// A score averaged over the runs of an arm, with its interval over patients.
pub fn measured_runs(
    score: ClassScore,
    y: &[usize],
    groups: &[usize],
    runs: &[&Said],
) -> Option<Measured> {
    let arm = Arm::new(score, y, runs)?;
    measured_by(groups, |c| arm.mean(&as_weights(c)))
}

/// One arm's mean score minus another's, over the same draws.
pub fn measured_gain(
    score: ClassScore,
    y: &[usize],
    groups: &[usize],
    one: &[&Said],
    other: &[&Said],
) -> Option<Measured> {
    let (one, other) = (Arm::new(score, y, one)?, Arm::new(score, y, other)?);
    measured_by(groups, |c| {
        let w = as_weights(c);
        Some(one.mean(&w)? - other.mean(&w)?)
    })
}

/// A figure with its interval in words.
pub fn shown(m: Option<Measured>) -> String {
    m.map_or("undefined".to_owned(), |m| {
        let (low, high) = m.interval;
        format!("{:.3} ({low:.3} to {high:.3})", m.value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> (Vec<usize>, Said) {
        let y = vec![0, 0, 1, 1, 2];
        let p = vec![
            vec![0.8, 0.1, 0.1],
            vec![0.2, 0.7, 0.1],
            vec![0.1, 0.8, 0.1],
            vec![0.3, 0.6, 0.1],
            vec![0.1, 0.2, 0.7],
        ];
        (y, p)
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let (y, p) = said();
        let w = [1.0; 5];
        let of = |s: ClassScore| s.of(&y, &p, &w).unwrap();
        assert!((of(ClassScore::Accuracy) - 0.8).abs() < 1e-12);
        // F1 by class: 2/3, 4/5, 1.
        let f1 = (2.0 / 3.0 + 0.8 + 1.0) / 3.0;
        assert!((of(ClassScore::MacroF1) - f1).abs() < 1e-12);
        // Class 0: 5 of 6 pairs; class 1: 5 of 6; class 2: all.
        let auroc = (5.0 / 6.0 + 5.0 / 6.0 + 1.0) / 3.0;
        assert!((of(ClassScore::MacroAuroc) - auroc).abs() < 1e-6);
    }

    #[test]
    fn weights_are_repeats_and_what_is_undefined_is_none() {
        let (y, p) = said();
        let twice = [2.0, 1.0, 1.0, 1.0, 1.0];
        let got = ClassScore::Accuracy.of(&y, &p, &twice).unwrap();
        assert!((got - 5.0 / 6.0).abs() < 1e-12);
        let none = [1.0, 1.0, 1.0, 1.0, 0.0];
        assert_eq!(ClassScore::MacroAuroc.of(&y, &p, &none), None);
        assert!(ClassScore::MacroF1.of(&y, &p, &none).is_some());
        assert!(Arm::new(ClassScore::Accuracy, &y, &[]).is_none());
    }

    #[test]
    fn a_gain_over_oneself_is_nothing() {
        let (y, p) = said();
        let groups: Vec<usize> = (0..5).collect();
        let gain = measured_gain(ClassScore::Accuracy, &y, &groups, &[&p], &[&p]).unwrap();
        assert_eq!((gain.value, gain.interval), (0.0, (0.0, 0.0)));
    }
}
