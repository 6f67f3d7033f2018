//! How far an answer may be believed: calibrated probabilities, conformal sets, operating points, measures of
//! uncertainty and out-of-distribution scores.
//!
//! Everything is fitted on a calibration or validation split, never on the training or test split, and is
//! serialisable, so that the card of a weight file can carry it.

pub mod calibrator;
pub mod conformal;
pub mod error;
mod histogram;
mod isotonic;
pub mod ood;
pub mod operating_point;
mod platt;
pub mod refit;
mod temperature;
pub mod uncertainty;
mod vector_scaling;
mod venn_abers;

pub use calibrator::{Calibrator, CalibratorKind};
pub use conformal::{
    AbsoluteResidual, BinaryConformal, BinaryCoverage, ConformalPValues, LabelPValues,
    MulticlassConformal, RankedConformal, Regularisation, TopKConformal,
};
pub use error::{Result, TrustError};
pub use histogram::HistogramBinning;
pub use isotonic::Isotonic;
pub use ood::{KnnDistance, Mahalanobis, OodThreshold, Shrinkage};
pub use operating_point::{OperatingRule, TunedPoint};
pub use platt::Platt;
pub use refit::{Labelled, Measured, Quality, Refit, RefitOptions, refit};
pub use temperature::Temperature;
pub use vector_scaling::VectorScaling;
pub use venn_abers::{VennAbers, VennAbersInterval};
