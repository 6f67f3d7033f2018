//! Coded concepts: value, coding scheme and meaning.
//!
//! Codes of DICOM (`DCM`) and SNOMED CT (`SCT`) are those of PS3.16 annex D and its context groups; what has no
//! published code is given in the scheme [`OWN`], whose values are words.

use hilum_core::taxonomy::{self, Taxon};
use std::borrow::Cow;

/// Designator of Hilum's own coding scheme.
pub const OWN: &str = "99HILUM";
/// UCUM.
pub const UCUM: &str = "UCUM";
/// SNOMED CT in DICOM.
pub const SCT: &str = "SCT";
/// RadLex in DICOM.
pub const RADLEX: &str = "RADLEX";

/// A coded concept. Two are the same when value and scheme are; meanings are for people.
#[derive(Debug, Clone, Eq)]
pub struct Code {
    /// Code value.
    pub value: Cow<'static, str>,
    /// Coding scheme designator.
    pub scheme: Cow<'static, str>,
    /// Code meaning.
    pub meaning: Cow<'static, str>,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.scheme == other.scheme
    }
}

impl Code {
    /// A code that is known when the program is built.
    pub const fn of(scheme: &'static str, value: &'static str, meaning: &'static str) -> Self {
        Code {
            value: Cow::Borrowed(value),
            scheme: Cow::Borrowed(scheme),
            meaning: Cow::Borrowed(meaning),
        }
    }

    /// Any code.
    pub fn new(scheme: &str, value: &str, meaning: &str) -> Self {
        Code {
            value: Cow::Owned(value.to_owned()),
            scheme: Cow::Owned(scheme.to_owned()),
            meaning: Cow::Owned(meaning.to_owned()),
        }
    }
}

const fn dcm(value: &'static str, meaning: &'static str) -> Code {
    Code::of("DCM", value, meaning)
}

const fn sct(value: &'static str, meaning: &'static str) -> Code {
    Code::of(SCT, value, meaning)
}

const fn own(value: &'static str, meaning: &'static str) -> Code {
    Code::of(OWN, value, meaning)
}

// Document, observer, library (TID 1500, 1204, 1002, 1004, 1600 to 1603).
pub(crate) const MEASUREMENT_REPORT: Code = dcm("126000", "Imaging Measurement Report");
pub(crate) const LANGUAGE: Code = dcm("121049", "Language of Content Item and Descendants");
pub(crate) const ENGLISH: Code = Code::of("RFC5646", "en", "English");
pub(crate) const OBSERVER_TYPE: Code = dcm("121005", "Observer Type");
pub(crate) const DEVICE: Code = dcm("121007", "Device");
pub(crate) const DEVICE_UID: Code = dcm("121012", "Device Observer UID");
pub(crate) const DEVICE_NAME: Code = dcm("121013", "Device Observer Name");
pub(crate) const DEVICE_MANUFACTURER: Code = dcm("121014", "Device Observer Manufacturer");
pub(crate) const DEVICE_MODEL: Code = dcm("121015", "Device Observer Model Name");
pub(crate) const PROCEDURE_REPORTED: Code = dcm("121058", "Procedure reported");
pub(crate) const CHEST_XRAY: Code = sct("399208008", "Plain chest X-ray");
pub(crate) const IMAGE_LIBRARY: Code = dcm("111028", "Image Library");
pub(crate) const IMAGE_LIBRARY_GROUP: Code = dcm("126200", "Image Library Group");
pub(crate) const MODALITY: Code = dcm("121139", "Modality");
pub(crate) const PIXEL_ROWS: Code = dcm("110910", "Pixel Data Rows");
pub(crate) const PIXEL_COLUMNS: Code = dcm("110911", "Pixel Data Columns");
pub(crate) const HORIZONTAL_SPACING: Code = dcm("111026", "Horizontal Pixel Spacing");
pub(crate) const VERTICAL_SPACING: Code = dcm("111066", "Vertical Pixel Spacing");
pub(crate) const IMAGE_LATERALITY: Code = dcm("111027", "Image Laterality");
pub(crate) const IMAGE_VIEW: Code = dcm("111031", "Image View");

