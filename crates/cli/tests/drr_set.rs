//! `hilum drr-set` as scripts use it.

#![cfg(feature = "ct")]
#![allow(clippy::unwrap_used)]

use hilum_volume::{Affine, Volume, nifti};
use std::path::{Path, PathBuf};
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

/// A body with two lungs and a heart, 4 mm voxels; gives the CT and its labels.
fn chest(shift: f64) -> (Volume<i16>, Volume<u8>) {
    let affine = Affine::axis_aligned([4.0; 3], [-150.0 + shift, -110.0, -140.0]);
    let mut ct = Volume::filled([76, 56, 70], affine, -1000i16);
    let mut labels = ct.map(|_| 0u8);
    for at in 0..ct.data.len() {
        let p = affine.apply(ct.index_of(at).map(|v| v as f64));
        let (x, y, z) = (p[0] - shift, p[1], p[2]);
        let ball = |cx: f64, r: [f64; 3]| ((x - cx) / r[0]).hypot(y / r[1]).hypot(z / r[2]) < 1.0;
        let body = (x / 140.0).hypot(y / 95.0) < 1.0;
        let (label, hu) = match body {
            false => (0, -1000),
            true if ball(20.0, [45.0, 40.0, 45.0]) => (51, 40),
            true if ball(-65.0, [45.0, 60.0, 100.0]) => (12, -850),
            true if ball(65.0, [45.0, 60.0, 100.0]) => (10, -850),
            true => (0, 40),
        };
        (labels.data[at], ct.data[at]) = (label, hu);
    }
    (ct, labels)
}

