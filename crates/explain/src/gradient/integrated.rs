//! Integrated gradients (Sundararajan et al. 2017) and layer conductance (Dhamdhere et al. 2018).

use crate::baseline::Baseline;
use crate::error::{ExplainError, Result};
use crate::net::Net;
use crate::rows::Extent;
use hilum_kernels::{NodeId, Rule, Tensor};
use serde::{Deserialize, Serialize};

/// How the integral along the path becomes a sum; the rules of captum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quadrature {
    /// Gauss-Legendre.
    #[default]
    GaussLegendre,
    /// Trapezoids over evenly spaced points, both ends included; each step weighs 1/n and the ends half of that.
    Trapezoid,
    /// Left ends of n even parts.
    Left,
    /// Middles of n even parts.
    Middle,
    /// Right ends of n even parts.
    Right,
}

impl Quadrature {
    /// Places between 0 and 1 with their weights.
    pub fn points(self, n: usize) -> Vec<(f64, f64)> {
        let even = |shift: f64| {
            (0..n)
                .map(|i| ((i as f64 + shift) / n as f64, 1.0 / n as f64))
                .collect()
        };
        match self {
            Quadrature::GaussLegendre => gauss_legendre(n),
            Quadrature::Left => even(0.0),
            Quadrature::Middle => even(0.5),
            Quadrature::Right => even(1.0),
            Quadrature::Trapezoid => (0..n)
                .map(|i| {
                    let end = i == 0 || i + 1 == n;
                    let weight = if end { 0.5 } else { 1.0 } / n as f64;
                    (i as f64 / (n - 1).max(1) as f64, weight)
                })
                .collect(),
        }
    }
}

/// Nodes and weights on [0, 1], in rising order: zeros of the Legendre polynomial by Newton's method.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = (0..n)
        .map(|i| {
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (value, d) = legendre(n, x);
                slope = d;
                let step = value / d;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect();
    points.reverse();
    points
}

/// The Legendre polynomial of degree `n` and its derivative.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut now) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, now) = (now, ((2.0 * k - 1.0) * x * now - (k - 1.0) * before) / k);
    }
    (now, n as f64 * (x * now - before) / (x * x - 1.0))
}

/// Settings of [`integrated_gradients`].
#[derive(Debug, Clone, PartialEq)]
pub struct Integrated {
    /// Points on the path.
    pub steps: usize,
    /// Where they lie.
    pub quadrature: Quadrature,
    /// Where the path begins.
    pub baseline: Baseline,
}

impl Default for Integrated {
    fn default() -> Self {
        Integrated {
            steps: 50,
            quadrature: Quadrature::GaussLegendre,
            baseline: Baseline::Constant(0.0),
        }
    }
}

impl Integrated {
    fn validate(&self) -> Result<()> {
        if (1..=10_000).contains(&self.steps) {
            return Ok(());
        }
        Err(ExplainError::Setting {
            name: "steps",
            must: "from 1 to 10000",
            got: self.steps.to_string(),
        })
    }
}

/// Integrated gradients, `[n, c, h, w]`, and by how much each image's sum misses the difference of its logit
/// from the baseline's (the convergence delta).
///
/// # Errors
/// As [`Net::gradients`]; steps out of range.
pub fn integrated_gradients(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    settings: &Integrated,
) -> Result<(Tensor, Vec<f64>)> {
    settings.validate()?;
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    let points = settings.quadrature.points(settings.steps);
    let mut out = Tensor::zeros(&x.shape);
    let mut deltas = Vec::with_capacity(extent.n);
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = settings.baseline.values(row, extent)?;
        let path = between(row, &base, points.iter().map(|p| p.0));
        let goals = vec![targets[i]; points.len()];
        let gradients = net.gradients(&extent.batch(points.len(), path), &goals, Rule::Gradient)?;
        let map = &mut out.data[i * row.len()..(i + 1) * row.len()];
        for (gradient, (_, weight)) in gradients.data.chunks(row.len()).zip(&points) {
            map.iter_mut()
                .zip(gradient)
                .for_each(|(m, g)| *m += *weight as f32 * g);
        }
        let lengths = row.iter().zip(&base).map(|(x, b)| x - b);
        map.iter_mut().zip(lengths).for_each(|(m, d)| *m *= d);
        deltas.push(delta(net, extent, row, &base, targets[i], map)?);
    }
    Ok((out, deltas))
}

