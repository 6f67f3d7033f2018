//! A folder with the slices of one CT series (DICOM PS3.3 C.7.6.2, image plane).

use crate::Vec3;
use crate::affine::{Affine, add_scaled, cross, dot, norm, sub, unit};
use crate::error::VolumeError;
use crate::load::{Loaded, Source};
use crate::nifti::Orientation;
use crate::volume::Volume;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_dicom::{DicomImage, Limits};
use std::path::{Path, PathBuf};

/// Steps between slices may differ by this share: positions are stored as decimal text.
const STEP_TOLERANCE: f64 = 0.02;

/// One slice on its way into a stack.
struct Slice {
    path: PathBuf,
    position: Vec3,
    across: Vec3,
    down: Vec3,
    spacing: [f64; 2],
    width: usize,
    height: usize,
    series: String,
    values: Vec<f32>,
}

/// Reads all DICOM files of a folder as one CT volume in Hounsfield units. Files without DICOM content are passed over.
///
/// # Errors
/// [`VolumeError`] naming file and reason: no slices, another modality, several series or orientations, a tilted gantry,
/// missing slices, unequal steps, several frames, missing attributes, more than [`crate::nifti::MAX_BYTES`] of voxels.
pub fn read(folder: &Path) -> Result<Loaded, VolumeError> {
    let mut slices: Vec<Slice> = Vec::new();
    let mut taken = 0u128;
    for path in files(folder)? {
        let bytes = std::fs::read(&path).map_err(|e| VolumeError::io(&path, e))?;
        if hilum_dicom::object::looks_like_dicom(&bytes) {
            let slice = slice(&path, &bytes)?;
            taken += (slice.values.len() * size_of::<f32>()) as u128;
            crate::nifti::check_size(folder, taken)?;
            slices.push(slice);
        }
    }
    if slices.len() < 2 {
        return Err(VolumeError::bad(
            folder,
            format!("{} CT slices found, at least 2 are needed", slices.len()),
        ));
    }
    check_alike(&slices)?;
    let normal = unit(cross(slices[0].across, slices[0].down));
    slices.sort_by(|a, b| dot(a.position, normal).total_cmp(&dot(b.position, normal)));
    let step = step(&slices, normal)?;
    stack(slices, step)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, VolumeError> {
    let io = |e| VolumeError::io(folder, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn text(data: &InMemDicomObject, tag: Tag) -> Option<String> {
    let value = data.get(tag)?.to_str().ok()?;
    Some(value.trim_matches(['\0', ' ']).to_owned()).filter(|t| !t.is_empty())
}

fn numbers<const N: usize>(
    data: &InMemDicomObject,
    tag: Tag,
    name: &str,
    path: &Path,
) -> Result<[f64; N], VolumeError> {
    let values = data.get(tag).and_then(|e| e.to_multi_float64().ok());
    values
        .and_then(|v| <[f64; N]>::try_from(v).ok())
        .filter(|v| v.iter().all(|n| n.is_finite()))
        .ok_or_else(|| VolumeError::bad(path, format!("{name} is missing or is not {N} numbers")))
}

fn slice(path: &Path, bytes: &[u8]) -> Result<Slice, VolumeError> {
    let wrap = |source| hilum_dicom::LoadError::Dicom {
        path: path.to_owned(),
        source,
    };
    let image = DicomImage::from_bytes(bytes, &Limits::default()).map_err(wrap)?;
    let data = image.data_set();
    let modality = text(data, tags::MODALITY).unwrap_or_else(|| "not stated".into());
    if modality != "CT" {
        return Err(VolumeError::bad(
            path,
            format!("modality {modality}, CT is needed"),
        ));
    }
    if image.meta.frames.unwrap_or(1) != 1 {
        return Err(VolumeError::bad(
            path,
            "several frames in one object are not supported",
        ));
    }
    if let Ok([tilt]) = numbers::<1>(data, tags::GANTRY_DETECTOR_TILT, "", path)
        && tilt.abs() > 0.1
    {
        return Err(VolumeError::bad(
            path,
            format!(
                "the gantry was tilted by {tilt} degrees: resample the series to right angles first"
            ),
        ));
    }
    let direction = numbers::<6>(
        data,
        tags::IMAGE_ORIENTATION_PATIENT,
        "ImageOrientationPatient",
        path,
    )?;
    let spacing = numbers::<2>(data, tags::PIXEL_SPACING, "PixelSpacing", path)?;
    let stored = image.stored(0).map_err(wrap)?;
    if stored.samples != 1 {
        return Err(VolumeError::bad(path, "colour pixels in a CT"));
    }
    let to_hu = image.modality().map_err(wrap)?;
    Ok(Slice {
        position: numbers::<3>(
            data,
            tags::IMAGE_POSITION_PATIENT,
            "ImagePositionPatient",
            path,
        )?,
        across: [direction[0], direction[1], direction[2]],
        down: [direction[3], direction[4], direction[5]],
        spacing,
        width: stored.width,
        height: stored.height,
        series: text(data, tags::SERIES_INSTANCE_UID).unwrap_or_default(),
        values: stored
            .data
            .iter()
            .map(|&v| to_hu.apply(f64::from(v)) as f32)
            .collect(),
        path: path.to_owned(),
    })
}

fn check_alike(slices: &[Slice]) -> Result<(), VolumeError> {
    let first = &slices[0];
    for s in &slices[1..] {
        let differs = |what: &str| {
            Err(VolumeError::bad(
                &s.path,
                format!("{what} differs from that of {}", first.path.display()),
            ))
        };
        if s.series != first.series {
            return differs("the series");
        }
        if (s.width, s.height) != (first.width, first.height) {
            return differs("the size");
        }
        if (0..2).any(|k| (s.spacing[k] - first.spacing[k]).abs() > 1e-4 * first.spacing[k].abs()) {
            return differs("the pixel spacing");
        }
        if norm(sub(s.across, first.across)) > 1e-3 || norm(sub(s.down, first.down)) > 1e-3 {
            return differs("the orientation");
        }
    }
    Ok(())
}

/// The step from slice to slice in mm, the same everywhere and along the normal.
fn step(slices: &[Slice], normal: Vec3) -> Result<Vec3, VolumeError> {
    let gaps: Vec<f64> = slices
        .windows(2)
        .map(|w| dot(sub(w[1].position, w[0].position), normal))
        .collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    for (pair, gap) in slices.windows(2).zip(&gaps) {
        let (a, b) = (pair[0].path.display(), &pair[1].path);
        if *gap < 1e-3 {
            return Err(VolumeError::bad(
                b,
                format!("lies at the same position as {a}"),
            ));
        }
        if (gap - usual).abs() > STEP_TOLERANCE * usual {
            let times = gap / usual;
            let whole = times.round() >= 2.0 && (times - times.round()).abs() < 0.05;
            let what = if whole {
                format!(
                    "{} slices are missing between it and {a}",
                    times.round() - 1.0
                )
            } else {
                format!("{gap:.3} mm after {a}, the other steps are {usual:.3} mm: unequal spacing")
            };
            return Err(VolumeError::bad(b, what));
        }
    }
    let (first, last) = (&slices[0], &slices[slices.len() - 1]);
    let whole = sub(last.position, first.position);
    let sideways = norm(add_scaled(whole, -dot(whole, normal), normal));
    if sideways > 1e-3 * norm(whole) + 0.01 {
        let angle = (dot(whole, normal) / norm(whole))
            .clamp(-1.0, 1.0)
            .acos()
            .to_degrees();
        return Err(VolumeError::bad(
            &last.path,
            format!(
                "the stack leans by {angle:.2} degrees (tilted gantry): resample the series to right angles first"
            ),
        ));
    }
    Ok(whole.map(|v| v / (slices.len() - 1) as f64))
}

fn stack(slices: Vec<Slice>, step: Vec3) -> Result<Loaded, VolumeError> {
    let first = &slices[0];
    let affine = Affine {
        axes: [
            first.across.map(|v| v * first.spacing[1]),
            first.down.map(|v| v * first.spacing[0]),
            step,
        ],
        origin: first.position,
    };
    affine
        .check_orthogonal()
        .map_err(|e| VolumeError::bad(&first.path, e.to_string()))?;
    let source = Source::DicomSeries {
        series_uid: first.series.clone(),
        slices: slices.len(),
    };
    let size = [first.width, first.height, slices.len()];
    let data = slices.into_iter().flat_map(|s| s.values).collect();
    Ok(Loaded {
        volume: Volume::new(size, affine, data)?,
        orientation: Orientation::Dicom,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_object::FileMetaTableBuilder;

    /// Writes a 4x3 slice at height `z` with value 24 + z stored.
    fn write(dir: &Path, name: &str, z: f64, change: impl Fn(&mut InMemDicomObject)) {
        let mut o = InMemDicomObject::new_empty();
        let mut put = |tag, vr, value: PrimitiveValue| {
            o.put(DataElement::new(tag, vr, value));
        };
        put(
            tags::SOP_CLASS_UID,
            VR::UI,
            "1.2.840.10008.5.1.4.1.1.2".into(),
        );
        put(
            tags::SOP_INSTANCE_UID,
            VR::UI,
            format!("2.25.{}", z.abs() as u64 + 1).into(),
        );
        put(tags::SERIES_INSTANCE_UID, VR::UI, "2.25.77".into());
        put(tags::MODALITY, VR::CS, "CT".into());
        put(
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            PrimitiveValue::from(format!("-10\\20\\{z}")),
        );
        put(
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            "1\\0\\0\\0\\1\\0".into(),
        );
        put(tags::PIXEL_SPACING, VR::DS, "0.5\\0.75".into());
        put(tags::RESCALE_INTERCEPT, VR::DS, "-1024".into());
        put(tags::RESCALE_SLOPE, VR::DS, "1".into());
        for (tag, v) in [
            (tags::ROWS, 3u16),
            (tags::COLUMNS, 4),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::HIGH_BIT, 15),
            (tags::PIXEL_REPRESENTATION, 0),
            (tags::SAMPLES_PER_PIXEL, 1),
        ] {
            put(tag, VR::US, v.into());
        }
        put(
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::CS,
            "MONOCHROME2".into(),
        );
        put(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16(vec![24 + z as u16; 12].into()),
        );
        change(&mut o);
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax("1.2.840.10008.1.2.1")
            .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.2");
        o.with_meta(meta)
            .unwrap()
            .write_to_file(dir.join(name))
            .unwrap();
    }

    fn folder(heights: &[f64]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        // Names in the opposite order of the heights.
        for (n, &z) in heights.iter().enumerate() {
            write(dir.path(), &format!("{}.dcm", 99 - n), z, |_| ());
        }
        dir
    }

    fn refused(dir: &tempfile::TempDir, reason: &str) {
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn slices_are_stacked_by_position() {
        let dir = folder(&[2.0, 4.0, 6.0]);
        std::fs::write(dir.path().join("notes.txt"), "no slice").unwrap();
        let v = read(dir.path()).unwrap();
        assert_eq!(v.volume.size, [4, 3, 3]);
        assert_eq!(v.volume.affine.spacing(), [0.75, 0.5, 2.0]);
        assert_eq!(v.volume.affine.origin, [-10.0, 20.0, 2.0]);
        assert_eq!(v.volume.data[0], -998.0);
        assert_eq!(v.volume.data[35], -994.0);
    }

    #[test]
    fn stacks_with_faults_are_refused() {
        refused(&folder(&[0.0]), "at least 2");
        refused(&folder(&[0.0, 2.0, 6.0, 8.0, 10.0]), "1 slices are missing");
        refused(&folder(&[0.0, 2.0, 4.0, 6.0, 8.7]), "unequal spacing");
        refused(&folder(&[0.0, 2.0, 2.0]), "same position");
        let alter = |reason: &str, change: &dyn Fn(&mut InMemDicomObject)| {
            let dir = folder(&[0.0, 2.0]);
            write(dir.path(), "a.dcm", 4.0, change);
            refused(&dir, reason);
        };
        let put = |tag, vr, value: &'static str| {
            move |o: &mut InMemDicomObject| {
                o.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
            }
        };
        alter("modality MR", &put(tags::MODALITY, VR::CS, "MR"));
        alter(
            "tilted by 12 degrees",
            &put(tags::GANTRY_DETECTOR_TILT, VR::DS, "12"),
        );
        alter(
            "the series differs",
            &put(tags::SERIES_INSTANCE_UID, VR::UI, "2.25.78"),
        );
        alter(
            "the orientation differs",
            &put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "0\\1\\0\\0\\0\\1"),
        );
        alter(
            "the stack leans",
            &put(tags::IMAGE_POSITION_PATIENT, VR::DS, "-10\\21\\4"),
        );
        alter("ImagePositionPatient is missing", &|o| {
            o.remove_element(tags::IMAGE_POSITION_PATIENT);
        });
        let dir = folder(&[0.0, 2.0]);
        let bytes = std::fs::read(dir.path().join("99.dcm")).unwrap();
        std::fs::write(dir.path().join("a.dcm"), &bytes[..bytes.len() - 9]).unwrap();
        refused(&dir, "a.dcm");
    }
}
