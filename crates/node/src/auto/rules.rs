//! Which received objects are read.

use crate::auto::READ;
use crate::config::{Action, Config, Rule};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use hilum_store::{Found, NewJob, Record};

/// The rules of a configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Rule>,
    settle_ms: i64,
}

/// What a rule looks at.
pub(crate) trait Facts {
    /// Value of an attribute, empty when there is none.
    fn value(&self, tag: Tag) -> &str;
}

impl Facts for Record {
    fn value(&self, tag: Tag) -> &str {
        Record::value(self, tag)
    }
}

impl Facts for Found {
    fn value(&self, tag: Tag) -> &str {
        Found::value(self, tag)
    }
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(config: &Config) -> Self {
        Rules {
            rules: config.rule.clone(),
            settle_ms: i64::try_from(config.read.settle_s.saturating_mul(1000))
                .unwrap_or(i64::MAX / 2),
        }
    }

    /// The job that an object gives rise to: its study is read when no more objects come for a while.
    pub fn job(&self, record: &Record, source: &str) -> Option<NewJob> {
        self.decide(record, Some(source))?;
        Some(NewJob {
            kind: READ.to_owned(),
            subject: record.study.to_string(),
            wait_ms: self.settle_ms,
        })
    }

    /// The rule by which an object is read; `None` when it is not. An object that was fetched has no source: of the rules for
    /// certain senders, those that read hold for it and those that ignore do not. What is no image, or was made by Hilum of a
    /// reading, is never read, whatever the rules say.
    pub(crate) fn decide(&self, facts: &impl Facts, source: Option<&str>) -> Option<&Rule> {
        if is_no_image(facts.value(tags::SOP_CLASS_UID)) || is_own(facts) {
            return None;
        }
        self.rules
            .iter()
            .find(|rule| fits(rule, facts, source))
            .filter(|rule| rule.action == Action::Read)
    }

    /// Whether objects of a series may be read, as far as can be said without them. A body part that is not known does not
    /// speak against it.
    pub(crate) fn may_read(&self, modality: &str, body_part: &str) -> bool {
        let known = |list: &[String], value: &str| value.trim().is_empty() || one_of(list, value);
        self.rules.iter().any(|rule| {
            rule.action == Action::Read
                && known(&rule.modality, modality)
                && known(&rule.body_part, body_part)
        })
    }
}

/// Storage classes whose objects tell of images, or of something else, and are none (PS3.4, annex B.5): presentation states,
/// waveforms, segmentations and registrations, real world values, surfaces, structured reports and documents, eye measurements,
/// plans and doses.
const NO_IMAGES: [&str; 16] = [
    "9.", "11.", "30", "34.", "38.", "39.", "43.", "44.", "45.", "66", "67", "68.", "78.", "79.",
    "88.", "104.",
];

fn is_no_image(sop_class: &str) -> bool {
    const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
    const PORTAL_IMAGE: &str = "481.1";
    let Some(kind) = sop_class.strip_prefix(STORAGE) else {
        return false;
    };
    NO_IMAGES.iter().any(|none| match none.strip_suffix('.') {
        Some(_) => kind.starts_with(none),
        None => kind == *none || kind.strip_prefix(none).is_some_and(|k| k.starts_with('.')),
    }) || (kind.starts_with("481.") && kind != PORTAL_IMAGE)
}

/// The overlay of a reading: a capture that carries the source's modality. Pictures that Hilum was given name no manufacturer, and
/// projections are no captures.
fn is_own(facts: &impl Facts) -> bool {
    facts.value(tags::SOP_CLASS_UID) == uids::SECONDARY_CAPTURE_IMAGE_STORAGE
        && facts.value(tags::MANUFACTURER).trim() == "Hilum"
}

fn one_of(list: &[String], value: &str) -> bool {
    list.is_empty() || list.iter().any(|v| v.eq_ignore_ascii_case(value.trim()))
}

fn fits(rule: &Rule, facts: &impl Facts, source: Option<&str>) -> bool {
    let sender = match source {
        Some(source) => one_of(&rule.calling_aet, source),
        None => rule.calling_aet.is_empty() || rule.action == Action::Read,
    };
    sender
        && one_of(&rule.modality, facts.value(tags::MODALITY))
        && one_of(&rule.body_part, facts.value(tags::BODY_PART_EXAMINED))
        && one_of(&rule.view, facts.value(tags::VIEW_POSITION))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made(&'static str, &'static str);

    impl Facts for Made {
        fn value(&self, tag: Tag) -> &str {
            match tag {
                tags::MODALITY => self.0,
                tags::BODY_PART_EXAMINED => self.1,
                _ => "",
            }
        }
    }

    struct Object(&'static str, &'static str);

    impl Facts for Object {
        fn value(&self, tag: Tag) -> &str {
            match tag {
                tags::SOP_CLASS_UID => self.0,
                tags::MANUFACTURER => self.1,
                tags::MODALITY => "DX",
                _ => "",
            }
        }
    }

    #[test]
    fn what_is_no_image_or_was_made_here_is_never_read() {
        let rules = Rules::new(&Config::parse("[[rule]]\nmodality = [\"DX\"]").unwrap());
        let read = |class, maker| rules.decide(&Object(class, maker), Some("PACS")).is_some();
        let capture = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
        assert!(!read(capture, "Hilum"));
        assert!(read(capture, "") && read(capture, "ACME"));
        let film = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
        // A projection of `hilum drr`, for one.
        assert!(read(film, "Hilum") && read(film, ""));
        for class in [
            uids::SEGMENTATION_STORAGE,
            uids::COMPREHENSIVE3_DSR_STORAGE,
            uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
            uids::ENCAPSULATED_PDF_STORAGE,
            uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
            uids::RAW_DATA_STORAGE,
            uids::PARAMETRIC_MAP_STORAGE,
            uids::RT_DOSE_STORAGE,
        ] {
            assert!(!read(class, ""), "{class}");
        }
        for class in [
            uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
            uids::CT_IMAGE_STORAGE,
            uids::RT_IMAGE_STORAGE,
            uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
            "1.2.3.4",
        ] {
            assert!(read(class, ""), "{class}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let config = Config::parse(
            "[[rule]]\ncalling_aet = [\"RESEARCH\"]\naction = \"ignore\"\n\
             [[rule]]\nmodality = [\"CR\", \"DX\"]\nbody_part = [\"CHEST\", \"THORAX\"]\n",
        )
        .unwrap();
        let rules = Rules::new(&config);
        assert!(rules.decide(&Made("DX", "chest"), Some("CR1")).is_some());
        assert!(
            rules
                .decide(&Made("DX", "CHEST"), Some("RESEARCH"))
                .is_none()
        );
        assert!(rules.decide(&Made("DX", ""), Some("CR1")).is_none());
        assert!(rules.decide(&Made("CT", "CHEST"), Some("CR1")).is_none());
        assert!(rules.decide(&Made("DX", "CHEST"), None).is_some());
        assert!(rules.may_read("DX", "") && rules.may_read("cr", "chest"));
        assert!(!rules.may_read("DX", "FOOT") && !rules.may_read("MR", ""));
    }
}
