//! The work list: one row a study, kept in step with store, queue, readings and edits.
//!
//! `question` is what is asked of it, `row` what it answers with, `fresh` how a row is made, and `step` when.

mod fresh;
mod question;
mod row;
mod step;
mod totals;

pub(crate) use fresh::hash;
pub(crate) use question::page;
pub use question::{ListQuery, Page, StateCounts};
pub use row::{GateItem, Item, Prior, TopFinding};
pub(crate) use row::{missing, one, one_on, priors_on};
pub(crate) use step::{keep_in_step, refresh};
pub(crate) use totals::Totals;
