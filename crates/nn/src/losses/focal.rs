//! Focal loss (Lin et al. 2017).

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
