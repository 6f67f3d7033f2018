//! Split conformal prediction: sets and intervals with a coverage that holds whatever the model, as long as
//! calibration and new cases are exchangeable. It does not hold under a shift of the data.

mod binary;
mod multiclass;
mod p_values;
mod quantile;
mod ranked;
mod regularise;
mod residual;
pub mod risk;
mod top_k;

pub use binary::{BinaryConformal, BinaryCoverage, ClassQuantile};
pub use multiclass::MulticlassConformal;
pub use p_values::{ConformalPValues, LabelPValues};
pub use quantile::conformal_quantile;
pub use ranked::{RankedConformal, SetRule};
pub use regularise::Regularisation;
pub use residual::AbsoluteResidual;
pub use top_k::TopKConformal;

/// Slack in comparisons with a quantile, so that a score equal to it is in, in spite of rounding.
pub(crate) const SLACK: f64 = 1e-12;
