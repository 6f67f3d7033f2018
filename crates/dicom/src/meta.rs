//! What the tags say about patient, study and projection.

use crate::object::{element, numbers, text};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_core::{Laterality, Sex, Spacing, SpacingKind, View};
use serde::{Deserialize, Serialize};

/// Attributes that Hilum uses; `None` where the file says nothing usable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DicomMeta {
    /// Study Instance UID.
    pub study_uid: Option<String>,
    /// Series Instance UID.
    pub series_uid: Option<String>,
    /// SOP Instance UID.
    pub sop_uid: Option<String>,
    /// SOP Class UID.
    pub sop_class: Option<String>,
    /// Patient ID.
    pub patient_id: Option<String>,
    /// Study Date as `YYYY-MM-DD`, if it is a date of the calendar.
    pub study_date: Option<String>,
    /// Study Time as in the file.
    pub study_time: Option<String>,
    /// Accession Number.
    pub accession: Option<String>,
    /// Modality.
    pub modality: Option<String>,
    /// Body Part Examined.
    pub body_part: Option<String>,
    /// Study, series or protocol description, the first that is there.
    pub description: Option<String>,
    /// View Position as in the file.
    pub view_position: Option<String>,
    /// Projection from View Position, View Code Sequence or Patient Orientation.
    pub view: View,
    /// Attribute that `view` came from.
    pub view_source: Option<String>,
    /// Patient Orientation (row direction, column direction).
    pub patient_orientation: Option<String>,
    /// Image Laterality or Laterality.
    pub laterality: Option<Laterality>,
    /// Patient's Sex.
    pub sex: Option<Sex>,
    /// Patient's Age in years, else from birth date and study date.
    pub age_years: Option<f64>,
    /// The spacing to measure with and what it refers to.
    pub spacing: Option<Spacing>,
    /// Pixel Spacing Calibration Type.
    pub calibration_type: Option<String>,
    /// Photometric Interpretation.
    pub photometric: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Manufacturer's Model Name.
    pub model: Option<String>,
    /// Burned In Annotation: true for YES, false for NO.
    pub burned_in_annotation: Option<bool>,
    /// Conversion Type (secondary capture).
    pub conversion_type: Option<String>,
    /// Number of Frames.
    pub frames: Option<u32>,
}

impl DicomMeta {
    /// Reads the attributes of a data set. Text is decoded with its Specific Character Set.
    pub fn read(data: &InMemDicomObject) -> Self {
        let get = |tag| text(data, tag);
        let (view, view_source) = view(data);
        let study_date = get(tags::STUDY_DATE).and_then(|d| iso_date(&d));
        DicomMeta {
            study_uid: get(tags::STUDY_INSTANCE_UID),
            series_uid: get(tags::SERIES_INSTANCE_UID),
            sop_uid: get(tags::SOP_INSTANCE_UID),
            sop_class: get(tags::SOP_CLASS_UID),
            patient_id: get(tags::PATIENT_ID),
            study_time: get(tags::STUDY_TIME),
            accession: get(tags::ACCESSION_NUMBER),
            modality: get(tags::MODALITY),
            body_part: get(tags::BODY_PART_EXAMINED),
            description: [
                tags::STUDY_DESCRIPTION,
                tags::SERIES_DESCRIPTION,
                tags::PROTOCOL_NAME,
            ]
            .into_iter()
            .find_map(get),
            view_position: get(tags::VIEW_POSITION),
            view,
            view_source: view_source.map(str::to_owned),
            patient_orientation: get(tags::PATIENT_ORIENTATION),
            laterality: get(tags::IMAGE_LATERALITY)
                .or_else(|| get(tags::LATERALITY))
                .and_then(|l| laterality(&l)),
            sex: get(tags::PATIENT_SEX).and_then(|s| sex(&s)),
            age_years: age(data, study_date.as_deref()),
            spacing: spacing(data),
            calibration_type: get(tags::PIXEL_SPACING_CALIBRATION_TYPE),
            photometric: get(tags::PHOTOMETRIC_INTERPRETATION),
            manufacturer: get(tags::MANUFACTURER),
            model: get(tags::MANUFACTURER_MODEL_NAME),
            burned_in_annotation: get(tags::BURNED_IN_ANNOTATION).and_then(|v| yes_no(&v)),
            conversion_type: get(tags::CONVERSION_TYPE),
            frames: get(tags::NUMBER_OF_FRAMES).and_then(|n| n.parse().ok()),
            study_date,
        }
    }
}

fn yes_no(value: &str) -> Option<bool> {
    match value.to_ascii_uppercase().as_str() {
        "YES" => Some(true),
        "NO" => Some(false),
        _ => None,
    }
}

