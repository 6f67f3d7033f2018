//! Focal loss (Lin et al. 2017).

use super::softmax::log_shares;
use super::{Loss, sigmoid, softplus};

/// Mean sigmoid focal loss over the labelled elements; a negative `alpha` switches balancing off
/// (the convention of torchvision).
pub fn focal_with_logits(logits: &[f32], targets: &[f32], alpha: f64, gamma: f64) -> Loss {
    let labelled = targets.iter().filter(|t| !t.is_nan()).count().max(1) as f64;
    let mut value = 0.0;
    let mut grad = vec![0.0; logits.len()];
    for (i, (&z, &t)) in logits.iter().zip(targets).enumerate() {
        if t.is_nan() {
            continue;
        }
        let (z, t) = (f64::from(z), f64::from(t));
        let p = sigmoid(z);
        let ce = t * softplus(-z) + (1.0 - t) * softplus(z);
        let miss = 1.0 - (p * t + (1.0 - p) * (1.0 - t));
        let balance = if alpha >= 0.0 {
            alpha * t + (1.0 - alpha) * (1.0 - t)
        } else {
            1.0
        };
        let focus = miss.powf(gamma);
        value += balance * focus * ce;
        // d miss / d z = p (1 - p) (1 - 2 t), d ce / d z = p - t.
        let slope = if miss > 0.0 {
            gamma * miss.powf(gamma - 1.0)
        } else {
            0.0
        };
        let d = balance * (focus * (p - t) + slope * p * (1.0 - p) * (1.0 - 2.0 * t) * ce);
        grad[i] = (d / labelled) as f32;
    }
    Loss {
        value: value / labelled,
        grad,
    }
}

/// Mean focal loss over exclusive classes, `-(1 - p)^gamma ln p` with `p` the softmax share of the case's class; with `gamma` 0 it is
/// the cross entropy.
pub fn softmax_focal(logits: &[f32], targets: &[usize], classes: usize, gamma: f64) -> Loss {
    let n = targets.len().max(1) as f64;
    let mut value = 0.0;
    let mut grad = vec![0.0; logits.len()];
    for ((z, &target), g) in logits
        .chunks(classes)
        .zip(targets)
        .zip(grad.chunks_mut(classes))
    {
        let logs = log_shares(z);
        let (log_p, p) = (logs[target], logs[target].exp());
        let miss = 1.0 - p;
        value -= miss.powf(gamma) * log_p;
        // d value / d p times p; its first part is 0 where nothing is missed.
        let slope = if miss > 0.0 && gamma > 0.0 {
            gamma * miss.powf(gamma - 1.0) * p * log_p
        } else {
            0.0
        } - miss.powf(gamma);
        for (k, (g, log_k)) in g.iter_mut().zip(&logs).enumerate() {
            let hit = if k == target { 1.0 } else { 0.0 };
            *g = (slope * (hit - log_k.exp()) / n) as f32;
        }
    }
    Loss {
        value: value / n,
        grad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::cross_entropy;

    #[test]
    fn without_focus_it_is_the_cross_entropy_and_its_gradient_is_that_of_its_value() {
        let z = [0.3f32, -0.7, 1.9, 0.2, 0.0, -1.1];
        let plain = cross_entropy(&z, &[Some(2), Some(0)], 3);
        let focal = softmax_focal(&z, &[2, 0], 3, 0.0);
        assert!((plain.value - focal.value).abs() < 1e-9);
        for gamma in [0.0, 2.0, 5.0] {
            let got = softmax_focal(&z, &[2, 0], 3, gamma);
            for i in 0..6 {
                let moved = |by: f32| {
                    let mut z = z;
                    z[i] += by;
                    softmax_focal(&z, &[2, 0], 3, gamma).value
                };
                let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((f64::from(got.grad[i]) - slope).abs() < 1e-4, "{gamma} {i}");
            }
        }
        let sure = softmax_focal(&[60.0, 0.0], &[0], 2, 5.0);
        assert!(sure.value.abs() < 1e-9 && sure.grad.iter().all(|g| g.is_finite()));
    }
}
