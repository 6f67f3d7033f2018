//! Objects that others can read. Same content, same bytes: identifiers are made from it, nothing from the clock.

mod dx;
mod set;

pub use dx::{DxImage, encode};
pub use set::{DataSet, decimal};

use sha2::{Digest, Sha256};

/// Digits that a UUID's number has at most in a UID under `2.25`.
const UUID_BYTES: usize = 16;

/// Why an object could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The content does not fit the object.
    #[error("no DICOM image can be made: {reason}")]
    Image {
        /// What is wrong.
        reason: String,
    },
    /// The encoder refused.
    #[error("the DICOM object could not be encoded: {reason}")]
    Encoding {
        /// Its words.
        reason: String,
    },
}

/// A UID under `2.25` (PS3.5, B.2) made from what it stands for: equal parts give equal UIDs.
pub fn uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut number = [0u8; UUID_BYTES];
    number.copy_from_slice(&hash.finalize()[..UUID_BYTES]);
    // Version 8 (made by an own rule) and the variant of RFC 9562, so that it is a UUID.
    number[6] = number[6] & 0x0f | 0x80;
    number[8] = number[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_stands_for_its_parts() {
        let one = uid(&[b"study", b"1"]);
        assert_eq!(one, uid(&[b"study", b"1"]));
        assert_ne!(one, uid(&[b"study1", b""]));
        assert!(one.starts_with("2.25.") && one.len() <= 64);
    }
}
