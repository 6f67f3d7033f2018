//! Confounded sets: any label tied to any nuisance in training, and the tie turned round in a test.

use crate::curves::{Curve, confusion};
use crate::error::{MethodError, Result};
use hilum_core::{Sex, View};
use hilum_data::Sample;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A property of a film that has nothing to do with its label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nuisance {
    /// Male.
    Sex,
    /// At least so old, in years.
    Age(f32),
    /// Taken from front to back (AP).
    View,
}

impl Nuisance {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Nuisance::Sex => "sex",
            Nuisance::Age(_) => "age",
            Nuisance::View => "view",
        }
    }

    /// Whether a film has it; `None` where that is not stated.
    pub fn of(self, sample: &Sample) -> Option<bool> {
        match self {
            Nuisance::Sex => match sample.sex? {
                Sex::Male => Some(true),
                Sex::Female => Some(false),
                Sex::Other => None,
            },
            Nuisance::Age(from) => Some(sample.age? >= from),
            Nuisance::View => match sample.view {
                View::Ap => Some(true),
                View::Pa => Some(false),
                _ => None,
            },
        }
    }
}

/// Labels and nuisances of cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ties {
    /// Labels.
    pub y: Vec<bool>,
    /// Nuisances.
    pub z: Vec<bool>,
}

impl Ties {
    /// Whether label and nuisance of a case agree.
    pub fn agrees(&self, i: usize) -> bool {
        self.y[i] == self.z[i]
    }