// Measurement groups (TID 1410, 1501, 1419, 300, 310, 4019).
pub(crate) const IMAGING_MEASUREMENTS: Code = dcm("126010", "Imaging Measurements");
pub(crate) const MEASUREMENT_GROUP: Code = dcm("125007", "Measurement Group");
pub(crate) const TRACKING_ID: Code = dcm("112039", "Tracking Identifier");
pub(crate) const TRACKING_UID: Code = dcm("112040", "Tracking Unique Identifier");
pub(crate) const FINDING: Code = dcm("121071", "Finding");
pub(crate) const FINDINGS: Code = dcm("121070", "Findings");
pub(crate) const IMPRESSION: Code = dcm("121073", "Impression");
pub(crate) const IMPRESSIONS: Code = dcm("121072", "Impressions");
pub(crate) const COMMENT: Code = dcm("121106", "Comment");
pub(crate) const FINDING_SITE: Code = sct("363698007", "Finding Site");
pub(crate) const LATERALITY: Code = sct("272741003", "Laterality");
pub(crate) const IMAGE_REGION: Code = dcm("111030", "Image Region");
pub(crate) const ALGORITHM_NAME: Code = dcm("111001", "Algorithm Name");
pub(crate) const ALGORITHM_VERSION: Code = dcm("111003", "Algorithm Version");
pub(crate) const ALGORITHM_PARAMETERS: Code = dcm("111002", "Algorithm Parameters");
pub(crate) const ALGORITHM_FAMILY: Code = dcm("111000", "Algorithm Family");
pub(crate) const ARTIFICIAL_INTELLIGENCE: Code = dcm("123110", "Artificial Intelligence");
pub(crate) const PRESENCE: Code = dcm("121052", "Presence of property");
pub(crate) const PRESENT: Code = dcm("121053", "Present");
pub(crate) const ABSENT: Code = dcm("121054", "Absent");
pub(crate) const UNDETERMINED: Code = dcm("121059", "Presence Undetermined");
pub(crate) const PROBABILITY: Code = dcm("122157", "Probability");
pub(crate) const CERTAINTY: Code = dcm("111012", "Certainty of Finding");
pub(crate) const SENSITIVITY: Code = dcm("111088", "Case Sensitivity");
pub(crate) const SPECIFICITY: Code = dcm("111090", "Case Specificity");
pub(crate) const UPPER_UNCERTAINTY: Code =
    sct("371886008", "+, range of upper measurement uncertainty");
pub(crate) const LOWER_UNCERTAINTY: Code =
    sct("371885007", "-, range of lower measurement uncertainty");
pub(crate) const SOURCE_OF_MEASUREMENT: Code = dcm("121112", "Source of Measurement");
pub(crate) const MEASUREMENT_FAILURE: Code = dcm("114006", "Measurement failure");
pub(crate) const YES: Code = sct("373066001", "Yes");
pub(crate) const NO: Code = sct("373067005", "No");

// Anatomy.
pub(crate) const ANATOMICAL_STRUCTURE: Code = sct("91723000", "Anatomical Structure");
pub(crate) const LUNG: Code = sct("39607008", "Lung");
pub(crate) const HEART: Code = sct("80891009", "Heart");
pub(crate) const CHEST: Code = sct("816094009", "Chest");
pub(crate) const UPPER_ZONE: Code = sct("281392002", "Upper zone of lung");
pub(crate) const MIDDLE_ZONE: Code = sct("281393007", "Middle zone of lung");
pub(crate) const LOWER_ZONE: Code = sct("281394001", "Lower zone of lung");
pub(crate) const RIGHT: Code = sct("24028007", "Right");
pub(crate) const LEFT: Code = sct("7771000", "Left");
pub(crate) const BILATERAL: Code = sct("51440002", "Right and left");
pub(crate) const PA: Code = sct("272479007", "postero-anterior");
pub(crate) const AP: Code = sct("399348003", "antero-posterior");
pub(crate) const LATERAL: Code = sct("399067008", "lateral");

