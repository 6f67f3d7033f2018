//! Taking out of texts what identifies: values of the object's own identifying attributes, and what looks like a date, a number
//! that could be an identifier, an address of electronic mail, or a name behind a title.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// What stands in the place of what was taken out.
const GONE: &str = "[removed]";

/// Words of the object that identify.
#[derive(Debug, Default)]
pub(crate) struct Known {
    words: Vec<String>,
}

/// Attributes whose words must not stand in any text.
const IDENTIFYING: &[Tag] = &[
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::OTHER_PATIENT_NAMES,
    tags::PATIENT_BIRTH_NAME,
    tags::PATIENT_MOTHER_BIRTH_NAME,
    tags::PATIENT_ADDRESS,
    tags::PATIENT_TELEPHONE_NUMBERS,
    tags::ACCESSION_NUMBER,
    tags::STUDY_ID,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::PERFORMING_PHYSICIAN_NAME,
    tags::OPERATORS_NAME,
    tags::NAME_OF_PHYSICIANS_READING_STUDY,
    tags::PHYSICIANS_OF_RECORD,
    tags::REQUESTING_PHYSICIAN,
    tags::INSTITUTION_NAME,
    tags::INSTITUTIONAL_DEPARTMENT_NAME,
    tags::STATION_NAME,
];

impl Known {
    pub(crate) fn of(data: &InMemDicomObject) -> Self {
        let mut words = Vec::new();
        for tag in IDENTIFYING {
            let text = data.get(*tag).and_then(|e| e.to_str().ok());
            let text = text.unwrap_or_default().to_lowercase();
            words.extend(
                text.split(|c: char| !c.is_alphanumeric())
                    .filter(|w| w.chars().count() > 2)
                    .map(str::to_owned),
            );
        }
        words.sort();
        words.dedup();
        Known { words }
    }

    /// The text without what identifies.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut after_title = false;
        let cleaned: Vec<String> = text
            .split(' ')
            .map(|word| {
                let gone = self.identifies(word)
                    || (after_title && word.chars().next().is_some_and(char::is_uppercase));
                after_title = is_title(word) || (after_title && gone);
                if gone {
                    GONE.to_owned()
                } else {
                    word.to_owned()
                }
            })
            .collect();
        cleaned.join(" ")
    }

    fn identifies(&self, word: &str) -> bool {
        let lower = word.to_lowercase();
        let known = lower
            .split(|c: char| !c.is_alphanumeric())
            .any(|part| self.words.iter().any(|w| w == part));
        let digits = word.chars().filter(char::is_ascii_digit).count();
        known || digits >= 5 || word.contains('@') || is_date(word)
    }
}

fn is_title(word: &str) -> bool {
    const TITLES: &[&str] = &["dr", "prof", "mr", "mrs", "ms", "miss", "herr", "frau"];
    let bare = word
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase();
    TITLES.contains(&bare.as_str())
}

/// Two or three numbers between slashes, points or dashes.
fn is_date(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_digit());
    let parts: Vec<&str> = bare.split(['/', '.', '-']).collect();
    parts.len() == 3
        && parts
            .iter()
            .all(|p| (1..=4).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, VR};

    #[test]
    fn what_identifies_goes_and_the_rest_stays() {
        let data = InMemDicomObject::from_element_iter([
            DataElement::new(tags::PATIENT_NAME, VR::PN, "Miller^Anna"),
            DataElement::new(tags::PATIENT_ID, VR::LO, "AB-77"),
        ]);
        let known = Known::of(&data);
        for (text, cleaned) in [
            ("Chest PA erect", "Chest PA erect"),
            ("Chest of MILLER, PA", "Chest of [removed] PA"),
            (
                "asked by Dr. Who on 1.2.2026",
                "asked by Dr. [removed] on [removed]",
            ),
            ("call 0123456 or a@b.c", "call [removed] or [removed]"),
            ("T8-L1 2.5 mm", "T8-L1 2.5 mm"),
        ] {
            assert_eq!(known.clean(text), cleaned);
        }
    }
}
