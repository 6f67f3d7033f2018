//! RSNA Pneumonia Detection Challenge (Shih et al. 2019): boxes of lung opacity suspicious of pneumonia.

use super::common::{images_by, labelled, missing, stem};
use crate::error::Result;
use crate::sample::{BoxLabel, Sample};
use crate::table::Table;
use hilum_core::Rect;
use std::collections::BTreeMap;
use std::path::Path;

const SET: &str = "rsna_pneumonia";

/// Reads the set. Its `patientId` names an image; the patients are those of ChestX-ray14 and come with NIH's
/// published mapping only, so [`Sample::patient`] is empty.
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::MissingColumn`], [`crate::DataError::Row`] where the two
/// tables contradict each other.
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let (labels, classes) = (
        root.join("stage_2_train_labels.csv"),
        root.join("stage_2_detailed_class_info.csv"),
    );
    for path in [&labels, &classes] {
        if !path.exists() {
            return Err(missing(
                root,
                SET,
                path.file_name().unwrap_or_default().to_string_lossy(),
            ));
        }
    }
    let images = images_by(&root.join("stage_2_train_images"), |p| stem(p).to_owned())?;
    let mut samples: BTreeMap<String, Sample> = BTreeMap::new();
    Table::open(&classes, &["patientId", "class"])?.for_each(|row| {
        let id = row.need("patientId")?;
        if let Some(path) = images.get(id) {
            let mut s = labelled(SET, root, path.clone(), vec![row.need("class")?.to_owned()]);
            s.label_source = "radiologists".into();
            samples.insert(id.to_owned(), s);
        }
        Ok(())
    })?;
    Table::open(
        &labels,
        &["patientId", "x", "y", "width", "height", "Target"],
    )?
    .for_each(|row| {
        let target = row.need("Target")?;
        let Some(s) = samples.get_mut(row.need("patientId")?) else {
            return Ok(());
        };
        if (target == "1") != s.labels.is_positive("lung_opacity") {
            return Err(row.error(format!(
                "`Target` is {target}, the class {:?}",
                s.raw_labels
            )));
        }
        if target == "1" {
            let side = |c: &str| {
                row.number_of(c)?
                    .ok_or_else(|| row.error(format!("`{c}` is empty")))
            };
            let rect = Rect {
                x: side("x")?,
                y: side("y")?,
                w: side("width")?,
                h: side("height")?,
            };
            let label = "Lung Opacity".into();
            s.boxes.push(BoxLabel {
                label,
                code: Some("lung_opacity"),
                rect,
                source: "RSNA radiologists".into(),
            });
        }
        Ok(())
    })?;
    Ok(samples.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;

    #[test]
    fn classes_and_boxes_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        let write = |n: &str, t: &str| std::fs::write(dir.path().join(n), t).unwrap();
        std::fs::create_dir(dir.path().join("stage_2_train_images")).unwrap();
        ["a", "b", "c"]
            .iter()
            .for_each(|i| write(&format!("stage_2_train_images/{i}.dcm"), ""));
        write(
            "stage_2_detailed_class_info.csv",
            "patientId,class\na,Lung Opacity\na,Lung Opacity\nb,No Lung Opacity / Not Normal\nc,Normal\n",
        );
        let labels =
            "patientId,x,y,width,height,Target\na,1,2,3,4,1\na,5,6,7,8,1\nb,,,,,0\nc,,,,,0\n";
        write("stage_2_train_labels.csv", labels);
        let all = load(dir.path()).unwrap();
        assert_eq!(all[0].boxes.len(), 2);
        let get = |i: usize, c: &str| all[i].labels.get(c);
        assert_eq!(
            (get(1, "lung_opacity"), get(1, "abnormal")),
            (Some(LabelState::Negative), Some(LabelState::Positive))
        );
        assert_eq!(
            (get(2, "pneumonia"), get(2, "abnormal")),
            (Some(LabelState::Negative), Some(LabelState::Negative))
        );
        write(
            "stage_2_train_labels.csv",
            &labels.replace("c,,,,,0", "c,1,2,3,4,1"),
        );
        assert!(load(dir.path()).unwrap_err().to_string().contains("row 4"));
    }
}
