//! From findings, masks and measurements to words and pages.
//!
//! - [`write_report`] turns a [`hilum_core::Reading`] into its draft report, each sentence with evidence;
//! - [`terminal`] draws tables for the terminal;
//! - [`html`] draws `report.html`, one self-contained page;
//! - [`write_reading`] writes the files of a study, all or none;
//! - [`folder_names`] gives each study its folder;
//! - [`SCHEMA`] is the published JSON Schema of what is written.
//!
//! The crate knows no tensors and never decodes an image: pictures come in as PNG bytes.

pub mod error;
pub mod evidence;
pub mod html;
mod names;
pub mod sample;
pub mod terminal;
mod wording;
mod writer;

pub use error::ReadingError;
pub use names::{folder_name, folder_names};
pub use wording::write_report;
pub use writer::{Artefacts, ImageMasks, MapFile, write_reading};

/// JSON Schema (2020-12) of a line of `hilum read --json`: a reading or a failed path.
pub const SCHEMA: &str = include_str!("../../../docs/reading.schema.json");

/// Said wherever a result is shown to a person.
pub const RESEARCH_NOTICE: &str =
    "Research use only. Not a medical device; not for diagnosis, treatment or triage.";
