//! The profile applied to a data set.

use crate::clean::Known;
use crate::dates::moved;
use crate::error::Result;
use crate::options::Options;
use crate::profile::{self, Action};
use crate::report::{Done, Report};
use crate::secret::Secret;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::{DataSetSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// De-identifies objects with one secret and one set of options.
#[derive(Debug, Clone)]
pub struct Deidentifier {
    options: Options,
    pub(crate) secret: Secret,
}

/// What is known about the object under way.
struct Context {
    known: Known,
    days: i64,
    patient: String,
}

impl Deidentifier {
    /// Takes checked options.
    ///
    /// # Errors
    /// [`crate::DeidError::Options`].
    pub fn new(options: Options, secret: Secret) -> Result<Self> {
        options.validate()?;
        Ok(Deidentifier { options, secret })
    }

    /// The data set without what identifies, and what was done.
    pub fn apply(&self, data: InMemDicomObject) -> (InMemDicomObject, Report) {
        let patient = data
            .get(tags::PATIENT_ID)
            .and_then(|e| e.to_str().ok())
            .map(|t| t.trim_matches([' ', '\0']).to_owned())
            .unwrap_or_default();
        let context = Context {
            known: Known::of(&data),
            days: self.secret.days(&patient),
            patient,
        };
        let mut report = Report::default();
        let mut out = self.data_set(data, &context, "", false, &mut report);
        self.mark(&mut out);
        (out, report.finish())
    }

    fn data_set(
        &self,
        data: InMemDicomObject,
        context: &Context,
        path: &str,
        dummy: bool,
        report: &mut Report,
    ) -> InMemDicomObject {
        let creators = creators(&data);
        let mut out = InMemDicomObject::new_empty();
        for element in data {
            if let Some(kept) = self.element(element, context, path, dummy, &creators, report) {
                out.put(kept);
            }
        }
        out
    }

    /// `dummy` says that all texts are replaced: the content of a sequence that the profile replaces.
    fn element(
        &self,
        element: InMemElement,
        context: &Context,
        path: &str,
        dummy: bool,
        creators: &[(u16, u8, String)],
        report: &mut Report,
    ) -> Option<InMemElement> {
        let (tag, vr) = (element.header().tag, element.vr());
        let here = format!("{path}{:04X}{:04X}", tag.group(), tag.element());
        let keyword = StandardDataDictionary
            .by_tag(tag)
            .map(|e| e.alias())
            .unwrap_or_default();
        if tag.group() % 2 == 1 {
            return self.private(element, &here, creators, report);
        }
        let action = profile::action(tag, vr, &self.options)
            .unwrap_or_else(|| unlisted(vr, &self.options, dummy));
        if action == Action::Remove {
            report.add(&here, keyword, Done::Removed);
            return None;
        }
        let header = *element.header();
        match element.into_value() {
            Value::Sequence(sequence) => self.sequence(
                tag,
                sequence,
                action,
                context,
                (&here, keyword),
                dummy,
                report,
            ),
            value => {
                let element = DataElement::new_with_len(header.tag, header.vr, header.len, value);
                let (element, done) = self.primitive(element, action, context);
                if let Some(done) = done {
                    report.add(&here, keyword, done);
                }
                Some(element)
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // One place calls it.
    fn sequence(
        &self,
        tag: Tag,
        sequence: DataSetSequence<InMemDicomObject>,
        action: Action,
        context: &Context,
        (here, keyword): (&str, &str),
        dummy: bool,
        report: &mut Report,
    ) -> Option<InMemElement> {
        if action == Action::Empty {
            report.add(here, keyword, Done::Emptied);
            return Some(DataElement::new(tag, VR::SQ, DataSetSequence::empty()));
        }
        if action == Action::Dummy {
            report.add(here, keyword, Done::Replaced);
        }
        let dummy = dummy || action == Action::Dummy;
        let path = format!("{here}.");
        let items: Vec<InMemDicomObject> = sequence
            .into_items()
            .into_iter()
            .map(|item| self.data_set(item, context, &path, dummy, report))
            .collect();
        Some(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)))
    }

    fn primitive(
        &self,
        element: InMemElement,
        action: Action,
        context: &Context,
    ) -> (InMemElement, Option<Done>) {
        let (tag, vr) = (element.header().tag, element.vr());
        let text = element
            .to_str()
            .map(|t| t.trim_matches([' ', '\0']).to_owned())
            .unwrap_or_default();
        if text.is_empty() && !matches!(vr, VR::OB | VR::OW | VR::UN) {
            return (element, None);
        }
        let with = |value: String| DataElement::new(tag, vr, PrimitiveValue::from(value));
        match action {
            Action::Keep => {
                let listed = profile::action(tag, vr, &Options::default()).is_some();
                (element, listed.then_some(Done::Retained))
            }
            Action::Uid => self.uids(element, &text),
            Action::Move => match all_moved(&text, context.days) {
                Some(dates) => {
                    let value = PrimitiveValue::Strs(dates.into());
                    (DataElement::new(tag, vr, value), Some(Done::DateMoved))
                }
                // The time of day means nothing once the day is another one.
                None if vr == VR::TM => (element, Some(Done::Retained)),
                None => (DataElement::empty(tag, vr), Some(Done::Emptied)),
            },
            Action::Clean => {
                let cleaned = context.known.clean(&text);
                if cleaned == text {
                    (element, Some(Done::Retained))
                } else {
                    (with(cleaned), Some(Done::Cleaned))
                }
            }
            Action::Empty | Action::Dummy if tag == tags::PATIENT_ID => (
                with(self.secret.pseudonym("patient", &context.patient)),
                Some(Done::Replaced),
            ),
            Action::Empty | Action::Dummy if tag == tags::PATIENT_NAME => (
                with(self.secret.pseudonym("patient", &context.patient)),
                Some(Done::Replaced),
            ),
            Action::Empty | Action::Remove => (DataElement::empty(tag, vr), Some(Done::Emptied)),
            Action::Dummy => (DataElement::new(tag, vr, dummy(vr)), Some(Done::Replaced)),
        }
    }

    fn uids(&self, element: InMemElement, text: &str) -> (InMemElement, Option<Done>) {
        // UIDs of the standard name classes and syntaxes, not patients.
        let replaced: Vec<String> = text
            .split('\\')
            .map(|uid| match uid.starts_with("1.2.840.10008.") {
                true => uid.to_owned(),
                false => self.secret.uid(uid),
            })
            .collect();
        if replaced.join("\\") == text {
            return (element, None);
        }
        let (tag, vr) = (element.header().tag, element.vr());
        let value = PrimitiveValue::Strs(replaced.into());
        (DataElement::new(tag, vr, value), Some(Done::UidReplaced))
    }

    fn private(
        &self,
        element: InMemElement,
        here: &str,
        creators: &[(u16, u8, String)],
        report: &mut Report,
    ) -> Option<InMemElement> {
        let tag = element.header().tag;
        let (block, low) = ((tag.element() >> 8) as u8, (tag.element() & 0xFF) as u8);
        let safe = |group, block, element: Option<u8>| {
            let creator = creators
                .iter()
                .find(|c| c.0 == group && c.1 == block)
                .map(|c| c.2.as_str());
            self.options.retain_safe_private.iter().any(|s| {
                s.group == group
                    && element.is_none_or(|e| e == s.element)
                    && Some(s.creator.as_str()) == creator
            })
        };
        let is_creator = (0x10..=0xFF).contains(&tag.element());
        let keep = if is_creator {
            safe(tag.group(), low, None)
        } else {
            safe(tag.group(), block, Some(low))
        };
        report.add(here, "", if keep { Done::Retained } else { Done::Removed });
        keep.then_some(element)
    }

    /// Says in the object what was done to it (PS3.15, E.2).
    fn mark(&self, out: &mut InMemDicomObject) {
        let items: Vec<InMemDicomObject> = self.options.codes().into_iter().map(code).collect();
        out.put(DataElement::new(
            tags::PATIENT_IDENTITY_REMOVED,
            VR::CS,
            "YES",
        ));
        out.put(DataElement::new(
            tags::DEIDENTIFICATION_METHOD,
            VR::LO,
            concat!("Hilum ", env!("CARGO_PKG_VERSION")),
        ));
        out.put(DataElement::new(
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(items),
        ));
        let temporal = match (
            self.options.retain_full_dates,
            self.options.retain_modified_dates,
        ) {
            (true, _) => "UNMODIFIED",
            (_, true) => "MODIFIED",
            _ => "REMOVED",
        };
        out.put(DataElement::new(
            tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
            VR::CS,
            temporal,
        ));
    }
}

fn code((value, meaning): (&'static str, &'static str)) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::CODE_VALUE, VR::SH, value),
        DataElement::new(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM"),
        DataElement::new(tags::CODE_MEANING, VR::LO, meaning),
    ])
}

