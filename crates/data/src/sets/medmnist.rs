//! PneumoniaMNIST and ChestMNIST (Yang et al. 2023): one NumPy archive of images and labels.

use super::common::{files, missing, words_to_labels};
use crate::error::{DataError, Result};
use crate::pixels::read_npz_u8;
use crate::sample::{Pixels, Sample, Split};
use std::path::{Path, PathBuf};

const PNEUMONIA: &[&str] = &["normal", "pneumonia"];

/// Columns of ChestMNIST, in the order of its `INFO`.
const CHEST: &[&str] = &[
    "atelectasis",
    "cardiomegaly",
    "effusion",
    "infiltration",
    "mass",
    "nodule",
    "pneumonia",
    "pneumothorax",
    "consolidation",
    "edema",
    "emphysema",
    "fibrosis",
    "pleural_thickening",
    "hernia",
];

/// Reads PneumoniaMNIST, or any archive with the same two classes, from a folder or the file itself. Patients are not published.
///
/// # Errors
/// [`DataError::Layout`], [`DataError::Format`].
pub fn load_pneumonia(root: &Path) -> Result<Vec<Sample>> {
    let file = archive(root, "pneumoniamnist")?;
    read(&file, "pneumoniamnist", 1, |row| {
        let word = PNEUMONIA.get(usize::from(row[0]))?;
        Some(vec![(*word).to_owned()])
    })
}

/// Reads ChestMNIST from a folder or the file itself. Patients are not published.
///
/// # Errors
/// [`DataError::Layout`], [`DataError::Format`].
pub fn load_chest(root: &Path) -> Result<Vec<Sample>> {
    let file = archive(root, "chestmnist")?;
    read(&file, "chestmnist", CHEST.len(), |row| {
        if row.iter().any(|v| *v > 1) {
            return None;
        }
        let named: Vec<String> = row
            .iter()
            .zip(CHEST)
            .filter(|(v, _)| **v == 1)
            .map(|(_, w)| (*w).to_owned())
            .collect();
        Some(if named.is_empty() {
            vec!["No Finding".to_owned()]
        } else {
            named
        })
    })
}

fn archive(root: &Path, set: &'static str) -> Result<PathBuf> {
    if root.is_file() {
        return Ok(root.to_owned());
    }
    let is_it = |p: &PathBuf| {
        let name = p.file_name().and_then(|n| n.to_str()).unwrap_or("");
        name.starts_with(set) && name.ends_with(".npz")
    };
    files(root)?
        .into_iter()
        .find(is_it)
        .ok_or_else(|| missing(root, set, format!("{set}*.npz")))
}

fn read(
    file: &Path,
    set: &'static str,
    columns: usize,
    words: impl Fn(&[u8]) -> Option<Vec<String>>,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for split in Split::ALL {
        let name = format!("{split}_images");
        let (shape, labels) = read_npz_u8(file, &format!("{split}_labels"))?;
        if shape.iter().skip(1).product::<usize>() != columns {
            return Err(DataError::format(
                file,
                format!("{split}_labels has the shape {shape:?}, not {columns} columns"),
            ));
        }
        for (index, row) in labels.chunks_exact(columns).enumerate() {
            let words = words(row).ok_or_else(|| {
                DataError::row(
                    file,
                    index as u64 + 1,
                    format!("{split}_labels: no class {row:?}"),
                )
            })?;
            let pixels = Pixels::Array {
                file: file.to_owned(),
                name: name.clone(),
                index,
            };
            let mut s = Sample::new(set, format!("{name}#{index}"), pixels);
            s.split = Some(split);
            s.labels = words_to_labels(set, &words);
            s.raw_labels = words;
            samples.push(s);
        }
    }
    Ok(samples)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{ImageStore, StoreConfig};
    use std::io::Write;

    /// Writes a NumPy archive of `uint8` arrays.
    pub(crate) fn write_npz(path: &Path, arrays: &[(&str, &[u64], Vec<u8>)]) {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
        for (name, shape, data) in arrays {
            let plain = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Stored);
            zip.start_file(format!("{name}.npy"), plain).unwrap();
            let dims: Vec<String> = shape.iter().map(u64::to_string).collect();
            let mut head = format!(
                "{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}",
                dims.join(", ")
            );
            while (10 + head.len() + 1) % 64 != 0 {
                head.push(' ');
            }
            head.push('\n');
            zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
            zip.write_all(&(head.len() as u16).to_le_bytes()).unwrap();
            zip.write_all(head.as_bytes()).unwrap();
            zip.write_all(data).unwrap();
        }
        zip.finish().unwrap();
    }

    #[test]
    fn arrays_become_samples_with_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pneumoniamnist.npz");
        let images = |n: u8| (0..n * 4).collect::<Vec<u8>>();
        let all = |labels: Vec<u8>| {
            write_npz(
                &path,
                &[
                    ("train_images", &[2, 2, 2], images(2)),
                    ("train_labels", &[2, 1], labels),
                    ("val_images", &[1, 2, 2], images(1)),
                    ("val_labels", &[1, 1], vec![1]),
                    ("test_images", &[1, 2, 2], images(1)),
                    ("test_labels", &[1, 1], vec![0]),
                ],
            );
            load_pneumonia(dir.path())
        };
        let samples = all(vec![0, 1]).unwrap();
        assert_eq!(samples.len(), 4);
        assert_eq!(samples[1].id, "train_images#1");
        assert!(
            samples[1].labels.is_positive("pneumonia")
                && samples[3].labels.is_positive("no_finding")
        );
        let store = ImageStore::load(&samples, &StoreConfig::square(2), None)
            .unwrap()
            .strict()
            .unwrap();
        assert_eq!(store.image(1), [4, 5, 6, 7]);
        assert!(all(vec![0, 2]).unwrap_err().to_string().contains("row 2"));
    }

    #[test]
    fn chestmnist_is_multi_label() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chestmnist_64.npz");
        let mut labels = vec![0u8; 28];
        (labels[2], labels[13]) = (1, 1);
        let mut arrays: Vec<(&str, &[u64], Vec<u8>)> = vec![("train_labels", &[2, 14], labels)];
        arrays.push(("val_labels", &[0, 14], vec![]));
        arrays.push(("test_labels", &[0, 14], vec![]));
        write_npz(&path, &arrays);
        let all = load_chest(&path).unwrap();
        assert!(
            all[0].labels.is_positive("pleural_effusion") && all[0].labels.is_positive("hernia")
        );
        assert!(all[1].labels.is_positive("no_finding"));
    }
}
