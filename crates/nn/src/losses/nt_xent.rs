//! NT-Xent: normalised temperature-scaled cross entropy of paired features (Chen et al. 2020, SimCLR, equation 1).

use super::Loss;

/// Shortest length that a feature vector is divided by.
const LEAST: f64 = 1e-8;

/// The loss of `2n` feature vectors of `width` values, the second half the partners of the first in the same order: the mean over all of
/// the cross entropy of finding its partner among the others by cosine similarity over `temperature`. The gradient is by the features
/// as they were given.
pub fn nt_xent(features: &[f32], width: usize, temperature: f64) -> Loss {
    let count = features.len() / width.max(1);
    let half = count / 2;
    if half == 0 {
        return Loss {
            value: 0.0,
            grad: vec![0.0; features.len()],
        };
    }
    let (units, lengths) = units(features, width);
    let dot =
        |i: usize, j: usize| -> f64 { units[i].iter().zip(&units[j]).map(|(a, b)| a * b).sum() };
    let mut value = 0.0;
    // Gradient by each similarity: share that the others get, less one for the partner.
    let mut by_similarity = vec![0.0; count * count];
    for i in 0..count {
        let partner = (i + half) % (2 * half);
        let scores: Vec<f64> = (0..count).map(|j| dot(i, j) / temperature).collect();
        let others = || (0..count).filter(|&j| j != i);
        let top = others()
            .map(|j| scores[j])
            .fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = others().map(|j| (scores[j] - top).exp()).sum();
        value -= scores[partner] - top - total.ln();
        for j in others() {
            let wanted = if j == partner { 1.0 } else { 0.0 };
            let share = (scores[j] - top).exp() / total;
            by_similarity[i * count + j] = (share - wanted) / (temperature * count as f64);
        }
    }
    let mut grad = Vec::with_capacity(features.len());
    for (i, (unit, length)) in units.iter().zip(&lengths).enumerate() {
        let mut by_unit = vec![0.0; width];
        for (j, other) in units.iter().enumerate() {
            let g = by_similarity[i * count + j] + by_similarity[j * count + i];
            by_unit.iter_mut().zip(other).for_each(|(d, u)| *d += g * u);
        }
        let along: f64 = by_unit.iter().zip(unit).map(|(d, u)| d * u).sum();
        let pairs = by_unit.iter().zip(unit);
        grad.extend(pairs.map(|(d, u)| ((d - along * u) / length) as f32));
    }
    Loss {
        value: value / count as f64,
        grad,
    }
}

/// Features of length one, and the lengths that they had.
fn units(features: &[f32], width: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    features
        .chunks_exact(width)
        .map(|row| {
            let length = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            let length = length.sqrt().max(LEAST);
            let unit = row.iter().map(|v| f64::from(*v) / length).collect();
            (unit, length)
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let z: Vec<f32> = (0..24).map(|i| ((i * 7) % 11) as f32 / 5.0 - 1.0).collect();
        for temperature in [0.5, 2.0] {
            let got = nt_xent(&z, 4, temperature);
            for i in 0..z.len() {
                let moved = |by: f32| {
                    let mut z = z.clone();
                    z[i] += by;
                    nt_xent(&z, 4, temperature).value
                };
                let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                let own = f64::from(got.grad[i]);
                assert!((own - slope).abs() < 1e-4, "{i}: {own} {slope}");
            }
        }
    }

    #[test]
    fn partners_that_are_alike_cost_less_and_length_does_not_count() {
        let alike = [1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0];
        let crossed = [1.0, 0.0, 0.0, 1.0, 0.0, 3.0, 2.0, 0.0];
        let a = nt_xent(&alike, 2, 2.0).value;
        // The partner scores 1 / 2, the two others 0.
        let expected = -(0.5f64.exp() / (0.5f64.exp() + 2.0)).ln();
        assert!((a - expected).abs() < 1e-9, "{a} {expected}");
        assert!(nt_xent(&crossed, 2, 2.0).value > a);
        assert_eq!(nt_xent(&[1.0, 2.0], 2, 2.0).value, 0.0);
    }
}
