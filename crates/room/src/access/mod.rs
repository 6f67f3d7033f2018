//! Who may do what: accounts, sessions, and the one guard that every request passes.

mod guard;
mod limit;
mod oidc;
mod sessions;
mod users;

pub(crate) use guard::{Needs, guard, needs};
pub(crate) use limit::Attempts;
pub(crate) use oidc::Oidc;
pub use oidc::check_provider;
pub(crate) use sessions::{
    CurrentUser, Sessions, attempt_cookie, attempt_of, set_cookie, unset_cookie,
};
pub use users::{Account, Role};
pub use users::{add, list, remove};
pub(crate) use users::{count, verify, vouched};

use crate::error::{Result, RoomError};

/// 256 random bits as hexadecimal digits.
pub(crate) fn token() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| RoomError::Internal(e.to_string()))?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of parts, each with its length, as hexadecimal digits.
pub(crate) fn digest(parts: &[&str]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}
