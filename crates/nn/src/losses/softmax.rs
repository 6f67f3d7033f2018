//! Cross entropy over exclusive classes.

use super::Loss;

/// Mean softmax cross entropy; `targets` are class indices, `None` is not labelled.
pub fn cross_entropy(logits: &[f32], targets: &[Option<usize>], classes: usize) -> Loss {
    let labelled = targets.iter().flatten().count().max(1) as f64;
    let mut value = 0.0;
    let mut grad = vec![0.0; logits.len()];
    for ((z, target), g) in logits
        .chunks(classes)
        .zip(targets)
        .zip(grad.chunks_mut(classes))
    {
        let Some(target) = *target else { continue };
        let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f64> = z.iter().map(|&z| f64::from(z - top).exp()).collect();
        let total: f64 = exps.iter().sum();
        value += total.ln() - f64::from(z[target] - top);
        for (k, (g, e)) in g.iter_mut().zip(&exps).enumerate() {
            let hit = if k == target { 1.0 } else { 0.0 };
            *g = ((e / total - hit) / labelled) as f32;
        }
    }
    Loss {
        value: value / labelled,
        grad,
    }
}

/// Logarithms of the softmax shares of one row.
pub(super) fn log_shares(z: &[f32]) -> Vec<f64> {
    let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = z.iter().map(|&z| f64::from(z - top).exp()).sum();
    z.iter().map(|&z| f64::from(z - top) - total.ln()).collect()
}
