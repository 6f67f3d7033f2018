//! The images that a reading was made from, as far as objects about them need it: identity of patient and study
//! taken over from the files, and what others refer to.

use crate::error::{ObjectError, Result};
pub use crate::moment::Moment;
use crate::moment::offset_minutes;
use dicom_core::{PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use hilum_core::Reading;
use hilum_dicom::meta::iso_date;
use hilum_dicom::object::{element, numbers, text};
use hilum_dicom::write::{DataSet, uid};
use hilum_dicom::{DicomImage, FileKind, Limits, Recipe, load_bytes};
use hilum_image::Plane;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Attributes of patient and study that every object takes over. True: the element has to be there, if empty.
const SHARED: &[(Tag, VR, bool)] = &[
    (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, false),
    (tags::PATIENT_NAME, VR::PN, true),
    (tags::PATIENT_ID, VR::LO, true),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO, false),
    (tags::PATIENT_BIRTH_DATE, VR::DA, true),
    (tags::PATIENT_SEX, VR::CS, true),
    (tags::PATIENT_IDENTITY_REMOVED, VR::CS, false),
    (tags::DEIDENTIFICATION_METHOD, VR::LO, false),
    (tags::STUDY_DATE, VR::DA, true),
    (tags::STUDY_TIME, VR::TM, true),
    (tags::ACCESSION_NUMBER, VR::SH, true),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, true),
    (tags::STUDY_ID, VR::SH, true),
    (tags::STUDY_DESCRIPTION, VR::LO, false),
    (tags::PATIENT_AGE, VR::AS, false),
    (tags::PATIENT_SIZE, VR::DS, false),
    (tags::PATIENT_WEIGHT, VR::DS, false),
];

/// One image of the reading.
#[derive(Debug, Clone)]
pub struct SourceImage {
    /// SOP Class UID: the file's, or that of the secondary capture that stands for a picture without one.
    pub class: String,
    /// SOP Instance UID, likewise.
    pub instance: String,
    /// Series Instance UID, likewise.
    pub series: String,
    /// Modality of the file; null for a picture.
    pub modality: Option<String>,
    /// Body part in the file.
    pub body_part: Option<String>,
    /// Frames in the file; the first was read.
    pub frames: usize,
    /// Frame of Reference UID, where there is one.
    pub frame_of_reference: Option<String>,
    /// Patient Orientation: where rows and columns lead, where the file says it validly.
    pub orientation: Option<[String; 2]>,
    /// True when the stored samples are grey.
    pub grey: bool,
    /// Lossy compression of the stored image: `01`, `00`, or not told.
    pub lossy: Option<String>,
    /// Grey levels to put into an own secondary capture, when no PACS can have the image: pictures, and DICOM files
    /// without an identity.
    pub own_pixels: Option<Plane<u8>>,
    /// Compression of the picture file that `own_pixels` came from: JPEG loses detail; bytes of the file.
    pub jpeg_bytes: Option<usize>,
    /// Elements that say how the stored values are displayed, as a presentation state holds them: modality LUT, one
    /// window or LUT, shape of the presentation LUT.
    pub display: Vec<InMemElement>,
}

/// All images of a reading and what they share.
#[derive(Debug, Clone)]
pub struct Sources {
    /// In the reading's order.
    pub images: Vec<SourceImage>,
    /// Study Instance UID of the objects.
    pub study_uid: String,
    /// When, as far as the first file tells: study date and time, else series, content or acquisition.
    pub moment: Option<Moment>,
    /// Elements of patient and study.
    shared: DataSet,
    /// Values of the file that were left out because they are not valid, by keyword.
    pub left_out: Vec<String>,
}

/// What the first file gives to all objects: patient and study, when it was taken, and what [`Sources`] keeps besides.
type First = (DataSet, Option<Moment>, Option<String>, Vec<String>);

impl Sources {
    /// Opens the files of a reading again.
    ///
    /// # Errors
    /// A file that is gone, cannot be loaded or is not the one that was read.
    pub fn load(reading: &Reading, limits: &Limits) -> Result<Self> {
        let mut images = Vec::new();
        let mut first: Option<First> = None;
        for record in &reading.images {
            let path = Path::new(&record.path);
            let bytes = std::fs::read(path).map_err(|source| ObjectError::Io {
                path: path.to_owned(),
                source,
            })?;
            let found = hex(&Sha256::digest(&bytes));
            if found != record.sha256 {
                return Err(ObjectError::Changed {
                    path: path.to_owned(),
                    expected: record.sha256.clone(),
                    found,
                });
            }
            let (image, data) = source_image(path, &bytes, &found, limits)?;
            images.push(image);
            if first.is_none() {
                let mut left_out = Vec::new();
                let shared = shared(data.as_ref(), &mut left_out);
                let study = data
                    .as_ref()
                    .and_then(|d| text(d, tags::STUDY_INSTANCE_UID));
                first = Some((shared, data.as_ref().and_then(moment), study, left_out));
            }
        }
        let (shared, moment, study, left_out) = first.ok_or_else(|| ObjectError::Reading {
            reason: "it has no images".to_owned(),
        })?;
        Ok(Sources {
            images,
            study_uid: study.unwrap_or_else(|| uid(&[b"study", reading.study.id.as_bytes()])),
            moment,
            shared,
            left_out,
        })
    }

