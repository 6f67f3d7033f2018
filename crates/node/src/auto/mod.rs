//! Reading what was received by itself: rules decide, a queue keeps the work, an outbox the results.

mod deliver;
mod rules;
mod worker;

pub use deliver::{Delivery, deliver};
pub use rules::Rules;
pub use worker::{Reader, StudyFiles, Work, work};

/// Kind of the jobs that read a study.
pub const READ: &str = "read";
