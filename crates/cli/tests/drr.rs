//! `hilum drr` and `hilum phantom` as scripts use them.

#![allow(clippy::unwrap_used)]

use hilum_volume::{Affine, Volume};
use std::path::Path;
use std::process::{Command, Output};

fn hilum(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hilum"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Water, 60 x 80 x 100 mm.
fn water(path: &Path) {
    let affine = Affine::axis_aligned([2.0, 4.0, 5.0], [3.0, -7.0, 11.0]);
    let block = Volume::filled([30, 20, 20], affine, 0i16);
    hilum_volume::nifti::write(&block, path).unwrap();
}

#[test]
fn the_contract_of_drr() {
    let dir = tempfile::tempdir().unwrap();
    water(&dir.path().join("ct.nii.gz"));
    let args =
        "drr ct.nii.gz --view pa --size 65 --sid 1800 --sad 1600 --pixel 2 --out x.png --raw x.f32";
    let done = hilum(&args.split(' ').collect::<Vec<_>>(), dir.path());
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let raw = std::fs::read(dir.path().join("x.f32")).unwrap();
    let values: Vec<f32> = raw
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    assert_eq!(values.len(), 65 * 65);
    // The central ray: 80 mm of water at 0.02 per mm.
    assert!((values[32 * 65 + 32] - 1.6).abs() < 1.6e-3);
    assert_eq!(values[0], 0.0);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("x.json")).unwrap()).unwrap();
    assert_eq!(json["geometry"]["sid"], 1800.0);
    // 3 + 29 = 32, -7 + 38 = 31, 11 + 47.5 = 58.5; the source of a PA is behind.
    assert_eq!(json["volume_centre"], serde_json::json!([32.0, 31.0, 58.5]));
    assert_eq!(
        json["geometry"]["source"],
        serde_json::json!([32.0, 1631.0, 58.5])
    );
    let png = std::fs::read(dir.path().join("x.png")).unwrap();
    assert_eq!(&png[16..24], &[0, 0, 0, 65, 0, 0, 0, 65]);
}

#[test]
fn drr_refuses_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    water(&dir.path().join("ct.nii"));
    let whole = std::fs::read(dir.path().join("ct.nii")).unwrap();
    std::fs::write(dir.path().join("cut.nii"), &whole[..whole.len() / 2]).unwrap();
    let mut far = whole.clone();
    far[112..116].copy_from_slice(&1f32.to_le_bytes());
    far[116..120].copy_from_slice(&1e6f32.to_le_bytes());
    std::fs::write(dir.path().join("far.nii"), far).unwrap();
    for (args, code, words) in [
        ("drr cut.nii --out x.png", 1, "cut.nii: ends after"),
        ("drr none.nii --out x.png", 1, "none.nii"),
        ("drr ct.nii --out x.jpg", 2, "is a .png"),
        ("drr ct.nii --out x.png --sid 100 --sad 200", 1, "sid = 100"),
        ("drr ct.nii --out x.png --window 3,1", 1, "window"),
        ("drr . --out x.png", 1, "0 CT slices"),
        ("drr ct.nii --out x.png --size 0", 2, "is no size"),
        ("drr far.nii --out x.png", 1, "no Hounsfield units"),
    ] {
        let done = hilum(&args.split(' ').collect::<Vec<_>>(), dir.path());
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{args}: {said}");
        assert!(said.contains(words), "{args}: {said}");
    }
}