fn sex(value: &str) -> Option<Sex> {
    match value {
        "M" | "m" => Some(Sex::Male),
        "F" | "f" => Some(Sex::Female),
        "O" | "o" => Some(Sex::Other),
        _ => None,
    }
}

fn laterality(value: &str) -> Option<Laterality> {
    match value {
        "L" => Some(Laterality::Left),
        "R" => Some(Laterality::Right),
        "B" => Some(Laterality::Both),
        "U" => Some(Laterality::Unpaired),
        _ => None,
    }
}

/// `20240131` or `2024.01.31` as `2024-01-31`; `None` for what is no date of the calendar.
pub fn iso_date(value: &str) -> Option<String> {
    let digits: String = value
        .chars()
        .filter(|c| !matches!(c, '.' | '-' | '/'))
        .collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, month, day): (u32, u32, u32) = (
        digits[..4].parse().ok()?,
        digits[4..6].parse().ok()?,
        digits[6..].parse().ok()?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    ((1..=days).contains(&day) && year >= 1800).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// `045Y`, `018M`, `003W`, `010D` in years.
pub fn age_string(value: &str) -> Option<f64> {
    let unit = value.chars().last()?;
    let number: f64 = value[..value.len() - unit.len_utf8()]
        .trim()
        .parse::<u32>()
        .ok()?
        .into();
    match unit {
        'Y' | 'y' => Some(number),
        'M' | 'm' => Some(number / 12.0),
        'W' | 'w' => Some(number * 7.0 / 365.25),
        'D' | 'd' => Some(number / 365.25),
        digit if digit.is_ascii_digit() => value.trim().parse::<u32>().ok().map(f64::from),
        _ => None,
    }
}

fn age(data: &InMemDicomObject, study_date: Option<&str>) -> Option<f64> {
    let stated = text(data, tags::PATIENT_AGE).and_then(|a| age_string(&a));
    stated.filter(|a| (0.0..=130.0).contains(a)).or_else(|| {
        let born = day_number(&iso_date(&text(data, tags::PATIENT_BIRTH_DATE)?)?)?;
        let years = (day_number(study_date?)? - born) / 365.25;
        (0.0..=130.0).contains(&years).then_some(years)
    })
}

/// Days since an epoch (proleptic Gregorian), for differences.
fn day_number(iso: &str) -> Option<f64> {
    let mut parts = iso.split('-').map(|p| p.parse::<i64>().ok());
    let (y, m, d) = (parts.next()??, parts.next()??, parts.next()??);
    let (y, m) = if m <= 2 { (y - 1, m + 12) } else { (y, m) };
    Some((365 * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + d) as f64)
}

fn view(data: &InMemDicomObject) -> (View, Option<&'static str>) {
    if let Some(view) = text(data, tags::VIEW_POSITION).and_then(|v| view_word(&v)) {
        return (view, Some("ViewPosition"));
    }
    if let Some(view) = view_code(data) {
        return (view, Some("ViewCodeSequence"));
    }
    match orientation_view(data) {
        Some(view) => (view, Some("PatientOrientation")),
        None => (View::Unknown, None),
    }
}

fn view_word(value: &str) -> Option<View> {
    match value.to_ascii_uppercase().as_str() {
        "PA" => Some(View::Pa),
        "AP" | "AP SUPINE" | "AP ERECT" | "AP AXIAL" => Some(View::Ap),
        "LL" | "RL" | "LAT" | "LATERAL" | "LLAT" | "RLAT" | "LEFT LATERAL" | "RIGHT LATERAL" => {
            Some(View::Lateral)
        }
        "RLD" | "LLD" | "RLO" | "LLO" | "LAO" | "RAO" | "LPO" | "RPO" | "OBLIQUE" | "XTL"
        | "DECUB" | "LO" => Some(View::Other),
        _ => None,
    }
}

fn view_code(data: &InMemDicomObject) -> Option<View> {
    let item = data.get(tags::VIEW_CODE_SEQUENCE)?.items()?.first()?;
    let meaning = text(item, tags::CODE_MEANING)?
        .to_ascii_lowercase()
        .replace('-', " ");
    if meaning.contains("postero anterior") || meaning.contains("posteroanterior") {
        Some(View::Pa)
    } else if meaning.contains("antero posterior") || meaning.contains("anteroposterior") {
        Some(View::Ap)
    } else if meaning.contains("lateral") && !meaning.contains("decubitus") {
        Some(View::Lateral)
    } else if meaning.contains("oblique") || meaning.contains("decubitus") {
        Some(View::Other)
    } else {
        None
    }
}

/// Rows that run left-right show a frontal view, rows that run front-back a lateral one.
fn orientation_view(data: &InMemDicomObject) -> Option<View> {
    let value = element(data, tags::PATIENT_ORIENTATION)?
        .to_multi_str()
        .ok()?;
    match value.first()?.trim().chars().next()? {
        'L' | 'R' => Some(View::Frontal),
        'A' | 'P' => Some(View::Lateral),
        _ => None,
    }
}

fn spacing_pair(data: &InMemDicomObject, tag: Tag) -> Option<(f64, f64)> {
    let values = numbers(data, tag)?;
    (values.len() == 2 && values.iter().all(|v| *v > 0.0)).then(|| (values[0], values[1]))
}

/// Pixel Spacing with a calibration type is calibrated; equal to Imager Pixel Spacing it is at the detector (PS3.3
/// 10.7.1.3); else plain. Without it, Imager Pixel Spacing.
fn spacing(data: &InMemDicomObject) -> Option<Spacing> {
    let imager = spacing_pair(data, tags::IMAGER_PIXEL_SPACING);
    let pixel = spacing_pair(data, tags::PIXEL_SPACING);
    let make = |(row_mm, column_mm), kind| Spacing {
        row_mm,
        column_mm,
        kind,
    };
    match (pixel, imager) {
        (Some(pixel), _) if text(data, tags::PIXEL_SPACING_CALIBRATION_TYPE).is_some() => {
            Some(make(pixel, SpacingKind::Calibrated))
        }
        (Some(pixel), Some(imager)) if pixel == imager => Some(make(imager, SpacingKind::Imager)),
        (Some(pixel), _) => Some(make(pixel, SpacingKind::Pixel)),
        (None, Some(imager)) => Some(make(imager, SpacingKind::Imager)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{PrimitiveValue, VR};

    fn set(pairs: &[(Tag, VR, &str)]) -> InMemDicomObject {
        let mut data = InMemDicomObject::new_empty();
        for (tag, vr, value) in pairs {
            let parts = value.split('\\').map(str::to_owned).collect();
            data.put(dicom_core::DataElement::new(
                *tag,
                *vr,
                PrimitiveValue::Strs(parts),
            ));
        }
        data
    }

    #[test]
    fn dates_and_ages() {
        assert_eq!(iso_date("20240229").as_deref(), Some("2024-02-29"));
        assert_eq!(iso_date("20230229"), None);
        assert_eq!(iso_date("2004.01.19").as_deref(), Some("2004-01-19"));
        assert_eq!(iso_date("XXXX0101"), None);
        assert_eq!(age_string("045Y"), Some(45.0));
        assert_eq!(age_string("018M"), Some(1.5));
        assert_eq!(age_string("45"), Some(45.0));
        assert_eq!(age_string("Y"), None);
        assert_eq!(age_string("ß"), None);
    }

    #[test]
    fn age_from_dates_when_not_stated() {
        let data = set(&[
            (tags::PATIENT_BIRTH_DATE, VR::DA, "19800615"),
            (tags::STUDY_DATE, VR::DA, "20200615"),
        ]);
        assert!((DicomMeta::read(&data).age_years.unwrap() - 40.0).abs() < 0.01);
    }

    #[test]
    fn spacing_kinds() {
        let plain = set(&[(tags::PIXEL_SPACING, VR::DS, "0.1\\0.2")]);
        let s = spacing(&plain).unwrap();
        assert_eq!(
            (s.row_mm, s.column_mm, s.kind),
            (0.1, 0.2, SpacingKind::Pixel)
        );
        let both = set(&[
            (tags::PIXEL_SPACING, VR::DS, "0.1\\0.1"),
            (tags::IMAGER_PIXEL_SPACING, VR::DS, "0.1\\0.1"),
        ]);
        assert_eq!(spacing(&both).unwrap().kind, SpacingKind::Imager);
        let cal = set(&[
            (tags::PIXEL_SPACING, VR::DS, "0.1\\0.1"),
            (tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "GEOMETRY"),
        ]);
        assert_eq!(spacing(&cal).unwrap().kind, SpacingKind::Calibrated);
        assert_eq!(
            spacing(&set(&[(tags::PIXEL_SPACING, VR::DS, "0\\0")])),
            None
        );
    }

    #[test]
    fn view_falls_back_to_the_orientation() {
        assert_eq!(
            DicomMeta::read(&set(&[(tags::VIEW_POSITION, VR::CS, "PA")])).view,
            View::Pa
        );
        let mut data = InMemDicomObject::new_empty();
        let value = PrimitiveValue::Strs(["A".to_owned(), "F".to_owned()].into_iter().collect());
        data.put(dicom_core::DataElement::new(
            tags::PATIENT_ORIENTATION,
            VR::CS,
            value,
        ));
        let meta = DicomMeta::read(&data);
        assert_eq!(
            (meta.view, meta.view_source.as_deref()),
            (View::Lateral, Some("PatientOrientation"))
        );
        assert_eq!(
            DicomMeta::read(&InMemDicomObject::new_empty()).view,
            View::Unknown
        );
    }
}
