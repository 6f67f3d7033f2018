//! The cases of one task, and how its training cases are dealt out.
//!
//! Who gets which case follows from labels, patients and places alone, so that a client finds its own without a look at
//! anybody's picture.

use super::config::{Skew, Study, TaskName};
use crate::blocks::classes::{ClassSet, check_counts, paediatric, patient};
use crate::blocks::partition::{Deal, by_label, by_nature, by_quantity};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::View;
use hilum_data::{Sample, Split};

/// Age that parts the clients of the natural skew.
const OLDER_FROM: f32 = 55.0;

/// The training cases of a task without their pictures.
pub struct Training {
    /// The cases.
    pub samples: Vec<Sample>,
    /// Class of each.
    pub y: Vec<usize>,
    patients: Vec<String>,
    task: TaskName,
    side: usize,
}

/// Cases of one task.
pub struct Cases {
    /// To train on.
    pub training: Training,
    /// Pictures of the validation split.
    pub val: ClassSet,
    /// Pictures of the test split.
    pub test: ClassSet,
    judged: Vec<Sample>,
}

impl Training {
    /// Of a study.
    ///
    /// # Errors
    /// Data that are not there, a class without a case.
    pub fn of(ctx: &Context<'_>, study: &Study) -> Result<Self> {
        let train = split(ctx, study, Split::Train, 80)?;
        let step = train.len().div_ceil(study.most.max(1)).max(1);
        let samples: Vec<Sample> = train.into_iter().step_by(step).collect();
        let training = Training {
            y: classes(study.task, &samples)?,
            patients: samples.iter().map(patient).collect(),
            task: study.task,
            side: study.side,
            samples,
        };
        check_counts(&training.counts(&training.all()), "training split")?;
        Ok(training)
    }

    /// Places of all cases.
    pub fn all(&self) -> Vec<usize> {
        (0..self.samples.len()).collect()
    }

    /// Pictures of the cases at these places.
    ///
    /// # Errors
    /// A picture that cannot be read.
    pub fn pictures(&self, at: &[usize]) -> Result<ClassSet> {
        let own: Vec<Sample> = at.iter().map(|&i| self.samples[i].clone()).collect();
        pictures(self.task, self.side, &own)
    }

    /// Cases of each class among those at these places.
    pub fn counts(&self, at: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.task.classes()];
        at.iter().for_each(|&i| counts[self.y[i]] += 1);
        counts
    }

    /// What tells whether two machines mean the same cases: SHA-256 of their ids, patients, classes and, where the manifest
    /// states them, hashes.
    #[cfg(any(feature = "federation", test))]
    pub fn hash(&self, at: &[usize]) -> String {
        let line = |&i: &usize| {
            let s = &self.samples[i];
            let stated = s.sha256.as_deref().unwrap_or("-");
            format!("{}\t{}\t{}\t{stated}\n", s.id, self.patients[i], self.y[i])
        };
        hilum_nn::weights::sha256_hex(at.iter().map(line).collect::<String>().as_bytes())
    }

    /// The deal of one skew and seed: every client's places.
    ///
    /// # Errors
    /// No deal that leaves every client `least` cases.
    pub fn deal(&self, study: &Study, skew: Skew, least: usize, seed: u64) -> Result<Deal> {
        let (y, patients, n) = (&self.y, &self.patients, study.clients);
        match skew {
            Skew::Label { alpha } => by_label(y, patients, n, alpha, least, seed),
            Skew::Quantity { alpha } => by_quantity(y, patients, n, alpha, least, seed),
            Skew::Natural => by_nature(&places(&self.samples), patients, n, least),
        }
    }
}

impl Cases {
    /// Of a study.
    ///
    /// # Errors
    /// Data that are not there, a class without a case, a picture that cannot be read.
    pub fn load(ctx: &Context<'_>, study: &Study) -> Result<Self> {
        let training = Training::of(ctx, study)?;
        let val = split(ctx, study, Split::Val, 36)?;
        let test = split(ctx, study, Split::Test, 60)?;
        check_counts(&counts(study.task, &test)?, "test split")?;
        if val.is_empty() {
            return Err(MethodError::TooFew {
                what: "validation split".to_owned(),
                found: 0,
                needed: 1,
            });
        }
        Ok(Cases {
            training,
            val: pictures(study.task, study.side, &val)?,
            test: pictures(study.task, study.side, &test)?,
            judged: [val, test].concat(),
        })
    }

