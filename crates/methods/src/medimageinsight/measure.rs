//! Questions about findings, and how well they are answered.

use super::config::Config;
use super::films::{Domain, Films, findings, in_words};
use super::outcome::{Ask, Cases};
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_metrics::classification::{BinaryScores, auroc_weighted};
use std::collections::BTreeSet;

/// Everything that can be asked: each finding within each set, where training and validation split have enough films of either kind and the
/// test split half as many, so that a figure means something.
///
/// # Errors
/// [`MethodError::TooFew`] where nothing can.
pub fn asks(films: &Films, config: &Config) -> Result<Vec<Ask>> {
    let adults = Split::ALL.map(|split| (split, films.of(Domain::Adult, split)));
    let everything = || adults.iter().flat_map(|(_, own)| own);
    let sets: BTreeSet<&String> = everything().map(|&i| &films.all[i].set).collect();
    let enough = |set: &String, column: usize| {
        adults.iter().all(|(split, own)| {
            let of_set = own.iter().filter(|&&i| films.all[i].set == *set);
            let truth: Vec<bool> = of_set.map(|&i| films.truth(i)[column]).collect();
            let positives = truth.iter().filter(|t| **t).count();
            let least = match split {
                Split::Test => config.least.div_ceil(2),
                _ => config.least,
            };
            positives.min(truth.len() - positives) >= least
        })
    };
    let named = |column: usize| match findings().get(column) {
        Some(code) => in_words(code),
        None => Domain::Adult.question().to_owned(),
    };
    let mut asks = Vec::new();
    for set in sets {
        for column in (0..=findings().len()).filter(|&c| enough(set, c)) {
            asks.push(Ask {
                set: set.clone(),
                column,
                finding: named(column),
            });
        }
    }
    if asks.is_empty() {
        return Err(MethodError::TooFew {
            what: "findings with enough films in every split".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    Ok(asks)
}

/// The adults' films at these places as cases.
pub fn cases(films: &Films, at: &[usize]) -> Cases {
    let known = |set: Option<&str>| {
        let own = films.of(Domain::Adult, Split::Train);
        let of_set = own
            .into_iter()
            .filter(|&i| set.is_none_or(|s| films.all[i].set == s));
        let ages: Vec<f64> = of_set
            .filter_map(|i| films.all[i].age.map(f64::from))
            .collect();
        ages.iter().sum::<f64>() / ages.len().max(1) as f64
    };
    let overall = known(None);
    let own = || at.iter().map(|&i| &films.all[i]);
    Cases {
        groups: films.set(at).groups(),
        sets: own().map(|f| f.set.clone()).collect(),
        truth: at.iter().map(|&i| films.truth(i)).collect(),
        female: own().map(|f| f.female).collect(),
        ages: own().map(|f| f.age).collect(),
        mean_ages: own().map(|f| [overall, known(Some(&f.set))]).collect(),
    }
}

/// Answers made ready for many draws of cases.
pub struct Ready {
    asks: Vec<(Vec<usize>, BinaryScores)>,
}

impl Ready {
    /// The answers to all questions; those that have one kind of film only are left out.
    pub fn new(asks: &[Ask], cases: &Cases, said: &[Vec<f32>]) -> Self {
        let one = |ask: &Ask| {
            let is = |i: &usize| cases.sets[*i] == ask.set;
            let at: Vec<usize> = (0..cases.sets.len()).filter(is).collect();
            Self::one(cases, said, ask.column, at)
        };
        Ready {
            asks: asks.iter().filter_map(one).collect(),
        }
    }

    /// One column, among the cases at `at`.
    pub fn column(cases: &Cases, said: &[Vec<f32>], column: usize, at: Vec<usize>) -> Self {
        Ready {
            asks: Self::one(cases, said, column, at).into_iter().collect(),
        }
    }

    fn one(
        cases: &Cases,
        said: &[Vec<f32>],
        column: usize,
        at: Vec<usize>,
    ) -> Option<(Vec<usize>, BinaryScores)> {
        let truth: Vec<bool> = at.iter().map(|&i| cases.truth[i][column]).collect();
        let scores: Vec<f64> = at.iter().map(|&i| f64::from(said[i][column])).collect();
        let data = BinaryScores::new(&truth, &scores).ok()?;
        Some((at, data))
    }

    /// Mean over the questions of the AUROC of weighted cases; a draw may leave a question without a positive film, which then does not
    /// count. `None` where no question is left.
    pub fn level(&self, weights: &[f64]) -> Option<f64> {
        let each = self.asks.iter().filter_map(|(at, data)| {
            let own: Vec<f64> = at.iter().map(|&i| weights[i]).collect();
            let value = auroc_weighted(data, &own).ok();
            value.filter(|v| v.is_finite())
        });
        let values: Vec<f64> = each.collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The same with every case once.
    pub fn plain(&self, cases: usize) -> Option<f64> {
        self.level(&vec![1.0; cases])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_asked_within_a_set() {
        let cases = Cases {
            groups: vec![0, 1, 2, 3],
            sets: ["a", "a", "b", "b"].map(str::to_owned).to_vec(),
            truth: vec![vec![true], vec![false], vec![true], vec![false]],
            ..Cases::default()
        };
        let ask = |set: &str| Ask {
            set: set.to_owned(),
            column: 0,
            finding: String::new(),
        };
        // Across the sets one pair of four is the wrong way round; within them none is.
        let said = vec![vec![0.9], vec![0.8], vec![0.2], vec![0.1]];
        let ready = Ready::new(&[ask("a"), ask("b")], &cases, &said);
        assert_eq!(ready.plain(4), Some(1.0));
        let all = Ready::column(&cases, &said, 0, vec![0, 1, 2, 3]);
        assert_eq!(all.plain(4), Some(0.75));
        // Without the negative of b only a is left; without both negatives nothing is.
        let turned = vec![vec![0.1], vec![0.8], vec![0.2], vec![0.1]];
        let ready = Ready::new(&[ask("a"), ask("b")], &cases, &turned);
        assert_eq!(ready.plain(4), Some(0.5));
        assert_eq!(ready.level(&[1.0, 1.0, 1.0, 0.0]), Some(0.0));
        assert_eq!(ready.level(&[1.0, 0.0, 1.0, 0.0]), None);
    }
}
