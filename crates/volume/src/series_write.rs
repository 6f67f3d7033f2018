//! Writes a volume as the slices of one DICOM CT series (PS3.3, A.3).

use crate::affine::{cross, dot, unit};
use crate::error::VolumeError;
use crate::volume::Volume;
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use hilum_dicom::write::{DataSet, uid};
use std::path::{Path, PathBuf};

/// Writes `volume` (Hounsfield units) into `folder`, one file a slice along its third axis, `slice-0001.dcm` and so on. The
/// patient is nobody: `ANONYMOUS`; identifiers are made from the content, so the same volume gives the same bytes.
/// `derivation` says in words what it was made from.
///
/// # Errors
/// [`VolumeError::Geometry`] for axes that are not at right angles, [`VolumeError::Bad`] for a side over 65535,
/// [`VolumeError::Io`].
pub fn write(
    volume: &Volume<i16>,
    folder: &Path,
    derivation: &str,
) -> Result<Vec<PathBuf>, VolumeError> {
    volume.affine.check_orthogonal()?;
    let side = |n: usize| {
        u16::try_from(n)
            .map_err(|_| VolumeError::bad(folder, format!("{n} voxels a side do not fit DICOM")))
    };
    let (columns, rows) = (side(volume.size[0])?, side(volume.size[1])?);
    std::fs::create_dir_all(folder).map_err(|e| VolumeError::io(folder, e))?;
    let content = content_key(volume, derivation);
    let mut paths = Vec::new();
    for k in 0..volume.size[2] {
        let path = folder.join(format!("slice-{:04}.dcm", k + 1));
        let instance = uid(&[b"instance", &content, &(k as u64).to_le_bytes()]);
        let mut object = DataSet::default();
        identity(&mut object, &content, &instance, k, derivation);
        place(&mut object, volume, k);
        pixels(&mut object, volume, k, columns, rows);
        let bytes = object
            .file(uids::CT_IMAGE_STORAGE, &instance)
            .map_err(|e| VolumeError::bad(&path, e.to_string()))?;
        std::fs::write(&path, bytes).map_err(|e| VolumeError::io(&path, e))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Stands for the volume in identifiers.
fn content_key(volume: &Volume<i16>, derivation: &str) -> Vec<u8> {
    let axes = volume.affine.axes.iter().flatten();
    let geometry: Vec<u8> = axes
        .chain(&volume.affine.origin)
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let values: Vec<u8> = volume.data.iter().flat_map(|v| v.to_le_bytes()).collect();
    uid(&[derivation.as_bytes(), &geometry, &values]).into_bytes()
}

fn identity(o: &mut DataSet, content: &[u8], instance: &str, k: usize, derivation: &str) {
    let key = |what: &str| uid(&[what.as_bytes(), content]);
    o.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    o.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY", "AXIAL"]);
    o.text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    o.text(tags::SOP_INSTANCE_UID, VR::UI, instance);
    o.text(tags::STUDY_INSTANCE_UID, VR::UI, &key("study"));
    o.text(tags::SERIES_INSTANCE_UID, VR::UI, &key("series"));
    o.text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &key("frame"));
    o.text(tags::MODALITY, VR::CS, "CT");
    o.text(tags::MANUFACTURER, VR::LO, "Hilum");
    o.text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
    o.text(tags::PATIENT_NAME, VR::PN, "ANONYMOUS");
    o.text(tags::PATIENT_ID, VR::LO, "ANONYMOUS");
    o.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    o.text(
        tags::DEIDENTIFICATION_METHOD,
        VR::LO,
        "no patient data were taken over",
    );
    o.empty(&[
        (tags::LATERALITY, VR::CS),
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_TIME, VR::TM),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::PATIENT_SEX, VR::CS),
        (tags::STUDY_ID, VR::SH),
        (tags::PATIENT_POSITION, VR::CS),
        (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
        (tags::KVP, VR::DS),
        (tags::ACQUISITION_NUMBER, VR::IS),
    ]);
    o.text(tags::SERIES_NUMBER, VR::IS, "1");
    o.text(tags::INSTANCE_NUMBER, VR::IS, &(k + 1).to_string());
    let words: String = derivation.chars().take(1024).collect();
    o.text(tags::DERIVATION_DESCRIPTION, VR::ST, &words);
}

/// Where the slice is (PS3.3, C.7.6.2).
fn place(o: &mut DataSet, volume: &Volume<i16>, k: usize) {
    let spacing = volume.affine.spacing();
    let (across, down) = (unit(volume.affine.axes[0]), unit(volume.affine.axes[1]));
    let position = volume.affine.apply([0.0, 0.0, k as f64]);
    let directions: Vec<f64> = across.iter().chain(&down).copied().collect();
    o.decimal(tags::IMAGE_ORIENTATION_PATIENT, &directions);
    o.decimal(tags::IMAGE_POSITION_PATIENT, &position);
    // Between rows first (PS3.3, 10.7.1.3).
    o.decimal(tags::PIXEL_SPACING, &[spacing[1], spacing[0]]);
    o.decimal(tags::SLICE_THICKNESS, &[spacing[2]]);
    let along = dot(position, unit(cross(across, down)));
    o.decimal(tags::SLICE_LOCATION, &[along]);
}

