//! Pointwise activations and their gradients.

use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// A pointwise activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x if positive, slope * x otherwise.
    LeakyRelu(f32),
    /// Logistic function.
    Sigmoid,
    /// x * sigmoid(x).
    Silu,
    /// x Φ(x), Φ the normal distribution.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// Hyperbolic tangent.
    Tanh,
}

/// Φ(x), by formula 7.1.26 of Abramowitz and Stegun for the error function (off by at most 1.5e-7).
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = t
        * (0.254_829_6
            + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let tail = 0.5 * poly * (-z * z).exp();
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// Φ(x) and its derivative's part in the gradient of x Φ(x).
#[inline(always)]
fn gelu_gradient(x: f32) -> f32 {
    const DENSITY_AT_0: f32 = 0.398_942_3;
    normal_cdf(x) + x * DENSITY_AT_0 * (-0.5 * x * x).exp()
}

/// Factor and cube's weight of the tanh approximation.
const GELU_TANH: (f32, f32) = (0.797_884_6, 0.044_715);

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    let (a, b) = GELU_TANH;
    0.5 * x * (1.0 + (a * (x + b * x * x * x)).tanh())
}

#[inline(always)]
fn gelu_tanh_gradient(x: f32) -> f32 {
    let (a, b) = GELU_TANH;
    let t = (a * (x + b * x * x * x)).tanh();
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * a * (1.0 + 3.0 * b * x * x)
}

/// Logistic function.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl Activation {
    /// True when the gradient follows from the output alone, so that the input need not be kept.
    pub fn from_output(self) -> bool {
        match self {
            Activation::Relu | Activation::Relu6 | Activation::Sigmoid | Activation::Tanh => true,
            Activation::LeakyRelu(slope) => slope > 0.0,
            Activation::Silu | Activation::Gelu | Activation::GeluTanh => false,
        }
    }
}

/// Applies the activation in place.
pub fn apply(kind: Activation, data: ViewMut) {
    for_planes(data, |_, chunk| apply_chunk(kind, chunk));
}

multiversion! {
    fn apply_chunk(kind: Activation, chunk: &mut [f32]) {
        match kind {
            // `max` and `min` would turn NaN into a bound; comparisons let it pass, as PyTorch does.
            Activation::Relu => chunk.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v }),
            Activation::Relu6 => chunk.iter_mut().for_each(|v| {
                let low = if *v < 0.0 { 0.0 } else { *v };
                *v = if low > 6.0 { 6.0 } else { low };
            }),
            Activation::LeakyRelu(slope) => chunk.iter_mut().for_each(|v| *v = if *v < 0.0 { *v * slope } else { *v }),
            Activation::Sigmoid => chunk.iter_mut().for_each(|v| *v = sigmoid(*v)),
            Activation::Silu => chunk.iter_mut().for_each(|v| *v *= sigmoid(*v)),
            Activation::Gelu => chunk.iter_mut().for_each(|v| *v *= normal_cdf(*v)),
            Activation::GeluTanh => chunk.iter_mut().for_each(|v| *v = gelu_tanh(*v)),
            Activation::Tanh => chunk.iter_mut().for_each(|v| *v = v.tanh()),
        }
    }
}

/// Gradient: `dy` becomes the gradient of the input. `kept` is the output when [`Activation::from_output`], the input otherwise.
pub fn backward(kind: Activation, kept: View, dy: ViewMut) {
    assert_eq!(kept.dims, dy.dims);
    for_planes(dy, |piece, chunk| {
        backward_chunk(
            kind,
            &kept.plane(piece.n, piece.b)[piece.first * LANES..][..chunk.len()],
            chunk,
        );
    });
}

multiversion! {
    fn backward_chunk(kind: Activation, kept: &[f32], dy: &mut [f32]) {
        let pairs = dy.iter_mut().zip(kept);
        match kind {
            Activation::Relu => pairs.for_each(|(d, &y)| *d = if y > 0.0 { *d } else { 0.0 }),
            Activation::Relu6 => pairs.for_each(|(d, &y)| *d = if y > 0.0 && y < 6.0 { *d } else { 0.0 }),
            Activation::LeakyRelu(slope) => pairs.for_each(|(d, &y)| *d = if y > 0.0 { *d } else { *d * slope }),
            Activation::Sigmoid => pairs.for_each(|(d, &y)| *d *= y * (1.0 - y)),
            Activation::Silu => pairs.for_each(|(d, &x)| {
                let s = sigmoid(x);
                *d *= s * (1.0 + x * (1.0 - s));
            }),
            Activation::Gelu => pairs.for_each(|(d, &x)| *d *= gelu_gradient(x)),
            Activation::GeluTanh => pairs.for_each(|(d, &x)| *d *= gelu_tanh_gradient(x)),
            Activation::Tanh => pairs.for_each(|(d, &y)| *d *= 1.0 - y * y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Dims;

    #[test]
    fn gradients_match_differences() {
        let xs: Vec<f32> = (-40..40).map(|i| i as f32 * 0.2 + 0.05).collect();
        let dims = Dims {
            n: 1,
            h: 1,
            w: 5,
            c: 16,
        };
        for kind in [
            Activation::Relu,
            Activation::Relu6,
            Activation::LeakyRelu(0.1),
            Activation::Sigmoid,
            Activation::Silu,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Tanh,
        ] {
            let at = |shift: f32| {
                let mut y: Vec<f32> = xs.iter().map(|x| x + shift).collect();
                apply(kind, ViewMut::new(&mut y, dims));
                y
            };
            let (low, high) = (at(-0.01), at(0.01));
            let kept = if kind.from_output() {
                at(0.0)
            } else {
                xs.clone()
            };
            let mut d = vec![1.0; xs.len()];
            backward(kind, View::new(&kept, dims), ViewMut::new(&mut d, dims));
            for i in 0..xs.len() {
                assert!(
                    (d[i] - (high[i] - low[i]) / 0.02).abs() < 2e-3,
                    "{kind:?} at {}: {}",
                    xs[i],
                    d[i]
                );
            }
        }
    }

    #[test]
    fn nan_passes_through_relu() {
        let mut x = [
            f32::NAN,
            -1.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
        ];
        apply(
            Activation::Relu,
            ViewMut::new(
                &mut x,
                Dims {
                    n: 1,
                    h: 1,
                    w: 1,
                    c: 16,
                },
            ),
        );
        assert!(x[0].is_nan() && x[1] == 0.0);
    }
}
