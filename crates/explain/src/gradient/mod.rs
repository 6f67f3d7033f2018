//! Attributions from one kind of backward pass or another.

mod integrated;
mod reference;
mod shap;
mod smooth;

pub use integrated::{Integrated, Quadrature, conductance, integrated_gradients};
pub use reference::{deep_lift, lrp_epsilon};
pub use shap::{GradientShap, deep_lift_shap, gradient_shap};
pub use smooth::{Smooth, SmoothKind, smooth};

use crate::error::Result;
use crate::net::Net;
use hilum_kernels::{Rule, Tensor};

/// Gradient of the target's logit by the input, with its sign; `[n, c, h, w]`.
///
/// # Errors
/// As [`Net::gradients`].
pub fn gradient(net: &Net, x: &Tensor, targets: &[usize]) -> Result<Tensor> {
    net.gradients(x, targets, Rule::Gradient)
}

/// Absolute gradient (Simonyan et al. 2014, section 3).
///
/// # Errors
/// As [`Net::gradients`].
pub fn saliency(net: &Net, x: &Tensor, targets: &[usize]) -> Result<Tensor> {
    let mut out = gradient(net, x, targets)?;
    out.data.iter_mut().for_each(|v| *v = v.abs());
    Ok(out)
}

/// Input times gradient (Shrikumar et al. 2016); on a network without biases its sum is the logit.
///
/// # Errors
/// As [`Net::gradients`].
pub fn input_x_gradient(net: &Net, x: &Tensor, targets: &[usize]) -> Result<Tensor> {
    Ok(times(gradient(net, x, targets)?, &x.data))
}

/// Guided backpropagation (Springenberg et al. 2015, section 3.4). It answers little to the class and to the
/// weights of the upper layers (Adebayo et al. 2018); it is here to be compared.
///
/// # Errors
/// As [`Net::gradients`].
pub fn guided_backprop(net: &Net, x: &Tensor, targets: &[usize]) -> Result<Tensor> {
    net.gradients(x, targets, Rule::Guided)
}

/// Deconvolution (Zeiler and Fergus 2014, section 2.1).
///
/// # Errors
/// As [`Net::gradients`].
pub fn deconvolution(net: &Net, x: &Tensor, targets: &[usize]) -> Result<Tensor> {
    net.gradients(x, targets, Rule::Deconvolution)
}

pub(crate) fn times(mut a: Tensor, b: &[f32]) -> Tensor {
    a.data.iter_mut().zip(b).for_each(|(a, b)| *a *= b);
    a
}