/// What the sum of a map misses of the difference between the logits of an image and its reference.
pub(crate) fn delta(
    net: &Net,
    extent: Extent,
    row: &[f32],
    base: &[f32],
    target: usize,
    map: &[f32],
) -> Result<f64> {
    let ends = [row, base];
    let scores = net.scores_of_changed(extent, target, 2, |i, image| {
        image.copy_from_slice(ends[i]);
    })?;
    let sum: f64 = map.iter().map(|&v| f64::from(v)).sum();
    Ok(sum - (scores[0] - scores[1]))
}

/// Images on the straight line from `base` to `row`.
fn between(row: &[f32], base: &[f32], places: impl Iterator<Item = f64>) -> Vec<f32> {
    places
        .flat_map(|a| {
            row.iter()
                .zip(base)
                .map(move |(x, b)| b + a as f32 * (x - b))
        })
        .collect()
}

/// Conductance of a layer's units, as captum's: along `steps + 1` points, the change of the unit from one to the
/// next times the gradient by the unit. Shape of the layer's activation; mean over the members.
///
/// # Errors
/// As [`Net::layers`]; steps out of range.
pub fn conductance(
    net: &Net,
    x: &Tensor,
    targets: &[usize],
    node: NodeId,
    settings: &Integrated,
) -> Result<Tensor> {
    settings.validate()?;
    let extent = Extent::of(x)?;
    net.check(extent, targets)?;
    let points = settings.quadrature.points(settings.steps + 1);
    let mut out: Option<Tensor> = None;
    for (i, row) in x.data.chunks(extent.row()).enumerate() {
        let base = settings.baseline.values(row, extent)?;
        let path = extent.batch(
            points.len(),
            between(row, &base, points.iter().map(|p| p.0)),
        );
        let layers = net.layers(&path, &vec![targets[i]; points.len()], node)?;
        for layer in &layers {
            let units = layer.activation.data.len() / points.len();
            let sum = out.get_or_insert_with(|| {
                let mut shape = layer.activation.shape.clone();
                shape[0] = extent.n;
                Tensor::zeros(&shape)
            });
            let map = &mut sum.data[i * units..(i + 1) * units];
            let share = 1.0 / layers.len() as f32;
            let (a, g) = (&layer.activation.data, &layer.gradient.data);
            for step in 0..settings.steps {
                for (u, m) in map.iter_mut().enumerate() {
                    let at = step * units + u;
                    *m += share * (a[at + units] - a[at]) * g[at];
                }
            }
        }
    }
    out.ok_or(ExplainError::NoMember)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_legendre_integrates_polynomials_exactly() {
        for n in [1, 2, 5, 50, 200] {
            let points = gauss_legendre(n);
            let integral = |p: i32| points.iter().map(|(x, w)| w * x.powi(p)).sum::<f64>();
            for p in 0..(2 * n as i32).min(20) {
                let exact = 1.0 / f64::from(p + 1);
                assert!((integral(p) - exact).abs() < 1e-12, "n {n}, power {p}");
            }
            assert!(points.windows(2).all(|w| w[0].0 < w[1].0));
        }
    }

    #[test]
    fn even_rules_lie_where_their_names_say() {
        let at = |q: Quadrature| q.points(2).into_iter().map(|p| p.0).collect::<Vec<_>>();
        assert_eq!(at(Quadrature::Left), vec![0.0, 0.5]);
        assert_eq!(at(Quadrature::Middle), vec![0.25, 0.75]);
        assert_eq!(at(Quadrature::Right), vec![0.5, 1.0]);
        assert_eq!(at(Quadrature::Trapezoid), vec![0.0, 1.0]);
    }
}
