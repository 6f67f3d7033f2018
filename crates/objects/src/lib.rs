//! Readings as objects that others can read, and back.
//!
//! - [`files::write`] puts the objects of a reading beside its `reading.json`: a structured report (TID 1500), a
//!   segmentation, a presentation state, a secondary capture, an encapsulated PDF and a FHIR bundle;
//! - [`back::open`] and [`back::assemble`] turn reports and segmentations of anybody's into readings and masks.
//!
//! What Hilum wrote comes back as an equal reading; only the wall time is not in the objects. Patient and study are
//! taken over from the source images. Identifiers are made from the content, so that the same reading at the same
//! time gives the same bytes.

pub mod back;
pub mod code;
pub mod context;
pub mod error;
pub mod fhir;
pub mod files;
pub mod gsps;
pub mod item;
mod moment;
pub mod pdf;
pub mod report;
pub mod sc;
pub mod seg;
pub mod source;

pub use context::{Answered, Context, Readers, Signature};
pub use error::{ObjectError, Result};
pub use files::{Kind, Options, Written};