/// Every value of an attribute moved; `None` when one of them is no date.
fn all_moved(text: &str, days: i64) -> Option<Vec<String>> {
    text.split('\\').map(|value| moved(value, days)).collect()
}

/// What is done to attributes that the table does not name: names of persons are none that an image needs, UIDs of instances may
/// be anywhere, and within a replaced sequence texts go.
fn unlisted(vr: VR, options: &Options, dummy: bool) -> Action {
    match vr {
        VR::PN => Action::Empty,
        VR::UI if !options.retain_uids => Action::Uid,
        VR::ST | VR::LT | VR::UT | VR::UC | VR::DA | VR::TM | VR::DT if dummy => Action::Dummy,
        _ => Action::Keep,
    }
}

/// A value that means nothing and fits the representation.
fn dummy(vr: VR) -> PrimitiveValue {
    match vr {
        VR::DA => PrimitiveValue::from("19000101"),
        VR::TM => PrimitiveValue::from("000000"),
        VR::DT => PrimitiveValue::from("19000101000000"),
        VR::AS => PrimitiveValue::from("000Y"),
        VR::IS | VR::DS => PrimitiveValue::from("0"),
        VR::US => PrimitiveValue::from(0u16),
        VR::UL => PrimitiveValue::from(0u32),
        VR::FD => PrimitiveValue::from(0f64),
        VR::FL => PrimitiveValue::from(0f32),
        VR::OB | VR::UN => PrimitiveValue::from(vec![0u8; 2]),
        VR::UR => PrimitiveValue::from("about:blank"),
        _ => PrimitiveValue::from("REMOVED"),
    }
}

/// Private creators: group, block, name.
fn creators(data: &InMemDicomObject) -> Vec<(u16, u8, String)> {
    data.iter()
        .filter_map(|e| {
            let tag = e.header().tag;
            let creator = tag.group() % 2 == 1 && (0x10..=0xFF).contains(&tag.element());
            let name = creator.then(|| e.to_str().ok()).flatten()?;
            Some((
                tag.group(),
                (tag.element() & 0xFF) as u8,
                name.trim_matches([' ', '\0']).to_owned(),
            ))
        })
        .collect()
}
