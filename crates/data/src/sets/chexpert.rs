//! CheXpert (Irvin et al. 2019): `train.csv`, `valid.csv`, `test.csv` with one column a label.

use super::common::{missing, not_empty};
use crate::error::Result;
use crate::labels::{LabelState, Labels};
use crate::sample::{Pixels, Sample, Split, parse_age, parse_sex, parse_view};
use crate::table::{Row, Table};
use hilum_core::{View, taxonomy};
use std::path::{Path, PathBuf};

const SET: &str = "chexpert";

/// The fourteen columns; MIMIC-CXR-JPG uses the same.
pub const COLUMNS: [&str; 14] = [
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
];

/// Reads whatever of the three tables is there. Blank labels are [`LabelState::NotMentioned`], -1 is
/// [`LabelState::Uncertain`]; in the radiologists' tables there are no blanks.
///
/// # Errors
/// [`crate::DataError::Layout`] without any table, [`crate::DataError::Row`].
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let tables = [
        ("train.csv", Split::Train),
        ("valid.csv", Split::Val),
        ("test.csv", Split::Test),
    ];
    let there: Vec<_> = tables
        .iter()
        .filter(|(f, _)| root.join(f).exists())
        .collect();
    if there.is_empty() {
        return Err(missing(root, SET, "train.csv, valid.csv or test.csv"));
    }
    for (file, split) in there {
        let mut required = vec!["Path"];
        required.extend(COLUMNS);
        Table::open(&root.join(file), &required)?.for_each(|row| {
            samples.push(read_row(row, root, *split)?);
            Ok(())
        })?;
    }
    Ok(samples)
}

fn read_row(row: &Row, root: &Path, split: Split) -> Result<Sample> {
    let id = row.need("Path")?;
    let mut s = Sample::new(SET, id, Pixels::File(place(root, id)));
    let parts: Vec<&str> = id.split('/').collect();
    let at = parts.iter().position(|p| p.starts_with("patient"));
    let at = at.ok_or_else(|| row.error(format!("no patient folder in {id:?}")))?;
    s.patient = Some(parts[at].to_owned());
    s.study = parts
        .get(at + 1)
        .filter(|p| p.starts_with("study"))
        .map(|p| format!("{}/{p}", parts[at]));
    s.split = Some(split);
    s.sex = parse_sex(row.get("Sex"));
    s.age = parse_age(row.get("Age"));
    s.view = match row.get("Frontal/Lateral") {
        "Frontal" if row.get("AP/PA").is_empty() => View::Frontal,
        "Frontal" => parse_view(row.get("AP/PA")),
        other => parse_view(other),
    };
    s.label_source = if split == Split::Train {
        "chexpert labeler"
    } else {
        "radiologists"
    }
    .into();
    s.labels = read_labels(row)?;
    Ok(s)
}

/// The first folder of `Path` names the release (`CheXpert-v1.0-small`) and may or may not be on the disk.
fn place(root: &Path, id: &str) -> PathBuf {
    let inner = id.split_once('/').map_or(id, |(_, rest)| rest);
    let whole = root.join(id);
    if id.starts_with("CheXpert") && !whole.exists() {
        root.join(inner)
    } else {
        whole
    }
}

/// The labels of a row with [`COLUMNS`], closed under subsumption. `No Finding` excludes every sign that the
/// row leaves blank.
///
/// # Errors
/// [`crate::DataError::Row`] for a value that is none of 1, 0, -1 and blank.
pub fn read_labels(row: &Row) -> Result<Labels> {
    let mut labels = Labels::default();
    for column in COLUMNS {
        let Some(taxon) = taxonomy::find(column) else {
            continue;
        };
        let state = match row.number_of(column)? {
            None => LabelState::NotMentioned,
            Some(1.0) => LabelState::Positive,
            Some(0.0) => LabelState::Negative,
            Some(-1.0) => LabelState::Uncertain,
            Some(v) => return Err(row.error(format!("`{column}` is {v}, not 1, 0, -1 or blank"))),
        };
        labels.set(taxon.code, state)?;
    }
    if labels.is_positive(taxonomy::NO_FINDING) {
        let silent = |(code, state): &(&str, LabelState)| {
            *state == LabelState::NotMentioned
                && taxonomy::by_code(code).is_some_and(|t| t.implies_abnormal())
        };
        let codes: Vec<_> = labels.iter().filter(silent).map(|(c, _)| c).collect();
        codes
            .into_iter()
            .for_each(|c| labels.fill(c, LabelState::Negative));
    }
    labels.close();
    Ok(labels)
}

/// The study's report label columns as one text, for messages.
pub(super) fn study_key(subject: &str, study: &str) -> Option<(String, String)> {
    Some((not_empty(subject)?, not_empty(study)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_states() {
        let dir = tempfile::tempdir().unwrap();
        let header = format!("Path,Sex,Age,Frontal/Lateral,AP/PA,{}", COLUMNS.join(","));
        let path = "CheXpert-v1.0-small/train/patient00001/study2";
        let text = format!(
            "{header}\n{path}/view1_frontal.jpg,Female,68,Frontal,AP,,,1.0,,,-1.0,,0.0,,,,,,1.0\n\
             {path}/view2_lateral.jpg,Unknown,0,Lateral,,1.0,,,,,,,,,,,,,\n"
        );
        std::fs::write(dir.path().join("train.csv"), &text).unwrap();
        let all = load(dir.path()).unwrap();
        let (a, b) = (&all[0], &all[1]);
        assert_eq!(
            (a.patient.as_deref(), a.study.as_deref()),
            (Some("patient00001"), Some("patient00001/study2"))
        );
        assert_eq!((a.view, b.view), (View::Ap, View::Lateral));
        assert_eq!(a.labels.get("edema"), Some(LabelState::Uncertain));
        assert_eq!(
            a.labels.get("lung_opacity"),
            Some(LabelState::Uncertain),
            "from edema"
        );
        assert!(
            a.labels.is_positive("enlarged_cardiomediastinum") && a.labels.is_positive("abnormal")
        );
        assert_eq!(a.labels.get("fracture"), Some(LabelState::NotMentioned));
        assert_eq!(b.labels.get("fracture"), Some(LabelState::Negative));
        assert_eq!(
            b.labels.get("support_devices"),
            Some(LabelState::NotMentioned)
        );
        assert!(
            a.path()
                .ends_with("train/patient00001/study2/view1_frontal.jpg")
        );
        assert!(!a.path().to_string_lossy().contains("CheXpert-v1.0"));
        std::fs::write(dir.path().join("train.csv"), text.replace("-1.0", "-3")).unwrap();
        assert!(
            load(dir.path())
                .unwrap_err()
                .to_string()
                .contains("row 1: `Edema` is -3")
        );
    }
}