    /// All of them.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.training.samples.iter().chain(&self.judged)
    }

    /// Weight of each test case in each client's own mix of cases.
    pub fn mixes(&self, deal: &Deal, skew: Skew) -> Vec<Vec<f64>> {
        if skew == Skew::Natural {
            let own = places(&self.judged[self.val.len()..]);
            let mix = |k: usize| own.iter().map(|p| f64::from(u8::from(*p == k))).collect();
            return (0..deal.len()).map(mix).collect();
        }
        deal.iter().map(|own| self.mix(own)).collect()
    }

    /// Test cases weighed so that their classes are as frequent as a client's.
    fn mix(&self, own: &[usize]) -> Vec<f64> {
        let (share, there) = (self.training.counts(own), self.test.counts());
        let weight = |&y: &usize| share[y] as f64 / there[y] as f64;
        self.test.y.iter().map(weight).collect()
    }
}

fn split(ctx: &Context<'_>, study: &Study, split: Split, tiny: usize) -> Result<Vec<Sample>> {
    let all = ctx.samples("fedld", study.task.sets())?;
    let own = all.into_iter().filter(|s| s.split == Some(split));
    let own = own.filter(|s| study.task == TaskName::Paediatric || place(s).is_some());
    Ok(ctx.limit(own.collect(), tiny))
}

fn pictures(task: TaskName, side: usize, samples: &[Sample]) -> Result<ClassSet> {
    ClassSet::load(samples, side, task.classes(), |s| class(task, s))
}

fn classes(task: TaskName, samples: &[Sample]) -> Result<Vec<usize>> {
    let known = |s: &Sample| {
        class(task, s).ok_or_else(|| MethodError::Config(format!("{} has no class", s.id)))
    };
    samples.iter().map(known).collect()
}

fn counts(task: TaskName, samples: &[Sample]) -> Result<Vec<usize>> {
    let mut counts = vec![0; task.classes()];
    classes(task, samples)?.iter().for_each(|&c| counts[c] += 1);
    Ok(counts)
}

fn class(task: TaskName, sample: &Sample) -> Option<usize> {
    match task {
        TaskName::Paediatric => paediatric(sample),
        TaskName::Nih => Some(usize::from(!sample.labels.is_positive("no_finding"))),
    }
}

/// The client of a film under the natural skew: by view and age; `None` where either is not stated.
fn place(sample: &Sample) -> Option<usize> {
    let view = match sample.view {
        View::Pa => 0,
        View::Ap => 1,
        _ => return None,
    };
    Some(2 * view + usize::from(sample.age? >= OLDER_FROM))
}

/// Places of films that have one: those without were left out when they were listed.
fn places(samples: &[Sample]) -> Vec<usize> {
    samples.iter().map(|s| place(s).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, nih, paediatric};
    use crate::blocks::study::Settings;
    use crate::fedld::Config;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_client_finds_its_cases_without_anybody_elses_picture() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        paediatric(dir.path());
        let study = &Config::tiny().studies[0];
        let cases = Cases::load(&ctx, study).unwrap();
        let whole = cases.training.pictures(&cases.training.all()).unwrap();
        let deal = |t: &Training| t.deal(study, Skew::Label { alpha: 0.1 }, 4, 7).unwrap();
        let dealt = deal(&cases.training);

        let others: Vec<&Sample> = dealt[1..]
            .concat()
            .iter()
            .map(|&i| &cases.training.samples[i])
            .collect();
        for sample in others {
            std::fs::remove_file(sample.path()).unwrap();
        }
        let training = Training::of(&ctx, study).unwrap();
        let own = &deal(&training)[0];
        assert_eq!(own, &dealt[0]);
        let (mine, theirs) = (training.pictures(own).unwrap(), whole.select(own));
        assert_eq!((mine.x, mine.y), (theirs.x, theirs.y));
        assert_eq!(training.hash(own), cases.training.hash(own));
        assert_ne!(training.hash(own), training.hash(&dealt[1]));
        assert!(training.pictures(&dealt[1]).is_err());
    }

    #[test]
    fn mixes_weigh_test_cases_as_clients_see_them() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        nih(dir.path());
        let study = &Config::tiny().studies[1];
        let cases = Cases::load(&ctx, study).unwrap();
        let dealt = cases.training.deal(study, Skew::Natural, 4, 1).unwrap();
        let mixes = cases.mixes(&dealt, Skew::Natural);
        // Every test film is at one of the four places.
        for k in 0..cases.test.len() {
            assert_eq!(mixes.iter().map(|m| m[k]).sum::<f64>(), 1.0);
        }
        let weighed = cases.mixes(&dealt, Skew::Label { alpha: 1.0 });
        for (own, mix) in dealt.iter().zip(&weighed) {
            let ones = mix.iter().zip(&cases.test.y).filter(|(_, y)| **y == 1);
            let share = ones.map(|(w, _)| w).sum::<f64>() / mix.iter().sum::<f64>();
            let expected = cases.training.counts(own)[1] as f64 / own.len() as f64;
            assert!((share - expected).abs() < 1e-9);
        }
    }
}
