//! Scores that tell how unlike the training data a feature vector is, and the threshold that goes with them.

mod knn;
mod mahalanobis;
mod threshold;

pub use knn::KnnDistance;
pub use mahalanobis::{Mahalanobis, Shrinkage};
pub use threshold::OodThreshold;