#[test]
fn the_contract_of_phantom() {
    let dir = tempfile::tempdir().unwrap();
    let run = |jobs: &str| {
        let args = [
            "phantom", "--n", "1", "--seed", "3", "--size", "64", "--out", "set", "--jobs", jobs,
        ];
        let done = hilum(&args, dir.path());
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    assert!(run("2").contains("1 studies made, 0 were there"));
    let manifest = std::fs::read(dir.path().join("set/manifest.csv")).unwrap();
    assert!(run("1").contains("0 studies made, 1 were there"));
    assert_eq!(
        manifest,
        std::fs::read(dir.path().join("set/manifest.csv")).unwrap()
    );
    for name in ["images", "masks", "reports.jsonl", "truth.jsonl"] {
        assert!(dir.path().join("set").join(name).exists(), "{name}");
    }
    let scanned = hilum(&["data", "scan", "set/manifests/phantom.csv"], dir.path());
    assert!(
        scanned.status.success(),
        "{}",
        String::from_utf8_lossy(&scanned.stderr)
    );
}

#[test]
fn a_dicom_dx_of_a_projection() {
    let dir = tempfile::tempdir().unwrap();
    water(&dir.path().join("ct.nii.gz"));
    for (view, position) in [("pa", "PA"), ("right-lateral", "RL")] {
        let args = format!("drr ct.nii.gz --view {view} --size 65 --out {view}.dcm --invert");
        let done = hilum(&args.split(' ').collect::<Vec<_>>(), dir.path());
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let file = dir.path().join(format!("{view}.dcm"));
        let image = hilum_dicom::DicomImage::from_bytes(
            &std::fs::read(&file).unwrap(),
            &Default::default(),
        )
        .unwrap();
        assert_eq!(image.meta.view_position.as_deref(), Some(position));
        let Ok(verdict) = Command::new("dciodvfy").arg(&file).output() else {
            eprintln!("skipped: the check of the object needs dciodvfy (dicom3tools)");
            continue;
        };
        let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
        assert!(!said.contains("Error"), "{said}");
        assert!(said.contains("DXImageForPresentation"), "{said}");
    }
    let wrong = hilum(
        &["drr", "ct.nii.gz", "--out", "x.dcm", "--parallel"],
        dir.path(),
    );
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = hilum(&["drr", "ct.nii.gz", "--out", "x.jpg"], dir.path());
    assert_eq!(wrong.status.code(), Some(2));
}

/// A block in one octant: its mask, the box around it and its corner fall on the same pixels.
#[test]
fn masks_points_and_boxes_are_projected_along() {
    let dir = tempfile::tempdir().unwrap();
    water(&dir.path().join("ct.nii.gz"));
    let (ct, _) = hilum_volume::nifti::read(&dir.path().join("ct.nii.gz")).unwrap();
    let mut labels = ct.map(|_| 0u8);
    for at in 0..labels.data.len() {
        let [i, j, k] = labels.index_of(at);
        labels.data[at] = u8::from(i >= 20 && j >= 12 && k >= 15) * 7;
    }
    hilum_volume::nifti::write(&labels, &dir.path().join("seg.nii.gz")).unwrap();
    // Voxels reach half a side past their centres: 3 + 2 x 20 - 1 and so on.
    let run = |out: &str, extra: &[&str]| {
        let mut args = vec![
            "drr",
            "ct.nii.gz",
            "--view",
            "ap",
            "--yaw",
            "20",
            "--size",
            "200",
            "--pixel",
            "1",
        ];
        args.extend(["--out", out]);
        args.extend(extra);
        hilum(&args, dir.path())
    };
    let done = run(
        "x.png",
        &[
            "--labels",
            "seg.nii.gz",
            "--masks",
            "masks",
            "--box",
            "part=62,71,108.5,42,39,83.5",
            "--box",
            "behind=0,-4000,0,1,-3000,1",
            "--point",
            "corner=62,71,108.5",
        ],
    );
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("x.json")).unwrap()).unwrap();
    let bounds = |v: &serde_json::Value| -> Vec<f64> {
        ["x", "y", "w", "h"]
            .iter()
            .map(|k| v[k].as_f64().unwrap())
            .collect()
    };
    let part = &json["boxes"][0];
    assert_eq!(part["name"], "part");
    assert_eq!(part["low_mm"], serde_json::json!([42.0, 39.0, 83.5]));
    assert_eq!(part["high_mm"], serde_json::json!([62.0, 71.0, 108.5]));
    assert_eq!(json["masks"][0]["label"], 7);
    let (boxed, masked) = (bounds(&part["box"]), bounds(&json["masks"][0]["box"]));
    // A pixel is of the mask when the ray through its centre meets the block: a mask reaches at most half a pixel past the box, and may end
    // before it where a corner is thinner than a pixel.
    let ends = |b: &[f64]| [b[0], b[1], b[0] + b[2], b[1] + b[3]];
    for (n, (a, b)) in ends(&boxed).into_iter().zip(ends(&masked)).enumerate() {
        let outside = if n < 2 { b - a } else { a - b };
        assert!((-0.5..=1.0).contains(&outside), "{boxed:?} {masked:?}");
    }
    // The box's top is the nearest of its upper corners, of which this is one.
    let corner = json["points"][0]["pixel"].as_array().unwrap();
    assert!(corner[1].as_f64().unwrap() + 0.5 >= boxed[1] - 1e-9);
    assert_eq!(json["boxes"][1]["box"], serde_json::Value::Null);
    for wrong in [
        "part=1,2,3",
        "1,2,3,4,5,6",
        "=1,2,3,4,5,6",
        "part=1,2,3,4,5,NaN",
    ] {
        let done = run("y.png", &["--box", wrong]);
        assert_eq!(done.status.code(), Some(2), "{wrong}");
        assert!(!dir.path().join("y.png").exists());
    }
}
