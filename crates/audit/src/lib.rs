//! Is a model right for the right reason, and for whom does it fail?
//!
//! - [`masking`]: images with a region hidden, or with nothing but it (Sourget et al., Mask of truth);
//! - [`shortcut`]: what a model still tells without the region, and [`metadata`]: what is told without any pixel;
//! - [`groups`]: figures by sex, age, view or any column, with intervals and tested gaps;
//! - [`drift`]: calibration by time or site;
//! - [`labels`]: labels that are likely wrong.
//!
//! All but the first read a [`ScoreTable`]: labelled scores of any model. Intervals and tests resample whole patients.

pub mod drift;
pub mod error;
pub mod groups;
pub mod labels;
pub mod masking;
pub mod metadata;
pub mod plot;
mod resample;
pub mod shortcut;
pub mod table;

pub use error::{AuditError, Result};
pub use masking::{Condition, Masking};
pub use resample::Measure;
pub use table::{Labelled, ScoreKind, ScoreTable};
