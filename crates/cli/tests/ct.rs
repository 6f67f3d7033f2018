//! `hilum ct` as scripts use it, and what is refused of volumes.

#![cfg(feature = "ct")]
#![allow(clippy::unwrap_used)]

use hilum_phantom::block::{BlockPlan, block};
use hilum_volume::{Affine, Volume, nifti, series_write};
use std::path::Path;
use std::process::{Command, Output};

fn hilum(args: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hilum"))
        .args(args.split(' '))
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&[&done.stdout[..], &done.stderr].concat()).into_owned()
}

fn oblique() -> Volume<i16> {
    let (s, c) = 20f64.to_radians().sin_cos();
    let affine = Affine {
        axes: [
            [0.8 * c, 0.8 * s, 0.0],
            [-0.6 * s, 0.6 * c, 0.0],
            [0.0, 0.0, 2.0],
        ],
        origin: [-20.0, 15.0, 7.0],
    };
    let data = (0..9 * 8 * 7).map(|v| v * 3 - 900).collect();
    Volume::new([9, 8, 7], affine, data).unwrap()
}

#[test]
fn volumes_go_to_dicom_and_back() {
    let dir = tempfile::tempdir().unwrap();
    nifti::write(&oblique(), &dir.path().join("a.nii.gz")).unwrap();
    for args in [
        "ct convert a.nii.gz --out slices",
        "ct convert slices --out b.nii",
    ] {
        let done = hilum(args, dir.path());
        assert!(done.status.success(), "{}", said(&done));
    }
    let (back, _) = nifti::read(&dir.path().join("b.nii")).unwrap();
    assert_eq!(back.size, [9, 8, 7]);
    let close = |a: [f64; 3], b: [f64; 3]| (0..3).all(|k| (a[k] - b[k]).abs() < 1e-3);
    for k in 0..3 {
        assert!(
            close(back.affine.axes[k], oblique().affine.axes[k]),
            "{:?}",
            back.affine
        );
    }
    assert!(close(back.affine.origin, oblique().affine.origin));
    assert!(
        back.data
            .iter()
            .zip(&oblique().data)
            .all(|(a, b)| *a == f32::from(*b))
    );
    let done = hilum("ct info slices --json", dir.path());
    let info: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(info["orientation"], "dicom");
    assert_eq!(info["source"]["slices"], 7);
    let again = hilum("ct convert a.nii.gz --out slices", dir.path());
    assert!(said(&again).contains("not empty"), "{}", said(&again));
    let wrong = hilum("ct convert a.nii.gz --out x.png", dir.path());
    assert_eq!(wrong.status.code(), Some(2));
    let fine = hilum(
        "ct convert a.nii.gz --spacing 0.5 --out fine.nii",
        dir.path(),
    );
    assert!(fine.status.success(), "{}", said(&fine));
}

/// Every kind of bad input of a volume: the binary names file and reason.
#[test]
fn bad_volumes_are_refused_with_file_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    nifti::write(&oblique(), &at("good.nii")).unwrap();
    let good = std::fs::read(at("good.nii")).unwrap();
    let change = |name: &str, f: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        f(&mut bytes);
        std::fs::write(at(name), bytes).unwrap();
    };
    change("cut.nii", &|b| b.truncate(500));
    change("endian.nii", &|b| b[..4].reverse());
    change("huge.nii", &|b| {
        // 1024 x 1024 x 1024 of 2 bytes: 2 GB in a file of 1 kB.
        (0..3).for_each(|k| b[42 + 2 * k..44 + 2 * k].copy_from_slice(&1024i16.to_le_bytes()));
    });
    change("lean.nii", &|b| {
        b[288..292].copy_from_slice(&1f32.to_le_bytes())
    });
    let mut nan = oblique().map(|&v| f32::from(v));
    nan.data[5] = f32::NAN;
    nifti::write(&nan, &at("nan.nii")).unwrap();
    let series = |name: &str| series_write::write(&oblique(), &at(name), "a test").unwrap();
    let gap = series("gap");
    std::fs::remove_file(&gap[3]).unwrap();
    let swap = |name: &str, from: &[u8], to: &[u8]| {
        let paths = series(name);
        let mut bytes = std::fs::read(&paths[2]).unwrap();
        let place = bytes.windows(from.len()).position(|w| w == from).unwrap();
        bytes[place..place + to.len()].copy_from_slice(to);
        std::fs::write(&paths[2], bytes).unwrap();
    };
    // The modality's element (0008,0060), explicit VR.
    swap(
        "mr",
        b"\x08\x00\x60\x00CS\x02\x00CT",
        b"\x08\x00\x60\x00CS\x02\x00MR",
    );
    // The third slice lies at 7 + 2 x 2 = 11 mm; 10.5 is no multiple of the step.
    let unequal = series("unequal");
    let mut v = oblique();
    v.affine.origin[2] = 6.3;
    let other = series_write::write(&v, &at("moved"), "a test").unwrap();
    std::fs::copy(&other[2], &unequal[2]).unwrap();
    for (file, words) in [
        ("cut.nii", "ends after"),
        ("endian.nii", "different byte orders"),
        ("huge.nii", "of 2147483648 bytes"),
        ("lean.nii", "tilted gantry"),
        ("nan.nii", "not finite"),
        ("gap", "1 slices are missing"),
        ("mr", "modality MR"),
        ("unequal", "differs from that of"),
        ("none.nii", "none.nii"),
    ] {
        for args in [format!("ct info {file}"), format!("drr {file} --out x.png")] {
            let done = hilum(&args, dir.path());
            assert_eq!(done.status.code(), Some(1), "{args}: {}", said(&done));
            let text = said(&done);
            let name = Path::new(file).file_stem().unwrap().to_str().unwrap();
            assert!(
                text.contains(words) && text.contains(name),
                "{args}: {text}"
            );
        }
    }
}