    /// Chosen cases among `from`: as many with the label as without, and in either class a share `strength` of
    /// cases whose nuisance agrees with the label. At most `most` of a class; in order.
    ///
    /// # Errors
    /// A strength outside 0 to 1, or a cell without cases that needs some.
    pub fn choose(
        &self,
        from: &[usize],
        strength: f64,
        most: Option<usize>,
        seed: u64,
    ) -> Result<Vec<usize>> {
        if !(0.0..=1.0).contains(&strength) {
            return Err(MethodError::Config(format!(
                "the strength {strength} of a tie lies between 0 and 1"
            )));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // By label, then by whether the nuisance agrees.
        let mut cells: [[Vec<usize>; 2]; 2] = Default::default();
        for &i in from {
            cells[usize::from(self.y[i])][usize::from(self.agrees(i))].push(i);
        }
        cells
            .iter_mut()
            .flatten()
            .for_each(|cell| cell.shuffle(&mut rng));
        let class = cells
            .iter()
            .map(|own| class_size(own, strength))
            .min()
            .unwrap_or(0)
            .min(most.unwrap_or(usize::MAX));
        if class == 0 {
            return Err(MethodError::TooFew {
                what: format!("cases tied by {strength}, in the smaller class"),
                found: 0,
                needed: 1,
            });
        }
        let agree = (strength * class as f64).round() as usize;
        let mut chosen: Vec<usize> = Vec::new();
        for own in &cells {
            chosen.extend(&own[1][..agree]);
            chosen.extend(&own[0][..class - agree]);
        }
        chosen.sort_unstable();
        Ok(chosen)
    }

    /// Accuracy among cases whose nuisance agrees with the label (`agree`) or is against it: the mean of
    /// the two classes' shares of right answers, so that their numbers do not matter. `None` where a class is missing.
    pub fn accuracy(&self, said: &[bool], weights: &[f64], agree: bool) -> Option<f64> {
        let class = |y: bool| {
            let (mut right, mut all) = (0.0, 0.0);
            for (i, w) in weights.iter().enumerate() {
                if self.y[i] == y && self.agrees(i) == agree {
                    all += w;
                    if said[i] == y {
                        right += w;
                    }
                }
            }
            (all > 0.0).then(|| right / all)
        };
        Some((class(true)? + class(false)?) / 2.0)
    }
}

/// Answers as two confusion matrices: of the cases whose nuisance agrees with the label, and of those where it is against it.
pub fn confusions(title: &str, ties: &Ties, said: &[bool]) -> Vec<Curve> {
    let of = |agree: bool, words: &str| {
        let cases = (0..ties.y.len().min(said.len())).filter(|&i| ties.agrees(i) == agree);
        let pairs = cases.map(|i| (usize::from(ties.y[i]), usize::from(said[i])));
        confusion(format!("{title}, {words}"), &["none", "finding"], pairs)
    };
    [
        of(true, "tie as in training"),
        of(false, "tie turned round"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The most cases a class can have when `strength` of them agree.
fn class_size(own: &[Vec<usize>; 2], strength: f64) -> usize {
    let limit = |cell: usize, share: f64| {
        if share > 0.0 {
            (own[cell].len() as f64 / share).floor() as usize
        } else {
            usize::MAX
        }
    };
    let mut n = limit(1, strength).min(limit(0, 1.0 - strength));
    // Rounding may ask for one more than there is.
    while n > 0 {
        let agree = (strength * n as f64).round() as usize;
        if agree <= own[1].len() && n - agree <= own[0].len() {
            break;
        }
        n -= 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ties() -> Ties {
        Ties {
            y: (0..400).map(|i| i % 2 == 0).collect(),
            z: (0..400).map(|i| i / 2 % 3 == 0).collect(),
        }
    }

    #[test]
    fn every_case_is_in_one_of_the_two_matrices() {
        let ties = Ties {
            y: vec![true, true, false, false, true],
            z: vec![true, false, false, true, true],
        };
        let curves = confusions("a", &ties, &[true, false, false, true, false]);
        assert_eq!(curves[0].matrix, [[1, 0], [1, 1]]);
        assert_eq!(curves[1].matrix, [[0, 1], [1, 0]]);
        assert!(curves[1].title.ends_with("turned round"));
        // A test whose tie was not turned has no second one.
        let same = Ties {
            y: vec![true, false],
            z: vec![true, false],
        };
        assert_eq!(confusions("a", &same, &[true, true]).len(), 1);
    }

    #[test]
    fn chosen_cases_are_balanced_and_tied_as_asked() {
        let ties = ties();
        let from: Vec<usize> = (0..400).collect();
        for strength in [0.0, 0.5, 0.75, 1.0] {
            let at = ties.choose(&from, strength, None, 1).unwrap();
            let positive = at.iter().filter(|&&i| ties.y[i]).count();
            assert_eq!(2 * positive, at.len());
            let agree = at.iter().filter(|&&i| ties.agrees(i)).count();
            assert!((agree as f64 / at.len() as f64 - strength).abs() < 0.02);
            assert!(at.windows(2).all(|w| w[0] < w[1]));
        }
        assert_eq!(ties.choose(&from, 1.0, Some(8), 1).unwrap().len(), 16);
        let (a, b) = (
            ties.choose(&from, 1.0, Some(8), 1).unwrap(),
            ties.choose(&from, 1.0, Some(8), 2).unwrap(),
        );
        assert_ne!(a, b);
    }

    #[test]
    fn one_who_looks_at_the_nuisance_is_right_in_one_test_and_wrong_in_the_other() {
        let ties = ties();
        let w = vec![1.0; 400];
        assert_eq!(ties.accuracy(&ties.z, &w, true), Some(1.0));
        assert_eq!(ties.accuracy(&ties.z, &w, false), Some(0.0));
        assert_eq!(ties.accuracy(&ties.y, &w, false), Some(1.0));
        let always = vec![true; 400];
        assert_eq!(ties.accuracy(&always, &w, false), Some(0.5));
    }

    #[test]
    fn what_cannot_be_tied_is_an_error() {
        let mut ties = ties();
        let from: Vec<usize> = (0..400).collect();
        assert!(ties.choose(&from, 1.5, None, 1).is_err());
        ties.y.iter_mut().for_each(|y| *y = true);
        let told = ties.choose(&from, 1.0, None, 1).unwrap_err();
        assert!(matches!(told, MethodError::TooFew { .. }), "{told}");
        assert_eq!(ties.accuracy(&ties.z, &vec![1.0; 400], true), None);
    }
}
