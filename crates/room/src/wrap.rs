//! Pictures become DICOM objects, so that everything after has one kind of file: secondary captures with the picture's own bits. Identifiers
//! are made from the file's content: the same file again is the same object.

use crate::error::{Result, RoomError};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use hilum_dicom::write::{DataSet, uid};
use hilum_dicom::{FileKind, Limits, LoadedImage};
use hilum_image::ImageError;
use hilum_image::decode;
use std::path::PathBuf;

/// Longest name of a patient that a file's name gives.
const NAME: usize = 64;

/// The name of a file as a label: no path, no ending, nothing that separates parts of a name in DICOM.
pub(crate) fn label(file: &str) -> String {
    let last = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = match last.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => last,
    };
    let plain = |c: char| match c {
        '^' | '=' | '\\' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    let text: String = stem.chars().map(plain).take(NAME).collect();
    match text.trim() {
        "" => "picture".to_owned(),
        text => text.to_owned(),
    }
}

/// SOP Instance UID of a picture with this SHA-256.
pub(crate) fn instance(sha256: &str) -> String {
    uid(&[b"picture", sha256.as_bytes()])
}

/// A picture as a DICOM file.
///
/// # Errors
/// [`RoomError::Image`] for a picture that cannot be decoded or is larger than DICOM allows.
pub(crate) fn wrap(bytes: &[u8], loaded: &LoadedImage, file: &str) -> Result<Vec<u8>> {
    let id = |what: &str| uid(&[what.as_bytes(), loaded.sha256.as_bytes()]);
    let instance = instance(&loaded.sha256);
    let class = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
    let mut set = DataSet::default();
    set.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    set.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY"]);
    set.text(tags::SOP_CLASS_UID, VR::UI, class);
    set.text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
    set.text(tags::STUDY_INSTANCE_UID, VR::UI, &id("picture study"));
    set.text(tags::SERIES_INSTANCE_UID, VR::UI, &id("picture series"));
    set.text(tags::MODALITY, VR::CS, "OT");
    set.text(tags::CONVERSION_TYPE, VR::CS, "WSD");
    set.text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER, VR::LO, "Hilum");
    set.text(tags::PATIENT_NAME, VR::PN, &label(file));
    set.empty(&[
        (tags::PATIENT_ID, VR::LO),
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::PATIENT_SEX, VR::CS),
        (tags::PATIENT_ORIENTATION, VR::CS),
        (tags::LATERALITY, VR::CS),
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_TIME, VR::TM),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        (tags::STUDY_ID, VR::SH),
    ]);
    set.text(tags::STUDY_DESCRIPTION, VR::LO, kind(loaded.kind));
    set.text(tags::SERIES_NUMBER, VR::IS, "1");
    set.text(tags::INSTANCE_NUMBER, VR::IS, "1");
    let words = "A picture file turned into DICOM by Hilum; values as in the file";
    set.text(tags::DERIVATION_DESCRIPTION, VR::ST, words);
    if loaded.kind == FileKind::Jpeg {
        set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        set.text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1");
    }
    pixels(&mut set, bytes, loaded)?;
    set.file(class, &instance)
        .map_err(|e| RoomError::Internal(e.to_string()))
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Png => "PNG picture",
        FileKind::Jpeg => "JPEG picture",
        FileKind::Tiff => "TIFF picture",
        FileKind::Dicom => "DICOM",
    }
}

