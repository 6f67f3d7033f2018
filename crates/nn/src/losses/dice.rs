//! Soft Dice loss.

use super::{Loss, sigmoid};

/// Soft Dice loss per sample and channel, then the mean (MONAI's `DiceLoss(sigmoid=True)`, smoothing
/// 1e-5 above and below). `logits` and `targets` are `[planes, pixels]`; a plane whose first target is
/// `NaN` is not labelled and is left out.
pub fn dice_with_logits(logits: &[f32], targets: &[f32], pixels: usize) -> Loss {
    const SMOOTH: f64 = 1e-5;
    let mut grad = vec![0.0; logits.len()];
    let labelled = targets
        .chunks(pixels)
        .filter(|t| !t[0].is_nan())
        .count()
        .max(1) as f64;
    let mut value = 0.0;
    for ((z, t), g) in logits
        .chunks(pixels)
        .zip(targets.chunks(pixels))
        .zip(grad.chunks_mut(pixels))
    {
        if t[0].is_nan() {
            continue;
        }
        let p: Vec<f64> = z.iter().map(|&z| sigmoid(f64::from(z))).collect();
        let overlap: f64 = p.iter().zip(t).map(|(p, &t)| p * f64::from(t)).sum();
        let mass: f64 = p.iter().zip(t).map(|(p, &t)| p + f64::from(t)).sum();
        let (num, den) = (2.0 * overlap + SMOOTH, mass + SMOOTH);
        value += 1.0 - num / den;
        for ((g, p), &t) in g.iter_mut().zip(&p).zip(t) {
            let d = -(2.0 * f64::from(t) * den - num) / (den * den);
            *g = (d * p * (1.0 - p) / labelled) as f32;
        }
    }
    Loss {
        value: value / labelled,
        grad,
    }
}
