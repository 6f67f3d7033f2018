//! The whole grey pipeline against pydicom (`parity/dicom/{real,derived}_files.json`).

#![allow(clippy::unwrap_used)]

mod common;

use common::{sha256, shared, skip};
use hilum_dicom::{DicomError, DicomImage, Limits, Recipe};
use hilum_image::Plane;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn cases(root: &Path, name: &str) -> Vec<Value> {
    let bytes = std::fs::read(root.join("dicom").join(name)).unwrap();
    let fixture: Value = serde_json::from_slice(&bytes).unwrap();
    fixture["cases"].as_array().unwrap().clone()
}

/// The case's file: in the parity pack, else in the data pack if that one has the same bytes.
fn file(root: &Path, case: &Value) -> Option<PathBuf> {
    if let Some(file) = case["input"]["file"].as_str() {
        return Some(root.join(file));
    }
    let name = case["name"].as_str()?;
    let path = shared("data")?.join("dicom").join(name);
    let bytes = std::fs::read(&path).ok()?;
    (sha256(&bytes) == case["input"]["sha256"].as_str()?).then_some(path)
}

fn is_lossy(expected: &Value) -> bool {
    let uid = expected["header"]["TransferSyntaxUID"]
        .as_str()
        .unwrap_or("");
    [
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.91",
    ]
    .contains(&uid)
}

fn check(name: &str, image: &DicomImage, expected: &Value) -> Result<(), String> {
    let lossy = is_lossy(expected);
    let error = |e: DicomError| format!("{name}: {e}");
    let mut stored = Vec::new();
    for frame in 0..image.attributes.frames {
        stored.extend(image.stored(frame).map_err(error)?.data);
    }
    let hash = sha256(
        &stored
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<u8>>(),
    );
    if !lossy && expected["stored"]["sha256_i32le"].as_str() != Some(&hash) {
        return Err(format!("{name}: stored values differ"));
    }
    let Some(display) = expected["display8"].as_object() else {
        return Ok(());
    };
    let shown = image.display(0, Recipe::Voi).map_err(error)?;
    let bytes: Vec<u8> = shown.pixels.data.iter().map(|&v| v as u8).collect();
    if display["sha256_u8"].as_str() == Some(&sha256(&bytes)) {
        return Ok(());
    }
    let worst = thumbnail_difference(&shown.pixels, &display["thumb32"]);
    if lossy && worst.is_some_and(|w| w <= 2.0) {
        return Ok(());
    }
    Err(format!(
        "{name}: display differs, thumbnail by {worst:?}; steps {:?}",
        shown.steps
    ))
}

fn thumbnail_difference(pixels: &Plane<f32>, thumb: &Value) -> Option<f64> {
    let small = hilum_image::resize(pixels, 32, 32, hilum_image::Kernel::CvArea).ok()?;
    let expected = thumb
        .as_array()?
        .iter()
        .flat_map(|row| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()));
    Some(
        small
            .data
            .iter()
            .zip(expected)
            .map(|(a, b)| (f64::from(*a) - b).abs())
            .fold(0.0, f64::max),
    )
}

fn run(name: &str, at_least: usize) {
    let Some(root) = shared("parity") else {
        return skip("parity");
    };
    let (mut good, mut refused, mut absent, mut bad) = (0, 0, 0, Vec::new());
    for case in cases(&root, name) {
        let Some(path) = file(&root, &case) else {
            absent += 1;
            continue;
        };
        let (label, expected) = (case["name"].as_str().unwrap(), &case["expected"]);
        let image = DicomImage::from_bytes(&std::fs::read(path).unwrap(), &Limits::default());
        let has_pixels = expected["stored"].is_object();
        match image {
            Ok(image) if has_pixels => match check(label, &image, expected) {
                Ok(()) => good += 1,
                Err(reason) => bad.push(reason),
            },
            Ok(_) => refused += 1,
            Err(error) if has_pixels => bad.push(format!("{label}: {error}")),
            Err(error) => {
                println!("refused by both: {label}: {} ({error})", error.kind());
                refused += 1;
            }
        }
    }
    for reason in &bad {
        println!("not equal: {reason}");
    }
    println!("{name}: {good} equal, {refused} without reference pixels, {absent} not here");
    bad.retain(|reason| {
        !ALLOWED
            .iter()
            .any(|(name, why)| reason.starts_with(name) && reason.contains(why))
    });
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(good >= at_least, "only {good} compared");
}

/// Refused on purpose although pydicom decodes them: name and the words of the refusal.
const ALLOWED: [(&str, &str); 2] = [("SC_rgb_rle_32bit", "32-bit"), ("OBXXXX1A_rle", "PALETTE")];

#[test]
fn derived_files_agree() {
    run("derived_files.json", 70);
}

#[test]
fn real_files_agree() {
    run("real_files.json", 40);
}
