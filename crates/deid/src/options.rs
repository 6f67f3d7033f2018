//! The options of the profile (PS3.15, E.3), by name.

use crate::error::{DeidError, Result};
use serde::{Deserialize, Serialize};

/// Which options are used. None of them is the basic profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Retain UIDs (E.3.9).
    pub retain_uids: bool,
    /// Retain device identity (E.3.8).
    pub retain_device_identity: bool,
    /// Retain institution identity (E.3.11).
    pub retain_institution_identity: bool,
    /// Retain patient characteristics: age, sex, size, weight and the like (E.3.7).
    pub retain_patient_characteristics: bool,
    /// Retain longitudinal temporal information with full dates (E.3.6).
    pub retain_full_dates: bool,
    /// Retain longitudinal temporal information with modified dates: all dates of a patient move by the same number of days
    /// (E.3.6).
    pub retain_modified_dates: bool,
    /// Clean descriptors: texts stay, without what identifies the patient elsewhere in the object (E.3.5).
    pub clean_descriptors: bool,
    /// Clean structured content: reports stay, their texts cleaned (E.3.4).
    pub clean_structured_content: bool,
    /// Clean graphics: annotations stay, their texts cleaned (E.3.3).
    pub clean_graphics: bool,
    /// Private elements that are safe to retain (E.3.10): `GGGGEE` and the private creator, e.g. `001910:SIEMENS MED`.
    pub retain_safe_private: Vec<SafePrivate>,
}

/// A private element that is safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafePrivate {
    /// Group, odd.
    pub group: u16,
    /// The last two digits of the element.
    pub element: u8,
    /// Private Creator.
    pub creator: String,
}

impl std::str::FromStr for SafePrivate {
    type Err = DeidError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            DeidError::Options(format!(
                "{text:?}: GGGGEE:CREATOR is expected, with an odd group"
            ))
        };
        let (number, creator) = text.split_once(':').ok_or_else(wrong)?;
        let value = u32::from_str_radix(number, 16).map_err(|_| wrong())?;
        let (group, element) = ((value >> 8) as u16, (value & 0xFF) as u8);
        if number.len() != 6 || group % 2 == 0 || creator.trim().is_empty() {
            return Err(wrong());
        }
        Ok(SafePrivate {
            group,
            element,
            creator: creator.trim().to_owned(),
        })
    }
}

impl Options {
    /// Checks that the options fit together.
    ///
    /// # Errors
    /// [`DeidError::Options`].
    pub fn validate(&self) -> Result<()> {
        if self.retain_full_dates && self.retain_modified_dates {
            return Err(DeidError::Options(
                "dates are either retained in full or modified".to_owned(),
            ));
        }
        Ok(())
    }

    /// Codes of De-identification Method (PS3.16, CID 7050), with their meanings.
    pub(crate) fn codes(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            (true, "113100", "Basic Application Confidentiality Profile"),
            (self.clean_graphics, "113103", "Clean Graphics Option"),
            (
                self.clean_structured_content,
                "113104",
                "Clean Structured Content Option",
            ),
            (self.clean_descriptors, "113105", "Clean Descriptors Option"),
            (
                self.retain_full_dates,
                "113106",
                "Retain Longitudinal Temporal Information Full Dates Option",
            ),
            (
                self.retain_modified_dates,
                "113107",
                "Retain Longitudinal Temporal Information Modified Dates Option",
            ),
            (
                self.retain_patient_characteristics,
                "113108",
                "Retain Patient Characteristics Option",
            ),
            (
                self.retain_device_identity,
                "113109",
                "Retain Device Identity Option",
            ),
            (self.retain_uids, "113110", "Retain UIDs Option"),
            (
                !self.retain_safe_private.is_empty(),
                "113111",
                "Retain Safe Private Option",
            ),
            (
                self.retain_institution_identity,
                "113112",
                "Retain Institution Identity Option",
            ),
        ];
        all.into_iter()
            .filter(|c| c.0)
            .map(|c| (c.1, c.2))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_elements_are_named_by_group_element_and_creator() {
        let safe: SafePrivate = "001910:GEMS_ACQU_01".parse().unwrap();
        assert_eq!(
            (safe.group, safe.element, safe.creator.as_str()),
            (0x0019, 0x10, "GEMS_ACQU_01")
        );
        for bad in ["001010:X", "0019:X", "001910:", "001910", "zz1910:X"] {
            assert!(bad.parse::<SafePrivate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_cannot_be_both_kept_and_moved() {
        let both = Options {
            retain_full_dates: true,
            retain_modified_dates: true,
            ..Options::default()
        };
        assert!(both.validate().is_err());
    }
}
