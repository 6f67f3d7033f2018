//! PadChest (Bustos et al. 2020): one table with Spanish reports and English label lists.

use super::common::{not_empty, table, words_to_labels};
use crate::error::Result;
use crate::sample::{Pixels, Sample, parse_sex, parse_view};
use crate::table::{Row, Table};
use std::path::Path;

const SET: &str = "padchest";

/// Reads the set. Words of its label tree that the taxonomy lacks are in
/// [`crate::Labels::unmapped`]; `exclude` and `suboptimal study` label nothing.
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let path = table(root, SET, "PADCHEST_chest_x_ray_images_labels")?;
    let mut samples = Vec::new();
    Table::open(&path, &["ImageID", "PatientID", "Projection", "Labels"])?.for_each(|row| {
        samples.push(read_row(row, root)?);
        Ok(())
    })?;
    Ok(samples)
}

fn read_row(row: &Row, root: &Path) -> Result<Sample> {
    let image = row.need("ImageID")?;
    let in_folder = format!("{}/{image}", row.get("ImageDir"));
    let id = if root.join(&in_folder).exists() {
        in_folder
    } else {
        image.to_owned()
    };
    let mut s = Sample::new(SET, id.as_str(), Pixels::File(root.join(&id)));
    s.patient = Some(row.need("PatientID")?.to_owned());
    s.study = not_empty(row.get("StudyID"));
    s.view = parse_view(row.get("Projection"));
    s.sex = parse_sex(row.get("PatientSex_DICOM"));
    s.age = age(row);
    s.size = row
        .pixels("Columns_DICOM")
        .ok()
        .flatten()
        .zip(row.pixels("Rows_DICOM").ok().flatten());
    s.report = not_empty(row.get("Report"));
    s.label_source = row.get("MethodLabel").to_owned();
    s.raw_labels =
        python_list(row.get("Labels")).ok_or_else(|| row.error("`Labels` is no list of words"))?;
    s.labels = words_to_labels(SET, &s.raw_labels);
    Ok(s)
}

/// Years between the year of birth and that of the study.
fn age(row: &Row) -> Option<f32> {
    let birth: f32 = row.get("PatientBirth").parse().ok()?;
    let study: f32 = row.get("StudyDate_DICOM").get(..4)?.parse().ok()?;
    let years = study - birth;
    (0.0..=130.0).contains(&years).then_some(years)
}

/// The words of a Python list such as `['pleural effusion', "crohn's", nan]`; empty words and `nan` are left out.
fn python_list(text: &str) -> Option<Vec<String>> {
    if text.is_empty() || text == "nan" {
        return Some(Vec::new());
    }
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut words = Vec::new();
    while !rest.is_empty() {
        let (word, after) = match rest.chars().next()? {
            quote @ ('\'' | '"') => rest[1..].split_once(quote)?,
            _ => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        let word = word.trim();
        if !word.is_empty() && word != "nan" {
            words.push(word.to_owned());
        }
        rest = after.trim_start();
        rest = if rest.is_empty() {
            rest
        } else {
            rest.strip_prefix(',')?.trim_start()
        };
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;
    use hilum_core::View;

    #[test]
    fn lists_are_read() {
        assert_eq!(python_list("['a b', 'c', nan, '']").unwrap(), ["a b", "c"]);
        assert_eq!(python_list("[\"crohn's\"]").unwrap(), ["crohn's"]);
        assert_eq!(python_list("[]").unwrap(), [""; 0]);
        assert!(python_list("['a").is_none() && python_list("['a' 'b']").is_none());
    }

    #[test]
    fn rows_become_samples() {
        let dir = tempfile::tempdir().unwrap();
        let name = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv";
        let text = ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,Projection,MethodLabel,Labels,Report\n\
             0,1.png,0,20140915,S1,P1,1930.0,F,PA,Physician,\"['pleural effusion', 'NSG tube', 'azygos lobe']\",derrame\n\
             1,2.png,0,20140915,S2,P2,1930.0,F,L,RNN_model,\"['normal']\",normal\n\
             2,3.png,0,20140915,S3,P3,1930.0,F,L,RNN_model,\"['exclude']\",x\n";
        std::fs::write(dir.path().join(name), text).unwrap();
        let all = load(dir.path()).unwrap();
        assert!(
            all[0].labels.is_positive("pleural_effusion")
                && all[0].labels.is_positive("support_devices")
        );
        assert_eq!(all[0].labels.get("pneumonia"), Some(LabelState::Negative));
        assert_eq!(all[0].labels.unmapped(), ["azygos lobe"]);
        assert_eq!((all[0].age, all[1].view), (Some(84.0), View::Lateral));
        assert_eq!(all[1].labels.get("abnormal"), Some(LabelState::Negative));
        assert!(all[2].labels.is_empty());
    }
}