// Objects around the report.
pub(crate) const SOURCE_FOR_SEGMENTATION: Code = dcm("121233", "Source image for segmentation");
pub(crate) const SOURCE_FOR_PROCESSING: Code =
    dcm("121322", "Source image for image processing operation");
pub(crate) const SEGMENTATION: Code = dcm("113076", "Segmentation");
pub(crate) const DIAGNOSTIC_IMAGING_STUDY: Code =
    Code::of("LN", "18748-4", "Diagnostic imaging study");

// Units.
pub(crate) const NO_UNITS: Code = Code::of(UCUM, "1", "no units");
pub(crate) const RATIO: Code = Code::of(UCUM, "{ratio}", "ratio");
pub(crate) const PIXELS: Code = Code::of(UCUM, "{pixels}", "pixels");
pub(crate) const MILLIMETRE: Code = Code::of(UCUM, "mm", "millimeter");
pub(crate) const PERCENT: Code = Code::of(UCUM, "%", "Percent");

// What the standard has no code for.
pub(crate) const STATUS: Code = own("status", "Was the finding looked for");
pub(crate) const ASSESSED: Code = own("assessed", "Assessed by a model shown to detect it");
pub(crate) const NOT_ASSESSED: Code = own("not_assessed", "Not assessed");
pub(crate) const REASON: Code = own("reason", "Why it was not assessed");
pub(crate) const LOGIT: Code = own("logit", "Network output before calibration");
pub(crate) const CONFORMAL_SET: Code = own("set", "Conformal answer");
pub(crate) const UNDECIDED: Code = own("undecided", "Undecided");
pub(crate) const THRESHOLD: Code = own("threshold", "Threshold on the probability");
pub(crate) const RULE: Code = own("rule", "How the threshold was chosen");
pub(crate) const POSITIVE: Code = own("positive", "At or above the threshold");
pub(crate) const NAME: Code = own("name", "Name to show");
pub(crate) const REGION_KIND: Code = own("region_kind", "How the region came about");
pub(crate) const ACTIVATION_BOX: Code = own("activation_box", "Box in a class activation map");
pub(crate) const DETECTOR_BOX: Code = own("detector_box", "Box given by a detector");
pub(crate) const OUTLINE: Code = own("outline", "Outline of a structure");
pub(crate) const DRAWN: Code = own("drawn", "Drawn by a person");
pub(crate) const STRENGTH: Code = own("strength", "Strength in the map or detector");
pub(crate) const PLACE: Code = own("place", "Anatomical place in words");
pub(crate) const BOX: Code = own("box", "Box: left, top, width, height in pixels");
pub(crate) const EXACT: Code = own("exact", "Coordinates in double precision");
pub(crate) const LINE: Code = own("line", "Name of the line");
pub(crate) const INTERVAL_LOW: Code = own("interval_low", "Lower end of the interval");
pub(crate) const INTERVAL_HIGH: Code = own("interval_high", "Upper end of the interval");
pub(crate) const INTERVAL_LEVEL: Code = own("interval_level", "Nominal coverage of the interval");
pub(crate) const UNIT: Code = own("unit", "Unit of the measurement");
pub(crate) const NOTE: Code = own("note", "Note on the measurement");
pub(crate) const AT_DETECTOR: Code = own("mm_detector", "Millimetres at the detector plane");
pub(crate) const OWN_RATIO: Code = own("ratio", "Ratio");
pub(crate) const OWN_PIXEL: Code = own("pixel", "Pixels of the image");
pub(crate) const OWN_MM: Code = own("mm", "Millimetres");
pub(crate) const OWN_PERCENT: Code = own("percent", "Percent");
pub(crate) const GATE: Code = own("gate", "Fitness of the images for analysis");
pub(crate) const ANALYSABLE: Code = own("analysable", "At least one image passed");
pub(crate) const GATE_REASON: Code = own("gate_reason", "What the gate noticed");
pub(crate) const GATE_CODE: Code = own("gate_code", "Kind of notice");
pub(crate) const MESSAGE: Code = own("message", "In words");
pub(crate) const BLOCKING: Code = own("blocking", "Stops the analysis");
pub(crate) const SCORE: Code = own("score", "Score behind it");
pub(crate) const IMAGE: Code = own("image", "Image it is about");
pub(crate) const IMAGE_INDEX: Code = own("image_index", "Position of the image in the reading");
pub(crate) const SUBJECT: Code = own("study", "Identity of the study as read");
pub(crate) const STUDY_ID: Code = own("study_id", "Id of the study");
pub(crate) const PATIENT_ID: Code = own("patient_id", "Id of the patient");
pub(crate) const STUDY_DATE: Code = own("study_date", "Date of the study");
pub(crate) const PATH: Code = own("path", "Path as given");
pub(crate) const SHA256: Code = own("sha256", "SHA-256 of the file");
pub(crate) const VIEW: Code = own("view", "View");
pub(crate) const VIEW_SOURCE: Code = own("view_source", "Where the view came from");
pub(crate) const SPACING_KIND: Code = own("spacing_kind", "What the pixel spacing refers to");
pub(crate) const INVERTED: Code = own("inverted", "Inverted before the analysis");
pub(crate) const AGE_GROUP: Code = own("age_group", "Age group");
pub(crate) const MASKS: Code = own("masks", "Mask files were written");
pub(crate) const LUNGS_FILE: Code = own("mask_lungs", "Mask file of the lungs");
pub(crate) const HEART_FILE: Code = own("mask_heart", "Mask file of the heart");
pub(crate) const RUNNING_TEXT: Code = own("running_text", "Section as running text");
pub(crate) const PROVENANCE: Code = own("provenance", "Where the reading came from");
pub(crate) const VERSION: Code = own("version", "Version of Hilum");
pub(crate) const RECIPE: Code = own("recipe", "How pixels became 8 bit");
pub(crate) const ENGINE: Code = own("engine", "What ran the networks");
pub(crate) const ADDITION: Code = own("addition", "Addition: place in the reading and its JSON");
pub(crate) const MODEL: Code = own("model", "Model that took part");