    /// A data set with patient and study in it.
    pub fn data_set(&self) -> DataSet {
        self.shared.clone()
    }

    /// A moment of UTC in the zone that the files tell; they often tell none, and then it stays what it is. All times of an object
    /// without an offset of their own are of that zone (PS3.3, C.12.1.1.1).
    pub fn local(&self, utc: &Moment) -> Moment {
        let offset = self.value(tags::TIMEZONE_OFFSET_FROM_UTC);
        utc.in_zone(offset.as_deref().unwrap_or_default())
    }

    /// A value of patient or study, e.g. of Patient's Name.
    pub fn value(&self, tag: Tag) -> Option<String> {
        text(&self.shared.0, tag)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn source_image(
    path: &Path,
    bytes: &[u8],
    sha256: &str,
    limits: &Limits,
) -> Result<(SourceImage, Option<InMemDicomObject>)> {
    let loaded = load_bytes(bytes, path, Recipe::Voi, 0, limits)?;
    let image = match loaded.kind {
        FileKind::Dicom => Some(DicomImage::from_bytes(bytes, limits)?),
        FileKind::Png | FileKind::Jpeg | FileKind::Tiff => None,
    };
    let inverse = image.as_ref().is_some_and(DicomImage::inverted);
    let data = image.map(|i| i.data_set().clone());
    let get = |tag| data.as_ref().and_then(|d| text(d, tag));
    let identity = get(tags::SOP_CLASS_UID).zip(get(tags::SOP_INSTANCE_UID));
    let derived = |what: &str| uid(&[what.as_bytes(), sha256.as_bytes()]);
    let own = identity.is_none();
    let (class, instance) = identity.unwrap_or_else(|| {
        (
            uids::SECONDARY_CAPTURE_IMAGE_STORAGE.to_owned(),
            derived("image"),
        )
    });
    let image = SourceImage {
        class,
        instance,
        series: get(tags::SERIES_INSTANCE_UID).unwrap_or_else(|| derived("series")),
        modality: get(tags::MODALITY),
        body_part: get(tags::BODY_PART_EXAMINED),
        frames: loaded.frames,
        frame_of_reference: get(tags::FRAME_OF_REFERENCE_UID),
        orientation: data.as_ref().and_then(orientation),
        grey: !loaded.colour && get(tags::SAMPLES_PER_PIXEL).is_none_or(|samples| samples == "1"),
        lossy: get(tags::LOSSY_IMAGE_COMPRESSION),
        own_pixels: own.then(|| loaded.pixels.to_u8()),
        jpeg_bytes: (loaded.kind == FileKind::Jpeg).then_some(bytes.len()),
        display: display(data.as_ref().filter(|_| !own), inverse && !own),
    };
    Ok((image, data))
}

fn orientation(data: &InMemDicomObject) -> Option<[String; 2]> {
    let both = text(data, tags::PATIENT_ORIENTATION)?;
    let (row, column) = both.split_once('\\')?;
    let valid =
        |way: &str| (1..=3).contains(&way.len()) && way.chars().all(|c| "APRLHF".contains(c));
    let (row, column) = (row.trim(), column.trim());
    (valid(row) && valid(column)).then(|| [row.to_owned(), column.to_owned()])
}

/// How the stored values are displayed, as a presentation state says it. A presentation state takes nothing from the
/// image, so modality LUT and window are repeated; the polarity goes into the shape of its last LUT.
fn display(data: Option<&InMemDicomObject>, inverse: bool) -> Vec<InMemElement> {
    let mut set = DataSet::default();
    let shape = if inverse { "INVERSE" } else { "IDENTITY" };
    set.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
    let Some(data) = data else {
        return set.0.into_iter().collect();
    };
    if let Some(lut) = data.get(tags::MODALITY_LUT_SEQUENCE) {
        set.0.put(lut.clone());
    } else if let (Some(intercept), Some(slope)) = (
        numbers(data, tags::RESCALE_INTERCEPT),
        numbers(data, tags::RESCALE_SLOPE),
    ) {
        set.decimal(tags::RESCALE_INTERCEPT, &intercept[..1]);
        set.decimal(tags::RESCALE_SLOPE, &slope[..1]);
        let kind = text(data, tags::RESCALE_TYPE).unwrap_or_else(|| "US".to_owned());
        set.text(tags::RESCALE_TYPE, VR::LO, &kind);
    }
    let mut voi = DataSet::default();
    if let (Some(centre), Some(width)) = (
        numbers(data, tags::WINDOW_CENTER),
        numbers(data, tags::WINDOW_WIDTH),
    ) && width[0] >= 1.0
    {
        voi.decimal(tags::WINDOW_CENTER, &centre[..1]);
        voi.decimal(tags::WINDOW_WIDTH, &width[..1]);
        if let Some(function) = text(data, tags::VOILUT_FUNCTION) {
            voi.text(tags::VOILUT_FUNCTION, VR::CS, &function);
        }
        set.sequence(tags::SOFTCOPY_VOILUT_SEQUENCE, vec![voi]);
    } else if let Some(lut) = data.get(tags::VOILUT_SEQUENCE) {
        voi.0.put(lut.clone());
        set.sequence(tags::SOFTCOPY_VOILUT_SEQUENCE, vec![voi]);
    }
    set.0.into_iter().collect()
}

/// Elements of patient and study of a file, those that are valid; empty ones where they have to be there.
fn shared(data: Option<&InMemDicomObject>, left_out: &mut Vec<String>) -> DataSet {
    let mut set = DataSet::default();
    set.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    for (tag, vr, needed) in SHARED {
        let value = data.and_then(|d| text(d, *tag));
        match value.filter(|v| {
            let valid = is_valid(*tag, *vr, v);
            if !valid {
                left_out.push(format!("{tag}"));
            }
            valid
        }) {
            Some(value) => set.text(*tag, *vr, &value),
            None if *needed => set.put(*tag, *vr, PrimitiveValue::Empty),
            None => {}
        }
    }
    // A file that says its identity was removed must say how; one that does not gets no such claim.
    if text(&set.0, tags::DEIDENTIFICATION_METHOD).is_none()
        && text(&set.0, tags::PATIENT_IDENTITY_REMOVED).is_some()
    {
        let method = "not stated by the source image";
        set.text(tags::DEIDENTIFICATION_METHOD, VR::LO, method);
    }
    set
}

/// Whether a value may stand in an element of this kind (PS3.5, 6.2), so that nothing invalid is handed on.
fn is_valid(tag: Tag, vr: VR, value: &str) -> bool {
    let plain = |most: usize| {
        value.chars().count() <= most && !value.chars().any(|c| c.is_control() || c == '\\')
    };
    match vr {
        VR::DA => value.len() == 8 && iso_date(value).is_some(),
        VR::TM => is_time(value),
        VR::CS if tag == tags::PATIENT_SEX => matches!(value, "M" | "F" | "O"),
        VR::CS => matches!(value, "YES" | "NO"),
        VR::SH => plain(16) && (tag != tags::TIMEZONE_OFFSET_FROM_UTC || is_offset(value)),
        VR::LO => plain(64),
        VR::PN => plain(3 * 64 + 2) && value.split('=').all(|g| g.chars().count() <= 64),
        VR::AS => {
            value.len() == 4
                && value[..3].bytes().all(|b| b.is_ascii_digit())
                && matches!(&value[3..], "D" | "W" | "M" | "Y")
        }
        VR::DS => value.len() <= 16 && value.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

/// `HH`, `HHMM` or `HHMMSS`, with a fraction behind the seconds.
fn is_time(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let tops = ["23", "59", "59"];
    matches!(whole.len(), 2 | 4 | 6)
        && digits(whole)
        && digits(fraction)
        && fraction.len() <= 6
        && (whole.len() == 6 || !value.contains('.'))
        && whole
            .as_bytes()
            .chunks(2)
            .zip(tops)
            .all(|(part, top)| part <= top.as_bytes())
}

fn is_offset(value: &str) -> bool {
    offset_minutes(value).is_some()
}

/// When the image came to be: the first date that the file tells, with its time.
fn moment(data: &InMemDicomObject) -> Option<Moment> {
    let pairs = [
        (tags::STUDY_DATE, tags::STUDY_TIME),
        (tags::SERIES_DATE, tags::SERIES_TIME),
        (tags::CONTENT_DATE, tags::CONTENT_TIME),
        (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME),
    ];
    pairs.into_iter().find_map(|(date, time)| {
        let date = element(data, date).and_then(|_| text(data, date))?;
        let date = iso_date(&date)?.replace('-', "");
        let time = text(data, time).filter(|t| is_time(t)).unwrap_or_default();
        let whole = time.split('.').next().unwrap_or_default();
        Some(Moment {
            date,
            time: format!("{whole:0<6}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_values_are_handed_on() {
        let valid = [
            (tags::STUDY_TIME, VR::TM, "101530.25"),
            (tags::STUDY_TIME, VR::TM, "10"),
            (tags::PATIENT_NAME, VR::PN, "Yamada^Tarou=山田^太郎"),
            (tags::PATIENT_AGE, VR::AS, "045Y"),
        ];
        for (tag, vr, value) in valid {
            assert!(is_valid(tag, vr, value), "{value}");
        }
        let wrong = [
            (tags::STUDY_DATE, VR::DA, "20230229"),
            (tags::STUDY_TIME, VR::TM, "10:15:30"),
            (tags::STUDY_TIME, VR::TM, "2561"),
            (tags::PATIENT_SEX, VR::CS, "female"),
            (tags::PATIENT_AGE, VR::AS, "45"),
            (tags::PATIENT_AGE, VR::AS, "é5Y"),
            (
                tags::ACCESSION_NUMBER,
                VR::SH,
                "longer than sixteen characters",
            ),
        ];
        for (tag, vr, value) in wrong {
            assert!(!is_valid(tag, vr, value), "{value}");
        }
    }
}
