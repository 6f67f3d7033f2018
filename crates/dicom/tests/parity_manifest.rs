//! Every file of the data pack's DICOM set: the manifest's pixels, or an error that says why.

#![allow(clippy::unwrap_used)]

mod common;

use common::{sha256, shared, skip};
use hilum_dicom::{DicomError, DicomImage, FileKind, Limits, LoadError, Recipe, load_bytes};
use std::collections::HashMap;
use std::path::Path;

type Row = HashMap<String, String>;

/// What came of one file.
enum Outcome {
    /// The pixels' SHA-256 is the manifest's.
    Exact,
    /// A lossy encoding; the largest difference of minimum, maximum and mean to the manifest.
    Close(f64),
    /// Decoded, the manifest has no pixels to compare with.
    NoReference,
    /// Refused.
    Refused(DicomError),
    /// Other pixels than the manifest's.
    Wrong(String),
}

fn lossy(uid: &str) -> bool {
    [
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.91",
    ]
    .contains(&uid)
}

fn pixels(image: &DicomImage) -> Result<Vec<i32>, DicomError> {
    let mut all = Vec::new();
    for frame in 0..image.attributes.frames {
        all.extend(image.stored(frame)?.data);
    }
    Ok(all)
}

fn native_bytes(values: &[i32], bits_allocated: u32) -> Vec<u8> {
    match bits_allocated {
        1 | 8 => values.iter().map(|&v| v as u8).collect(),
        16 => values
            .iter()
            .flat_map(|&v| (v as u16).to_le_bytes())
            .collect(),
        _ => values.iter().flat_map(|&v| v.to_le_bytes()).collect(),
    }
}

fn examine(bytes: &[u8], row: &Row) -> Outcome {
    let decoded = DicomImage::from_bytes(bytes, &Limits::default())
        .and_then(|image| Ok((pixels(&image)?, image)));
    let (values, image) = match decoded {
        Ok(pair) => pair,
        Err(error) => return Outcome::Refused(error),
    };
    if row["pixel_sha256"].is_empty() {
        return Outcome::NoReference;
    }
    let bits = image.attributes.bits_allocated;
    let bytes = native_bytes(&values, bits);
    // The manifest hashes big-endian files in their own byte order.
    let swapped = row["transfer_syntax"] == "1.2.840.10008.1.2.2" && bits > 8;
    let bytes = if swapped {
        bytes
            .chunks_exact(bits as usize / 8)
            .flat_map(|b| b.iter().rev().copied().collect::<Vec<_>>())
            .collect()
    } else {
        bytes
    };
    if sha256(&bytes) == row["pixel_sha256"] {
        return Outcome::Exact;
    }
    let number = |key: &str| row[key].parse::<f64>().unwrap();
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let (min, max) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
    let differences = [
        f64::from(min) - number("pixel_min"),
        f64::from(max) - number("pixel_max"),
        mean - number("pixel_mean"),
    ];
    let worst = differences.iter().fold(0.0f64, |a, d| a.max(d.abs()));
    if lossy(&row["transfer_syntax"]) && worst <= 1.0 {
        Outcome::Close(worst)
    } else {
        Outcome::Wrong(format!(
            "{} {} minimum, maximum, mean differ by {differences:?}",
            row["transfer_syntax"], row["photometric"]
        ))
    }
}

/// Whatever stands in its preamble, a DICOM file is loaded, or refused, as a DICOM file.
fn check_front_door(bytes: &[u8], name: &str) {
    let as_dicom = DicomImage::from_bytes(bytes, &Limits::default())
        .and_then(|image| image.display(0, Recipe::Voi));
    let loaded = load_bytes(bytes, Path::new(name), Recipe::Voi, 0, &Limits::default());
    match (as_dicom, loaded) {
        (Ok(shown), Ok(image)) => {
            assert_eq!(image.kind, FileKind::Dicom, "{name}");
            assert!(image.pixels.data == shown.pixels.data, "{name}: pixels");
        }
        (Err(_), Err(LoadError::Dicom { .. } | LoadError::NotAnImage { .. })) => {}
        (_, loaded) => panic!("{name}: the front door says {:?}", loaded.err()),
    }
}

fn rows(root: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(root.join("manifests/dicom.csv")).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn every_file_gives_its_pixels_or_a_reason() {
    let Some(root) = shared("data") else {
        return skip("data");
    };
    let (mut exact, mut close, mut wrong) = (0, 0, Vec::new());
    let mut table = Vec::new();
    let mut refused_with_pixels = Vec::new();
    let rows = rows(&root);
    assert_eq!(rows.len(), 108);
    for row in &rows {
        let bytes = std::fs::read(root.join(&row["path"])).unwrap();
        let name = row["path"].trim_start_matches("dicom/").to_owned();
        check_front_door(&bytes, &name);
        match examine(&bytes, row) {
            Outcome::Exact => exact += 1,
            Outcome::Close(difference) => {
                close += 1;
                println!("close: {name} within {difference:.3}");
            }
            Outcome::NoReference => table.push(format!(
                "| `{name}` | decoded | the reference reader has no pixels |"
            )),
            Outcome::Refused(error) => {
                if !row["pixel_sha256"].is_empty() {
                    refused_with_pixels.push(name.clone());
                }
                table.push(format!("| `{name}` | `{}` | {error} |", error.kind()));
            }
            Outcome::Wrong(what) => wrong.push(format!("{name}: {what}")),
        }
    }
    println!(
        "{exact} exact, {close} lossy and close, {} others",
        table.len()
    );
    println!("{}", table.join("\n"));
    println!("refused although the reference reader decodes them: {refused_with_pixels:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(exact + close + table.len(), 108);
    refused_with_pixels.sort();
    // A palette, floating-point maps and unsigned 32-bit colour are refused on purpose.
    assert!(refused_with_pixels.len() <= 4, "{refused_with_pixels:#?}");
}
