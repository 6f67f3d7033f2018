//! Against MONAI, MedPy and surface-distance.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use hilum_metrics::segmentation::*;

const T: f64 = 1e-4;

fn from_runs(runs: &Value) -> Vec<bool> {
    let expand = |(i, n): (usize, usize)| std::iter::repeat_n(i % 2 == 1, n);
    sizes(runs)
        .into_iter()
        .enumerate()
        .flat_map(expand)
        .collect()
}

fn check(name: &str, p: &Mask, r: &Mask, e: &Value) {
    let overlap = Overlap::of(p, r).unwrap();
    close(name, overlap.dice().unwrap(), f(&e["dice"]), 1e-9);
    close(name, overlap.iou().unwrap(), f(&e["iou"]), 1e-9);
    close(
        name,
        overlap.volumetric_similarity().unwrap(),
        f(&e["volumetric_similarity"]),
        1e-9,
    );
    let Some(hd) = e.get("monai_hd") else {
        assert!(SurfaceDistances::new(p, r).unwrap_err().is_undefined());
        return;
    };
    let d = SurfaceDistances::new(p, r).unwrap();
    let hausdorff = |fraction, rule| d.hausdorff(fraction, rule).unwrap();
    use HausdorffRule::*;
    close(name, hausdorff(1.0, MaxOfDirected), f(hd), T);
    close(name, hausdorff(1.0, MaxOfDirected), f(&e["medpy_hd"]), T);
    close(name, d.mean_to_reference(), f(&e["medpy_asd"]), T);
    close(
        name,
        hausdorff(1.0, PredictedToReference),
        f(&e["monai_hd_directed"]),
        T,
    );
    close(name, hausdorff(0.95, MaxOfDirected), f(&e["monai_hd95"]), T);
    close(
        name,
        hausdorff(0.95, PredictedToReference),
        f(&e["monai_hd95_directed"]),
        T,
    );
    close(name, hausdorff(0.95, Pooled), f(&e["medpy_hd95"]), T);
    close(name, d.assd(), f(&e["monai_assd"]), T);
    close(name, d.assd(), f(&e["medpy_assd"]), T);
    close(
        name,
        d.mean_to_reference(),
        f(&e["monai_asd_pred_to_gt"]),
        T,
    );
    close(
        name,
        d.surface_dice(2.0).unwrap(),
        f(&e["monai_nsd_tol2"]),
        T,
    );
}

fn check_surfels(name: &str, p: &Mask, r: &Mask, e: &Value) {
    let d = SurfelDistances::new(p, r).unwrap();
    close(name, d.hausdorff(0.95).unwrap(), f(&e["deepmind_hd95"]), T);
    close(name, d.hausdorff(1.0).unwrap(), f(&e["deepmind_hd100"]), T);
    let (to_predicted, to_reference) = d.mean_distances();
    all_close(
        name,
        &[to_predicted, to_reference],
        &floats(&e["deepmind_asd_gt_to_pred_and_back"]),
        T,
    );
    close(
        name,
        d.surface_dice(2.0).unwrap(),
        f(&e["deepmind_nsd_tol2"]),
        T,
    );
}

#[test]
fn volumes() {
    for case in cases(&fixture("surface_toys.json")) {
        let (name, input) = (case["name"].as_str().unwrap(), &case["input"]);
        let mask = |key: &str| {
            Mask::from_bools(
                from_runs(&input[key]),
                &sizes(&input["shape"]),
                &floats(&input["spacing"]),
            )
            .unwrap()
        };
        let (p, r) = (mask("pred"), mask("gt"));
        check(name, &p, &r, &case["expected"]);
        if case["expected"].get("deepmind_hd95").is_some() {
            check_surfels(name, &p, &r, &case["expected"]);
        }
    }
}

#[test]
fn lungs() {
    let Some(path) = shared(
        "the lung mask parity test",
        "parity/segmentation/overlap_surface.json",
    ) else {
        return;
    };
    let fixture = pack("segmentation/overlap_surface.json").unwrap();
    let root = path.parent().unwrap().parent().unwrap();
    let mut seen = 0;
    for case in cases(&fixture)
        .iter()
        .filter(|c| c["input"].get("gt").is_some())
    {
        let input = &case["input"];
        let mask = |key: &str| {
            let image = image::open(root.join(input[key].as_str().unwrap()))
                .unwrap()
                .into_luma8();
            let shape = [image.height() as usize, image.width() as usize];
            Mask::new(image.as_raw(), &shape, &floats(&input["spacing"])).unwrap()
        };
        let (p, r) = (mask("pred"), mask("gt"));
        check(case["name"].as_str().unwrap(), &p, &r, &case["expected"]);
        check_surfels(case["name"].as_str().unwrap(), &p, &r, &case["expected"]);
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn no_reference_value_is_left_out() {
    volumes();
    nothing_left(&fixture("surface_toys.json"), &[]);
    lungs();
    let Some(pack) = pack("segmentation/overlap_surface.json") else {
        return;
    };
    // The volumes are in surface_toys.json: the same numbers, with the masks as runs.
    let toys = fixture("surface_toys.json");
    let names: Vec<String> = cases(&toys)
        .iter()
        .map(|c| format!("cases[{}]", c["name"].as_str().unwrap()))
        .collect();
    let elsewhere: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "a toy")).collect();
    nothing_left(&pack, &elsewhere);
}