fn pixels(set: &mut DataSet, bytes: &[u8], loaded: &LoadedImage) -> Result<()> {
    let failed = |source: ImageError| {
        RoomError::Image(hilum_dicom::LoadError::Raster {
            path: PathBuf::new(),
            source,
        })
    };
    let side = |n: usize| {
        u16::try_from(n).map_err(|_| RoomError::TooLarge(format!("{n} pixels are too many")))
    };
    set.number(tags::ROWS, side(loaded.height)?);
    set.number(tags::COLUMNS, side(loaded.width)?);
    set.number(tags::PIXEL_REPRESENTATION, 0);
    if loaded.colour {
        // In true colour: the gate has to see that it is.
        let rgb = image::load_from_memory(bytes).map_err(|e| {
            failed(ImageError::Corrupt {
                format: kind(loaded.kind),
                reason: e.to_string(),
            })
        })?;
        depth(set, 8, true);
        put(set, rgb.into_rgb8().into_raw());
        return Ok(());
    }
    let raster = decode::decode(bytes, &Limits::default()).map_err(failed)?;
    let bits = u16::from(raster.bits);
    depth(set, bits, false);
    let levels = f64::from(1u32 << bits);
    // The whole range, as pictures are read.
    set.decimal(tags::WINDOW_CENTER, &[levels / 2.0]);
    set.decimal(tags::WINDOW_WIDTH, &[levels]);
    if bits > 8 {
        let values = raster.values.data.iter().copied().collect();
        set.put(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values));
    } else {
        let values = raster.values.data.iter().map(|&v| v as u8);
        put(set, values.collect());
    }
    Ok(())
}

fn depth(set: &mut DataSet, bits: u16, colour: bool) {
    let allocated = if bits > 8 { 16 } else { 8 };
    set.number(tags::SAMPLES_PER_PIXEL, if colour { 3 } else { 1 });
    let photometric = if colour { "RGB" } else { "MONOCHROME2" };
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    if colour {
        set.number(tags::PLANAR_CONFIGURATION, 0);
    }
    set.number(tags::BITS_ALLOCATED, allocated);
    set.number(tags::BITS_STORED, bits);
    set.number(tags::HIGH_BIT, bits - 1);
}

fn put(set: &mut DataSet, mut bytes: Vec<u8>) {
    if !bytes.len().is_multiple_of(2) {
        bytes.push(0);
    }
    set.put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_dicom::{Recipe, load_bytes};
    use hilum_image::{Plane, draw};
    use proptest::prelude::*;
    use std::path::Path;

    fn load(bytes: &[u8]) -> LoadedImage {
        load_bytes(
            bytes,
            Path::new("x"),
            Recipe::default(),
            0,
            &Limits::default(),
        )
        .unwrap()
    }

    #[test]
    fn a_wrapped_picture_is_read_as_the_picture_is() {
        let eight = draw::encode_gray_png(&Plane::from_fn(31, 17, |x, y| (x * 7 + y) as u8));
        let sixteen =
            draw::encode_gray16_png(&Plane::from_fn(31, 17, |x, y| (x * 2000 + y) as u16));
        for (bytes, bits) in [(eight.unwrap(), 8), (sixteen.unwrap(), 16)] {
            let picture = load(&bytes);
            let wrapped = wrap(&bytes, &picture, "a.png").unwrap();
            assert_eq!(wrapped, wrap(&bytes, &picture, "a.png").unwrap());
            let read = load(&wrapped);
            assert_eq!((read.bits, read.colour), (bits, false));
            assert_eq!(read.pixels, picture.pixels);
        }
    }

    #[test]
    fn colour_stays_colour() {
        let canvas = Plane::from_fn(16, 16, |x, y| [(x * 16) as u8, (y * 16) as u8, 90]);
        let bytes = draw::encode_rgb_png(&canvas).unwrap();
        let picture = load(&bytes);
        let read = load(&wrap(&bytes, &picture, "a.png").unwrap());
        assert!(picture.colour && read.colour);
    }

    #[test]
    fn names_of_files_are_labels() {
        for (file, name) in [
            ("C:\\scans\\Doe^Jane.png", "Doe Jane"),
            ("/etc/../x/chest.1.png", "chest.1"),
            (".png", ".png"),
            ("", "picture"),
            ("a\u{0}b.png", "a b"),
        ] {
            assert_eq!(label(file), name, "{file}");
        }
    }

    proptest! {
        #[test]
        fn a_label_is_never_a_path_or_a_part_of_a_name(file in ".{0,200}") {
            let name = label(&file);
            prop_assert!(!name.is_empty() && name.chars().count() <= NAME);
            prop_assert!(!name.contains(['/', '\\', '^', '=']) && !name.chars().any(char::is_control));
        }
    }
}
