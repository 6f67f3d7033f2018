//! Digital X-Ray Image Storage, for presentation (PS3.3, A.26), of a made-up radiograph.

use super::{DataSet, WriteError, uid};
use dicom_core::{PrimitiveValue, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};

/// A simulated radiograph with the geometry that made it.
#[derive(Debug, Clone)]
pub struct DxImage<'a> {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Stored values, row by row, at most `2^bits - 1`.
    pub values: &'a [u16],
    /// Bits that count, 8 to 16.
    pub bits: u16,
    /// High values are dark (MONOCHROME1).
    pub inverted: bool,
    /// Projection by its term of DX: `PA`, `AP`, `LL`, `RL`.
    pub view_position: &'a str,
    /// Where columns and rows lead in the patient (`L`, `F`; `A`, `F`; ...).
    pub orientation: [&'a str; 2],
    /// Side of a detector pixel in mm.
    pub imager_pixel_mm: f64,
    /// Source to detector in mm.
    pub source_to_detector_mm: f64,
    /// Source to the patient's middle in mm.
    pub source_to_patient_mm: f64,
    /// What it was made from and how, in words.
    pub derivation: &'a str,
}

/// The bytes of a DICOM file, explicit little endian. The patient is nobody: `SIMULATED`.
///
/// # Errors
/// Values that do not fit the size or the bits.
pub fn encode(image: &DxImage<'_>) -> Result<Vec<u8>, WriteError> {
    check(image)?;
    let pixels: Vec<u8> = image.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let key = |what: &str| uid(&[what.as_bytes(), image.derivation.as_bytes(), &pixels]);
    let instance = key("instance");
    let mut object = DataSet::default();
    general(&mut object, image, &key, &instance);
    geometry(&mut object, image);
    display(&mut object, image);
    object.put(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(image.values.iter().copied().collect()),
    );
    object.file(
        uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
        &instance,
    )
}

fn check(image: &DxImage<'_>) -> Result<(), WriteError> {
    let refuse = |reason: String| Err(WriteError::Image { reason });
    if !(8..=16).contains(&image.bits) {
        return refuse(format!("{} bits where 8 to 16 are written", image.bits));
    }
    let count = usize::from(image.width) * usize::from(image.height);
    if count == 0 || image.values.len() != count {
        let (w, h) = (image.width, image.height);
        return refuse(format!("{} values for {w}x{h} pixels", image.values.len()));
    }
    let most = ((1u32 << image.bits) - 1) as u16;
    if let Some(value) = image.values.iter().find(|v| **v > most) {
        return refuse(format!(
            "the value {value} needs more than {} bits",
            image.bits
        ));
    }
    Ok(())
}

/// Patient, study, series, equipment and the image's own identity.
fn general(
    object: &mut DataSet,
    image: &DxImage<'_>,
    key: &dyn Fn(&str) -> String,
    instance: &str,
) {
    object.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    object.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"]);
    let class = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
    object.text(tags::SOP_CLASS_UID, VR::UI, class);
    object.text(tags::SOP_INSTANCE_UID, VR::UI, instance);
    object.text(tags::STUDY_INSTANCE_UID, VR::UI, &key("study"));
    object.text(tags::SERIES_INSTANCE_UID, VR::UI, &key("series"));
    object.text(tags::MODALITY, VR::CS, "DX");
    object.text(tags::MANUFACTURER, VR::LO, "Hilum");
    object.text(
        tags::MANUFACTURER_MODEL_NAME,
        VR::LO,
        "simulated radiograph",
    );
    object.text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
    object.text(tags::PATIENT_NAME, VR::PN, "SIMULATED");
    object.text(tags::PATIENT_ID, VR::LO, "SIMULATED");
    object.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    let method = "simulated radiograph, no patient data";
    object.text(tags::DEIDENTIFICATION_METHOD, VR::LO, method);
    object.empty(&[
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_TIME, VR::TM),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::PATIENT_SEX, VR::CS),
        (tags::STUDY_ID, VR::SH),
    ]);
    object.text(tags::SERIES_NUMBER, VR::IS, "1");
    object.text(tags::INSTANCE_NUMBER, VR::IS, "1");
    object.text(tags::DERIVATION_DESCRIPTION, VR::ST, image.derivation);
}

