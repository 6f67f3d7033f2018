//! SIIM-ACR Pneumothorax Segmentation (2019): run lengths on 1024 x 1024 images.
//!
//! A mask is pairs of *gap* and *length* along the columns, each gap counted from the end of the last run.
//! `-1` means that there is no pneumothorax. One image may have several rows.

use super::common::{images_by, labelled, missing, optional_table, stem};
use crate::error::Result;
use crate::sample::{MaskForm, MaskRef, Sample};
use crate::table::Table;
use std::collections::HashMap;
use std::path::Path;

const SET: &str = "siim_pneumothorax";
const SIDE: u32 = 1024;

/// Gap and length pairs of one row; none for `-1`.
pub type Runs = Vec<(u32, u32)>;

/// Reads the set. `ImageId` is a SOP instance UID; patients are not in the table.
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::Row`].
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let table = optional_table(root, "", "train-rle")?
        .ok_or_else(|| missing(root, SET, "train-rle.csv"))?;
    let mut masks = read_runs(&table)?;
    let images = images_by(&root.join("dicom-images-train"), |p| stem(p).to_owned())?;
    let mut samples = Vec::new();
    for (id, path) in images {
        let Some(runs) = masks.remove(&id) else {
            continue;
        };
        let word = if runs.is_empty() {
            "no pneumothorax"
        } else {
            "pneumothorax"
        };
        let mut s = labelled(SET, root, path, vec![word.to_owned()]);
        s.label_source = "radiologists".into();
        let mask = |runs| MaskRef {
            name: "pneumothorax".into(),
            form: MaskForm::Runs {
                runs,
                width: SIDE,
                height: SIDE,
            },
        };
        s.masks = runs.into_iter().map(mask).collect();
        samples.push(s);
    }
    Ok(samples)
}

/// The runs of every image; an image without pneumothorax has an empty list.
///
/// # Errors
/// [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn read_runs(path: &Path) -> Result<HashMap<String, Vec<Runs>>> {
    let mut masks: HashMap<String, Vec<Runs>> = HashMap::new();
    Table::open(path, &["ImageId", "EncodedPixels"])?.for_each(|row| {
        let rows = masks.entry(row.need("ImageId")?.to_owned()).or_default();
        match row.need("EncodedPixels")? {
            "-1" => {}
            text => rows.push(parse_runs(text).map_err(|reason| row.error(reason))?),
        }
        Ok(())
    })?;
    Ok(masks)
}

fn parse_runs(text: &str) -> std::result::Result<Runs, String> {
    let numbers = text.split_whitespace().map(|n| {
        n.parse::<u32>()
            .map_err(|_| format!("no run length: {n:?}"))
    });
    let numbers = numbers.collect::<std::result::Result<Vec<_>, _>>()?;
    if numbers.len() % 2 == 1 {
        return Err("an odd number of run lengths".into());
    }
    let runs: Runs = numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect();
    let end: u64 = runs
        .iter()
        .map(|(g, l)| u64::from(*g) + u64::from(*l))
        .sum();
    if end > u64::from(SIDE) * u64::from(SIDE) {
        return Err(format!("the runs end at {end}, beyond the image"));
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;

    #[test]
    fn runs_and_labels_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("dicom-images-train/x/y")).unwrap();
        for id in ["1.2", "1.3"] {
            std::fs::write(
                dir.path().join(format!("dicom-images-train/x/y/{id}.dcm")),
                "",
            )
            .unwrap();
        }
        let table = dir.path().join("train-rle.csv");
        std::fs::write(
            &table,
            "ImageId, EncodedPixels\n1.2, 5 2 3 1\n1.2, 1 1\n1.3,-1\n",
        )
        .unwrap();
        let all = load(dir.path()).unwrap();
        assert_eq!(all[0].masks.len(), 2);
        assert!(all[0].labels.is_positive("pneumothorax"));
        assert_eq!(
            all[1].labels.get("pneumothorax"),
            Some(LabelState::Negative)
        );
        for bad in ["1 2 3", "x 1", "1048576 1"] {
            std::fs::write(&table, format!("ImageId, EncodedPixels\n1.2, {bad}\n")).unwrap();
            assert!(
                load(dir.path()).unwrap_err().to_string().contains("row 1"),
                "{bad}"
            );
        }
    }
}
