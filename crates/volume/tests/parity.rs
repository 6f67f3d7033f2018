//! Beside SciPy and scikit-image: components, distances, skeleton.

#![allow(clippy::unwrap_used)]

use hilum_volume::components::{Connectivity, label};
use hilum_volume::distance::distance_to;
use hilum_volume::skeleton::skeleton;
use hilum_volume::{Affine, Volume};
use ndarray_npy::NpzReader;
use std::fs::File;
use std::path::{Path, PathBuf};

fn pack() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/parity/segmentation");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: needs ../shared/parity/segmentation, which is not here");
    None
}

/// An array whose last axis is x, as a volume with the spacing of x, y, z.
fn mask(file: &Path, name: &str, spacing: [f64; 3]) -> Volume<u8> {
    let array: ndarray::Array3<u8> = NpzReader::new(File::open(file).unwrap())
        .unwrap()
        .by_name(name)
        .unwrap();
    let (nz, ny, nx) = array.dim();
    let data = array.iter().copied().collect();
    let affine = Affine::axis_aligned(spacing, [0.0; 3]);
    Volume::new([nx, ny, nz], affine, data).unwrap()
}

fn expected(folder: &Path) -> serde_json::Value {
    let text = std::fs::read(folder.join("morphology.json")).unwrap();
    let all: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let case = |c: &&serde_json::Value| c["name"] == "blob3d";
    all["cases"].as_array().unwrap().iter().find(case).unwrap()["expected"].clone()
}

#[test]
fn the_skeleton_is_that_of_scikit_image() {
    let Some(folder) = pack() else { return };
    let blob = mask(&folder.join("blob3d.npz"), "mask", [1.0; 3]);
    let lee = mask(&folder.join("blob3d_skeleton.npz"), "lee", [1.0; 3]);
    let here = skeleton(&blob);
    let differs = here
        .data
        .iter()
        .zip(&lee.data)
        .filter(|(a, b)| (**a != 0) != (**b != 0));
    assert_eq!(differs.count(), 0);
}

#[test]
fn components_have_the_sizes_of_scipy() {
    let Some(folder) = pack() else { return };
    let blob = mask(&folder.join("blob3d.npz"), "mask", [1.0; 3]);
    let expected = expected(&folder);
    for (how, name) in [
        (Connectivity::Six, "sizes_face"),
        (Connectivity::TwentySix, "sizes_full"),
    ] {
        let mut sizes = label(&blob, how).sizes;
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let wanted: Vec<usize> = expected[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect();
        assert_eq!(sizes, wanted, "{name}");
    }
}

#[test]
fn distances_are_those_of_scipy() {
    let Some(folder) = pack() else { return };
    let blob = mask(&folder.join("blob3d.npz"), "mask", [1.0; 3]);
    let array: ndarray::Array3<f64> =
        NpzReader::new(File::open(folder.join("blob3d_expected.npz")).unwrap())
            .unwrap()
            .by_name("edt")
            .unwrap();
    let here = distance_to(&blob.map(|&v| u8::from(v == 0))).unwrap();
    for (a, b) in here.data.iter().zip(array.iter()) {
        assert!((f64::from(*a) - b).abs() < 1e-4, "{a} {b}");
    }
}
