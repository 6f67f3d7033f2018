//! `hilum read --write` and `hilum objects` as scripts use them.

#![cfg(feature = "objects")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{code, json_lines, run, sample, stderr, timeless};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const ALL: &str = "sr,seg,gsps,sc,pdf,fhir";

/// Reads one sample and gives the folder of its study.
fn read(image: &str, out: &Path, more: &[&str]) -> PathBuf {
    let image = sample(image);
    let mut args = vec![
        "read",
        image.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    args.extend(["--write", ALL, "--no-progress"]);
    args.extend(more);
    let done = run(&args);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let mut folders = std::fs::read_dir(out).unwrap();
    folders.next().unwrap().unwrap().path()
}

fn files(folder: &Path) -> Vec<String> {
    let list = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = list
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.ends_with(".dcm") || n == "fhir.json")
        .collect();
    names.sort();
    names
}

fn reading(folder: &Path) -> Value {
    let bytes = std::fs::read(folder.join("reading.json")).unwrap();
    timeless(serde_json::from_slice(&bytes).unwrap())
}

/// Says so and gives false where a tool is not installed.
fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("--help").output().is_ok();
    if !there {
        eprintln!("skipped: {tool} is not installed");
    }
    there
}

#[test]
fn a_dicom_study_gets_all_objects_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = read("images/adult-pa.dcm", dir.path(), &[]);
    let names = [
        "fhir.json",
        "gsps.dcm",
        "pdf.dcm",
        "sc.dcm",
        "seg.dcm",
        "sr.dcm",
    ];
    assert_eq!(files(&folder), names);
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let back = run(["objects", "read", &at("sr.dcm"), &at("seg.dcm"), "--json"]);
    assert_eq!(code(&back), 0, "{}", stderr(&back));
    assert_eq!(timeless(json_lines(&back)[0].clone()), reading(&folder));
    // Masks come back bit for bit.
    let again = dir.path().join("again");
    let again = again.to_str().unwrap();
    let back = run([
        "objects",
        "read",
        &at("sr.dcm"),
        &at("seg.dcm"),
        "--out",
        again,
    ]);
    assert_eq!(code(&back), 0, "{}", stderr(&back));
    let name = folder.file_name().unwrap();
    // The heart of this film is not believed and has no mask.
    let mask = "image-0-lungs.png";
    let first = std::fs::read(folder.join(mask)).unwrap();
    let second = std::fs::read(Path::new(again).join(name).join(mask)).unwrap();
    assert!(first == second, "{mask}");
    judge(&folder);
    // The same again gives the same bytes.
    let other = tempfile::tempdir().unwrap();
    let same = read("images/adult-pa.dcm", other.path(), &["--jobs", "1"]);
    for name in names {
        let (a, b) = (folder.join(name), same.join(name));
        assert!(
            std::fs::read(a).unwrap() == std::fs::read(b).unwrap(),
            "{name}"
        );
    }
}

/// The verifier of dicom3tools, where it is installed.
fn judge(folder: &Path) {
    if !has("dciodvfy") {
        return;
    }
    for name in files(folder).iter().filter(|n| n.ends_with(".dcm")) {
        let said = Command::new("dciodvfy")
            .arg(folder.join(name))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("Error")).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn a_picture_gets_an_image_to_refer_to() {
    let dir = tempfile::tempdir().unwrap();
    let folder = read(
        "images/child-pneumonia.jpg",
        dir.path(),
        &["--at", "2026-11-30T10:15:00", "--fhir", "r4"],
    );
    let names = files(&folder);
    for name in ["image-0.dcm", "sr.dcm", "seg.dcm", "gsps.dcm"] {
        assert!(names.iter().any(|n| n == name), "{name} of {names:?}");
    }
    judge(&folder);
    let bundle: Value =
        serde_json::from_slice(&std::fs::read(folder.join("fhir.json")).unwrap()).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let report = entries
        .iter()
        .find(|e| e["resource"]["resourceType"] == "DiagnosticReport")
        .unwrap();
    assert!(report["resource"]["imagingStudy"].is_array());
    assert_eq!(report["resource"]["status"], "preliminary");
    // Without --write the objects of the earlier run are not left beside a newer reading.
    let image = sample("images/child-pneumonia.jpg");
    let out = dir.path().to_str().unwrap();
    let done = run([
        "read",
        image.to_str().unwrap(),
        "--out",
        out,
        "--write",
        "sr",
    ]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_eq!(files(&folder), ["image-0.dcm", "sr.dcm"]);
    let done = run([
        "objects",
        "write",
        folder.to_str().unwrap(),
        "--write",
        "pdf",
    ]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_eq!(files(&folder), ["image-0.dcm", "pdf.dcm"]);
}

#[test]
fn a_study_that_was_stopped_is_partial_and_has_no_segmentation() {
    let dir = tempfile::tempdir().unwrap();
    let folder = read("images/lateral-simulated.png", dir.path(), &[]);
    assert!(!files(&folder).contains(&"seg.dcm".to_owned()));
    let bytes = std::fs::read(folder.join("sr.dcm")).unwrap();
    let says = |word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
    assert!(says(b"PARTIAL") && says(b"UNVERIFIED"));
    let back = run([
        "objects",
        "read",
        folder.join("sr.dcm").to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(timeless(json_lines(&back)[0].clone()), reading(&folder));
}

#[test]
fn wrong_usage_and_wrong_files_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let image = sample("images/child-pneumonia.jpg");
    let image = image.to_str().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    for args in [
        vec!["read", image, "--write", "sr"],
        vec!["read", image, "--out", out, "--write", "sr,docx"],
        vec![
            "read",
            image,
            "--out",
            out,
            "--write",
            "sr",
            "--at",
            "yesterday",
        ],
        vec![
            "read", image, "--out", out, "--write", "fhir", "--fhir", "r6",
        ],
        vec!["objects", "read"],
    ] {
        assert_eq!(code(&run(&args)), 2, "{args:?}");
    }
    let cut = dir.path().join("cut.dcm");
    let whole = std::fs::read(sample("images/adult-pa.dcm")).unwrap();
    std::fs::write(&cut, &whole[..400]).unwrap();
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "no DICOM at all, only words").unwrap();
    for (file, words) in [
        (&cut, "cut.dcm"),
        (&text, "not a DICOM object"),
        (&dir.path().join("none"), "none"),
    ] {
        let done = run(["objects", "read", file.to_str().unwrap()]);
        assert_eq!(code(&done), 1, "{}", stderr(&done));
        assert!(stderr(&done).contains(words), "{}", stderr(&done));
    }
    let done = run(["objects", "read", image]);
    assert_eq!(code(&done), 1);
    assert!(
        stderr(&done).contains("no structured report"),
        "{}",
        stderr(&done)
    );
}