/// Codes of a finding, the best known system first: SNOMED CT, RadLex, Hilum's own.
pub fn of_finding(code: &str, name: &str) -> Vec<Code> {
    let taxon = taxonomy::by_code(code);
    let mut codes: Vec<Code> = Vec::new();
    if let Some(id) = taxon.and_then(|t| t.snomed) {
        codes.push(Code::new(SCT, id, name));
    }
    if let Some(id) = taxon.and_then(|t| t.radlex) {
        codes.push(Code::new(RADLEX, id, name));
    }
    codes.push(Code::new(OWN, code, name));
    codes
}

/// The entry of the taxonomy that a code names, by SNOMED CT, RadLex or Hilum's own scheme.
pub fn finding_of(code: &Code) -> Option<&'static Taxon> {
    match &*code.scheme {
        SCT | "SNM3" | "SRT" => by_id(|t| t.snomed, &code.value),
        RADLEX | "RadLex" => by_id(|t| t.radlex, &code.value),
        OWN => taxonomy::by_code(&code.value),
        _ => None,
    }
}

fn by_id(id: impl Fn(&Taxon) -> Option<&'static str>, value: &str) -> Option<&'static Taxon> {
    taxonomy::TABLE.iter().find(|t| id(t) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_found_again_by_each_of_its_codes() {
        for taxon in taxonomy::TABLE {
            for code in of_finding(taxon.code, taxon.name) {
                assert_eq!(
                    finding_of(&code).map(|t| t.code),
                    Some(taxon.code),
                    "{code:?}"
                );
            }
        }
        assert!(finding_of(&Code::new("SCT", "1", "nothing")).is_none());
    }

    #[test]
    fn meanings_fit_a_long_string() {
        for code in [STATUS, SPACING_KIND, IMAGE_INDEX, UPPER_UNCERTAINTY, BOX] {
            assert!(code.meaning.len() <= 64);
        }
    }
}
