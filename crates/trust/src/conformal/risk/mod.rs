//! Choosing a threshold of a multi-label set so that a risk stays below a bound.
//!
//! - Conformal risk control (Angelopoulos 2024): the *expected* risk is at most α.
//! - RCPS (Bates 2021): the risk is at most α with probability 1 − δ, by an upper bound of Hoeffding, of empirical Bernstein kind or by
//!   betting (Waudby-Smith and Ramdas).
//! - Learn then test (Angelopoulos 2022): for risks that are not monotone, Hoeffding-Bentkus p-values.

mod bounds;
mod hypotheses;
mod losses;

pub use bounds::{Bound, Promise};
pub use bounds::{betting_log_wealth, conformal_risk_control, risk_controlling, upper_bounds};
pub use hypotheses::{Correction, hoeffding_bentkus, learn_then_test};
pub use losses::{Entry, LabelRisk, Losses};
