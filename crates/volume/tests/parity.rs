//! Beside SciPy and scikit-image: components, distances, skeleton.

#![allow(clippy::unwrap_used)]

#[path = "../../metrics/tests/common/mod.rs"]
mod reference;

use hilum_volume::components::{Connectivity, fill_holes, label};
use hilum_volume::distance::distance_to;
use hilum_volume::morphology::{dilate, dilate_box, erode};
use hilum_volume::skeleton::skeleton;
use hilum_volume::{Affine, Volume};
use ndarray_npy::NpzReader;
use reference::{Value, named, nothing_left, sizes};
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

fn expected(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("morphology.json")).unwrap();
    Value::parse("segmentation/morphology.json", &text)
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

/// scikit-image's skeleton of a plane with Lee's method is that of a volume of one slice.
#[test]
fn the_skeleton_of_a_plane_is_that_of_scikit_image() {
    let Some(folder) = pack() else { return };
    let plane = |file: &str, name: &str| {
        let array: ndarray::Array2<u8> = NpzReader::new(File::open(folder.join(file)).unwrap())
            .unwrap()
            .by_name(name)
            .unwrap();
        let (ny, nx) = array.dim();
        let data = array.iter().map(|v| u8::from(*v != 0)).collect();
        Volume::new([nx, ny, 1], Affine::axis_aligned([1.0; 3], [0.0; 3]), data).unwrap()
    };
    let here = skeleton(&plane("blob2d.npz", "mask"));
    assert_eq!(here.data, plane("blob2d_skeleton.npz", "lee").data);
}

#[test]
fn components_are_those_of_scipy() {
    let Some(folder) = pack() else { return };
    let blob = mask(&folder.join("blob3d.npz"), "mask", [1.0; 3]);
    let all = expected(&folder);
    let expected = &named(&all, "blob3d")["expected"];
    for (how, name) in [
        (Connectivity::Six, "face"),
        (Connectivity::TwentySix, "full"),
    ] {
        let found = label(&blob, how);
        let count = found.sizes.len() as u64;
        assert_eq!(Some(count), expected[format!("n_{name}")].as_u64());
        // Both number in the order of the first voxel.
        let stored: ndarray::Array3<i16> = array(&folder, &format!("label_{name}"));
        let same = |(a, b): (&u32, &i16)| i64::from(*a) == i64::from(*b);
        assert!(
            found.labels.data.iter().zip(stored.iter()).all(same),
            "{name}"
        );
        let mut largest = found.sizes;
        largest.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(largest, sizes(&expected[format!("sizes_{name}")]), "{name}");
    }
    assert_eq!(expected["arrays"], "segmentation/blob3d_expected.npz");
    assert_eq!(expected["skeleton"], "segmentation/blob3d_skeleton.npz");
    nothing_left(
        &all,
        &[
            ("cases[blob2d]", "compared by hilum-image"),
            ("cases[coco_rle]", "compared by hilum-image"),
            (
                ".marching_cubes_area",
                "Lewiner's choice in patterns that leave one; Lorensen and Cline's areas are compared by hilum-metrics",
            ),
        ],
    );
}

fn array<T: ndarray_npy::ReadableElement>(folder: &Path, name: &str) -> ndarray::Array3<T> {
    NpzReader::new(File::open(folder.join("blob3d_expected.npz")).unwrap())
        .unwrap()
        .by_name(name)
        .unwrap()
}

#[test]
fn distances_are_those_of_scipy() {
    let Some(folder) = pack() else { return };
    // Slices, rows and columns are 2, 0.5 and 1.5 apart in the second one.
    for (spacing, name) in [([1.0; 3], "edt"), ([1.5, 0.5, 2.0], "edt_aniso")] {
        let blob = mask(&folder.join("blob3d.npz"), "mask", spacing);
        let here = distance_to(&blob.map(|&v| u8::from(v == 0))).unwrap();
        for (a, b) in here.data.iter().zip(array::<f64>(&folder, name).iter()) {
            assert!((f64::from(*a) - b).abs() < 1e-4, "{name}: {a} {b}");
        }
        if name == "edt" {
            nearest(&folder, &here);
        }
    }
}

/// The stored nearest background voxel is as far as the distance says; there may be others as near.
fn nearest(folder: &Path, distances: &Volume<f32>) {
    let stored: ndarray::Array4<i16> =
        NpzReader::new(File::open(folder.join("blob3d_expected.npz")).unwrap())
            .unwrap()
            .by_name("edt_indices")
            .unwrap();
    for (at, distance) in distances.data.iter().enumerate() {
        let [i, j, k] = distances.index_of(at);
        let off = |axis: usize, here: usize| f64::from(stored[[axis, k, j, i]]) - here as f64;
        let far = (off(0, k).powi(2) + off(1, j).powi(2) + off(2, i).powi(2)).sqrt();
        assert!((f64::from(*distance) - far).abs() < 1e-4);
    }
}

/// One voxel of background round a mask, or such a border taken off again.
fn bordered(mask: &Volume<u8>, add: bool) -> Volume<u8> {
    let size = mask.size.map(|n| if add { n + 2 } else { n - 2 });
    let mut out = Volume::filled(size, mask.affine, 0u8);
    for at in 0..out.data.len() {
        let place = out.index_of(at).map(|v| match add {
            true => v.checked_sub(1),
            false => Some(v + 1),
        });
        if let [Some(i), Some(j), Some(k)] = place {
            out.data[at] = mask.get(i, j, k).copied().unwrap_or(0);
        }
    }
    out
}

/// Balls of 1 mm are SciPy's crosses when voxels are 1 mm; SciPy's outside is background, ours the mask's, hence the border.
#[test]
fn morphology_is_that_of_scipy() {
    let Some(folder) = pack() else { return };
    let blob = mask(&folder.join("blob3d.npz"), "mask", [1.0; 3]);
    let shrunk = |m: &Volume<u8>| bordered(&erode(&bordered(m, true), 1.0).unwrap(), false);
    let grown = |m: &Volume<u8>| dilate(m, 1.0).unwrap();
    for (name, here) in [
        ("erosion", shrunk(&blob)),
        ("dilation", grown(&blob)),
        ("opening", grown(&shrunk(&blob))),
        ("closing", shrunk(&grown(&blob))),
        ("dilation_full_2", dilate_box(&blob, 2)),
        ("fill_holes", fill_holes(&blob)),
    ] {
        let same = |(a, b): (&u8, &bool)| (*a != 0) == *b;
        let stored = array::<bool>(&folder, name);
        assert!(here.data.iter().zip(stored.iter()).all(same), "{name}");
    }
}
