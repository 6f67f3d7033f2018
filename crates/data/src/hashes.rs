//! Hashes that pin data and splits to a result.

use crate::Progress;
use crate::error::{DataError, Result};
use crate::sample::Sample;
use crate::splits;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lower case SHA-256 of a file's content.
///
/// # Errors
/// [`DataError::Io`].
pub fn file_sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(|e| DataError::io(path, e))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(|e| DataError::io(path, e))?;
    Ok(format!("{:x}", hash.finalize()))
}

/// Hash of who is in which split: SHA-256 over the sorted, distinct lines `patient\tsplit\n`.
/// Patients of one group (`a+b`) are written one by one, a sample without a patient by its id and
/// one without a split as `-`, so images may be added to a patient without a change.
pub fn split_hash(samples: &[Sample]) -> String {
    let mut lines = BTreeSet::new();
    for s in samples {
        let split = s.split.map_or("-", |s| s.name());
        match &s.patient {
            Some(p) => splits::patients_of(p).for_each(|p| {
                lines.insert(format!("{p}\t{split}\n"));
            }),
            None => {
                lines.insert(format!("{}\t{split}\n", s.id));
            }
        }
    }
    hash_lines(lines.iter())
}

/// How [`data_hash`] comes by the hash of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHash {
    /// The manifest's `sha256` column where it is filled, else the file is read.
    Stated,
    /// Every file is read.
    Read,
}

/// Hash of the images: SHA-256 over the sorted lines `id\tsha256\n`.
///
/// # Errors
/// [`DataError::Io`] for a file that must be read and cannot.
pub fn data_hash(
    samples: &[Sample],
    how: ContentHash,
    progress: Option<Progress>,
) -> Result<String> {
    let done = AtomicUsize::new(0);
    let line = |s: &Sample| {
        let content = match (&s.sha256, how) {
            (Some(stated), ContentHash::Stated) => stated.to_ascii_lowercase(),
            _ => file_sha256(s.path())?,
        };
        if let Some(report) = progress {
            report(done.fetch_add(1, Ordering::Relaxed) + 1, samples.len());
        }
        Ok(format!("{}\t{content}\n", s.id))
    };
    let mut lines = samples.par_iter().map(line).collect::<Result<Vec<_>>>()?;
    lines.sort_unstable();
    Ok(hash_lines(lines.iter()))
}

fn hash_lines<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    let mut hash = Sha256::new();
    lines.for_each(|l| hash.update(l));
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Pixels, Split};

    fn sample(id: &str, patient: &str, split: Split) -> Sample {
        let mut s = Sample::new("x", id, Pixels::File(id.into()));
        (s.patient, s.split) = (Some(patient.into()), Some(split));
        s
    }

    #[test]
    fn the_split_hash_is_of_patients_not_of_images_or_order() {
        let a = [
            sample("1", "P1+P2", Split::Train),
            sample("2", "P3", Split::Test),
        ];
        let b = [
            sample("9", "P3", Split::Test),
            sample("7", "P2", Split::Train),
            sample("1", "P1", Split::Train),
        ];
        assert_eq!(split_hash(&a), split_hash(&b));
        assert_ne!(
            split_hash(&a),
            split_hash(&[sample("1", "P1", Split::Train)])
        );
        // printf 'P1\ttrain\n' | sha256sum
        let one = "0f4014807427d8cb0af30d59041f385dc5f3618274bf7e43fd5b61d9fbd5fcf1";
        assert_eq!(split_hash(&[sample("1", "P1", Split::Train)]), one);
    }

    #[test]
    fn the_data_hash_follows_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let mut s = Sample::new("x", "a", Pixels::File(path.clone()));
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(&path).unwrap(), abc);
        let read = data_hash(std::slice::from_ref(&s), ContentHash::Read, None).unwrap();
        s.sha256 = Some(abc.to_uppercase());
        assert_eq!(
            data_hash(&[s.clone()], ContentHash::Stated, None).unwrap(),
            read
        );
        std::fs::remove_file(&path).unwrap();
        assert!(data_hash(&[s], ContentHash::Read, None).is_err());
    }
}