fn pixels(o: &mut DataSet, volume: &Volume<i16>, k: usize, columns: u16, rows: u16) {
    let plane = volume.size[0] * volume.size[1];
    let values = &volume.data[k * plane..(k + 1) * plane];
    o.number(tags::SAMPLES_PER_PIXEL, 1);
    o.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    o.number(tags::ROWS, rows);
    o.number(tags::COLUMNS, columns);
    o.number(tags::BITS_ALLOCATED, 16);
    o.number(tags::BITS_STORED, 16);
    o.number(tags::HIGH_BIT, 15);
    o.number(tags::PIXEL_REPRESENTATION, 1);
    o.decimal(tags::RESCALE_INTERCEPT, &[0.0]);
    o.decimal(tags::RESCALE_SLOPE, &[1.0]);
    o.text(tags::RESCALE_TYPE, VR::LO, "HU");
    o.put(tags::WINDOW_CENTER, VR::DS, PrimitiveValue::from("-600"));
    o.put(tags::WINDOW_WIDTH, VR::DS, PrimitiveValue::from("1500"));
    let words = values.iter().map(|v| *v as u16).collect();
    o.put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words));
}

/// Rounded to whole Hounsfield units.
///
/// # Errors
/// [`VolumeError::Geometry`] for a value that does not fit 16 bits.
pub fn whole_hu(volume: &Volume<f32>) -> Result<Volume<i16>, VolumeError> {
    let fits = |v: f32| v.round() >= f32::from(i16::MIN) && v.round() <= f32::from(i16::MAX);
    if let Some(v) = volume.data.iter().find(|v| !fits(**v)) {
        return Err(VolumeError::Geometry {
            reason: format!("hold the value {v}, which 16 bits cannot"),
        });
    }
    Ok(volume.map(|v| v.round() as i16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;
    use crate::series;

    fn oblique(flip: f64) -> Volume<i16> {
        let (s, c) = 25f64.to_radians().sin_cos();
        let affine = Affine {
            axes: [
                [0.7 * c, 0.7 * s, 0.0],
                [-0.9 * s, 0.9 * c, 0.0],
                [0.0, 0.0, 2.5 * flip],
            ],
            origin: [-31.5, 12.25, 40.0],
        };
        let data = (0..6 * 5 * 4).map(|v| v * 7 - 400).collect();
        Volume::new([6, 5, 4], affine, data).unwrap()
    }

    #[test]
    fn oblique_slices_come_back_where_they_were() {
        for flip in [1.0, -1.0] {
            let (dir, v) = (tempfile::tempdir().unwrap(), oblique(flip));
            let paths = write(&v, dir.path(), "a test").unwrap();
            assert_eq!(paths.len(), 4);
            let back = series::read(dir.path()).unwrap().volume;
            let to_index = back.affine.inverse().unwrap();
            for at in 0..v.data.len() {
                let p = v.affine.apply(v.index_of(at).map(|n| n as f64));
                let index = to_index.apply(p);
                let near = index.map(|x| x.round());
                assert!(
                    (0..3).all(|k| (index[k] - near[k]).abs() < 1e-4),
                    "{index:?}"
                );
                let [i, j, k] = near.map(|x| x as usize);
                assert_eq!(back.get(i, j, k), Some(&f32::from(v.data[at])));
            }
            let again = tempfile::tempdir().unwrap();
            write(&v, again.path(), "a test").unwrap();
            let bytes = |d: &tempfile::TempDir| std::fs::read(d.path().join("slice-0002.dcm"));
            assert_eq!(bytes(&dir).unwrap(), bytes(&again).unwrap());
        }
    }

    #[test]
    fn sheared_axes_and_large_values_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut v = oblique(1.0);
        v.affine.axes[2][1] = 1.0;
        assert!(write(&v, dir.path(), "").is_err());
        let large = v.map(|_| 4e4f32);
        assert!(whole_hu(&large).is_err());
        assert_eq!(whole_hu(&v.map(|_| -0.6f32)).unwrap().data[0], -1);
    }

    #[test]
    fn the_objects_pass_dciodvfy() {
        let dir = tempfile::tempdir().unwrap();
        let paths = write(&oblique(1.0), dir.path(), "a test").unwrap();
        let Ok(verdict) = std::process::Command::new("dciodvfy")
            .arg(&paths[0])
            .output()
        else {
            eprintln!("skipped: the check of the object needs dciodvfy (dicom3tools)");
            return;
        };
        let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
        assert!(!said.contains("Error"), "{said}");
    }
}
