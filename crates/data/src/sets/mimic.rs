//! MIMIC-CXR-JPG (Johnson et al. 2019): metadata, the labels of two labelers, the official split.

use super::chexpert::{self, COLUMNS, study_key};
use super::common::{missing, optional_table};
use crate::error::Result;
use crate::labels::Labels;
use crate::sample::{Pixels, Sample, Split, parse_view};
use crate::table::Table;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const SET: &str = "mimic_cxr_jpg";

/// Whose labels are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labeler {
    /// The CheXpert labeler.
    Chexpert,
    /// NegBio.
    Negbio,
}

impl Labeler {
    fn name(self) -> &'static str {
        match self {
            Labeler::Chexpert => "chexpert",
            Labeler::Negbio => "negbio",
        }
    }
}

/// Reads the set with the labels of the CheXpert labeler.
///
/// # Errors
/// Those of [`load_with`].
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    load_with(root, Labeler::Chexpert)
}

/// Reads the set. Studies without a row in the label table have no labels (their reports had no findings or
/// impression).
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn load_with(root: &Path, labeler: Labeler) -> Result<Vec<Sample>> {
    let labels = read_labels(&part(root, labeler.name())?)?;
    let splits = read_splits(&part(root, "split")?)?;
    let mut samples = Vec::new();
    let metadata = Table::open(
        &part(root, "metadata")?,
        &["dicom_id", "subject_id", "study_id", "ViewPosition"],
    )?;
    metadata.for_each(|row| {
        let (image, subject, study) = (
            row.need("dicom_id")?,
            row.need("subject_id")?,
            row.need("study_id")?,
        );
        let group = subject
            .get(..2)
            .ok_or_else(|| row.error(format!("`subject_id` is {subject:?}")))?;
        let id = format!("files/p{group}/p{subject}/s{study}/{image}.jpg");
        let mut s = Sample::new(SET, id.as_str(), Pixels::File(root.join(&id)));
        s.patient = Some(subject.to_owned());
        s.study = Some(study.to_owned());
        s.view = parse_view(row.get("ViewPosition"));
        s.size = row.pixels("Columns")?.zip(row.pixels("Rows")?);
        s.split = splits.get(image).copied();
        s.label_source = format!("{} labeler", labeler.name());
        if let Some(l) = study_key(subject, study).and_then(|k| labels.get(&k)) {
            s.labels = l.clone();
        }
        samples.push(s);
        Ok(())
    })?;
    Ok(samples)
}

fn part(root: &Path, name: &str) -> Result<PathBuf> {
    let found = optional_table(root, "mimic-cxr-2", &format!("-{name}.csv"))?;
    found.ok_or_else(|| missing(root, SET, format!("mimic-cxr-2.*-{name}.csv[.gz]")))
}

fn read_labels(path: &Path) -> Result<HashMap<(String, String), Labels>> {
    let mut labels = HashMap::new();
    let mut required = vec!["subject_id", "study_id"];
    required.extend(COLUMNS);
    Table::open(path, &required)?.for_each(|row| {
        let key = (
            row.need("subject_id")?.to_owned(),
            row.need("study_id")?.to_owned(),
        );
        labels.insert(key, chexpert::read_labels(row)?);
        Ok(())
    })?;
    Ok(labels)
}

fn read_splits(path: &Path) -> Result<HashMap<String, Split>> {
    let mut splits = HashMap::new();
    Table::open(path, &["dicom_id", "split"])?.for_each(|row| {
        let word = row.need("split")?;
        let split = Split::parse(word).ok_or_else(|| row.error(format!("no split {word:?}")))?;
        splits.insert(row.need("dicom_id")?.to_owned(), split);
        Ok(())
    })?;
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;
    use std::io::Write;

    fn gz(path: PathBuf, text: &str) {
        let mut gz =
            flate2::write::GzEncoder::new(std::fs::File::create(path).unwrap(), Default::default());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap();
    }

    #[test]
    fn the_tables_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: &str| dir.path().join(format!("mimic-cxr-2.0.0-{n}.csv.gz"));
        gz(
            at("metadata"),
            "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns\n\
             aa-bb,10000032,50414267,CHEST,PA,3056,2544\ncc-dd,10000032,999,CHEST,LL,3056,2544\n",
        );
        let empty = ",".repeat(13);
        gz(
            at("chexpert"),
            &format!(
                "subject_id,study_id,{}\n10000032,50414267,1.0{empty}\n",
                COLUMNS.join(",")
            ),
        );
        gz(
            at("split"),
            "dicom_id,study_id,subject_id,split\naa-bb,50414267,10000032,validate\n",
        );
        let all = load(dir.path()).unwrap();
        assert_eq!(all[0].id, "files/p10/p10000032/s50414267/aa-bb.jpg");
        assert_eq!(
            (all[0].split, all[0].size),
            (Some(Split::Val), Some((2544, 3056)))
        );
        assert_eq!(all[0].labels.get("pneumonia"), Some(LabelState::Negative));
        assert!(all[1].labels.is_empty() && all[1].split.is_none());
        assert!(
            load_with(dir.path(), Labeler::Negbio)
                .unwrap_err()
                .to_string()
                .contains("-negbio.csv")
        );
    }
}
