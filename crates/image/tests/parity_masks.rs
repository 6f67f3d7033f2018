//! CLAHE, equalisation, thresholds and masks against OpenCV, scikit-image, SciPy and pycocotools.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Npz, gray_png, parity, skip};
use hilum_image::mask::{self, Connectivity, Rle};
use hilum_image::{Mask, Plane, clahe, histogram};
use serde_json::Value;

fn fixture(root: &std::path::Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(root.join(name)).unwrap()).unwrap()
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
    let expected = &json["cases"][0]["expected"];
    let mask_values = Npz::open(&root.join("segmentation/blob2d.npz"))
        .get("mask")
        .unwrap();
    let width = blob_width(expected, mask_values.len());
    let blob = as_mask(&mask_values, width);
    let mut npz = Npz::open(&root.join("segmentation/blob2d_expected.npz"));
    let mut want = |key: &str| as_mask(&npz.get(key).unwrap(), width);
    assert_eq!(mask::erode(&blob, 1), want("erosion"));
    assert_eq!(mask::dilate(&blob, 1), want("dilation"));
    assert_eq!(mask::open(&blob, 1), want("opening"));
    assert_eq!(mask::close(&blob, 1), want("closing"));
    assert_eq!(mask::fill_holes(&blob), want("fill_holes"));
    for (connectivity, count, sizes) in [
        (Connectivity::Four, "n_face", "sizes_face"),
        (Connectivity::Eight, "n_full", "sizes_full"),
    ] {
        let labels = mask::label(&blob, connectivity);
        assert_eq!(
            labels.components.len() as u64,
            expected[count].as_u64().unwrap()
        );
        let mut areas: Vec<u64> = labels.components.iter().map(|c| c.area as u64).collect();
        areas.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(
            areas,
            expected[sizes]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_u64().unwrap())
                .collect::<Vec<_>>()
        );
    }
    let edt = npz.get("edt").unwrap();
    let got = mask::distance_transform(&blob).unwrap();
    assert!(
        got.data
            .iter()
            .zip(&edt)
            .all(|(&a, b)| (f64::from(a) - b).abs() < 1e-5)
    );
    check_properties(&blob, expected);
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
    }
}

#[test]
fn run_lengths_agree_with_coco() {
    let Some(root) = parity() else {
        return skip("run-length parity");
    };
    let json = fixture(&root, "segmentation/morphology.json");
    let expected = &json["cases"][2]["expected"];
    let rle = Rle::encode(&gray_png(&root.join("segmentation/rle_mask.png")));
    let want: Vec<usize> = expected["uncompressed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap() as usize)
        .collect();
    assert_eq!(rle.counts, want);
    assert_eq!(
        rle.to_compressed(),
        expected["compressed"].as_str().unwrap()
    );
    assert_eq!(rle.area() as u64, expected["area"].as_u64().unwrap());
}
