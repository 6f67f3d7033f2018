//! From folders of chest X-rays to batches of numbers.
//!
//! ```no_run
//! use hilum_data::{ImageStore, LabelMatrix, LabelPolicy, Manifest, Split, StoreConfig};
//! # fn main() -> hilum_data::Result<()> {
//! let train = Manifest::read("data/manifests/nih14.csv".as_ref())?.split(Split::Train);
//! let labels = LabelMatrix::new(&train.samples, &["abnormal", "pneumonia"], LabelPolicy::IGNORE)?;
//! let images = ImageStore::load(&train.samples, &StoreConfig::square(128), None)?.strict()?;
//! assert_eq!(images.len(), labels.len());
//! # Ok(()) }
//! ```
//!
//! A [`Sample`] is one image with everything its set says: [`manifest`] and [`sets`] make them from
//! tables and folders, [`labels`] puts the words of every set into one taxonomy, [`ImageStore`]
//! decodes each image once.

pub mod error;
pub mod labels;
pub mod manifest;
pub mod pixels;
pub mod sample;
pub mod store;
pub mod table;

pub use error::{DataError, Result};
pub use labels::{LabelMatrix, LabelPolicy, LabelState, Labels, UncertainPolicy, Vocabulary};
pub use manifest::Manifest;
pub use sample::{BoxLabel, MaskForm, MaskRef, Pixels, Sample, Split};
pub use store::{Fit, ImageStore, Loaded, Placement, StoreConfig};

/// Called with the number of items done and the number of all items, from any thread.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);
