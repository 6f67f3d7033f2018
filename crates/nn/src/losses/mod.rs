//! Losses on logits, each with its gradient in closed form.
//!
//! They work on plain slices so that every engine can use them: an engine gives logits and takes the
//! gradient of the loss by the logits. `NaN` targets mean "not labelled": such elements carry neither
//! loss nor gradient.

mod bce;
mod confidence;
mod contrastive;
mod dice;
mod distillation;
mod focal;
mod l1;
mod nt_xent;
mod smooth_l1;
mod softmax;

pub use bce::{bce_with_logits, weighted_bce_chestxray8};
pub use confidence::log_squared_confidence;
pub use contrastive::contrastive;
pub use dice::dice_with_logits;
pub use distillation::distillation;
pub use focal::{focal_with_logits, softmax_focal};
pub use l1::l1;
pub use nt_xent::nt_xent;
pub use smooth_l1::smooth_l1;
pub use softmax::cross_entropy;

/// Value of a loss and its gradient by the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The loss.
    pub value: f64,
    /// Its gradient, same order as the logits.
    pub grad: Vec<f32>,
}

/// ln(1 + e^x) without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Logistic function.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
