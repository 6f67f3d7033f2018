//! Splits by patient: seeded, stable under added data, and never through a group.
//!
//! Patient ids joined with `+` are one group (their images are nearly identical), and groups that
//! share a patient are joined. The split of a group hangs on the seed and on its patients' ids only, so
//! adding other patients moves nobody.

use crate::error::{DataError, Result};
use crate::sample::{Sample, Split};
use crate::table::Table;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Shares of the three splits and the seed that draws them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitConfig {
    /// Seed.
    pub seed: u64,
    /// Share of patients in `val`, 0 to 1.
    pub val: f64,
    /// Share of patients in `test`, 0 to 1; the rest is `train`.
    pub test: f64,
}

impl SplitConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`].
    pub fn validate(&self) -> Result<()> {
        let fine = self.val >= 0.0 && self.test >= 0.0 && self.val + self.test <= 1.0;
        let got = format!("val {} and test {}", self.val, self.test);
        if fine {
            Ok(())
        } else {
            Err(DataError::setting(
                "shares",
                "not negative, 1 at most together",
                got,
            ))
        }
    }
}

/// The single patients of an id: `a+b` is two.
pub fn patients_of(id: &str) -> impl Iterator<Item = &str> {
    id.split('+').map(str::trim).filter(|p| !p.is_empty())
}

/// A group number for every sample; samples that share a patient, directly or through a joined id,
/// have the same. Samples without a patient are groups of their own, named by their id.
pub fn groups(samples: &[Sample]) -> Vec<usize> {
    let mut union = Union {
        parent: (0..samples.len()).collect(),
    };
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (i, s) in samples.iter().enumerate() {
        for patient in s.patient.as_deref().map(patients_of).into_iter().flatten() {
            union.join(*first.entry(patient).or_insert(i), i);
        }
    }
    (0..samples.len()).map(|i| union.root(i)).collect()
}

struct Union {
    parent: Vec<usize>,
}

impl Union {
    fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }

    /// The lower index becomes the root, so that numbers do not hang on the order of joining.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

/// The smallest patient id of each group (or the sample's id), by group number: its name in hashes.
fn names<'a>(samples: &'a [Sample], groups: &[usize]) -> BTreeMap<usize, &'a str> {
    let mut names: BTreeMap<usize, &str> = BTreeMap::new();
    for (s, g) in samples.iter().zip(groups) {
        let own = s
            .patient
            .as_deref()
            .and_then(|p| patients_of(p).min())
            .unwrap_or(&s.id);
        let name = names.entry(*g).or_insert(own);
        *name = (*name).min(own);
    }
    names
}

/// A number in 0..1 that hangs on the seed and the name only.
fn place(seed: u64, name: &str) -> f64 {
    let digest = Sha256::digest(format!("{seed}\t{name}"));
    let head = digest
        .iter()
        .take(8)
        .fold(0u64, |n, b| n << 8 | u64::from(*b));
    (head >> 11) as f64 / (1u64 << 53) as f64
}

/// The split of every sample, by patient.
///
/// # Errors
/// [`DataError::Setting`] for shares out of range.
pub fn assign(samples: &[Sample], config: &SplitConfig) -> Result<Vec<Split>> {
    config.validate()?;
    let groups = groups(samples);
    let split_of: HashMap<usize, Split> = names(samples, &groups)
        .into_iter()
        .map(|(g, name)| (g, pick(config, name)))
        .collect();
    Ok(groups.iter().map(|g| split_of[g]).collect())
}

fn pick(config: &SplitConfig, name: &str) -> Split {
    match place(config.seed, name) {
        p if p < config.test => Split::Test,
        p if p < config.test + config.val => Split::Val,
        _ => Split::Train,
    }
}

/// Writes `path, set, patient_id, split`, one row a sample, beside and then renamed.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Setting`] for splits of another length.
pub fn write(path: &Path, samples: &[Sample], splits: &[Split]) -> Result<()> {
    if samples.len() != splits.len() {
        return Err(DataError::setting("splits", "one a sample", splits.len()));
    }
    let fail = |e: std::io::Error| DataError::io(path, e);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    let mut csv = csv::Writer::from_writer(&file);
    let broken = |e: csv::Error| fail(std::io::Error::other(e));
    csv.write_record(["path", "set", "patient_id", "split"])
        .map_err(broken)?;
    for (s, split) in samples.iter().zip(splits) {
        csv.write_record([
            &s.id,
            &s.set,
            s.patient.as_deref().unwrap_or(""),
            split.name(),
        ])
        .map_err(broken)?;
    }
    csv.flush().map_err(fail)?;
    drop(csv);
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// Puts the splits of a file that [`write()`] made (or any table with `path` and `split`, and `set` where ids
/// repeat) on the samples; those that it does not list lose their split.
///
/// # Errors
/// [`DataError::Io`], [`DataError::MissingColumn`], [`DataError::Row`] for an unknown split.
pub fn apply(path: &Path, samples: &mut [Sample]) -> Result<()> {
    let mut splits: HashMap<(String, String), Split> = HashMap::new();
    Table::open(path, &["path", "split"])?.for_each(|row| {
        let word = row.need("split")?;
        let split = Split::parse(word).ok_or_else(|| row.error(format!("no split {word:?}")))?;
        splits.insert(
            (row.get("set").to_owned(), row.need("path")?.to_owned()),
            split,
        );
        Ok(())
    })?;
    for s in samples {
        let own = splits.get(&(s.set.clone(), s.id.clone()));
        s.split = own
            .or_else(|| splits.get(&(String::new(), s.id.clone())))
            .copied();
    }
    Ok(())
}

/// The fold (0 to `k - 1`) of every sample, by patient and balanced over `strata`, one value a
/// sample (e.g. a label; a group counts as its largest value). Within a stratum, groups are dealt to
/// folds in the order of their seeded hash, so folds differ by one group a stratum at most.
///
/// # Errors
/// [`DataError::Setting`] for `k` under 2, more folds than groups, or strata of another length.
pub fn k_folds(samples: &[Sample], strata: &[u32], k: usize, seed: u64) -> Result<Vec<usize>> {
    if strata.len() != samples.len() {
        return Err(DataError::setting("strata", "one a sample", strata.len()));
    }
    let groups = groups(samples);
    let names = names(samples, &groups);
    if k < 2 || k > names.len() {
        return Err(DataError::setting(
            "k",
            "between 2 and the number of patients",
            k,
        ));
    }
    let mut stratum: BTreeMap<usize, u32> = BTreeMap::new();
    for (g, value) in groups.iter().zip(strata) {
        let old = stratum.entry(*g).or_insert(*value);
        *old = (*old).max(*value);
    }
    let mut dealt: Vec<_> = names
        .iter()
        .map(|(g, n)| (stratum[g], place(seed, n), *n, *g))
        .collect();
    dealt.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(b.2)));
    let fold_of: HashMap<usize, usize> = dealt
        .iter()
        .enumerate()
        .map(|(i, d)| (d.3, i % k))
        .collect();
    Ok(groups.iter().map(|g| fold_of[g]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Pixels;

    fn samples(patients: &[&str]) -> Vec<Sample> {
        let one = |(i, p): (usize, &&str)| {
            let mut s = Sample::new("x", i.to_string(), Pixels::File(i.to_string().into()));
            s.patient = (!p.is_empty()).then(|| (*p).to_owned());
            s
        };
        patients.iter().enumerate().map(one).collect()
    }

    #[test]
    fn joined_ids_make_one_group() {
        assert_eq!(
            groups(&samples(&["a", "b", "c", "b+c", "", ""])),
            [0, 1, 1, 1, 4, 5]
        );
    }

    #[test]
    fn a_patient_is_in_one_split_and_stays_there() {
        let names: Vec<String> = (0..1000).map(|i| format!("P{}", i / 2)).collect();
        let all = samples(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let config = SplitConfig {
            seed: 1,
            val: 0.1,
            test: 0.2,
        };
        let splits = assign(&all, &config).unwrap();
        assert!(splits.chunks(2).all(|p| p[0] == p[1]));
        let count = |s| splits.iter().filter(|x| **x == s).count();
        assert!((150..250).contains(&count(Split::Test)) && (60..140).contains(&count(Split::Val)));
        assert_eq!(assign(&all[..100], &config).unwrap(), splits[..100]);
        assert_ne!(
            assign(&all, &SplitConfig { seed: 2, ..config }).unwrap(),
            splits
        );
        assert!(assign(&all, &SplitConfig { val: 0.9, ..config }).is_err());
    }

    #[test]
    fn written_splits_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("splits.csv");
        let mut all = samples(&["a", "b, c", ""]);
        let splits = [Split::Test, Split::Val, Split::Train];
        write(&path, &all, &splits).unwrap();
        apply(&path, &mut all).unwrap();
        assert_eq!(
            all.iter().map(|s| s.split).collect::<Vec<_>>(),
            splits.map(Some)
        );
        assert!(write(&path, &all, &splits[1..]).is_err());
        std::fs::write(&path, "path,split\n1,tset\n").unwrap();
        assert!(
            apply(&path, &mut all)
                .unwrap_err()
                .to_string()
                .contains("row 1")
        );
    }

    #[test]
    fn folds_are_balanced_and_by_patient() {
        let names: Vec<String> = (0..60).map(|i| format!("P{}", i / 2)).collect();
        let all = samples(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let strata: Vec<u32> = (0..60).map(|i| u32::from(i / 2 % 3 == 0)).collect();
        let folds = k_folds(&all, &strata, 5, 3).unwrap();
        assert!(folds.chunks(2).all(|p| p[0] == p[1]));
        for fold in 0..5 {
            let positives = (0..60)
                .filter(|i| folds[*i] == fold && strata[*i] == 1)
                .count();
            assert_eq!(
                positives, 4,
                "10 positive patients of two images in 5 folds"
            );
        }
        assert!(k_folds(&all, &strata, 31, 3).is_err());
        assert!(k_folds(&all, &strata[1..], 5, 3).is_err());
    }
}
