//! The attributes that the index holds: one table for storing, C-FIND and QIDO-RS.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// Levels of the information model, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Patients (only for the patient root of C-FIND).
    Patient,
    /// Studies, with their patient's attributes.
    Study,
    /// Series.
    Series,
    /// SOP instances.
    Instance,
}

impl Level {
    /// Value of Query/Retrieve Level.
    pub fn name(self) -> &'static str {
        match self {
            Level::Patient => "PATIENT",
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Instance => "IMAGE",
        }
    }
}

/// How a value is compared with what is asked for (PS3.4, C.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// One UID or a list of them.
    Uid,
    /// Text with the wildcards `*` and `?`.
    Text,
    /// A person's name: as text, without regard to case.
    Name,
    /// A date or time, or a range of them.
    Range,
    /// A whole number.
    Number,
    /// Counted or collected from the levels below; only Modalities in Study can be asked for.
    Derived,
}

/// An attribute of the index.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Tag.
    pub tag: Tag,
    /// Keyword, as QIDO-RS names it.
    pub keyword: &'static str,
    /// Value representation.
    pub vr: VR,
    /// Level it belongs to; the patient's attributes are kept with the study.
    pub level: Level,
    /// Column of the level's table.
    pub(crate) column: &'static str,
    /// How it is compared.
    pub matching: Matching,
    /// Whether QIDO-RS answers carry it unasked (PS3.18, tables 10.6.3-3 to 10.6.3-5).
    pub always: bool,
}

const fn key(
    tag: Tag,
    keyword: &'static str,
    vr: VR,
    level: Level,
    column: &'static str,
    matching: Matching,
    always: bool,
) -> Key {
    Key {
        tag,
        keyword,
        vr,
        level,
        column,
        matching,
        always,
    }
}

use Level::{Instance, Patient, Series, Study};
use Matching::{Derived, Name, Number, Range, Text, Uid};

/// All of them.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key(tags::PATIENT_NAME, "PatientName", VR::PN, Patient, "patient_name", Name, true),
    key(tags::PATIENT_ID, "PatientID", VR::LO, Patient, "patient_id", Text, true),
    key(tags::ISSUER_OF_PATIENT_ID, "IssuerOfPatientID", VR::LO, Patient, "patient_issuer", Text, false),
    key(tags::PATIENT_BIRTH_DATE, "PatientBirthDate", VR::DA, Patient, "birth_date", Range, true),
    key(tags::PATIENT_SEX, "PatientSex", VR::CS, Patient, "sex", Text, true),
    key(tags::STUDY_INSTANCE_UID, "StudyInstanceUID", VR::UI, Study, "study_uid", Uid, true),
    key(tags::STUDY_DATE, "StudyDate", VR::DA, Study, "study_date", Range, true),
    key(tags::STUDY_TIME, "StudyTime", VR::TM, Study, "study_time", Range, true),
    key(tags::ACCESSION_NUMBER, "AccessionNumber", VR::SH, Study, "accession", Text, true),
    key(tags::REFERRING_PHYSICIAN_NAME, "ReferringPhysicianName", VR::PN, Study, "referring", Name, true),
    key(tags::STUDY_ID, "StudyID", VR::SH, Study, "study_id", Text, true),
    key(tags::STUDY_DESCRIPTION, "StudyDescription", VR::LO, Study, "study_description", Text, false),
    key(tags::MODALITIES_IN_STUDY, "ModalitiesInStudy", VR::CS, Study, "modalities", Derived, true),
    key(tags::NUMBER_OF_STUDY_RELATED_SERIES, "NumberOfStudyRelatedSeries", VR::IS, Study, "n_series", Derived, true),
    key(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, "NumberOfStudyRelatedInstances", VR::IS, Study, "n_instances", Derived, true),
    key(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID", VR::UI, Series, "series_uid", Uid, true),
    key(tags::MODALITY, "Modality", VR::CS, Series, "modality", Text, true),
    key(tags::SERIES_NUMBER, "SeriesNumber", VR::IS, Series, "series_number", Number, true),
    key(tags::SERIES_DESCRIPTION, "SeriesDescription", VR::LO, Series, "series_description", Text, true),
    key(tags::SERIES_DATE, "SeriesDate", VR::DA, Series, "series_date", Range, false),
    key(tags::SERIES_TIME, "SeriesTime", VR::TM, Series, "series_time", Range, false),
    key(tags::BODY_PART_EXAMINED, "BodyPartExamined", VR::CS, Series, "body_part", Text, false),
    key(tags::LATERALITY, "Laterality", VR::CS, Series, "laterality", Text, false),
    key(tags::PROTOCOL_NAME, "ProtocolName", VR::LO, Series, "protocol", Text, false),
    key(tags::STATION_NAME, "StationName", VR::SH, Series, "station", Text, false),
    key(tags::MANUFACTURER, "Manufacturer", VR::LO, Series, "manufacturer", Text, false),
    key(tags::PERFORMED_PROCEDURE_STEP_START_DATE, "PerformedProcedureStepStartDate", VR::DA, Series, "performed_date", Range, true),
    key(tags::PERFORMED_PROCEDURE_STEP_START_TIME, "PerformedProcedureStepStartTime", VR::TM, Series, "performed_time", Range, true),
    key(tags::NUMBER_OF_SERIES_RELATED_INSTANCES, "NumberOfSeriesRelatedInstances", VR::IS, Series, "series_instances", Derived, true),
    key(tags::SOP_INSTANCE_UID, "SOPInstanceUID", VR::UI, Instance, "sop_uid", Uid, true),
    key(tags::SOP_CLASS_UID, "SOPClassUID", VR::UI, Instance, "sop_class", Uid, true),
    key(tags::INSTANCE_NUMBER, "InstanceNumber", VR::IS, Instance, "instance_number", Number, true),
    key(tags::VIEW_POSITION, "ViewPosition", VR::CS, Instance, "view_position", Text, false),
    key(tags::CONTENT_DATE, "ContentDate", VR::DA, Instance, "content_date", Range, false),
    key(tags::CONTENT_TIME, "ContentTime", VR::TM, Instance, "content_time", Range, false),
    key(tags::ROWS, "Rows", VR::US, Instance, "image_rows", Number, true),
    key(tags::COLUMNS, "Columns", VR::US, Instance, "image_columns", Number, true),
    key(tags::BITS_ALLOCATED, "BitsAllocated", VR::US, Instance, "bits_allocated", Number, true),
    key(tags::NUMBER_OF_FRAMES, "NumberOfFrames", VR::IS, Instance, "frames", Number, true),
];