#[test]
fn nodules_are_measured_from_a_mask() {
    let dir = tempfile::tempdir().unwrap();
    let plan = BlockPlan {
        half: [36.0; 3],
        spacing: [1.2; 3],
        noise: 10.0,
        pleura: 6.0,
        bronchus: 9.0,
        vessels_touching: 2,
        ..BlockPlan::default()
    };
    let b = block(&plan, 3, 1).unwrap();
    nifti::write(&b.ct, &dir.path().join("ct.nii.gz")).unwrap();
    nifti::write(&b.nodule, &dir.path().join("nodule.nii.gz")).unwrap();
    let seed = b.ct.affine.apply(b.seed.map(|v| v as f64));
    let args = format!(
        "ct nodules ct.nii.gz --mask nodule.nii.gz --seed {:.3},{:.3},{:.3} --labels parts.nii.gz",
        seed[0], seed[1], seed[2]
    );
    let table = hilum(&args, dir.path());
    assert!(table.status.success(), "{}", said(&table));
    assert!(
        said(&table).contains("Not a medical device"),
        "{}",
        said(&table)
    );
    let done = hilum(&format!("{args} --json"), dir.path());
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let n = &answer["nodules"][0];
    let near = |v: &serde_json::Value, wanted: f64, by: f64| {
        assert!(
            (v.as_f64().unwrap() - wanted).abs() < by,
            "{v} {wanted}: {n}"
        );
    };
    near(&n["diameter_mm"], 12.0, 0.4);
    near(&n["pleura_mm"], 6.0, 0.7);
    near(&n["airways"]["mm"], 9.0, 1.3);
    near(&n["vessels"]["mm"], 0.0, 0.1);
    assert_eq!(n["vessels"]["touching"], 2, "{n}");
    assert_eq!(n["airways"]["touching"], 0, "{n}");
    assert!(dir.path().join("parts.nii.gz").is_file());
    for (args, code) in [
        ("ct nodules ct.nii.gz", 2),
        ("ct nodules ct.nii.gz --mask nodule.nii.gz --seed 1,2", 2),
        (
            "ct nodules ct.nii.gz --mask nodule.nii.gz --seed 900,0,0",
            1,
        ),
        ("ct nodules ct.nii.gz --mask parts.nii --seed 0,0,0", 1),
    ] {
        assert_eq!(hilum(args, dir.path()).status.code(), Some(code), "{args}");
    }
}

#[test]
fn outlines_of_lidc_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let plan = BlockPlan {
        half: [36.0; 3],
        spacing: [1.2; 3],
        bronchus: 9.0,
        ..BlockPlan::default()
    };
    let b = block(&plan, 3, 2).unwrap();
    nifti::write(&b.ct, &dir.path().join("ct.nii.gz")).unwrap();
    // An outline round the nodule in every slice that cuts it.
    let mut rois = String::new();
    for k in 0..b.ct.size[2] {
        let z = b.ct.affine.apply([0.0, 0.0, k as f64])[2];
        let r2 = 36.0 - z * z;
        if r2 <= 4.0 {
            continue;
        }
        let r = r2.sqrt() / 1.2;
        let [ci, cj, _] = b.ct.affine.inverse().unwrap().apply([0.0; 3]);
        let points: String = (0..24)
            .map(|n| {
                let a = f64::from(n) * std::f64::consts::TAU / 24.0;
                let (x, y) = (ci + (r + 1.0) * a.cos(), cj + (r + 1.0) * a.sin());
                format!(
                    "<edgeMap><xCoord>{}</xCoord><yCoord>{}</yCoord></edgeMap>",
                    x.round(),
                    y.round()
                )
            })
            .collect();
        rois += &format!(
            "<roi><imageZposition>{z}</imageZposition><inclusion>TRUE</inclusion>{points}</roi>"
        );
    }
    let xml = format!(
        "<LidcReadMessage><readingSession><unblindedReadNodule><noduleID>1</noduleID><characteristics><malignancy>4</malignancy></characteristics>{rois}</unblindedReadNodule></readingSession></LidcReadMessage>"
    );
    std::fs::write(dir.path().join("n.xml"), xml).unwrap();
    let done = hilum("ct nodules ct.nii.gz --xml n.xml --json", dir.path());
    assert!(done.status.success(), "{}", said(&done));
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let n = &answer["nodules"][0];
    assert_eq!(n["readers"]["malignant"], true, "{n}");
    assert!(
        (n["diameter_mm"].as_f64().unwrap() - 12.0).abs() < 2.0,
        "{n}"
    );
    // No trachea in a block: airways are null, with the reason.
    assert!(
        n["airways"].is_null() && answer["airways_missing"].is_string(),
        "{answer}"
    );
    std::fs::write(dir.path().join("bad.xml"), "<LidcReadMessage>").unwrap();
    let bad = hilum("ct nodules ct.nii.gz --xml bad.xml", dir.path());
    assert!(
        said(&bad).contains("bad.xml") && bad.status.code() == Some(1),
        "{}",
        said(&bad)
    );
}
