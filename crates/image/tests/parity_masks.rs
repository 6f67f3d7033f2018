//! CLAHE, equalisation, thresholds and masks against OpenCV, scikit-image, SciPy and pycocotools.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "../../metrics/tests/common/mod.rs"]
mod reference;

use common::{Npz, gray_png, parity, skip};
use hilum_image::mask::{self, Connectivity, Rle};
use hilum_image::{Mask, Plane, clahe, histogram};
use reference::{Value, all_close, floats, nothing_left, sizes};

fn fixture(root: &std::path::Path, name: &str) -> Value {
    Value::parse(name, &std::fs::read_to_string(root.join(name)).unwrap())
}

#[test]
fn clahe_and_histograms_agree_with_opencv() {
    let Some(root) = parity() else {
        return skip("CLAHE parity");
    };
    let json = fixture(&root, "image/clahe_histogram.json");
    let mut checked = 0;
    for (case, expected) in json["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c, &c["expected"]))
    {
        let image = gray_png(&root.join(case["input"]["png"].as_str().unwrap()));
        let mean =
            |p: &Plane<u8>| p.data.iter().map(|&v| f64::from(v)).sum::<f64>() / p.data.len() as f64;
        let equalised = mean(&histogram::equalise(&image));
        assert!((equalised - expected["cv2_equalizeHist"]["mean"].as_f64().unwrap()).abs() < 1e-9);
        assert_eq!(
            f64::from(histogram::otsu(&image).unwrap()),
            expected["otsu_cv2"].as_f64().unwrap()
        );
        let values: Vec<f32> = image.data.iter().map(|&v| f32::from(v)).collect();
        for (i, q) in [1.0, 99.0].into_iter().enumerate() {
            let got = histogram::percentile(&values, q).unwrap();
            assert!((got - expected["percentiles_1_99"][i].as_f64().unwrap()).abs() < 1e-6);
        }
        let mut npz = Npz::open(&root.join(expected["arrays"].as_str().unwrap()));
        for (key, clip, tiles) in [
            ("cv2_clip2.0_tiles8x8", 2.0, (8, 8)),
            ("cv2_clip40.0_tiles8x8", 40.0, (8, 8)),
            ("cv2_clip3.0_tiles4x6", 3.0, (4, 6)),
        ] {
            let Some(want) = npz.get(key) else { continue };
            let got = clahe(&image, clip, tiles).unwrap();
            let worst = got
                .data
                .iter()
                .zip(&want)
                .map(|(&a, b)| (f64::from(a) - b).abs())
                .fold(0.0, f64::max);
            assert!(worst <= 1.0, "{} {key}: {worst}", case["name"]);
            checked += 1;
        }
    }
    assert!(checked >= 9, "only {checked} compared");
}

fn as_mask(values: &[f64], width: usize) -> Mask {
    Plane::new(
        width,
        values.len() / width,
        values
            .iter()
            .map(|&v| if v != 0.0 { 255 } else { 0 })
            .collect(),
    )
    .unwrap()
}

#[test]
fn morphology_agrees_with_scipy() {
    let Some(root) = parity() else {
        return skip("morphology parity");
    };
    let json = fixture(&root, "segmentation/morphology.json");
    let expected = &reference::named(&json, "blob2d")["expected"];
    let mask_values = Npz::open(&root.join("segmentation/blob2d.npz"))
        .get("mask")
        .unwrap();
    let width = blob_width(expected, mask_values.len());
    let blob = as_mask(&mask_values, width);
    let mut npz = Npz::open(&root.join("segmentation/blob2d_expected.npz"));
    let mut compared = vec![
        "edt",
        "edt_aniso",
        "edt_indices",
        "label_face",
        "label_full",
    ];
    let mut want = |key: &'static str| {
        compared.push(key);
        as_mask(&npz.get(key).unwrap(), width)
    };
    assert_eq!(mask::erode(&blob, 1), want("erosion"));
    assert_eq!(mask::dilate(&blob, 1), want("dilation"));
    assert_eq!(mask::dilate_square(&blob, 2), want("dilation_full_2"));
    assert_eq!(mask::open(&blob, 1), want("opening"));
    assert_eq!(mask::close(&blob, 1), want("closing"));
    assert_eq!(mask::fill_holes(&blob), want("fill_holes"));
    let mut all = npz.names();
    all.sort_unstable();
    compared.sort_unstable();
    assert_eq!(all, compared, "arrays that nothing is compared with");
    for (connectivity, part) in [(Connectivity::Four, "face"), (Connectivity::Eight, "full")] {
        let labels = mask::label(&blob, connectivity);
        let count = labels.components.len() as u64;
        assert_eq!(Some(count), expected[format!("n_{part}")].as_u64());
        let mut areas: Vec<usize> = labels.components.iter().map(|c| c.area).collect();
        areas.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(areas, sizes(&expected[format!("sizes_{part}")]));
        // Both number in the order of the first pixel.
        let numbers: Vec<f64> = labels.map.data.iter().map(|l| f64::from(*l)).collect();
        assert_eq!(numbers, npz.get(&format!("label_{part}")).unwrap());
    }
    distances(&blob, &mut npz);
    check_properties(&blob, expected);
    // Lee's line is compared by hilum-volume. That of `zhang` is not made here: scikit-image takes it from a table of neighbourhoods that
    // deletes other pixels than the conditions of Zhang and Suen (155 stay, by the conditions 129).
    let mut lines = Npz::open(&root.join(expected["skeleton"].as_str().unwrap()));
    let thin = mask::thin(&blob);
    assert_eq!(thin, as_mask(&lines.get("thin").unwrap(), width));
    assert_eq!(
        Some(thin.count() as u64),
        expected["skeleton_pixels"].as_u64()
    );
    assert_eq!(expected["arrays"], "segmentation/blob2d_expected.npz");
}

