//! Trained models as the reader uses them: a weight file with its card, behind a task trait.

mod card;
mod classifier;
mod segmenter;

pub use card::{DataSource, MeasurementError, MetricRow, ModelCard, OodDetector, OutputCard};
pub use classifier::{Classifier, NetClassifier, Scores};
pub use segmenter::{NetSegmenter, Segmentation, Segmenter};
