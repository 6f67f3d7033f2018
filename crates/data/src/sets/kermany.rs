//! Paediatric pneumonia (Kermany et al. 2018): classes and splits by folder, cause and patient by file name.

use super::common::{images_by, labelled, missing, relative, stem};
use crate::error::{DataError, Result};
use crate::sample::{Sample, Split};
use hilum_core::View;
use std::path::Path;

const SET: &str = "kermany";

/// Reads the set. Person numbers are taken as patients across the published splits; normal images carry their
/// own numbers (`IM-0115` and `NORMAL2-IM-0115` are two patients). The published `val` folder has 16 images.
///
/// # Errors
/// [`DataError::Layout`], [`DataError::Format`] for a file name without a class.
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let inner = root.join("chest_xray");
    let base = if inner.is_dir() {
        inner
    } else {
        root.to_owned()
    };
    let mut samples = Vec::new();
    for (folder, split) in [
        ("train", Split::Train),
        ("val", Split::Val),
        ("test", Split::Test),
    ] {
        for class in ["NORMAL", "PNEUMONIA"] {
            let path = base.join(folder).join(class);
            if !path.is_dir() {
                continue;
            }
            for image in images_by(&path, |p| relative(root, p))?.into_values() {
                let (word, patient) = read_name(class, stem(&image)).ok_or_else(|| {
                    DataError::format(&image, format!("no file name of the class {class}"))
                })?;
                let mut s = labelled(SET, root, image, vec![word.to_owned()]);
                (s.split, s.patient, s.view) = (Some(split), Some(patient), View::Ap);
                s.label_source = "folder and file name".into();
                samples.push(s);
            }
        }
    }
    if samples.is_empty() {
        return Err(missing(
            root,
            SET,
            "train/NORMAL and train/PNEUMONIA with images",
        ));
    }
    Ok(samples)
}

/// Label and patient: `person12_bacteria_46`, `IM-0115-0001`, `NORMAL2-IM-0272-0001-0002`.
fn read_name(class: &str, name: &str) -> Option<(&'static str, String)> {
    if class == "PNEUMONIA" {
        let mut parts = name.split('_');
        let person = parts.next().filter(|p| p.starts_with("person"))?;
        let word = match parts.next()? {
            "bacteria" => "bacterial_pneumonia",
            "virus" => "viral_pneumonia",
            _ => return None,
        };
        return Some((word, person.to_owned()));
    }
    let (series, rest) = name.split_once("IM-")?;
    let number = rest.split('-').next().filter(|n| !n.is_empty())?;
    Some(("normal", format!("{series}IM-{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_cause_and_patient() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "train/PNEUMONIA/person1_bacteria_2.jpeg",
            "test/PNEUMONIA/person1_virus_6.jpeg",
            "train/NORMAL/NORMAL2-IM-0272-0001-0002.jpeg",
        ] {
            let path = dir.path().join("chest_xray").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let all = load(dir.path()).unwrap();
        let patients: Vec<_> = all.iter().map(|s| s.patient.as_deref().unwrap()).collect();
        assert_eq!(patients, ["NORMAL2-IM-0272", "person1", "person1"]);
        assert!(all[2].labels.is_positive("viral_pneumonia"));
        assert_eq!(all[2].id, "chest_xray/test/PNEUMONIA/person1_virus_6.jpeg");
        std::fs::write(dir.path().join("chest_xray/train/NORMAL/x.jpeg"), "").unwrap();
        assert!(
            load(dir.path())
                .unwrap_err()
                .to_string()
                .contains("no file name")
        );
    }
}
