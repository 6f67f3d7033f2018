//! Where a reading came from.

use serde::{Deserialize, Serialize};

/// A model or other file that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Name in the weight store, or the file's.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Everything needed to get the same reading again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of Hilum.
    pub version: String,
    /// Models in the order they ran.
    pub models: Vec<ModelRef>,
    /// Name of the 8-bit conversion recipe.
    pub recipe: String,
    /// Which engine ran the networks.
    pub engine: String,
    /// The user's own calibration: name and hash of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<ModelRef>,
    /// The index of known cases: name and hash of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<ModelRef>,
    /// Wall time; the only field that differs between two runs.
    pub elapsed_ms: u64,
}