/// A folder with two good CTs, a truncated one, labels, names and reports.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let cts = dir.path().join("cts");
    std::fs::create_dir_all(cts.join("p2")).unwrap();
    for (name, shift) in [("a_ct", 0.0), ("p2/b_ct", 6.0)] {
        let (ct, labels) = chest(shift);
        nifti::write(&ct, &cts.join(format!("{name}.nii.gz"))).unwrap();
        let labelled = name.replace("_ct", "_labels");
        let to = Path::new(&labelled).file_name().unwrap().to_owned();
        nifti::write(&labels, &cts.join(to).with_extension("nii")).unwrap();
    }
    let whole = std::fs::read(cts.join("a_ct.nii.gz")).unwrap();
    std::fs::write(cts.join("cut.nii.gz"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(
        dir.path().join("reports.csv"),
        "VolumeName,Findings_EN,Impressions_EN\n\
         a_ct.nii.gz,There is cardiomegaly. No pleural effusion.,Cardiomegaly.\n\
         p2_b_ct,Consolidation in the left upper lobe.,\n",
    )
    .unwrap();
    std::fs::write(
        dir.path().join("names.csv"),
        "structure,id\nheart,51\nlung_upper_lobe_left,10\nlung_upper_lobe_right,12\n",
    )
    .unwrap();
    dir
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                all.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn drr_rate_builds_goes_on_and_lists_what_failed() {
    let dir = folder();
    let build = |out: &str, more: &str| {
        let args =
            format!("drr-set drr-rate cts --reports reports.csv --size 64 --out {out}{more}");
        hilum(&args, dir.path())
    };
    let first = build("one", " --jobs 2");
    assert_eq!(first.status.code(), Some(1), "{}", said(&first));
    assert!(
        said(&first).contains("2 of 3 CTs made, 0 were there, 4 images"),
        "{}",
        said(&first)
    );
    assert!(said(&first).contains("cut: "), "{}", said(&first));
    let errors = std::fs::read_to_string(dir.path().join("one/errors.csv")).unwrap();
    assert!(errors.contains("cut.nii.gz"), "{errors}");
    let labels = std::fs::read_to_string(dir.path().join("one/labels.csv")).unwrap();
    let mut rows = labels.lines();
    assert!(
        rows.next()
            .unwrap()
            .starts_with("ct,Medical material,Arterial wall calcification")
    );
    assert_eq!(rows.next().unwrap(), "a_ct,,,1,,,,,,,,,,0,,,,,");
    let manifest = std::fs::read_to_string(dir.path().join("one/manifest.csv")).unwrap();
    assert!(manifest.contains(",p2,AP,Consolidation"), "{manifest}");
    // The same bytes on one thread; nothing to do the second time.
    build("two", " --jobs 1");
    assert_eq!(
        contents(&dir.path().join("one")),
        contents(&dir.path().join("two"))
    );
    let again = build("one", "");
    assert!(
        said(&again).contains("0 of 3 CTs made, 2 were there"),
        "{}",
        said(&again)
    );
    // A build that was stopped: one part is missing, its picture half written.
    std::fs::remove_file(dir.path().join("one/parts/a_ct.json")).unwrap();
    std::fs::write(dir.path().join("one/images/a_ct-frontal.png"), b"half").unwrap();
    build("one", "");
    assert_eq!(
        contents(&dir.path().join("one")),
        contents(&dir.path().join("two"))
    );
    let other = build("one", " --views frontal");
    assert_eq!(other.status.code(), Some(1));
    assert!(said(&other).contains("other settings"), "{}", said(&other));
    let scanned = hilum("data scan one/manifests/drr_rate.csv", dir.path());
    assert!(scanned.status.success(), "{}", said(&scanned));
}

#[test]
fn the_physical_mode_and_angles() {
    let dir = folder();
    std::fs::remove_file(dir.path().join("cts/cut.nii.gz")).unwrap();
    let args =
        "drr-set drr-rate cts --mode physical --energy 60 --views frontal,30 --size 48 --out x";
    let done = hilum(args, dir.path());
    assert!(done.status.success(), "{}", said(&done));
    assert!(dir.path().join("x/images/a_ct-angle30.png").is_file());
    for (args, words) in [
        (
            "drr-set drr-rate cts --energy 60 --out y",
            "--mode physical",
        ),
        (
            "drr-set drr-rate cts --views sideways --out y",
            "is no view",
        ),
        ("drr-set drr-rate cts --jobs 0 --out y", "--jobs 0"),
    ] {
        let done = hilum(args, dir.path());
        assert_eq!(done.status.code(), Some(2), "{args}: {}", said(&done));
        assert!(said(&done).contains(words), "{args}: {}", said(&done));
    }
}

#[test]
fn paxray_projects_labels_and_grounds_phrases() {
    let dir = folder();
    let args = "drr-set paxray cts --labels cts --names names.csv --reports reports.csv --size 96 --out pax";
    let done = hilum(args, dir.path());
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(
        said(&done).contains("no label volume") || said(&done).contains("cut: "),
        "{}",
        said(&done)
    );
    let set = dir.path().join("pax");
    for name in [
        "masks/a_ct-frontal-heart.png",
        "masks/a_ct-lateral-heart.png",
        "structures.csv",
    ] {
        assert!(set.join(name).is_file(), "{name}");
    }
    let phrases = std::fs::read_to_string(set.join("phrases.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = phrases
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let heart = rows
        .iter()
        .find(|r| r["structures"] == serde_json::json!(["heart"]))
        .unwrap();
    assert!(heart["box"][2].as_f64().unwrap() > 20.0, "{heart}");
    let lobe = rows
        .iter()
        .find(|r| r["structures"] == serde_json::json!(["lung_upper_lobe_left"]))
        .unwrap();
    // The left lung is on the right of the picture.
    assert!(lobe["path"].as_str().unwrap().contains("p2_b_ct"));
    let frontal = rows.iter().find(|r| {
        r["structures"] == lobe["structures"] && r["path"].as_str().unwrap().contains("frontal")
    });
    let b = &frontal.unwrap()["box"];
    assert!(
        b[0].as_f64().unwrap() + 0.5 * b[2].as_f64().unwrap() > 48.0,
        "{b}"
    );
    let scanned = hilum("data scan pax/manifests/paxray.csv", dir.path());
    assert!(scanned.status.success(), "{}", said(&scanned));
    // The reference is the heart's box itself: masks must find it, the whole image must not overlap so well.
    let reference = serde_json::json!({
        "path": heart["path"], "phrase": "The heart is enlarged.", "box": heart["box"], "kind": "heart"
    });
    std::fs::write(dir.path().join("refs.jsonl"), reference.to_string()).unwrap();
    let done = hilum(
        "drr-set ground pax --phrases refs.jsonl --json --out all.jsonl",
        dir.path(),
    );
    assert!(done.status.success(), "{}", said(&done));
    let scores: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(scores[0]["way"], "anatomy masks");
    assert_eq!(
        (
            scores[0]["mean_iou"].as_f64(),
            scores[0]["hit_rate"].as_f64()
        ),
        (Some(1.0), Some(1.0))
    );
    let whole = scores
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["way"] == "whole image")
        .unwrap();
    assert!(whole["mean_iou"].as_f64().unwrap() < 0.5);
    assert!(dir.path().join("all.jsonl").is_file());
}

#[test]
fn wrong_inputs_are_named() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for (args, words) in [
        ("drr-set drr-rate empty --out x", "no CT in it"),
        (
            "drr-set drr-rate cts --reports names.csv --out x",
            "neither findings",
        ),
        (
            "drr-set paxray cts --labels nowhere --names names.csv --out x",
            "no such folder",
        ),
        (
            "drr-set paxray cts --labels cts --names reports.csv --out x",
            "no column `structure`",
        ),
        ("drr-set ground empty", "empty"),
    ] {
        let done = hilum(args, dir.path());
        assert_eq!(done.status.code(), Some(1), "{args}: {}", said(&done));
        assert!(said(&done).contains(words), "{args}: {}", said(&done));
    }
    // A label volume among the CTs is one error, not the end.
    let (_, labels) = chest(0.0);
    nifti::write(&labels, &dir.path().join("cts/stray.nii")).unwrap();
    let done = hilum("drr-set drr-rate cts --size 32 --out z", dir.path());
    assert_eq!(done.status.code(), Some(1));
    assert!(
        said(&done).contains("stray: ") && said(&done).contains("no air"),
        "{}",
        said(&done)
    );
}
