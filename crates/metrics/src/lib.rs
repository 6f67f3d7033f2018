//! Every score of Hilum and the statistics around it: slices of numbers in, numbers out, no tensors
//! and no files.
//!
//! Three rules hold everywhere:
//! - **Undefined is not a number.** A score that the data do not determine (one class only, an empty
//!   mask, no positives) is a [`MetricError`] whose [`MetricError::is_undefined`] is true, and a [`Score`]
//!   whose `value` is `None` with the reason. It is never 0 or 0.5.
//! - **Every reported value carries its signature**: name, conventions, counts and version
//!   ([`Signature`]), so that two tables can be compared.
//! - **Same input, same output**, whatever the number of threads. Randomness is seeded.
//!
//! ```
//! use hilum_metrics::classification::{BinaryScores, auroc};
//!
//! let data = BinaryScores::new(&[true, false, true, false], &[0.9, 0.2, 0.4, 0.4])?;
//! assert_eq!(auroc(&data)?, 0.875); // the tied pair counts one half
//! # Ok::<(), hilum_metrics::MetricError>(())
//! ```

pub mod calibration;
pub mod classification;
pub mod detection;
pub mod error;
pub mod generation;
pub mod registry;
pub mod restoration;
pub mod score;
pub mod segmentation;
pub mod statistics;

pub use error::{MetricError, Result};
pub use registry::{METRICS, MetricInfo, Task, find};
pub use score::{ConfidenceInterval, Score, Signature};
