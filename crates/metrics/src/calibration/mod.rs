//! Do probabilities mean what they say? Binned calibration errors, reliability curve, Spiegelhalter's test,
//! calibration slope and intercept.

mod binning;
mod error;
mod multiclass;
mod recalibration;
mod spiegelhalter;

pub use binning::{Binning, ReliabilityBin, reliability_curve};
pub use error::{CalibrationError, calibration_error};
pub use multiclass::{MulticlassCalibration, multiclass_brier, multiclass_calibration};
pub use recalibration::{Recalibration, recalibration};
pub use spiegelhalter::{Spiegelhalter, spiegelhalter};
