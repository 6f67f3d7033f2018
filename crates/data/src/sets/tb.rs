//! Shenzhen and Montgomery (Jaeger et al. 2014): tuberculosis by the digit at the end of the file name.

use super::common::{images_by, labelled, missing, stem};
use crate::error::{DataError, Result};
use crate::sample::{MaskForm, MaskRef, Sample, parse_age, parse_sex};
use hilum_core::View;
use std::path::Path;

/// Reads the Shenzhen set with its lung masks, where `mask/<name>_mask.png` exists.
///
/// # Errors
/// [`DataError::Layout`], [`DataError::Format`] for a name that ends in neither 0 nor 1.
pub fn load_shenzhen(root: &Path) -> Result<Vec<Sample>> {
    read(root, "shenzhen", "CHNCXR_", &[("lungs", "mask", "_mask")])
}

/// Reads the Montgomery set with its two lung masks.
///
/// # Errors
/// [`DataError::Layout`], [`DataError::Format`] for a name that ends in neither 0 nor 1.
pub fn load_montgomery(root: &Path) -> Result<Vec<Sample>> {
    let masks = [
        ("left_lung", "ManualMask/leftMask", ""),
        ("right_lung", "ManualMask/rightMask", ""),
    ];
    read(root, "montgomery", "MCUCXR_", &masks)
}

/// Masks are given as structure, folder, and what is added to the image's name.
fn read(
    root: &Path,
    set: &'static str,
    start: &str,
    masks: &[(&str, &str, &str)],
) -> Result<Vec<Sample>> {
    let folder = root.join("CXR_png");
    if !folder.is_dir() {
        return Err(missing(root, set, "CXR_png/"));
    }
    let mut samples = Vec::new();
    for (name, path) in images_by(&folder, |p| stem(p).to_owned())? {
        let ending = name.strip_prefix(start).and_then(|n| n.rsplit_once('_'));
        let (number, word) = match ending {
            Some((number, "0")) => (number, "normal"),
            Some((number, "1")) => (number, "tuberculosis"),
            _ => {
                return Err(DataError::format(
                    &path,
                    format!("not named {start}<number>_0 or _1"),
                ));
            }
        };
        let mut s = labelled(set, root, path, vec![word.to_owned()]);
        s.patient = Some(format!("{start}{number}"));
        s.view = View::Pa;
        s.label_source = "file name".into();
        for (structure, folder, ending) in masks {
            let path = root.join(folder).join(format!("{name}{ending}.png"));
            if path.exists() {
                s.masks.push(MaskRef {
                    name: (*structure).into(),
                    form: MaskForm::File(path),
                });
            }
        }
        add_reading(
            &mut s,
            &root.join("ClinicalReadings").join(format!("{name}.txt")),
        )?;
        samples.push(s);
    }
    Ok(samples)
}

/// Sex, age and reading: `male 45yrs` (Shenzhen) or `Patient's Sex: F` and `Patient's Age: 026Y` (Montgomery).
fn add_reading(s: &mut Sample, path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let bytes = std::fs::read(path).map_err(|e| DataError::io(path, e))?;
    let text = String::from_utf8_lossy(&bytes);
    for word in text
        .split([' ', ',', '\n', '\r', '\t', ':'])
        .filter(|w| !w.is_empty())
    {
        let age = word.trim_end_matches("yrs").trim_end_matches("yr");
        s.sex = s.sex.or(parse_sex(word));
        let is_age = age.len() < word.len() || (word.ends_with('Y') && word.len() == 4);
        s.age = s.age.or(is_age.then(|| parse_age(age)).flatten());
    }
    s.report = Some(text.trim().to_owned()).filter(|t| !t.is_empty());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;
    use hilum_core::Sex;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn both_layouts_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "CXR_png/CHNCXR_0001_0.png", "");
        write(root, "CXR_png/CHNCXR_0330_1.png", "");
        write(root, "mask/CHNCXR_0330_1_mask.png", "");
        write(
            root,
            "ClinicalReadings/CHNCXR_0330_1.txt",
            "female, 32yrs\nPTB in the right upper field",
        );
        let all = load_shenzhen(root).unwrap();
        assert_eq!(
            all[0].labels.get("lung_opacity"),
            Some(LabelState::Negative)
        );
        assert!(all[1].labels.is_positive("tuberculosis") && all[1].masks[0].name == "lungs");
        assert_eq!((all[1].sex, all[1].age), (Some(Sex::Female), Some(32.0)));
        assert!(load_montgomery(root).is_err(), "names of another set");
    }

    #[test]
    fn montgomery_has_two_masks_and_dicom_ages() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "CXR_png/MCUCXR_0001_0.png", "");
        write(root, "ManualMask/leftMask/MCUCXR_0001_0.png", "");
        write(root, "ManualMask/rightMask/MCUCXR_0001_0.png", "");
        write(
            root,
            "ClinicalReadings/MCUCXR_0001_0.txt",
            "Patient's Sex: F\nPatient's Age: 027Y\nnormal",
        );
        let s = &load_montgomery(root).unwrap()[0];
        assert_eq!(s.mask_parts("lungs").len(), 2);
        assert_eq!(
            (s.sex, s.age, s.patient.as_deref()),
            (Some(Sex::Female), Some(27.0), Some("MCUCXR_0001"))
        );
    }
}
