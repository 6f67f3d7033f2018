//! COVID-19 image data collection (Cohen et al. 2020): `metadata.csv` and `images/`.

use super::common::{labelled, missing, not_empty};
use crate::error::Result;
use crate::sample::{Sample, parse_age, parse_sex, parse_view};
use crate::table::{Row, Table};
use std::path::Path;

const SET: &str = "covid_cohen";

/// Reads the X-rays; CT rows are left out. The diagnosis is the last part of `finding`.
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let table = root.join("metadata.csv");
    if !table.exists() {
        return Err(missing(root, SET, "metadata.csv"));
    }
    let mut samples = Vec::new();
    Table::open(
        &table,
        &["patientid", "finding", "view", "modality", "filename"],
    )?
    .for_each(|row| {
        if row.get("modality") == "X-ray" {
            samples.push(read_row(row, root)?);
        }
        Ok(())
    })?;
    Ok(samples)
}

fn read_row(row: &Row, root: &Path) -> Result<Sample> {
    let folder = match row.get("folder") {
        "" => "images",
        folder => folder,
    };
    let finding = row.get("finding");
    let word = finding.rsplit('/').next().unwrap_or(finding);
    let words = not_empty(word).into_iter().collect();
    let mut s = labelled(
        SET,
        root,
        root.join(folder).join(row.need("filename")?),
        words,
    );
    s.label_source = "case reports".into();
    s.patient = Some(row.need("patientid")?.to_owned());
    s.view = parse_view(row.get("view"));
    s.sex = parse_sex(row.get("sex"));
    s.age = parse_age(row.get("age"));
    s.licence = not_empty(row.get("license"));
    s.report = not_empty(row.get("clinical_notes"));
    let further = ["offset", "survival", "date", "location", "url", "doi"];
    s.extra = further
        .iter()
        .filter_map(|c| Some(((*c).to_owned(), not_empty(row.get(c))?)))
        .collect();
    Ok(s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_is_the_diagnosis() {
        let dir = tempfile::tempdir().unwrap();
        let text = "patientid,offset,sex,age,finding,view,modality,folder,filename,license,clinical_notes\n\
            2,0,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.jpg,CC BY,\"Cough, fever\"\n\
            3,1,F,,todo,AP Supine,X-ray,images,b.jpg,,\n4,1,F,,Pneumonia,Axial,CT,volumes,c.nii,,\n\
            5,,,40,Pneumonia/Bacterial/Streptococcus,PA,X-ray,images,d.jpg,,\n";
        std::fs::write(dir.path().join("metadata.csv"), text).unwrap();
        let all = load(dir.path()).unwrap();
        assert_eq!(all.len(), 3);
        assert!(
            all[0].labels.is_positive("covid_19") && all[0].labels.is_positive("viral_pneumonia")
        );
        assert_eq!(
            (all[0].id.as_str(), all[0].licence.as_deref()),
            ("images/a.jpg", Some("CC BY"))
        );
        assert!(all[1].labels.is_empty());
        assert!(all[2].labels.is_positive("bacterial_pneumonia"));
    }
}
