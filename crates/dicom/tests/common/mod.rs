//! Reading of fixtures, shared by the tests.
#![allow(dead_code, clippy::unwrap_used)]

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A folder beside the repository, if it is there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(name);
    root.is_dir().then_some(root)
}

/// Says why a test did nothing.
pub fn skip(what: &str) {
    eprintln!("skipped: {what} needs ../shared/{what}, which is not here");
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}