/// The key of a tag.
pub fn by_tag(tag: Tag) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.tag == tag)
}

/// The key of a keyword or of eight hexadecimal digits.
pub fn by_name(name: &str) -> Option<&'static Key> {
    let tag = (name.len() == 8)
        .then(|| u32::from_str_radix(name, 16).ok())
        .flatten()
        .map(|n| Tag((n >> 16) as u16, (n & 0xFFFF) as u16));
    KEYS.iter()
        .find(|k| k.keyword == name || tag.is_some_and(|t| t == k.tag))
}

/// Keys whose values come from the object itself and are kept in the table of `level`.
pub(crate) fn stored(level: Level) -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
        .filter(move |k| table_level(k.level) == level && k.matching != Derived)
}

/// The level whose table holds a key's column.
pub(crate) fn table_level(level: Level) -> Level {
    if level == Patient { Study } else { level }
}

/// Most characters of one value in the index; longer ones are no search keys.
pub(crate) const MAX_VALUE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::DataDictionary;
    use dicom_core::dictionary::DataDictionaryEntry;
    use dicom_dictionary_std::StandardDataDictionary;

    #[test]
    fn keywords_and_representations_are_the_standards() {
        for key in KEYS {
            let entry = StandardDataDictionary.by_tag(key.tag).unwrap();
            assert_eq!(entry.alias(), key.keyword);
            assert_eq!(entry.vr().relaxed(), key.vr, "{}", key.keyword);
        }
    }

    #[test]
    fn columns_and_tags_are_there_once() {
        for (i, a) in KEYS.iter().enumerate() {
            for b in &KEYS[i + 1..] {
                assert!(a.tag != b.tag && a.column != b.column);
            }
        }
        assert_eq!(by_name("0020000D").unwrap().keyword, "StudyInstanceUID");
        assert_eq!(by_name("PatientID").unwrap().column, "patient_id");
        assert!(by_name("PatientComments").is_none());
    }
}
