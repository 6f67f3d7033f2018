//! Sets of radiographs out of folders of CTs.
//!
//! * [`drr_rate`]: pictures with the labels of the CTs' reports (Hou et al., DRR-RATE);
//! * [`paxray`]: pictures with overlapping masks of the anatomy labelled in the CTs (Seibold et al., PAX-Ray);
//! * [`ground`]: report phrases matched to such masks, and how well, beside the usual baselines.
//!
//! Both builders go CT by CT, write beside and rename, and go on where they were stopped; a CT that cannot be
//! used goes to `errors.csv`. They write the manifest that [`hilum_data::Manifest`] reads.

pub mod classes;
pub mod clean;
pub mod drr_rate;
pub mod error;
pub mod ground;
pub mod inputs;
pub mod paxray;
pub mod picture;
pub mod reports;
pub mod rows;
pub mod store;
pub mod structures;

pub use error::SetError;
pub use store::{Failure, Summary};
