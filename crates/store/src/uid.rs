//! Unique identifiers: the only part of an object that ever names a file or a folder.

use crate::error::{Result, StoreError};
use std::fmt;

/// A valid UID: 1 to 64 characters, digits and dots, no empty component (PS3.5, 9.1).
///
/// Components with leading zeros are no valid UIDs either, but many devices write them and they are harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(String);

impl Uid {
    /// Checks a value; trailing padding is cut off.
    ///
    /// # Errors
    /// [`StoreError::BadUid`] with `name` as the attribute's keyword.
    pub fn new(value: &str, name: &'static str) -> Result<Self> {
        let text = value.trim_end_matches(['\0', ' ']);
        let good = text.len() <= 64
            && !text.is_empty()
            && text
                .split('.')
                .all(|c| !c.is_empty() && c.bytes().all(|b| b.is_ascii_digit()));
        if good {
            Ok(Uid(text.to_owned()))
        } else {
            Err(StoreError::BadUid { name })
        }
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_is_cut_and_paths_are_refused() {
        let uid = |v: &str| Uid::new(v, "SOPInstanceUID");
        assert_eq!(uid("1.2.3\0").unwrap().as_str(), "1.2.3");
        assert_eq!(uid("1.2.840.10008").unwrap().as_str(), "1.2.840.10008");
        for bad in [
            "", " ", ".", "..", "1..2", ".1", "1.", "../1", "1/2", "1\\2", "1.a", "1.2\0.3", "١.٢",
        ] {
            assert!(uid(bad).is_err(), "{bad:?}");
        }
        assert!(uid(&"1".repeat(65)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_passes_is_one_plain_file_name(text in ".{0,80}") {
            if let Ok(uid) = Uid::new(&text, "SOPInstanceUID") {
                let path = std::path::Path::new(uid.as_str());
                prop_assert_eq!(path.components().count(), 1);
                prop_assert!(matches!(path.components().next(), Some(std::path::Component::Normal(_))));
            }
        }
    }
}
