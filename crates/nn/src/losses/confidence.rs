//! A penalty on confident probabilities (the margin control of FedLD, Zeng et al. 2024).

use super::Loss;

/// ln(1 + ‖P‖²) of the softmax probabilities P of a whole batch, and its gradient by the logits `[batch, class]`.
/// It is least when all classes are equally likely.
pub fn log_squared_confidence(logits: &[f32], classes: usize) -> Loss {
    let rows = || logits.chunks(classes).map(softmax);
    let square: f64 = rows().flatten().map(|p| p * p).sum();
    let mut grad = Vec::with_capacity(logits.len());
    for p in rows() {
        // By probability: 2 p / (1 + ‖P‖²); through the softmax: p (g - Σ g p).
        let mean: f64 = p.iter().map(|p| p * p).sum();
        grad.extend(
            p.iter()
                .map(|p| (2.0 * p * (p - mean) / (1.0 + square)) as f32),
        );
    }
    Loss {
        value: square.ln_1p(),
        grad,
    }
}

fn softmax(z: &[f32]) -> Vec<f64> {
    let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = z.iter().map(|&z| f64::from(z - top).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let z = [0.4_f32, -1.1, 0.7, 2.0, 0.1, -0.3];
        let loss = log_squared_confidence(&z, 3);
        for k in 0..z.len() {
            let at = |step: f32| {
                let mut moved = z;
                moved[k] += step;
                log_squared_confidence(&moved, 3).value
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(loss.grad[k])).abs() < 1e-4, "{k}");
        }
    }

    #[test]
    fn even_probabilities_are_cheapest_and_extreme_logits_stay_finite() {
        let even = log_squared_confidence(&[0.0, 0.0], 2);
        let sure = log_squared_confidence(&[1e4, -1e4], 2);
        assert!(even.value < sure.value && sure.value.is_finite());
        assert!(even.grad.iter().chain(&sure.grad).all(|g| g.abs() < 1e-9));
    }
}
