//! A reading as the content of a structured report (PS3.16, TID 1500), and back.
//!
//! Everything a reading says is in the tree but the wall time, which differs between two runs. Numbers are exact;
//! coordinates are in single precision where others look for them, and once more in words where that is too little.
//! What the templates have no rows for (maps, spread of ensembles, similar cases) is added as JSON, so that a reading
//! comes back whole also where it has learnt to say more.

mod additions;
mod file;
mod foreign;

mod read;
mod write;

pub(crate) use file::encode;

pub use foreign::{KnownImage, from_others};
pub use read::{instances, is_own, reading};
pub use write::tree;
pub(crate) use write::{measurement_name, unit};

use crate::item::ImageRef;

/// What the tree refers to.
#[derive(Debug, Clone)]
pub struct References {
    /// Images in the reading's order.
    pub images: Vec<ImageRef>,
    /// Modality of each, where it is known.
    pub modalities: Vec<Option<String>>,
    /// Study Instance UID of the report.
    pub study_uid: String,
    /// Patient ID in the report's header.
    pub patient_id: Option<String>,
    /// Study Date in the report's header, `YYYY-MM-DD`.
    pub study_date: Option<String>,
    /// What the UIDs of the report's parts are made from.
    pub seed: String,
}
