//! What the index keeps of one object, and the check that the object is what it was announced as.

use crate::error::{Result, StoreError};
use crate::keys::{self, Key, Level, MAX_VALUE, Matching};
use crate::uid::Uid;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// An object as it came, checked.
#[derive(Debug, Clone)]
pub struct Record {
    /// Study Instance UID.
    pub study: Uid,
    /// Series Instance UID.
    pub series: Uid,
    /// SOP Instance UID.
    pub instance: Uid,
    /// SOP Class UID.
    pub sop_class: Uid,
    /// Transfer syntax of the stored data set.
    pub transfer_syntax: Uid,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of transfer syntax and data set, the same whatever file meta information stands before them.
    pub sha256: String,
    /// Values of the index's attributes; empty ones are left out.
    values: BTreeMap<Tag, String>,
}

/// A data set as it goes over the wire, with what was announced about it.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The encoded data set, without file meta information.
    pub data: &'a [u8],
    /// Its transfer syntax.
    pub transfer_syntax: &'a str,
    /// Affected SOP Class UID of the request; `None` takes the data set's.
    pub sop_class: Option<&'a str>,
    /// Affected SOP Instance UID of the request; `None` takes the data set's.
    pub instance: Option<&'a str>,
    /// Application entity that sent it, empty when unknown.
    pub source: &'a str,
}

impl Record {
    /// Checks a parsed data set against what was announced.
    ///
    /// # Errors
    /// [`StoreError::MissingAttribute`], [`StoreError::BadUid`], [`StoreError::Mismatch`].
    pub fn new(data: &InMemDicomObject, incoming: &Incoming<'_>) -> Result<Self> {
        let sop_class = required(data, tags::SOP_CLASS_UID, "SOPClassUID")?;
        let instance = required(data, tags::SOP_INSTANCE_UID, "SOPInstanceUID")?;
        same(&sop_class, incoming.sop_class, "SOPClassUID")?;
        same(&instance, incoming.instance, "SOPInstanceUID")?;
        Ok(Record {
            study: required(data, tags::STUDY_INSTANCE_UID, "StudyInstanceUID")?,
            series: required(data, tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
            instance,
            sop_class,
            transfer_syntax: Uid::new(incoming.transfer_syntax, "TransferSyntaxUID")?,
            size: 0,
            sha256: hash(incoming.transfer_syntax, incoming.data),
            values: values(data),
        })
    }

    /// Value of an attribute of the index, empty when the object has none.
    pub fn value(&self, tag: Tag) -> &str {
        match tag {
            tags::STUDY_INSTANCE_UID => self.study.as_str(),
            tags::SERIES_INSTANCE_UID => self.series.as_str(),
            tags::SOP_INSTANCE_UID => self.instance.as_str(),
            tags::SOP_CLASS_UID => self.sop_class.as_str(),
            _ => self.values.get(&tag).map_or("", String::as_str),
        }
    }
}

fn required(data: &InMemDicomObject, tag: Tag, name: &'static str) -> Result<Uid> {
    let text = text(data, tag).ok_or(StoreError::MissingAttribute { name })?;
    Uid::new(&text, name)
}

fn same(found: &Uid, announced: Option<&str>, name: &'static str) -> Result<()> {
    match announced {
        Some(uid) if Uid::new(uid, name)? != *found => Err(StoreError::Mismatch { name }),
        _ => Ok(()),
    }
}

fn values(data: &InMemDicomObject) -> BTreeMap<Tag, String> {
    let levels = [Level::Study, Level::Series, Level::Instance];
    let keys = levels.into_iter().flat_map(keys::stored);
    keys.filter_map(|key| Some((key.tag, value(data, key)?)))
        .collect()
}

fn value(data: &InMemDicomObject, key: &Key) -> Option<String> {
    let text = text(data, key.tag)?;
    if key.matching == Matching::Number {
        // `001` and `1` are the same number; what is none is no search key.
        return text.parse::<i64>().ok().map(|n| n.to_string());
    }
    (text.chars().count() <= MAX_VALUE).then_some(text)
}

/// Text of an element, multiple values joined by backslashes; `None` when missing, empty or no text.
pub(crate) fn text(data: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = data.get(tag)?.to_str().ok()?;
    // PostgreSQL keeps no NUL in text, and no attribute of the index may hold a control character.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// SHA-256 of transfer syntax and data set as lower-case hexadecimal.
pub(crate) fn hash(transfer_syntax: &str, data: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(transfer_syntax.trim_end_matches(['\0', ' ']).as_bytes());
    hasher.update([0]);
    hasher.update(data);
    hasher.finalize().iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, VR};

    fn object(study: &str, series: &str, sop: &str, patient: &str) -> InMemDicomObject {
        InMemDicomObject::from_element_iter([
            DataElement::new(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1"),
            DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, sop),
            DataElement::new(tags::STUDY_DATE, VR::DA, "20260102"),
            DataElement::new(tags::MODALITY, VR::CS, "CR"),
            DataElement::new(tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
            DataElement::new(tags::PATIENT_ID, VR::LO, patient),
            DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, study),
            DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, series),
            DataElement::new(tags::INSTANCE_NUMBER, VR::IS, "1"),
        ])
    }

    fn incoming(data: &[u8]) -> Incoming<'_> {
        Incoming {
            data,
            transfer_syntax: "1.2.840.10008.1.2.1",
            sop_class: None,
            instance: None,
            source: "TEST",
        }
    }

    #[test]
    fn what_was_announced_must_be_what_came() {
        let data = object("1.2", "1.3", "1.4", "P1");
        let record = Record::new(&data, &incoming(b"x")).unwrap();
        assert_eq!(record.value(tags::PATIENT_ID), "P1");
        assert_eq!(record.value(tags::SOP_INSTANCE_UID), "1.4");
        assert_eq!(record.value(tags::BODY_PART_EXAMINED), "");
        let other = Incoming {
            instance: Some("1.5"),
            ..incoming(b"x")
        };
        assert!(matches!(
            Record::new(&data, &other),
            Err(StoreError::Mismatch { .. })
        ));
    }

    #[test]
    fn an_object_without_a_study_or_with_a_path_for_one_is_refused() {
        let mut data = object("1.2", "1.3", "1.4", "P1");
        data.put(DataElement::new(
            tags::STUDY_INSTANCE_UID,
            VR::UI,
            "../../etc",
        ));
        assert!(matches!(
            Record::new(&data, &incoming(b"x")),
            Err(StoreError::BadUid { .. })
        ));
        data.remove_element(tags::STUDY_INSTANCE_UID);
        assert!(matches!(
            Record::new(&data, &incoming(b"x")),
            Err(StoreError::MissingAttribute { .. })
        ));
    }
}