/// Anatomy, view, detector and the distances.
fn geometry(object: &mut DataSet, image: &DxImage<'_>) {
    object.text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    let chest = ["51185008", "SCT", "Chest"];
    object.code(tags::ANATOMIC_REGION_SEQUENCE, Some(chest));
    object.text(tags::IMAGE_LATERALITY, VR::CS, "U");
    object.texts(tags::PATIENT_ORIENTATION, VR::CS, &image.orientation);
    object.text(tags::VIEW_POSITION, VR::CS, image.view_position);
    object.empty(&[(tags::DETECTOR_TYPE, VR::CS)]);
    object.text(tags::POSITIONER_TYPE, VR::CS, "NONE");
    object.decimal(tags::IMAGER_PIXEL_SPACING, &[image.imager_pixel_mm; 2]);
    let detector = image.source_to_detector_mm;
    object.decimal(tags::DISTANCE_SOURCE_TO_DETECTOR, &[detector]);
    let patient = image.source_to_patient_mm;
    object.decimal(tags::DISTANCE_SOURCE_TO_PATIENT, &[patient]);
    if patient > 0.0 {
        let factor = detector / patient;
        object.decimal(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR, &[factor]);
    }
    object.code(tags::ACQUISITION_CONTEXT_SEQUENCE, None);
}

/// Stored values and how they are to be shown.
fn display(object: &mut DataSet, image: &DxImage<'_>) {
    let (photometric, shape) = if image.inverted {
        ("MONOCHROME1", "INVERSE")
    } else {
        ("MONOCHROME2", "IDENTITY")
    };
    object.number(tags::SAMPLES_PER_PIXEL, 1);
    object.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    object.number(tags::ROWS, image.height);
    object.number(tags::COLUMNS, image.width);
    object.number(tags::BITS_ALLOCATED, 16);
    object.number(tags::BITS_STORED, image.bits);
    object.number(tags::HIGH_BIT, image.bits - 1);
    object.number(tags::PIXEL_REPRESENTATION, 0);
    object.text(tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION");
    // Attenuation adds up along the ray: the logarithm of what reaches the detector.
    object.text(tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG");
    object.put(
        tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN,
        VR::SS,
        dicom_value!(I16, [if image.inverted { 1 } else { -1 }]),
    );
    object.decimal(tags::RESCALE_INTERCEPT, &[0.0]);
    object.decimal(tags::RESCALE_SLOPE, &[1.0]);
    object.text(tags::RESCALE_TYPE, VR::LO, "US");
    object.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
    object.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
    object.text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    let levels = f64::from(1u32 << image.bits);
    object.decimal(tags::WINDOW_CENTER, &[levels / 2.0]);
    object.decimal(tags::WINDOW_WIDTH, &[levels]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DicomImage, Limits};
    use hilum_core::View;

    fn image<'a>(values: &'a [u16], bits: u16) -> DxImage<'a> {
        DxImage {
            width: 3,
            height: 2,
            values,
            bits,
            inverted: false,
            view_position: "PA",
            orientation: ["L", "F"],
            imager_pixel_mm: 0.8,
            source_to_detector_mm: 1800.0,
            source_to_patient_mm: 1600.0,
            derivation: "a test",
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let values = [0, 1, 2, 4000, 4094, 4095];
        let bytes = encode(&image(&values, 12)).unwrap();
        assert_eq!(bytes, encode(&image(&values, 12)).unwrap());
        let read = DicomImage::from_bytes(&bytes, &Limits::default()).unwrap();
        assert_eq!(read.meta.view, View::Pa);
        let file = dicom_object::from_reader(&bytes[..]).unwrap();
        let stored = file.element(tags::PIXEL_DATA).unwrap();
        assert_eq!(stored.to_multi_int::<u16>().unwrap(), values);
        let spacing = file.element(tags::IMAGER_PIXEL_SPACING).unwrap();
        assert_eq!(spacing.to_multi_float64().unwrap(), [0.8, 0.8]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let told = |values: &[u16], bits| encode(&image(values, bits)).unwrap_err().to_string();
        assert!(told(&[0; 5], 12).contains("5 values for 3x2"));
        assert!(told(&[0, 0, 0, 0, 0, 4096], 12).contains("4096 needs more than 12 bits"));
        assert!(told(&[0; 6], 7).contains("7 bits"));
    }
}
