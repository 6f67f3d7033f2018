//! Adults' films with findings, sex, age and view, and children's besides: what studies of confounders are made on.

use super::classes::{ClassSet, patient};
use super::confounded::{Nuisance, Ties};
use crate::context::Context;
use crate::error::Result;
use hilum_data::{LabelMatrix, LabelPolicy, Sample, Split};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Findings that have labelled films: what concepts are grounded on.
pub const FINDINGS: [&str; 14] = [
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "pleural_effusion",
    "emphysema",
    "fibrosis",
    "hernia",
    "infiltration",
    "mass",
    "nodule",
    "pleural_thickening",
    "pneumonia",
    "pneumothorax",
];

/// The adults' sets, and the children's that the encoder sees besides.
const SETS: [&str; 2] = ["nih14", "nih14_64px"];
const MORE: &str = "kermany_paediatric";

/// Films of the study, all sets and splits in one row.
pub struct Films {
    /// As in the manifests.
    pub samples: Vec<Sample>,
    /// Pictures; class 1 has any finding.
    pub set: ClassSet,
    /// A row of [`FINDINGS`] a film, `NaN` where not labelled.
    pub findings: Vec<Vec<f32>>,
}

/// 1 with any finding, 0 with none; nothing where nothing is labelled.
fn any_finding(s: &Sample) -> Option<usize> {
    if s.labels.is_positive("no_finding") {
        return Some(0);
    }
    (!s.labels.is_empty() || !s.raw_labels.is_empty()).then_some(1)
}

impl Films {
    /// Loads all sets at `side` pixels for the method `what`; adults of whom a nuisance is not stated are
    /// left out, and films without any label.
    ///
    /// # Errors
    /// Data that are not there, a picture that cannot be read.
    pub fn load(
        ctx: &Context<'_>,
        what: &str,
        side: usize,
        nuisances: &[Nuisance],
    ) -> Result<Self> {
        let known = |s: &Sample| s.set == MORE || nuisances.iter().all(|n| n.of(s).is_some());
        let all: Vec<Sample> = ctx
            .samples(what, &[SETS[0], SETS[1], MORE])?
            .into_iter()
            .filter(|s| s.split.is_some() && known(s) && any_finding(s).is_some())
            .collect();
        let samples = ctx.limit(all, 500);
        let set = ClassSet::load(&samples, side, 2, any_finding)?;
        let matrix = LabelMatrix::new(&samples, &FINDINGS, LabelPolicy::IGNORE)?;
        let row = |i: usize| {
            matrix
                .row(i)
                .iter()
                .map(|v| v.unwrap_or(f32::NAN))
                .collect()
        };
        let findings = (0..samples.len()).map(row).collect();
        Ok(Films {
            samples,
            set,
            findings,
        })
    }

    /// Adults of a split.
    pub fn adults(&self, split: Split) -> Vec<usize> {
        let is = |i: &usize| self.samples[*i].set != MORE && self.samples[*i].split == Some(split);
        (0..self.samples.len()).filter(is).collect()
    }

    /// Children for training.
    pub fn children(&self) -> Vec<usize> {
        let is = |i: &usize| {
            self.samples[*i].set == MORE && self.samples[*i].split == Some(Split::Train)
        };
        (0..self.samples.len()).filter(is).collect()
    }

    /// Labels and nuisances of films at `at`.
    pub fn ties(&self, nuisance: Nuisance, at: &[usize]) -> Ties {
        Ties {
            y: at.iter().map(|&i| self.set.y[i] == 1).collect(),
            // Films without the nuisance were left out when they were loaded.
            z: at
                .iter()
                .map(|&i| nuisance.of(&self.samples[i]).unwrap_or(false))
                .collect(),
        }
    }

    /// The adults for training in two halves by patient.
    pub fn halves(&self, seed: u64) -> [Vec<usize>; 2] {
        let train = self.adults(Split::Train);
        let people: BTreeSet<String> = train.iter().map(|&i| patient(&self.samples[i])).collect();
        let mut people: Vec<String> = people.into_iter().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        people.shuffle(&mut rng);
        let first: BTreeSet<&String> = people[..people.len() / 2].iter().collect();
        let (a, b) = train
            .iter()
            .partition(|&&i| first.contains(&patient(&self.samples[i])));
        [a, b]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, nih, paediatric};
    use hilum_data::{LabelState, Pixels};
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_film_without_a_label_is_of_no_class() {
        let mut film = Sample::new("nih14", "a", Pixels::File("a.png".into()));
        assert_eq!(any_finding(&film), None);
        film.raw_labels = vec!["Hernia".to_owned()];
        assert_eq!(any_finding(&film), Some(1));
        film.labels.set("no_finding", LabelState::Positive).unwrap();
        assert_eq!(any_finding(&film), Some(0));
    }

    #[test]
    fn halves_share_no_patient_and_films_know_their_findings() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        paediatric(dir.path());
        nih(dir.path());
        let films = Films::load(&ctx, "test", 16, &[Nuisance::Sex]).unwrap();
        let [a, b] = films.halves(1);
        assert!(!a.is_empty() && !b.is_empty());
        let people = |at: &[usize]| -> BTreeSet<String> {
            at.iter().map(|&i| patient(&films.samples[i])).collect()
        };
        assert!(people(&a).is_disjoint(&people(&b)));
        assert_ne!(films.halves(2), [a, b]);
        assert!(
            films
                .children()
                .iter()
                .all(|&i| films.samples[i].set == MORE)
        );
        let at = films.adults(Split::Test);
        let ties = films.ties(Nuisance::Sex, &at);
        for (&i, y) in at.iter().zip(&ties.y) {
            assert_eq!(*y, films.findings[i].iter().any(|v| *v >= 0.5));
        }
    }
}
