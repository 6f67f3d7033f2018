//! Reading what was received by itself: rules decide, a queue keeps the work, an outbox the results.

mod deliver;
mod destinations;
mod fetch;
pub(crate) mod priors;
mod rules;
mod worker;

pub use deliver::{Delivery, deliver};
pub use destinations::destinations;
pub use rules::Rules;
pub use worker::{Reader, StudyFiles, Work, work};

/// Kind of the jobs that read a study.
pub const READ: &str = "read";
/// Kind of the jobs that look for earlier studies of a patient.
pub const SEARCH: &str = "priors";
/// Kind of the jobs that fetch and read an earlier study. That there is one says that the study is a prior: its own priors
/// are not looked for.
pub const PRIOR: &str = "prior";
