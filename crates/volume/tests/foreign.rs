//! Damaged volumes: mutated and cut NIfTI files and series never panic, and what is read from them is whole.

#![allow(clippy::unwrap_used)]

use hilum_volume::{Affine, Volume, VolumeError, load, nifti, series_write};
use proptest::prelude::*;
use proptest::sample::Index;
use std::path::Path;

fn volume() -> Volume<i16> {
    let affine = Affine {
        axes: [[1.4, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 2.0]],
        origin: [-12.0, 9.0, 30.0],
    };
    let mut volume = Volume::filled([7, 6, 5], affine, 0i16);
    for (n, v) in volume.data.iter_mut().enumerate() {
        *v = (n as i16 % 1400) - 1000;
    }
    volume
}

/// Overwrites bytes and cuts the end off.
fn damage(bytes: &mut Vec<u8>, edits: &[(Index, u8)], cut: Option<Index>) {
    for (at, value) in edits {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
}

fn whole(volume: &Volume<f32>) -> Result<(), TestCaseError> {
    prop_assert_eq!(volume.data.len(), volume.size.iter().product::<usize>());
    prop_assert!(volume.data.iter().all(|v| v.is_finite()));
    prop_assert!(volume.affine.spacing().iter().all(|s| *s > 0.0));
    Ok(())
}

/// An error names the file that it is about.
fn named(error: &VolumeError, folder: &Path) -> Result<(), TestCaseError> {
    let text = error.to_string();
    prop_assert!(text.contains(&*folder.to_string_lossy()), "{text}");
    Ok(())
}

fn edits(most: usize) -> impl Strategy<Value = Vec<(Index, u8)>> {
    prop::collection::vec((any::<Index>(), any::<u8>()), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn nifti_files(name in prop::sample::select(vec!["v.nii", "v.nii.gz"]), head in edits(5), rest in edits(4), cut in prop::option::weighted(0.3, any::<Index>())) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        nifti::write(&volume(), &path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len().min(348);
        for (at, value) in &head {
            bytes[at.index(end)] = *value;
        }
        damage(&mut bytes, &rest, cut);
        std::fs::write(&path, &bytes).unwrap();
        match nifti::read(&path) {
            Ok((volume, _)) => whole(&volume)?,
            Err(error) => named(&error, dir.path())?,
        }
    }

    #[test]
    fn series(which in any::<Index>(), edits in edits(5), cut in prop::option::weighted(0.3, any::<Index>())) {
        let dir = tempfile::tempdir().unwrap();
        let files = series_write::write(&volume(), dir.path(), "made up for a test").unwrap();
        let path = which.get(&files);
        let mut bytes = std::fs::read(path).unwrap();
        damage(&mut bytes, &edits, cut);
        std::fs::write(path, &bytes).unwrap();
        match load(dir.path()) {
            Ok(loaded) => whole(&loaded.volume)?,
            Err(error) => named(&error, dir.path())?,
        }
    }
}
