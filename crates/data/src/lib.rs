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
//! decodes each image once, [`Loader`] makes augmented batches, [`scan()`] counts, [`check()`] finds leaks.

pub mod augment;
pub mod batch;
pub mod check;
pub mod duplicates;
pub mod error;
pub mod hashes;
pub mod labels;
pub mod manifest;
pub mod pixels;
mod random;
pub mod sample;
pub mod scan;
pub mod sets;
pub mod splits;
pub mod store;
pub mod table;

pub use augment::{AugmentConfig, Augmentation};
pub use batch::{Batch, BatchConfig, Loader, Order};
pub use check::{CheckConfig, CheckReport, check};
pub use error::{DataError, Result};
pub use hashes::{ContentHash, data_hash, split_hash};
pub use labels::{LabelMatrix, LabelPolicy, LabelState, Labels, UncertainPolicy, Vocabulary};
pub use manifest::Manifest;
pub use sample::{BoxLabel, MaskForm, MaskRef, Pixels, Sample, Split};
pub use scan::{ScanReport, scan};
pub use splits::SplitConfig;
pub use store::{Fit, ImageStore, Loaded, Placement, StoreConfig};

/// Called with the number of items done and the number of all items, from any thread.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);
