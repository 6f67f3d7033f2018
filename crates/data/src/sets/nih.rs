//! NIH ChestX-ray14 (Wang et al. 2017): `Data_Entry_2017*.csv`, boxes and the official lists.

use super::common::{images_by, labelled, missing, optional_table, table};
use crate::error::{DataError, Result};
use crate::sample::{BoxLabel, Sample, Split, parse_age, parse_sex, parse_view};
use crate::table::{Row, Table};
use hilum_core::{Rect, taxonomy};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const SET: &str = "nih_chestxray14";

/// Reads the set. Images are looked for in every folder below the root; those of the entry file that are not
/// there are left out, since parts of the set are often used alone.
/// `train_val_list.txt` gives [`Split::Train`], `test_list.txt` [`Split::Test`].
///
/// # Errors
/// [`DataError::Layout`] without the entry file or any image, [`DataError::Row`].
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let entries = table(root, SET, "Data_Entry_2017")?;
    let images = images_by(root, |p| {
        p.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    })?;
    let splits = read_lists(root)?;
    let mut boxes = match optional_table(root, "BBox_List", "")? {
        Some(path) => read_boxes(&path)?,
        None => HashMap::new(),
    };
    let samples = read_entries(&entries, |name| {
        let mut sample = labelled(SET, root, images.get(name)?.clone(), Vec::new());
        sample.split = splits.get(name).copied();
        sample.boxes = boxes.remove(name).unwrap_or_default();
        Some(sample)
    })?;
    if samples.is_empty() {
        return Err(missing(root, SET, "an image of the entry file"));
    }
    Ok(samples)
}

/// Reads an entry file alone; `start` makes the sample for an image name, or leaves it out.
///
/// # Errors
/// [`DataError::MissingColumn`], [`DataError::Row`].
pub fn read_entries(
    path: &Path,
    mut start: impl FnMut(&str) -> Option<Sample>,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    Table::open(path, &["Image Index", "Finding Labels", "Patient ID"])?.for_each(|row| {
        if let Some(mut sample) = start(row.need("Image Index")?) {
            fill(&mut sample, row)?;
            samples.push(sample);
        }
        Ok(())
    })?;
    Ok(samples)
}

fn fill(s: &mut Sample, row: &Row) -> Result<()> {
    s.raw_labels = row
        .need("Finding Labels")?
        .split('|')
        .map(Into::into)
        .collect();
    s.labels = super::common::words_to_labels(SET, &s.raw_labels);
    if let Some(word) = s.labels.unmapped().first() {
        return Err(row.error(format!("no finding of ChestX-ray14: {word:?}")));
    }
    s.label_source = "text-mined".into();
    s.patient = Some(row.need("Patient ID")?.to_owned());
    s.age = parse_age(row.get("Patient Age"));
    s.sex = parse_sex(row.get("Patient Gender"));
    s.view = parse_view(row.get("View Position"));
    // The header `OriginalImage[Width,Height]` is two columns to a CSV reader.
    s.original_size = row
        .pixels("OriginalImage[Width")?
        .zip(row.pixels("Height]")?);
    Ok(())
}

/// Boxes by image name, in pixels of the 1024 x 1024 images.
///
/// # Errors
/// [`DataError::Row`].
pub fn read_boxes(path: &Path) -> Result<HashMap<String, Vec<BoxLabel>>> {
    let mut boxes: HashMap<String, Vec<BoxLabel>> = HashMap::new();
    Table::open(path, &["Image Index", "Finding Label"])?.for_each(|row| {
        let label = row.need("Finding Label")?.to_owned();
        let rect = Rect {
            x: row.number_at(2)?,
            y: row.number_at(3)?,
            w: row.number_at(4)?,
            h: row.number_at(5)?,
        };
        let code = taxonomy::find(&label).map(|t| t.code);
        let source = "NIH radiologist".into();
        boxes
            .entry(row.need("Image Index")?.into())
            .or_default()
            .push(BoxLabel {
                label,
                code,
                rect,
                source,
            });
        Ok(())
    })?;
    Ok(boxes)
}

fn read_lists(root: &Path) -> Result<BTreeMap<String, Split>> {
    let mut splits = BTreeMap::new();
    for (file, split) in [
        ("train_val_list.txt", Split::Train),
        ("test_list.txt", Split::Test),
    ] {
        let path: PathBuf = root.join(file);
        if !path.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|e| DataError::io(&path, e))?;
        for (i, name) in text
            .lines()
            .map(str::trim)
            .enumerate()
            .filter(|(_, n)| !n.is_empty())
        {
            if splits
                .insert(name.to_owned(), split)
                .is_some_and(|old| old != split)
            {
                return Err(DataError::row(
                    &path,
                    i as u64 + 1,
                    format!("{name} is in both lists"),
                ));
            }
        }
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::View;

    #[test]
    fn the_published_layout_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "Data_Entry_2017.csv",
            "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
             OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n\
             00000001_000.png,Cardiomegaly|Effusion,0,1,058Y,M,PA,2682,2749,0.143,0.143,\n\
             00000002_000.png,No Finding,0,2,081,F,AP,2500,2048,0.171,0.171,\n\
             00000003_000.png,No Finding,0,3,081,F,AP,2500,2048,0.171,0.171,\n",
        );
        write(
            "BBox_List_2017.csv",
            "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Infiltrate,1.5,2,3,4,,,\n",
        );
        write("images_001/images/00000001_000.png", "");
        write("images_002/images/00000002_000.png", "");
        write("train_val_list.txt", "00000001_000.png\n");
        write("test_list.txt", "00000002_000.png\n");
        let all = load(dir.path()).unwrap();
        assert_eq!(all.len(), 2, "the third image is not there");
        let s = &all[0];
        assert_eq!(
            (s.age, s.view, s.split),
            (Some(58.0), View::Pa, Some(Split::Train))
        );
        assert_eq!(s.original_size, Some((2682, 2749)));
        assert!(s.labels.is_positive("pleural_effusion") && !s.labels.is_positive("mass"));
        assert_eq!(s.boxes[0].code, Some("infiltration"));
        assert_eq!(
            s.boxes[0].rect,
            Rect {
                x: 1.5,
                y: 2.0,
                w: 3.0,
                h: 4.0
            }
        );
        assert_eq!(all[1].split, Some(Split::Test));
        write("test_list.txt", "00000001_000.png\n");
        assert!(
            load(dir.path())
                .unwrap_err()
                .to_string()
                .contains("in both lists")
        );
    }
}
