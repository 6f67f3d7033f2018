//! From image files to readings.
//!
//! [`Store`] holds the models, embedded and the user's own; [`collect()`] turns paths into studies;
//! [`Reader`] reads a study: load, gate, segment, classify, measure, merge, report; [`batch::run`] reads many
//! of them on all cores, in order. [`Outcome::write`] writes the files of a study.
//!
//! The same bytes give the same reading on any number of threads; only `provenance.elapsed_ms` differs.

pub mod batch;
pub mod collect;
pub mod error;
mod explain;
mod films;
mod findings;
pub mod gate;
pub mod index;
mod measure;
mod merge;
pub mod own;
pub mod read;
pub mod store;
mod uncertainty;
mod zones;

pub use batch::{Answer, BatchOptions};
pub use collect::{Collected, Study, collect};
pub use error::{PipelineError, Result};
pub use index::{Index, Search};
pub use own::{Calibration, CalibrationFile};
pub use read::{Extras, Outcome, Reader};
pub use store::{Model, Source, Store};
