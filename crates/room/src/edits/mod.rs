//! What readers change, as data: a list of edits that only grows. The model's reading stays as it is; [`Edited`] is what comes out
//! of both.

mod apply;
mod check;
mod keep;
mod op;
mod rewrite;
#[cfg(test)]
pub(crate) mod tests;

pub use apply::{
    Decided, Edited, EditedMeasurement, EditedRegion, EditedSentence, Note, Source, active,
};
pub use check::check;
pub(crate) use keep::{NewEdit, add, delete, list, list_all, list_on, revision};
pub use op::{Context, Decision, Edit, Op, Place, Shape, Target, UNITS};
pub use rewrite::{readers, rewrite};