/// Distances with square pixels, with rows 2 and columns 0.5 apart, and the nearest background pixel, of which there may be several.
fn distances(blob: &Mask, npz: &mut Npz) {
    let even = mask::distance_transform(blob).unwrap();
    let uneven = mask::distance_transform_spaced(blob, 2.0, 0.5).unwrap();
    for (key, got) in [("edt", &even), ("edt_aniso", &uneven)] {
        let got: Vec<f64> = got.data.iter().map(|v| f64::from(*v)).collect();
        all_close(key, &got, &npz.get(key).unwrap(), 1e-5);
    }
    let nearest = npz.get("edt_indices").unwrap();
    let (rows, columns) = nearest.split_at(blob.data.len());
    for (at, distance) in even.data.iter().enumerate() {
        let (y, x) = ((at / blob.width) as f64, (at % blob.width) as f64);
        let stored = (rows[at] - y).hypot(columns[at] - x);
        assert!((f64::from(*distance) - stored).abs() < 1e-5, "{x} {y}");
    }
}

/// The fixture's mask is square or its width follows from the boxes; 52 x 50 style shapes are told by the number of values.
fn blob_width(expected: &Value, values: usize) -> usize {
    let boxes = expected["regionprops_full"].as_array().unwrap();
    let least = boxes
        .iter()
        .map(|b| b["bbox"][3].as_u64().unwrap() as usize)
        .max()
        .unwrap();
    (least..=values)
        .find(|w| values.is_multiple_of(*w))
        .unwrap()
}

fn check_properties(blob: &Mask, expected: &Value) {
    let labels = mask::label(blob, Connectivity::Eight);
    let regions = expected["regionprops_full"].as_array().unwrap();
    assert_eq!(labels.components.len(), regions.len());
    for (component, want) in labels.components.iter().zip(regions) {
        let got = mask::properties(&labels.mask_of(component.label)).unwrap();
        let number = |key: &str| want[key].as_f64().unwrap();
        assert_eq!(got.area as f64, number("area"));
        assert!((got.centroid.y - 0.5 - want["centroid"][0].as_f64().unwrap()).abs() < 1e-6);
        assert!((got.centroid.x - 0.5 - want["centroid"][1].as_f64().unwrap()).abs() < 1e-6);
        for (name, value) in [
            ("major", got.major_axis),
            ("minor", got.minor_axis),
            ("eccentricity", got.eccentricity),
        ] {
            assert!(
                (value - number(name)).abs() < 1e-6,
                "{name}: {value} {}",
                number(name)
            );
        }
        assert!((got.equivalent_diameter - number("equivalent_diameter")).abs() < 1e-6);
        check_shape(&labels.mask_of(component.label), &got, want);
    }
}

fn check_shape(region: &Mask, got: &mask::Properties, want: &Value) {
    let [top, left, bottom, right] = floats(&want["bbox"])[..] else {
        panic!("a box has four sides");
    };
    let b = got.bounds;
    assert_eq!([b.y, b.x, b.y + b.h, b.x + b.w], [top, left, bottom, right]);
    let number = |key: &str| want[key].as_f64().unwrap();
    assert!((mask::perimeter(region) - number("perimeter")).abs() < 1e-6);
    assert_eq!(mask::euler_number(region) as f64, number("euler"));
    let solidity = got.area as f64 / mask::hull_pixels(region) as f64;
    assert!((solidity - number("solidity")).abs() < 1e-6, "{solidity}");
    // A direction and its opposite are the same; a round shape has none, for which scikit-image has a convention.
    let turned = (got.orientation - number("orientation")).rem_euclid(std::f64::consts::PI);
    let off = turned.min(std::f64::consts::PI - turned);
    assert!(
        off < 1e-6 || got.major_axis - got.minor_axis < 1e-9,
        "{off}"
    );
}

#[test]
fn run_lengths_agree_with_coco() {
    let Some(root) = parity() else {
        return skip("run-length parity");
    };
    let json = fixture(&root, "segmentation/morphology.json");
    let case = reference::named(&json, "coco_rle");
    let expected = &case["expected"];
    let rle = Rle::encode(&gray_png(&root.join("segmentation/rle_mask.png")));
    assert_eq!(rle.counts, sizes(&expected["uncompressed"]));
    assert_eq!(
        Some(rle.to_compressed().as_str()),
        expected["compressed"].as_str()
    );
    assert_eq!(Some(rle.area() as u64), expected["area"].as_u64());
    assert_eq!(rle.bounds().to_vec(), sizes_of(&expected["bbox"]));
    let corners: Vec<hilum_core::Point> = floats(&case["input"]["polygon"][0])
        .chunks_exact(2)
        .map(|p| hilum_core::Point { x: p[0], y: p[1] })
        .collect();
    let size = sizes(&case["input"]["size"]);
    let inside = Rle::from_polygon(&corners, (size[0], size[1]));
    assert_eq!(
        Some(inside.to_compressed().as_str()),
        expected["polygon_compressed"].as_str()
    );
    assert_eq!(
        Some(inside.area() as u64),
        expected["polygon_area"].as_u64()
    );
}

/// Whole numbers that are stored as floats.
fn sizes_of(v: &Value) -> Vec<usize> {
    floats(v).into_iter().map(|x| x as usize).collect()
}

#[test]
fn no_reference_value_is_left_out() {
    morphology_agrees_with_scipy();
    run_lengths_agree_with_coco();
    let Some(root) = parity() else { return };
    let json = fixture(&root, "segmentation/morphology.json");
    nothing_left(
        &json,
        &[
            ("cases[blob3d]", "compared by hilum-volume"),
            (".remove_small_objects_max10", "the fixture has no value"),
        ],
    );
}
