//! Secondary captures (PS3.3, A.8): the overlay as a picture, and the picture itself where a reading came from a file
//! that is no DICOM image.

use crate::context::{Context, ObjectKind};
use crate::error::{ObjectError, Result};
use crate::gsps::processing_source;
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use hilum_dicom::write::DataSet;
use hilum_image::Plane;
use hilum_image::draw::Rgb;

/// The bytes of a secondary capture of the overlay of one image.
///
/// # Errors
/// A picture with a side above 65535 pixels.
pub fn encode_overlay(
    context: &Context<'_>,
    image: usize,
    overlay: &Plane<Rgb>,
) -> Result<Vec<u8>> {
    let source = context.sources.images.get(image);
    let modality = source.and_then(|s| s.modality.clone());
    let kind = ObjectKind {
        name: "sc",
        class: uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        modality: modality.unwrap_or_else(|| "OT".to_owned()),
        series_number: "9904",
        description: "Hilum: overlay (research only)",
        number: 0,
    };
    let mut set = context.object(&kind);
    set.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY"]);
    context.moment(&mut set, tags::CONTENT_DATE, tags::CONTENT_TIME);
    let words = "Image with lungs, heart, boxes and lines drawn in by Hilum; research only, not for measuring";
    set.text(tags::DERIVATION_DESCRIPTION, VR::ST, words);
    if let Some(source) = source {
        let item = processing_source(&source.class, &source.instance);
        set.sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![item]);
    }
    capture(&mut set);
    samples(&mut set, overlay.width, overlay.height, true)?;
    // The words about research and the names of findings are in the pixels.
    set.text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    // A picture made of a lossy one is lossy, whatever was done since (PS3.3, C.7.6.1.1.5).
    let lossy = source.and_then(|s| match s.jpeg_bytes {
        Some(_) => Some("01"),
        None => s.lossy.as_deref().filter(|v| ["00", "01"].contains(v)),
    });
    if let Some(lossy) = lossy {
        set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, lossy);
    }
    let bytes = even(overlay.data.as_flattened().to_vec());
    set.put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()));
    Ok(set.file(kind.class, &context.instance(&kind))?)
}

/// The bytes of a secondary capture that stands for a picture without DICOM identity, so that what the other objects
/// refer to exists; null when the source is a DICOM image.
///
/// # Errors
/// A picture with a side above 65535 pixels.
pub fn encode_picture(context: &Context<'_>, image: usize) -> Result<Option<Vec<u8>>> {
    let Some(source) = context.sources.images.get(image) else {
        return Ok(None);
    };
    let Some(pixels) = &source.own_pixels else {
        return Ok(None);
    };
    let mut set = context.sources.data_set();
    set.text(tags::SOP_CLASS_UID, VR::UI, &source.class);
    set.text(tags::SOP_INSTANCE_UID, VR::UI, &source.instance);
    set.text(tags::STUDY_INSTANCE_UID, VR::UI, &context.sources.study_uid);
    set.text(tags::SERIES_INSTANCE_UID, VR::UI, &source.series);
    set.text(tags::SERIES_NUMBER, VR::IS, "1");
    set.text(tags::SERIES_DESCRIPTION, VR::LO, "Picture as read by Hilum");
    set.text(tags::INSTANCE_NUMBER, VR::IS, "1");
    set.text(tags::MODALITY, VR::CS, "OT");
    set.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY"]);
    let words = "A picture file turned into DICOM by Hilum; grey levels as read, bone bright";
    set.text(tags::DERIVATION_DESCRIPTION, VR::ST, words);
    capture(&mut set);
    samples(&mut set, pixels.width, pixels.height, false)?;
    if let Some(bytes) = source.jpeg_bytes.filter(|&b| b > 0) {
        set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        let ratio = pixels.data.len() as f64 / bytes as f64;
        let ratio = (ratio * 100.0).round().max(1.0) / 100.0;
        set.decimal(tags::LOSSY_IMAGE_COMPRESSION_RATIO, &[ratio]);
        set.text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1");
    }
    let bytes = even(pixels.data.clone());
    set.put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()));
    Ok(Some(set.file(&source.class, &source.instance)?))
}

/// Equipment that captured it.
fn capture(set: &mut DataSet) {
    set.text(tags::CONVERSION_TYPE, VR::CS, "WSD");
    set.text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER, VR::LO, "Hilum");
    set.empty(&[
        (tags::PATIENT_ORIENTATION, VR::CS),
        (tags::LATERALITY, VR::CS),
    ]);
}

fn samples(set: &mut DataSet, width: usize, height: usize, colour: bool) -> Result<()> {
    let side = |v: usize| {
        u16::try_from(v).map_err(|_| ObjectError::Reading {
            reason: format!("{v} pixels are too many for a secondary capture"),
        })
    };
    set.number(tags::SAMPLES_PER_PIXEL, if colour { 3 } else { 1 });
    let photometric = if colour { "RGB" } else { "MONOCHROME2" };
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    if colour {
        set.number(tags::PLANAR_CONFIGURATION, 0);
    }
    set.number(tags::ROWS, side(height)?);
    set.number(tags::COLUMNS, side(width)?);
    set.number(tags::BITS_ALLOCATED, 8);
    set.number(tags::BITS_STORED, 8);
    set.number(tags::HIGH_BIT, 7);
    set.number(tags::PIXEL_REPRESENTATION, 0);
    Ok(())
}

/// Values have an even number of bytes.
fn even(mut bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.len().is_multiple_of(2) {
        bytes.push(0);
    }
    bytes
}
