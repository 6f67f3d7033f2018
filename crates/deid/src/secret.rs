//! What is derived from the secret: UIDs, pseudonyms, date shifts.

use crate::error::{DeidError, Result};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The secret. Whoever has it can find out which pseudonym a known identifier has; nobody can go the other way.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Takes a secret of at least 16 bytes.
    ///
    /// # Errors
    /// [`DeidError::Secret`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < 16 {
            return Err(DeidError::Secret);
        }
        Ok(Secret(bytes.to_vec()))
    }

    /// HMAC-SHA-256 of a value for one use.
    fn derive(&self, usage: &str, value: &str) -> [u8; 32] {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        mac.update(usage.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The UID that stands for another one: `2.25.` and 128 bits (PS3.5, B.2).
    pub(crate) fn uid(&self, uid: &str) -> String {
        let hash = self.derive("uid", uid);
        let mut first = [0u8; 16];
        first.copy_from_slice(&hash[..16]);
        format!("2.25.{}", u128::from_be_bytes(first))
    }

    /// A short pseudonym of letters and digits that cannot be mistaken for each other.
    pub(crate) fn pseudonym(&self, usage: &str, value: &str) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let hash = self.derive(usage, value);
        hash[..10]
            .iter()
            .map(|b| char::from(LETTERS[usize::from(b % 32)]))
            .collect()
    }

    /// Days by which all dates of a patient move back: 1 to 3650.
    pub(crate) fn days(&self, patient: &str) -> i64 {
        let hash = self.derive("days", patient);
        let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        i64::from(number % 3650) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_gives_the_same_and_another_one_something_else() {
        let a = Secret::new(b"0123456789abcdef").unwrap();
        let b = Secret::new(b"0123456789abcdeg").unwrap();
        assert_eq!(a.uid("1.2.3"), a.uid("1.2.3"));
        assert_ne!(a.uid("1.2.3"), b.uid("1.2.3"));
        assert_ne!(a.uid("1.2.3"), a.uid("1.2.4"));
        assert!(a.uid("1.2.3").len() <= 64);
        assert_eq!(a.pseudonym("patient", "X").len(), 10);
        assert!((1..=3650).contains(&a.days("P1")));
        assert!(Secret::new(b"short").is_err());
        assert_eq!(format!("{a:?}"), "Secret");
    }
}
